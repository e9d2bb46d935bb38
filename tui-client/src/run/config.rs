//! What a client with a screen needs to start, and whether its terminal can show a screen.

use std::{
    io::{self, IsTerminal},
    time::SystemTime,
};

use chitty_app::options::Options;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::{locale::CharacterSet, osc::Notifier, view::Palette};

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
    /// Whether the terminal marks what is pasted, as [`marks_pastes`] finds out.
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
    #[error("{} cannot show a screen: use --plain, or set TERM to what your terminal is", kind(.0))]
    NoScreen(String),
    /// The terminal does not accept its settings.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[source] io::Error),
    /// The handlers for signals cannot be installed.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}

fn kind(term: &str) -> String {
    match term {
        "" => "a terminal of an unknown kind (TERM is not set)".into(),
        _ => format!("a terminal of the kind {term:?} (TERM)"),
    }
}

/// Checks that there is a terminal that can show a screen, before anything is started for it.
/// `term` is its type, from `TERM`.
pub fn has_screen(term: &str) -> Result<(), RunError> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(RunError::NoTerminal);
    }
    // The types without cursor addressing in terminfo.
    if matches!(term, "" | "dumb" | "unknown" | "network" | "dialup") {
        return Err(RunError::NoScreen(term.into()));
    }
    Ok(())
}

/// Whether this terminal marks what is pasted (bracketed paste). The consoles of Linux and the BSDs
/// and serial terminals do not, and GNU screen, which sets `STY`, pastes without marks.
///
/// `variable` looks up the environment variables `TERM` and `STY`.
pub fn marks_pastes(variable: impl Fn(&str) -> Option<String>) -> bool {
    let value = |name| variable(name).unwrap_or_default();
    let unmarked = ["linux", "vt", "ansi", "cons25", "pcansi", "wsvt25"];
    let is_unmarked = |kind: &str| value("TERM").starts_with(kind);
    value("STY").is_empty() && !unmarked.into_iter().any(is_unmarked)
}
