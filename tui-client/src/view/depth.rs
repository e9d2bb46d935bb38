//! How many colours a terminal knows, and how other colours are replaced.

use anstyle::{Ansi256Color, AnsiColor, RgbColor};
use ratatui::style::Color;

/// How many colours a terminal knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The sixteen colours whose look the user has chosen.
    Sixteen,
    /// 256 colours: the sixteen, a cube of 216 and 24 greys; all but the sixteen look the same
    /// everywhere.
    Indexed,
    /// All colours, by red, green and blue.
    Direct,
}

/// Terminals that know 256 colours without saying so in `TERM`. GNU screen and tmux translate
/// colours that the terminal around them does not know.
const INDEXED: [&str; 15] = [
    "alacritty",
    "contour",
    "foot",
    "gnome",
    "iterm",
    "konsole",
    "mintty",
    "mlterm",
    "putty",
    "rio",
    "screen",
    "st",
    "tmux",
    "vte",
    "wezterm",
];

impl Depth {
    /// The depth according to the variables `COLORTERM`, `TERM` and `TMUX`.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name| variable(name).unwrap_or_default();
        let term = variable("TERM");
        let direct = matches!(variable("COLORTERM").as_str(), "truecolor" | "24bit");
        if direct || term.contains("direct") {
            return Self::Direct;
        }
        let (name, kind) = term.split_once('-').unwrap_or((&term, ""));
        let old = ["16color", "8color", "88color", "color", "mono", "r5", "r6"];
        let known = INDEXED.contains(&name) || name == "xterm";
        if term.contains("256") || !variable("TMUX").is_empty() || (known && !old.contains(&kind)) {
            Self::Indexed
        } else {
            Self::Sixteen
        }
    }

    /// The nearest colour that the terminal knows.
    pub fn nearest(self, colour: Color) -> Color {
        match (self, colour) {
            (Self::Indexed, Color::Rgb(red, green, blue)) => {
                let Ansi256Color(index) = anstyle_lossy::rgb_to_xterm(RgbColor(red, green, blue));
                Color::Indexed(index)
            }
            (Self::Sixteen, Color::Rgb(red, green, blue)) => {
                sixteen(anstyle_lossy::rgb_to_ansi(RgbColor(red, green, blue), VGA))
            }
            (Self::Sixteen, Color::Indexed(index @ 16..)) => {
                sixteen(anstyle_lossy::xterm_to_ansi(Ansi256Color(index), VGA))
            }
            (_, known) => known,
        }
    }
}

const VGA: anstyle_lossy::palette::Palette = anstyle_lossy::palette::VGA;

fn sixteen(colour: AnsiColor) -> Color {
    Color::Indexed(Ansi256Color::from_ansi(colour).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(term: &str, others: &[(&str, &str)]) -> Depth {
        let of = |name: &str| {
            let others = others.iter().find(|(other, _)| *other == name);
            others.map(|(_, value)| (*value).to_owned())
        };
        Depth::of(|name| match name {
            "TERM" => Some(term.to_owned()),
            name => of(name),
        })
    }

    #[test]
    fn a_terminal_is_known_by_its_names() {
        for term in [
            "xterm-256color",
            "xterm",
            "xterm-kitty",
            "screen",
            "screen.xterm-256color",
            "tmux",
            "foot",
            "alacritty",
            "rxvt-unicode-256color",
        ] {
            assert_eq!(depth(term, &[]), Depth::Indexed, "{term}");
        }
        for term in ["linux", "vt100", "", "xterm-16color", "xterm-color", "ansi"] {
            assert_eq!(depth(term, &[]), Depth::Sixteen, "{term}");
        }
        assert_eq!(depth("linux", &[("COLORTERM", "truecolor")]), Depth::Direct);
        assert_eq!(depth("xterm-direct", &[]), Depth::Direct);
        assert_eq!(
            depth("linux", &[("TMUX", "/tmp/tmux-0/default,1,0")]),
            Depth::Indexed
        );
    }

    #[test]
    fn no_colour_is_asked_for_that_the_terminal_does_not_know() {
        let orange = Color::Rgb(255, 136, 0);
        assert_eq!(Depth::Direct.nearest(orange), orange);
        assert_eq!(Depth::Indexed.nearest(orange), Color::Indexed(208));
        for colour in [orange, Color::Indexed(208)] {
            let Color::Indexed(0..16) = Depth::Sixteen.nearest(colour) else {
                panic!("{colour} is none of the sixteen");
            };
        }
        assert_eq!(Depth::Sixteen.nearest(Color::Green), Color::Green);
        assert_eq!(
            Depth::Sixteen.nearest(Color::Indexed(12)),
            Color::Indexed(12)
        );
    }
}
