//! Word boundaries that tui-input does not offer: see [`super::draft`].

use unicode_segmentation::UnicodeSegmentation as _;

/// The end of the word at or after this byte.
///
/// A word is defined as in tui-input: a piece between Unicode word boundaries (UAX #29) that
/// contains more than white space and ASCII punctuation.
pub(super) fn end(text: &str, at: usize) -> usize {
    text.split_word_bound_indices()
        .map(|(start, piece)| (start + piece.len(), piece))
        .find(|&(end, piece)| end > at && is_word(piece))
        .map_or(text.len(), |(end, _)| end)
}

/// The start of the text between the last space before this byte and the byte.
pub(super) fn spaced_start(text: &str, at: usize) -> usize {
    let before = text[..at].trim_end();
    before.rfind(char::is_whitespace).map_or(0, |space| {
        space + before[space..].chars().next().map_or(0, char::len_utf8)
    })
}

fn is_word(piece: &str) -> bool {
    piece
        .chars()
        .any(|c| !c.is_whitespace() && !c.is_ascii_punctuation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_their_boundaries() {
        let text = "  foo-bar e\u{301}té!";
        assert_eq!(end(text, 0), 5);
        assert_eq!(end(text, 5), 9);
        assert_eq!(end(text, 9), text.len() - 1);
        assert_eq!(end(text, text.len() - 1), text.len());
        assert_eq!(end(text, text.len()), text.len());
        assert_eq!(end("can't, it", 0), 5, "an apostrophe is within a word");
        assert_eq!(spaced_start(text, 9), 2);
        assert_eq!(spaced_start(text, 10), 2);
        assert_eq!(spaced_start(text, 2), 0);
    }
}
