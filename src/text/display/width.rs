//! How many cells of a terminal a text takes.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::super::chars::is_emoji;

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

/// Whether terminals disagree on how many cells a grapheme takes: because they place each of its
/// characters by itself, or know an older Unicode, or an emoji as text. `ambiguous_is_wide`: they may
/// also take two cells for what East Asian fonts draw so (UAX #11, ambiguous).
pub fn is_doubtful(grapheme: &str, ambiguous_is_wide: bool) -> bool {
    if grapheme.len() == 1 {
        return false;
    }
    let mut chars = grapheme.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else {
        return true;
    };
    if ambiguous_is_wide && c.width_cjk() != c.width() {
        return true;
    }
    match c {
        // Letters of alphabets, and what frames are made of: the common cases, decided quickly.
        '\0'..='¨' | 'ª'..='\u{ad}' | '¯'..'\u{1100}' | '\u{2500}'..='\u{257f}' => false,
        // What stands for what cannot be shown; and what is not assigned for good, or not for long.
        '\u{fffd}' | '\u{e000}'..='\u{f8ff}' | '\u{10000}'.. => true,
        _ => of_char(c) != 1 || is_emoji(c),
    }
}

/// The most cells that a grapheme takes in a terminal that places each of its characters by itself,
/// even marks.
pub fn widest(grapheme: &str) -> usize {
    grapheme
        .chars()
        .map(|c| c.width_cjk().unwrap_or(0).max(1))
        .sum()
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
