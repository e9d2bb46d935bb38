//! The inputs and effects of the app.

use std::time::{Duration, SystemTime};

use chitty_chat::logging::LogNews;
use crossterm::event::KeyEvent;
use jiff::tz::TimeZone;

use super::{Mouse, options::Options};
use crate::port::{Ended, Notice, SessionCommand};

/// Something that happened outside the app.
#[derive(Clone, Debug)]
pub enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// Lines arrived at once, as a paste does that the terminal does not mark.
    UnmarkedPaste(String),
    /// A paste has begun, and no more of it arrives.
    PasteStalls,
    /// The mouse wheel or a button was used.
    Mouse(Mouse),
    /// The screen has this many columns and rows.
    Resize(u16, u16),
    /// The terminal window got (`true`) or lost the keyboard.
    Focus(bool),
    /// The session reports something.
    Session(Notice),
    /// The user's editor has ended, with the text or with the reason why there is none.
    Edited(Result<Edited, String>),
    /// The state of the log file changed.
    Log(LogNews),
    /// The process cannot be suspended because no shell would continue it.
    NoShell,
    /// The time that [`next_wake`](super::App::next_wake) returned has come.
    Tick,
    /// The client must end: a signal arrived, or the terminal is gone.
    Leave,
}

/// The text from the user's editor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// As much of the text as a draft can hold.
    pub text: String,
    /// The file with the whole text, if it is longer than that.
    pub whole: Option<String>,
}

/// Something that the app wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this command to the session.
    Session(SessionCommand),
    /// Draw the screen: the state has changed.
    Draw,
    /// Draw every cell again: another program has written to the terminal.
    Repaint,
    /// Open this draft in the user's editor, and report the result as [`Input::Edited`].
    Editor(String),
    /// Suspend the process and give the terminal back to the shell.
    Suspend,
    /// Copy this text to the clipboard.
    Copy(String),
    /// Set the window's title.
    Title(String),
    /// Ring the bell.
    Bell,
    /// Show a notification.
    Notify(String),
    /// Capture the mouse (`true`), or leave it to the terminal.
    Mouse(bool),
    /// End the client.
    Quit(ExitReason),
}

/// Why the client ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The user left.
    Left,
    /// The session ended first, and the user left the screen afterwards.
    Over(Ended),
    /// The client never entered the chat; the text says why.
    NeverJoined(String),
}

/// The time of an input, on two clocks.
#[derive(Clone, Copy, Debug)]
pub struct InputTime {
    /// The time since the client's start, which never goes back.
    pub mono: Duration,
    /// The time of day, for display only.
    pub wall: SystemTime,
}

/// The settings with which the app starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name to enter the chat under; without one, the join screen asks.
    pub name: Option<String>,
    /// The name that the join screen proposes.
    pub login: String,
    /// The address of the server for the status line, until the first Welcome.
    pub server: String,
    /// The time zone of the times of day on screen.
    pub time_zone: TimeZone,
    /// The columns and rows of the screen.
    pub size: (u16, u16),
    /// Whether history is fetched without being asked for.
    pub backlog: bool,
    /// The user's preferences.
    pub options: Options,
}
