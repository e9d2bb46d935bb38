//! How many cells of a terminal a text takes.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many cells a text takes on the screen, as ratatui draws it: by grapheme, without those that
/// hold control characters.
///
/// The one measure of this project; nothing else counts cells.
pub fn width(text: &str) -> usize {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.len();
    }
    graphemes(text).map(|(_, width)| width).sum()
}

/// The graphemes of a text, which the cursor moves by, each with its cells.
pub fn graphemes(text: &str) -> impl DoubleEndedIterator<Item = (&str, usize)> {
    text.graphemes(true)
        .map(|grapheme| (grapheme, of_grapheme(grapheme)))
}

/// The cells of one character by itself.
pub(super) fn of_char(c: char) -> usize {
    c.width().unwrap_or(0)
}

fn of_grapheme(grapheme: &str) -> usize {
    if grapheme.len() == 1 {
        return usize::from(!grapheme.as_bytes()[0].is_ascii_control());
    }
    if grapheme.contains(char::is_control) {
        return 0;
    }
    grapheme.width() + grapheme.chars().map(halfwidth_sound_mark).sum::<usize>()
}

/// What ratatui adds for the halfwidth (semi-)voiced sound marks, which older versions of
/// unicode-width took for combining. Texts made safe for display have none of them.
fn halfwidth_sound_mark(c: char) -> usize {
    usize::from(matches!(c, '\u{FF9E}' | '\u{FF9F}'))
}
