//! How any text is shown: made safe for a terminal, and measured in cells.
//!
//! Texts come from others and are stored as they came. Before a text is drawn, put into a title or
//! any other escape sequence, or written where people read it, it passes through [`safe`] or
//! [`safe_lines`]. The result of each rule is visible, so that no two texts look the same because
//! one of them hides something:
//!
//! - Control characters become their pictures (`␛`), C1 ones U+FFFD.
//! - What is hidden (bidirectional controls, zero-width and other format characters, tags, fillers,
//!   line and paragraph separators) becomes U+FFFD, one for one.
//! - A joiner or a variation selector stays where it does what it is for: inside of an emoji, and
//!   between letters that it joins or parts (RFC 5892, appendix A: Persian, Hindi).
//! - Of the marks on one character, those after the fourth become one U+FFFD; a mark with nothing
//!   before it gets a dotted circle to stand on, instead of what happens to be left of it.
//! - The halfwidth voiced sound marks of katakana become the full-width ones: ratatui takes two
//!   cells for them, terminals take one or none.

mod width;

use std::borrow::Cow;

pub use width::{graphemes, is_doubtful, widest, width};

use super::chars::{self, ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER};

/// Replaces what cannot be shown.
const SUBSTITUTE: char = char::REPLACEMENT_CHARACTER;
/// Carries a mark that has no character of its own.
const CARRIER: char = '\u{25CC}';
const TEXT_STYLE: char = '\u{FE0E}';
const EMOJI_STYLE: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';
/// The longest emoji in use join four; a terminal that draws the parts needs that many places.
const MAX_JOINERS: usize = 3;
/// Four spaces, as a tab has no width of its own.
const TAB: &str = "    ";
/// The three flags in use that are spelled with tags: England, Scotland, Wales.
const TAG_FLAGS: [&str; 3] = [
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}",
];

/// The text as a single line: newline and tab become their pictures (`␊`, `␉`).
///
/// Borrows the text if nothing has to change. Idempotent.
pub fn safe(text: &str) -> Cow<'_, str> {
    Cleaner::clean(text, false)
}

/// The text with its line breaks (`\n`) kept; a tab becomes four spaces.
///
/// Borrows the text if nothing has to change. Idempotent.
pub fn safe_lines(text: &str) -> Cow<'_, str> {
    Cleaner::clean(text, true)
}

/// How one character is shown.
enum DisplayChar {
    As,
    Instead(char),
    Tab,
    OnCarrier,
    Nothing,
}

/// The state that the characters so far leave for the next one.
#[derive(Default)]
struct Cleaner {
    lines: bool,
    /// The last character shown.
    last: Option<char>,
    /// The last character that was neither a mark nor a joiner or selector that was kept.
    base: Option<char>,
    /// How many marks are on `base`. One more than allowed means that the rest is dropped.
    marks: usize,
    /// Whether a joiner can add another emoji to the last one.
    pictograph: bool,
    joiners: usize,
}

impl Cleaner {
    fn clean(text: &str, lines: bool) -> Cow<'_, str> {
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Cow::Borrowed(text);
        }
        let mut cleaner = Self {
            lines,
            ..Self::default()
        };
        let mut changed: Option<String> = None;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let done = text.len() - rest.len();
            if let Some(flag) = TAG_FLAGS.iter().find(|flag| rest.starts_with(**flag)) {
                cleaner.start(c);
                // No joiner can add anything to a flag of this kind.
                cleaner.pictograph = false;
                if let Some(out) = &mut changed {
                    out.push_str(flag);
                }
                rest = &rest[flag.len()..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            let shown = cleaner.show(c, rest.chars().next());
            if changed.is_none() && !matches!(shown, DisplayChar::As) {
                changed = Some(text[..done].to_owned());
            }
            if let Some(out) = &mut changed {
                match shown {
                    DisplayChar::As => out.push(c),
                    DisplayChar::Instead(instead) => out.push(instead),
                    DisplayChar::Tab => out.push_str(TAB),
                    DisplayChar::OnCarrier => out.extend([CARRIER, c]),
                    DisplayChar::Nothing => {}
                }
            }
        }
        changed.map_or(Cow::Borrowed(text), Cow::Owned)
    }

    fn show(&mut self, c: char, next: Option<char>) -> DisplayChar {
        match c {
            '\n' if self.lines => {
                *self = Self {
                    lines: true,
                    ..Self::default()
                };
                DisplayChar::As
            }
            '\t' if self.lines => {
                self.start(' ');
                DisplayChar::Tab
            }
            _ if c.is_control() => self.instead(picture(c)),
            ZERO_WIDTH_JOINER if self.joins_emoji(next) => {
                self.joiners += 1;
                self.last = Some(c);
                DisplayChar::As
            }
            ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER
                if chars::joiner_is_due(c, (self.last, self.base), next) =>
            {
                self.last = Some(c);
                DisplayChar::As
            }
            TEXT_STYLE | EMOJI_STYLE if self.selects(c, next) => {
                self.last = Some(c);
                DisplayChar::As
            }
            '\u{FF9E}' => self.instead('\u{309B}'),
            '\u{FF9F}' => self.instead('\u{309C}'),
            _ if chars::is_hidden(c) => self.instead(SUBSTITUTE),
            _ if chars::is_mark(c) => self.mark(c),
            _ if width::of_char(c) == 0 => self.jamo(c),
            _ => {
                self.start(c);
                DisplayChar::As
            }
        }
    }

    /// Begins a new base character.
    fn start(&mut self, c: char) {
        let joined = self.last == Some(ZERO_WIDTH_JOINER) && self.pictograph;
        if chars::is_emoji_modifier(c) && self.pictograph {
            self.last = Some(c);
            return;
        }
        self.pictograph = chars::is_pictograph(c);
        if !joined {
            self.joiners = 0;
        }
        self.base = Some(c);
        self.last = Some(c);
        self.marks = 0;
    }

    fn instead(&mut self, c: char) -> DisplayChar {
        self.start(c);
        DisplayChar::Instead(c)
    }

    fn mark(&mut self, c: char) -> DisplayChar {
        self.pictograph = false;
        if self.base.is_none() {
            self.start(CARRIER);
            self.marks = 1;
            self.last = Some(c);
            return DisplayChar::OnCarrier;
        }
        self.marks += 1;
        if self.marks > chars::MAX_MARKS + 1 {
            return DisplayChar::Nothing;
        }
        if self.marks > chars::MAX_MARKS {
            self.last = Some(SUBSTITUTE);
            return DisplayChar::Instead(SUBSTITUTE);
        }
        self.last = Some(c);
        DisplayChar::As
    }

    /// Shows a Hangul vowel or final consonant, which is drawn only as part of a syllable, or
    /// another character without width that is not a mark.
    fn jamo(&mut self, c: char) -> DisplayChar {
        if self
            .last
            .is_some_and(|last| chars::continues_syllable(last, c))
            && self.marks < chars::MAX_MARKS
        {
            self.marks += 1;
            self.last = Some(c);
            DisplayChar::As
        } else {
            self.instead(SUBSTITUTE)
        }
    }

    fn joins_emoji(&self, next: Option<char>) -> bool {
        self.pictograph
            && self.last != Some(ZERO_WIDTH_JOINER)
            && self.joiners < MAX_JOINERS
            && next.is_some_and(chars::is_pictograph)
    }

    fn selects(&self, selector: char, next: Option<char>) -> bool {
        self.last.is_some_and(|last| {
            chars::is_emoji(last)
                && (!last.is_ascii() || (selector == EMOJI_STYLE && next == Some(KEYCAP)))
        })
    }
}

/// The picture of a control character.
fn picture(control: char) -> char {
    match u32::from(control) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or(SUBSTITUTE),
        0x7f => '\u{2421}',
        _ => SUBSTITUTE,
    }
}

#[cfg(test)]
mod tests;
