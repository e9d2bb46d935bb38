//! How things look: the terminal's own colours on its own background, legible on dark and light.

use ratatui::style::{Color, Modifier, Style};

use crate::app::status::Health;

/// The styles. Whatever a colour says is also said by a sign or a word.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    colours: bool,
}

/// For names: without blue, which is unreadable on black, without the extremes, and without red,
/// which means trouble.
const NAMES: [Color; 5] = [
    Color::Green,
    Color::Yellow,
    Color::Magenta,
    Color::Cyan,
    Color::LightMagenta,
];

/// What people read.
pub(super) const TEXT: Style = Style::new();
/// What stands around it.
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
/// Titles.
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

impl Theme {
    /// With or without colours; modifiers (bold, dim, reverse) stay either way.
    pub const fn new(colours: bool) -> Self {
        Self { colours }
    }

    fn colour(self, colour: Color) -> Style {
        if self.colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    /// The same name has the same colour on every screen.
    pub(super) fn name(self, name: &str, own: bool) -> Style {
        // FNV-1a, whose result no release of Rust changes.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let index = usize::try_from(hash >> 32).unwrap_or(0) % NAMES.len();
        let style = self.colour(NAMES[index]);
        if own || !self.colours {
            style.add_modifier(Modifier::BOLD)
        } else {
            style
        }
    }

    pub(super) fn error(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn warning(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// Text beyond what can be sent.
    pub(super) fn over(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::UNDERLINED)
    }

    /// What was looked for.
    pub(super) fn found(self) -> Style {
        self.colour(Color::Yellow)
            .add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }

    /// What must not be overlooked.
    pub(super) fn loud(self) -> Style {
        self.colour(Color::Yellow)
            .add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    pub(super) fn health(self, health: Health) -> Style {
        match health {
            Health::Good => self.colour(Color::Green),
            Health::Waiting => self.colour(Color::Yellow),
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
