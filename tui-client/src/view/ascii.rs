//! The ASCII forms of the program's own signs.

use ratatui::{buffer::Buffer, style::Modifier};

/// The ASCII character for a sign of the program. Each has one cell, so that nothing else on the
/// screen moves.
fn ascii(sign: char) -> Option<char> {
    Some(match sign {
        '─' | '━' | '┄' | '┅' | '┈' | '┉' | '═' | '·' | '–' | '—' | '−' => '-',
        '╌' | '╍' | '◌' => '.',
        '│' | '┃' | '┆' | '┇' | '┊' | '┋' | '╎' | '╏' | '║' => '|',
        '\u{2500}'..='\u{257f}' => '+',
        '←' | '◄' | '◀' | '‹' => '<',
        '→' | '►' | '▶' | '›' => '>',
        '↑' | '▲' => '^',
        '↓' | '▼' => 'v',
        '●' | '•' => '*',
        '◉' => '@',
        '◇' | '◆' => '%',
        '○' => 'o',
        '✗' | '×' => 'x',
        '✓' => 'y',
        '∥' => '=',
        '↔' => '&',
        '⏎' => '$',
        '…' => '~',
        '⚠' => '!',
        _ => return None,
    })
}

/// Marks text of a participant while a frame is drawn for ASCII. No style of this program hides
/// text, so the modifier is free for it; the end of the frame removes it.
pub(crate) const SAID: Modifier = Modifier::HIDDEN;

/// Replaces the program's own signs by ASCII at the end of a frame.
pub(crate) fn in_ascii(frame: &mut Buffer) {
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

#[cfg(test)]
mod tests {
    /// What means one thing in one place is one character, and no other thing there.
    #[test]
    fn signs_that_stand_side_by_side_are_told_apart_in_ascii() {
        for signs in ["∥↔→←", "◉◌●○◇", "…✗⏎✓▼▲"] {
            let mut ascii: Vec<_> = signs.chars().map(super::ascii).collect();
            ascii.sort_unstable();
            ascii.dedup();
            assert_eq!(ascii.len(), signs.chars().count(), "{signs}");
        }
    }
}
