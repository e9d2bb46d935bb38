//! How things look: the terminal's own colours on its own background, legible on dark and light.

use ratatui::style::{Color, Modifier, Style};

use super::glyphs;
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
    /// For names: each has one of them.
    pub names: [Color; 5],
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

impl Palette {
    /// The terminal's sixteen, which its user has made legible. For names without blue, which is
    /// unreadable on black, without the extremes, and without red, which means trouble.
    pub const TERMINAL: Self = Self {
        names: [
            Color::Green,
            Color::Yellow,
            Color::Magenta,
            Color::Cyan,
            Color::LightMagenta,
        ],
        good: Color::Green,
        waiting: Color::Yellow,
        bad: Color::Red,
        found: Color::Yellow,
        mention: Color::Magenta,
    };
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
        let colour = self.palette.as_ref().map(pick);
        colour.map_or(Style::new(), |colour| Style::new().fg(colour))
    }

    /// The same name has the same colour on every screen.
    pub(super) fn name(self, name: &str, own: bool) -> Style {
        // FNV-1a, whose result no release of Rust changes.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let index = usize::try_from(hash >> 32).unwrap_or(0);
        let style = self.colour(|palette| palette.names[index % palette.names.len()]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_there_are_none() {
        let theme = Theme::new(false);
        let styles = [
            theme.name("ada", false),
            theme.error(),
            theme.warning(),
            theme.over(),
            theme.loud(),
            theme.health(Health::Bad),
            theme.health(Health::Good),
        ];
        assert!(
            styles
                .iter()
                .all(|style| style.fg.is_none() && style.bg.is_none())
        );
    }

    #[test]
    fn a_name_keeps_its_colour() {
        let theme = Theme::new(true);
        assert_eq!(theme.name("ada", false), theme.name("ada", false));
        let colours: std::collections::HashSet<_> =
            ["ada", "bob", "eve", "kim", "lin", "max", "zoe"]
                .map(|name| theme.name(name, false).fg)
                .into();
        assert!(colours.len() > 2);
    }
}
