//! How things look: on the terminal's own background, legible on dark and light.
//!
//! # The colours of names
//!
//! [`NAMES`] are twelve of the cube of 256 colours, which look the same in every terminal. They
//! are the set with the greatest least difference that a search found under these conditions, and
//! a test checks each of them:
//!
//! - On black, on a dark grey (`#1e1e1e`) and on white, each has a contrast of 3 at least (WCAG 2.2,
//!   for what is not small print; no colour has more than 4.6 on both black and white).
//! - Any two differ by 13 at least in CIEDE2000, and by 6.5 at least for people who lack one kind of
//!   cones (protanopia, deuteranopia, tritanopia; simulated as in Machado, Oliveira and Fernandes,
//!   2009). A difference of about 1 can be seen when the two lie side by side.
//!
//! A terminal that knows sixteen colours gets six hues of these. How they look is its user's
//! choice, so nothing can be checked there.

use chitty_app::status::Health;
use ratatui::style::{Color, Modifier, Style};

use super::{Depth, ascii};

/// The styles. Everything that a colour says is also said by a sign, a word or a modifier.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// The colours; `None` to use only modifiers (bold, dim, reverse).
    palette: Option<Palette>,
    /// Whether the program's own signs are ASCII.
    ascii: bool,
}

/// The colours. A background is never set, because the terminal's own is the one that is legible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// The colours of names, one or more.
    pub names: &'static [Color],
    /// A good state.
    pub good: Color,
    /// Waiting, and warnings.
    pub waiting: Color,
    /// Errors, and text beyond the limit.
    pub bad: Color,
    /// Matches of a search, in the messages or in the lines sent before.
    pub found: Color,
    /// Mentions of the user.
    pub mention: Color,
}

/// The colours of names in terminals that know 256 colours.
pub(crate) const NAMES: [Color; 12] = [
    Color::Indexed(105),
    Color::Indexed(202),
    Color::Indexed(30),
    Color::Indexed(170),
    Color::Indexed(130),
    Color::Indexed(97),
    Color::Indexed(65),
    Color::Indexed(132),
    Color::Indexed(103),
    Color::Indexed(129),
    Color::Indexed(138),
    Color::Indexed(95),
];

impl Palette {
    /// The terminal's sixteen colours, which its user has made legible. Names use each hue once,
    /// without dark blue, which is unreadable on black, and without dark red, which means trouble.
    pub const TERMINAL: Self = Self {
        names: &[
            Color::Green,
            Color::Yellow,
            Color::Magenta,
            Color::Cyan,
            Color::LightBlue,
            Color::LightRed,
        ],
        good: Color::Green,
        waiting: Color::Yellow,
        bad: Color::Red,
        found: Color::Yellow,
        mention: Color::Magenta,
    };

    /// The default palette for a terminal of this depth.
    pub const fn of(depth: Depth) -> Self {
        match depth {
            Depth::Sixteen => Self::TERMINAL,
            Depth::Indexed | Depth::Direct => Self {
                names: &NAMES,
                ..Self::TERMINAL
            },
        }
    }
}

/// The style of text that people read.
pub(super) const TEXT: Style = Style::new();
/// The style of everything around it.
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
/// The style of titles.
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
/// The style of the selected line.
pub(super) const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
/// The style of a hyperlink.
pub(super) const LINK: Style = Style::new().add_modifier(Modifier::UNDERLINED);

impl Theme {
    /// A theme with these colours, or with none.
    pub const fn of(palette: Option<Palette>) -> Self {
        Self {
            palette,
            ascii: false,
        }
    }

    /// The same theme with the program's own signs and frames in ASCII, or not.
    #[must_use]
    pub const fn in_ascii(self, ascii: bool) -> Self {
        Self { ascii, ..self }
    }

    pub(super) fn is_ascii(self) -> bool {
        self.ascii
    }

    /// The style for a participant's text, which stays as it is when the program's own signs become
    /// ASCII.
    pub(super) fn said(self, style: Style) -> Style {
        if self.ascii {
            style.add_modifier(ascii::SAID)
        } else {
            style
        }
    }

    /// The terminal's colours, or none.
    #[cfg(test)]
    pub(crate) fn new(colours: bool) -> Self {
        Self::of(colours.then_some(Palette::TERMINAL))
    }

    fn colour(self, pick: impl FnOnce(&Palette) -> Color) -> Style {
        coloured(self.palette.as_ref().map(pick))
    }

    /// The style of a name with the colour of this number.
    pub(super) fn name(self, hue: usize, own: bool) -> Style {
        let colour = |palette: &Palette| {
            let names = palette.names;
            names.get(hue % names.len().max(1)).copied()
        };
        let style = coloured(self.palette.as_ref().and_then(colour));
        if own || self.palette.is_none() {
            style.add_modifier(Modifier::BOLD)
        } else {
            style
        }
    }

    pub(super) fn error(self) -> Style {
        self.colour(|palette| palette.bad)
            .add_modifier(Modifier::BOLD)
    }

    pub(super) fn warning(self) -> Style {
        self.colour(|palette| palette.waiting)
            .add_modifier(Modifier::BOLD)
    }

    /// Text beyond what can be sent.
    pub(super) fn over(self) -> Style {
        self.colour(|palette| palette.bad)
            .add_modifier(Modifier::UNDERLINED)
    }

    /// What must not be overlooked.
    pub(super) fn loud(self) -> Style {
        self.colour(|palette| palette.waiting)
            .add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// The alarm.
    pub(super) fn alarm(self) -> Style {
        self.colour(|palette| palette.bad)
            .add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// A match of a search.
    pub(super) fn found(self) -> Style {
        self.colour(|palette| palette.found)
            .add_modifier(Modifier::REVERSED)
    }

    /// A mention of the user.
    pub(super) fn mention(self) -> Style {
        self.colour(|palette| palette.mention)
            .add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    pub(super) fn health(self, health: Health) -> Style {
        match health {
            Health::Good => self.colour(|palette| palette.good),
            Health::Waiting => self.colour(|palette| palette.waiting),
            Health::Bad => self.error(),
        }
    }
}

fn coloured(colour: Option<Color>) -> Style {
    colour.map_or(Style::new(), |colour| Style::new().fg(colour))
}

#[cfg(test)]
mod tests;
