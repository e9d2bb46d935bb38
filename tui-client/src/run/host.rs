//! The terminal operations other than drawing.

use std::io::{self, Write};

use crate::terminal;

/// The operations on the terminal other than drawing; tests replace them.
#[derive(Clone, Copy)]
pub(super) struct Host {
    /// A writer into the current frame, for what ratatui does not know.
    pub(super) frame: fn() -> Box<dyn Write>,
    /// Sends the frame to the terminal.
    pub(super) present: fn() -> io::Result<()>,
    /// Writes an escape sequence beside the screen.
    pub(super) write_sequence: fn(&str) -> io::Result<()>,
    /// Captures the mouse, or leaves it to the terminal.
    pub(super) take_mouse: fn(bool),
    /// Asks whether the terminal can report all keys; the answer arrives among the keys.
    pub(super) query_key_reports: fn(),
    /// Turns these reports on.
    pub(super) enable_key_reports: fn(),
    /// Restores the terminal for other programs.
    pub(super) give_up: fn(),
    /// Sets the terminal up for this program.
    pub(super) take: fn() -> io::Result<()>,
    /// Stops the process until a shell continues it. Returns whether there is such a shell.
    pub(super) stop: fn() -> bool,
}

pub(super) const HOST: Host = Host {
    frame: || Box::new(terminal::Frames),
    present: terminal::present,
    write_sequence: terminal::write_sequence,
    take_mouse: terminal::take_mouse,
    query_key_reports: terminal::query_key_reports,
    enable_key_reports: terminal::enable_key_reports,
    give_up: terminal::give_up,
    take: terminal::take,
    stop: terminal::stop,
};
