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

use ratatui::style::{Color, Modifier, Style};

use super::{Depth, glyphs};
use crate::app::status::Health;

/// The styles. Whatever a colour says is also said by a sign, a word or a modifier.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// `None`: without colours; modifiers (bold, dim, reverse) stay.
    palette: Option<Palette>,
    /// The program's own signs are ASCII.
    ascii: bool,
}

/// The colours. A background is never set: the terminal's own is the one that is legible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// For names, one or more; who is present has one of them.
    pub names: &'static [Color],
    /// All is well.
    pub good: Color,
    /// It takes a moment, or wants to be looked at.
    pub waiting: Color,
    /// It does not work, or goes too far.
    pub bad: Color,
    /// What is searched for, in what was said or in the lines that one sent.
    pub found: Color,
    /// The user is spoken to.
    pub mention: Color,
}

/// For names, in terminals that know 256 colours.
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
    /// The terminal's sixteen, which its user has made legible. For names each hue once, without
    /// dark blue, which is unreadable on black, and without dark red, which means trouble.
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

    /// What a terminal of this depth shows unless the user wants something else.
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

/// What people read.
pub(super) const TEXT: Style = Style::new();
/// What stands around it.
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
/// Titles.
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
/// The selected line.
pub(super) const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
/// An address that can be opened.
pub(super) const LINK: Style = Style::new().add_modifier(Modifier::UNDERLINED);

impl Theme {
    /// These colours, or none.
    pub const fn of(palette: Option<Palette>) -> Self {
        Self {
            palette,
            ascii: false,
        }
    }

    /// With the program's own signs and frames in ASCII, or not.
    #[must_use]
    pub const fn in_ascii(self, ascii: bool) -> Self {
        Self { ascii, ..self }
    }

    pub(super) fn is_ascii(self) -> bool {
        self.ascii
    }

    /// In this style, what a person wrote: it stays as it is where the program's own signs do not.
    pub(super) fn said(self, style: Style) -> Style {
        if self.ascii {
            style.add_modifier(glyphs::SAID)
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

    /// How a name looks that has this colour, by its number among those of names.
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

    /// What is wrong for as long as it is on screen.
    pub(super) fn alarm(self) -> Style {
        self.colour(|palette| palette.bad)
            .add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// What is searched for.
    pub(super) fn found(self) -> Style {
        self.colour(|palette| palette.found)
            .add_modifier(Modifier::REVERSED)
    }

    /// The user is spoken to.
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
