//! Text from outside, as it may be shown: nothing reaches the screen but through here.

use std::borrow::Cow;

pub(crate) use chitty_chat::text::display::{graphemes, safe, safe_lines, width};

/// As much of a text as fits into `columns`, with an ellipsis where it was cut.
pub(crate) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut fitted = String::new();
    let mut used = 0;
    for (grapheme, width) in graphemes(text) {
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

/// What is shown of a line being edited, in a field of so many columns: scrolled so that the caret
/// is in it. Returns the text, which is safe, and the caret's column.
pub(crate) fn field((before, after): (&str, &str), columns: usize) -> (String, usize) {
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
    fn the_caret_stays_in_its_field() {
        assert_eq!(field(("abc", "def"), 10), ("abcdef".into(), 3));
        assert_eq!(field(("abcdef", "g"), 4), ("defg".into(), 3));
        assert_eq!(field(("日本語", ""), 4), ("語".into(), 2));
        assert_eq!(field(("abc", ""), 0), (String::new(), 0));
    }
}
