//! What goes into the app, and what comes out of it.

use std::time::{Duration, SystemTime};

use chitty_chat::logging::LogNews;
use crossterm::event::KeyEvent;
use jiff::tz::TimeZone;

use super::{Mouse, options::Options};
use crate::session::{Ended, Notice, SessionCommand};

/// What happened around the app.
#[derive(Clone, Debug)]
pub enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// Nothing more comes of a paste that has begun.
    PasteStalls,
    /// The mouse was used.
    Mouse(Mouse),
    /// The screen has so many columns and rows.
    Resize(u16, u16),
    /// The terminal window got or lost the keyboard.
    Focus(bool),
    /// The session says something.
    Session(Notice),
    /// The user's editor has ended: with the text, or for this reason without one.
    Edited(Result<Edited, String>),
    /// There is something to say about the log file.
    Log(LogNews),
    /// There is no shell to go back to for a while.
    NoShell,
    /// The time that [`next_wake`](super::App::next_wake) asked for has come.
    Tick,
    /// The user cannot stay: a signal, or the terminal is gone.
    Leave,
}

/// What was written in the user's editor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// As much as a draft has room for.
    pub text: String,
    /// The file with the whole of it, if that is more.
    pub whole: Option<String>,
}

/// What the app wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell the session.
    Session(SessionCommand),
    /// The screen is not what the app looks like any more.
    Draw,
    /// Draw every cell anew: something else has written to the terminal.
    Repaint,
    /// Let the user write this in an editor, and tell by [`Input::Edited`].
    Editor(String),
    /// Give the terminal back to the shell until the user returns.
    Suspend,
    /// Put this into the clipboard.
    Copy(String),
    /// The window's title.
    Title(String),
    /// Sound the bell.
    Bell,
    /// Tell the user who looks elsewhere.
    Notify(String),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// The client is done.
    Quit(ExitReason),
}

/// How the client ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The user left.
    Left,
    /// The session ended under the user, who then left the screen.
    Over(Ended),
    /// The chat was never entered; the text says why.
    NeverJoined(String),
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct InputTime {
    /// Since the client's start.
    pub mono: Duration,
    /// For people.
    pub wall: SystemTime,
}

/// What the app begins with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name to enter under; without one the join screen asks.
    pub name: Option<String>,
    /// The name that the join screen offers.
    pub login: String,
    /// Where the server is, for the status line, until a welcome tells.
    pub server: String,
    /// In which times of day are shown.
    pub time_zone: TimeZone,
    /// Columns and rows of the screen.
    pub size: (u16, u16),
    /// What was said before is shown without being asked for.
    pub backlog: bool,
    /// What the user likes.
    pub options: Options,
}
