//! Text from outside in a form that may be shown, which all text on the screen has to pass.

use std::{borrow::Cow, ops::Range};

pub use chitty_chat::text::display::{graphemes, is_doubtful, safe, safe_lines, widest, width};

/// As much of a text as fits into `columns`, with an ellipsis if it was cut.
pub fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut fitted = String::new();
    let mut used = 0;
    for (grapheme, width) in graphemes(text) {
        // One column is kept for the ellipsis.
        used += width;
        if used + 1 > columns {
            break;
        }
        fitted.push_str(grapheme);
    }
    if columns > 0 {
        fitted.push('…');
    }
    Cow::Owned(fitted)
}

/// Extends a range, in bytes, to whole graphemes. `text` begins at byte `start` of the text that
/// the range refers to.
pub fn whole(text: &str, start: usize, range: Range<usize>) -> Range<usize> {
    let mut whole = range.clone();
    let mut at = start;
    for (grapheme, _) in graphemes(text) {
        let end = at + grapheme.len();
        if at < range.start && range.start < end {
            whole.start = at;
        }
        if at < range.end && range.end < end {
            whole.end = end;
        }
        at = end;
    }
    whole
}

/// The visible part of an edited line in a field of this many columns, scrolled so that it contains
/// the caret. Returns the safe text and the caret's column.
pub fn field((before, after): (&str, &str), columns: usize) -> (String, usize) {
    let mut before = safe(before).into_owned();
    while width(&before) >= columns.max(1) {
        let first = graphemes(&before)
            .next()
            .map_or(0, |(first, _)| first.len());
        before.drain(..first);
    }
    let caret = width(&before);
    (before + &safe(after), caret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_shown_and_never_too_wide() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("日本", 4), "日本");
        assert_eq!(fit("日本", 0), "");
    }

    #[test]
    fn a_range_takes_whole_graphemes() {
        let text = "aខ្មែរ";
        assert_eq!(whole(text, 0, 1..4), 1..13);
        assert_eq!(whole(text, 0, 0..1), 0..1);
        assert_eq!(whole(text, 7, 11..20), 8..20);
        assert_eq!(whole("abc", 0, 1..2), 1..2);
    }

    #[test]
    fn the_caret_stays_in_its_field() {
        assert_eq!(field(("abc", "def"), 10), ("abcdef".into(), 3));
        assert_eq!(field(("abcdef", "g"), 4), ("defg".into(), 3));
        assert_eq!(field(("日本語", ""), 4), ("語".into(), 2));
        assert_eq!(field(("abc", ""), 0), (String::new(), 0));
    }
}
