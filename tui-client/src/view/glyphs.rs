//! Text from outside, as it may be shown: nothing reaches the screen but through here. And the signs
//! of the program itself, as ASCII has them.

use std::{borrow::Cow, ops::Range};

use ratatui::{buffer::Buffer, style::Modifier};

pub(crate) use chitty_chat::text::display::{
    graphemes, is_doubtful, safe, safe_lines, widest, width,
};

/// The character of ASCII that stands for a sign of the program: one cell for one, so that nothing
/// else on the screen moves.
fn ascii(sign: char) -> Option<char> {
    Some(match sign {
        '─' | '━' | '┄' | '┅' | '┈' | '┉' | '═' | '·' | '–' | '—' | '−' => '-',
        '╌' | '╍' => '.',
        '│' | '┃' | '┆' | '┇' | '┊' | '┋' | '╎' | '╏' | '║' => '|',
        '\u{2500}'..='\u{257f}' => '+',
        '←' | '◄' | '◀' | '‹' => '<',
        '→' | '►' | '▶' | '›' => '>',
        '↑' | '▲' => '^',
        '↓' | '▼' => 'v',
        '●' | '•' => '*',
        '◉' => '@',
        '◇' | '◆' => '%',
        '○' | '◌' => 'o',
        '✗' | '×' => 'x',
        '✓' => 'y',
        '∥' | '↔' => '=',
        '⏎' => '$',
        '…' => '~',
        '⚠' => '!',
        _ => return None,
    })
}

/// What a person wrote, while a frame is drawn in ASCII: no style of this program hides text, so
/// that this is free to say it. The frame's end takes it away.
pub(super) const SAID: Modifier = Modifier::HIDDEN;

/// The end of a frame in ASCII: the program's own signs become what stands for them.
pub(super) fn in_ascii(frame: &mut Buffer) {
    for cell in &mut frame.content {
        if cell.modifier.contains(SAID) {
            cell.modifier.remove(SAID);
        } else if cell.symbol().len() > 1
            && let Some(sign) = cell.symbol().chars().next().and_then(ascii)
        {
            cell.set_char(sign);
        }
    }
}

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

/// The range, in bytes, with the graphemes whole that it begins and ends in. `text` begins at byte
/// `start` of what the range is in.
pub(crate) fn whole(text: &str, start: usize, range: Range<usize>) -> Range<usize> {
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
