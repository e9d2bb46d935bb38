//! Where words begin and end.

use crate::view::glyphs;

/// The end of the word at or behind this byte.
pub(super) fn end(text: &str, at: usize) -> usize {
    let mut place = at;
    let mut within = false;
    for (grapheme, _) in glyphs::graphemes(&text[at..]) {
        match (is_word(grapheme), within) {
            (false, true) => break,
            (word, _) => within = word,
        }
        place += grapheme.len();
    }
    place
}

/// The start of the word before this byte.
pub(super) fn start(text: &str, at: usize) -> usize {
    back(text, at, is_word)
}

/// The start of what stands between spaces before this byte.
pub(super) fn spaced_start(text: &str, at: usize) -> usize {
    back(text, at, |grapheme| {
        !grapheme.starts_with(char::is_whitespace)
    })
}

fn back(text: &str, at: usize, is_word: impl Fn(&str) -> bool) -> usize {
    let (mut place, mut before) = (0, false);
    let mut begin = 0;
    for (grapheme, _) in glyphs::graphemes(&text[..at]) {
        let word = is_word(grapheme);
        if word && !before {
            begin = place;
        }
        before = word;
        place += grapheme.len();
    }
    begin
}

fn is_word(grapheme: &str) -> bool {
    grapheme.starts_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits() {
        let text = "  foo-bar e\u{301}té!";
        assert_eq!(end(text, 0), 5);
        assert_eq!(end(text, 5), 9);
        assert_eq!(end(text, 9), text.len() - 1);
        assert_eq!(end(text, text.len()), text.len());
        assert_eq!(start(text, text.len()), 10);
        assert_eq!(start(text, 9), 6);
        assert_eq!(start(text, 8), 6);
        assert_eq!(start(text, 2), 0);
        assert_eq!(spaced_start(text, 9), 2);
        assert_eq!(spaced_start(text, 10), 2);
    }
}
