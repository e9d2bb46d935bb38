//! The configuration file, which supplies what the command line and the environment do not.

mod keys;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use chitty_app::{keys::Keymap, options::Options};
use chitty_chat::{files, text::display};
use etcetera::BaseStrategy as _;
use ratatui::style::Color;
use serde::Deserialize;
use thiserror::Error;

use crate::{
    cli,
    launch::ServerUrl,
    view::{Depth, Palette},
};

/// The example of everything but the key bindings, which have a table of their own.
const EXAMPLE: &str = include_str!("config/example.toml");

/// An example file with every key, its default and its purpose.
pub fn example() -> String {
    format!("{EXAMPLE}\n{}", keys::example())
}

/// The name of this program's folder in the configuration folder.
const PROGRAM: &str = "chitty-chat";
const FILE: &str = "config.toml";
/// The largest file that is read, in bytes: more than anybody writes by hand.
const MAX_BYTES: u64 = 64 << 10;
/// How much of an incorrect line an error message shows, in characters.
const MAX_SHOWN: usize = 60;

/// The content of a configuration file; `None` for what it does not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ConfigFile {
    /// The same as `--name`.
    pub name: Option<String>,
    /// The same as `--server`.
    #[serde(deserialize_with = "parsed")]
    pub server: Option<ServerUrl>,
    /// The same as `--local`.
    #[serde(deserialize_with = "local")]
    pub local: Option<SocketAddr>,
    /// The same as `--data`.
    #[serde(deserialize_with = "path")]
    pub data: Option<PathBuf>,
    /// The same as `--idle-exit`, in seconds.
    pub idle_exit: Option<u64>,
    /// The same as `--backlog`, in events.
    pub backlog: Option<u32>,
    /// The same as `--log-dir`.
    #[serde(deserialize_with = "path")]
    pub log_dir: Option<PathBuf>,
    /// The preferences for the screen and its surroundings.
    pub screen: ScreenTable,
    /// The colours of the screen.
    pub colours: ColourTable,
    /// The key bindings, from the tables `[keys]` and `[keys.selected]`.
    #[serde(deserialize_with = "keys::keymap")]
    pub keys: Keymap,
}

/// The table `[screen]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ScreenTable {
    /// Whether the wheel scrolls and a click selects.
    pub mouse: Option<bool>,
    /// Whether the participants are shown if there is space.
    pub participants: Option<bool>,
    /// Whether the bell rings when the user is mentioned and does not see it.
    pub bell: Option<bool>,
    /// Whether the terminal shows a notification for that.
    pub notifications: Option<bool>,
    /// Whether the window's title shows how much is unread.
    pub title: Option<bool>,
    /// The same as `--ascii`.
    pub ascii: Option<bool>,
}

impl ScreenTable {
    /// Leaves the mouse to GNU screen, unless the user has chosen: while a program has the mouse,
    /// screen holds every Esc back until the next key, because the two might begin a mouse report.
    /// `variable` looks up the environment variable `STY`, which screen sets.
    #[must_use]
    pub fn within(mut self, variable: impl Fn(&str) -> Option<String>) -> Self {
        if self.mouse.is_none() && variable("STY").is_some_and(|name| !name.is_empty()) {
            self.mouse = Some(false);
        }
        self
    }

    /// The options with these key bindings, and with defaults for what is not set.
    pub fn options(self, keys: Keymap) -> Options {
        let default = Options::default();
        Options {
            mouse: self.mouse.unwrap_or(default.mouse),
            participants: self.participants.unwrap_or(default.participants),
            bell: self.bell.unwrap_or(default.bell),
            notify: self.notifications.unwrap_or(default.notify),
            title: self.title.unwrap_or(default.title),
            keys,
        }
    }
}

/// The table `[colours]`: names of the terminal's colours, numbers of its 256 colours, or
/// `#rrggbb`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ColourTable {
    /// The colours of participants' names: one or more, without repeats.
    #[serde(deserialize_with = "names")]
    pub names: Option<Vec<Colour>>,
    /// The colour of a good state.
    pub good: Option<Colour>,
    /// The colour of waiting and of warnings.
    pub waiting: Option<Colour>,
    /// The colour of errors and of text beyond the limit.
    pub bad: Option<Colour>,
    /// The colour of matches of a search.
    pub found: Option<Colour>,
    /// The colour of mentions of the user.
    pub mention: Option<Colour>,
}

/// A colour in the notation of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Colour(Color);

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("{text:?} is no colour: give a name such as light-blue, a number up to 255, or #rrggbb")
        })
    }
}

impl ColourTable {
    /// The palette for a terminal of this depth, with defaults for the colours that are not set.
    ///
    /// The colours of names are leaked: each call keeps them in memory until the process ends,
    /// which is fine for a configuration that is loaded once.
    pub fn palette(self, depth: Depth) -> Palette {
        let default = Palette::of(depth);
        let known = |Colour(colour)| depth.nearest(colour);
        let or = |colour: Option<Colour>, default| colour.map_or(default, known);
        Palette {
            names: self.names.map_or(default.names, |names| {
                names.into_iter().map(known).collect::<Vec<_>>().leak()
            }),
            good: or(self.good, default.good),
            waiting: or(self.waiting, default.waiting),
            bad: or(self.bad, default.bad),
            found: or(self.found, default.found),
            mention: or(self.mention, default.mention),
        }
    }
}

/// Why a configuration file cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file that was asked for cannot be read.
    #[error("cannot read the configuration {}: {source}; choose another with --config", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The content of the file is not understood.
    #[error("{}, {problem}; `chitty config --example` prints a file with every key", path.display())]
    Wrong {
        /// The path of the file.
        path: PathBuf,
        /// The line, the key, and what is wrong.
        problem: String,
    },
}

fn names<'de, D>(deserializer: D) -> Result<Option<Vec<Colour>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let names = Vec::<Colour>::deserialize(deserializer)?;
    let twice = names
        .iter()
        .enumerate()
        .find(|(index, name)| names[..*index].contains(name));
    let wrong = match twice {
        Some((_, Colour(twice))) => {
            format!("{twice} is there twice, so that two people would look alike: give it once")
        }
        None if names.is_empty() => {
            "names need at least one colour: give some, or leave the key out".into()
        }
        None => return Ok(Some(names)),
    };
    Err(serde::de::Error::custom(wrong))
}

fn parsed<'de, D>(deserializer: D) -> Result<Option<ServerUrl>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn local<'de, D>(deserializer: D) -> Result<Option<SocketAddr>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    cli::local(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

fn path<'de, D>(deserializer: D) -> Result<Option<PathBuf>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let path = PathBuf::deserialize(deserializer)?;
    files::user_path(path)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

impl ConfigFile {
    /// Loads the file that was asked for or, without one, the default file if it exists.
    pub fn load(asked: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = asked.map(Path::to_owned).or_else(default_path) else {
            return Ok(Self::default());
        };
        match read(&path) {
            Ok(text) => Self::parse(&text).map_err(|problem| ConfigError::Wrong { path, problem }),
            // A file that was asked for has to exist; the default one does not.
            Err(error) if asked.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }

    /// Parses the content of a file.
    ///
    /// # Errors
    /// The line, the key, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let message = error.message().trim_end().replace('\n', ", ");
            match error.span().and_then(|span| text.get(..span.start)) {
                Some(before) => {
                    let number = before.matches('\n').count();
                    let line = text.lines().nth(number).unwrap_or_default().trim();
                    let line: String = line.chars().take(MAX_SHOWN).collect();
                    let line = display::safe(&line);
                    format!("line {}, {line}: {message}", number + 1)
                }
                None => message,
            }
        })
    }
}

fn read(path: &Path) -> io::Result<String> {
    // Checked before reading: the path may be a device or a log file by mistake.
    if std::fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {MAX_BYTES} bytes"),
        ));
    }
    std::fs::read_to_string(path)
}

/// `chitty-chat/config.toml` in `$XDG_CONFIG_HOME` or `~/.config`; `None` for a user without a
/// home.
pub fn default_path() -> Option<PathBuf> {
    let base = etcetera::base_strategy::Xdg::new().ok()?;
    Some(base.config_dir().join(PROGRAM).join(FILE))
}

#[cfg(test)]
mod tests;
