//! What a client with a screen needs to start.

use std::{io, time::SystemTime};

use jiff::tz::TimeZone;
use thiserror::Error;

use super::kind;
use crate::{app::options::Options, locale::CharacterSet, osc::Notifier, view::Palette};

/// The settings of a client with a screen.
#[derive(Clone, Debug)]
pub struct ScreenConfig {
    /// The name to join under; without one, the join screen asks.
    pub name: Option<String>,
    /// The name that the join screen proposes.
    pub login: String,
    /// The address of the server, until the first Welcome.
    pub server: String,
    /// The time zone of the times of day on screen.
    pub time_zone: TimeZone,
    /// The clock for times of day, passed in for tests.
    pub wall: fn() -> SystemTime,
    /// Whether the terminal marks what is pasted, as [`marks_pastes`](super::marks_pastes) finds
    /// out.
    pub marks_pastes: bool,
    /// How the terminal shows notifications.
    pub notifier: Notifier,
    /// Whether history is fetched without being asked for.
    pub backlog: bool,
    /// The user's preferences.
    pub options: Options,
    /// The colours; `None` if none may be used (`NO_COLOR`).
    pub palette: Option<Palette>,
    /// The command of the user's editor, which may have arguments.
    pub editor: String,
    /// The characters of which the screen is made.
    pub characters: CharacterSet,
}

/// Why the screen cannot be shown.
#[derive(Debug, Error)]
pub enum RunError {
    /// Standard input or output is not a terminal.
    #[error("standard input and output must be a terminal; --plain does without one")]
    NoTerminal,
    /// The terminal cannot place the cursor, or its type is unknown.
    #[error("{} cannot show a screen: use --plain, or set TERM to what your terminal is", kind::words(.0))]
    NoScreen(String),
    /// The terminal does not accept its settings.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[source] io::Error),
    /// The handlers for signals cannot be installed.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}
