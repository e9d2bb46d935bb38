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
}
