//! Text from outside, as it may be shown: nothing reaches the screen but through here. And the signs
//! of the program itself, as ASCII has them.

use std::borrow::Cow;

use ratatui::{buffer::Buffer, style::Modifier};

pub(crate) use chitty_chat::text::display::{
    graphemes, is_doubtful, safe, safe_lines, widest, width,
};

/// The signs that the program draws, each with the character of ASCII that stands for it: one cell
/// for one, so that nothing else on the screen moves.
const SIGNS: [(char, char); 38] = [
    // Frames and lines.
    ('─', '-'),
    ('│', '|'),
    ('╌', '.'),
    ('┃', '|'),
    ('╭', '+'),
    ('╮', '+'),
    ('╰', '+'),
    ('╯', '+'),
    ('┴', '+'),
    ('┬', '+'),
    ('├', '+'),
    ('┤', '+'),
    ('┼', '+'),
    ('└', '+'),
    ('┘', '+'),
    ('┌', '+'),
    ('┐', '+'),
    // Arrows.
    ('←', '<'),
    ('◄', '<'),
    ('→', '>'),
    ('►', '>'),
    ('›', '>'),
    ('↑', '^'),
    ('▲', '^'),
    ('↓', 'v'),
    ('▼', 'v'),
    // States and marks.
    ('●', '*'),
    ('○', 'o'),
    ('◇', '%'),
    ('◉', '@'),
    ('◌', 'o'),
    ('✗', 'x'),
    ('✓', 'y'),
    ('∥', '='),
    ('↔', '='),
    ('…', '~'),
    ('·', '-'),
    ('⏎', '$'),
];

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

fn ascii(sign: char) -> Option<char> {
    let found = SIGNS.iter().find(|(known, _)| *known == sign);
    found.map(|(_, ascii)| *ascii)
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
