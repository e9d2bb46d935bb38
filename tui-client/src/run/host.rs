//! The terminal around the frames.

use std::io::{self, Write};

use crate::terminal;

/// What is done with the terminal beside drawing on it: a test has none.
#[derive(Clone, Copy)]
pub(super) struct Host {
    /// The frame that is being drawn, for what ratatui knows nothing of.
    pub(super) frame: fn() -> Box<dyn Write>,
    /// Sends what was drawn.
    pub(super) present: fn() -> io::Result<()>,
    /// Tells it something beside the screen.
    pub(super) write_sequence: fn(&str) -> io::Result<()>,
    /// Takes the mouse, or leaves it to the terminal.
    pub(super) take_mouse: fn(bool),
    /// Asks whether it tells all keys apart; the answer comes among the keys.
    pub(super) query_key_reports: fn(),
    /// It does.
    pub(super) enable_key_reports: fn(),
    /// Makes it what other programs expect.
    pub(super) give_up: fn(),
    /// Makes it what this one needs.
    pub(super) take: fn() -> io::Result<()>,
    /// Stops the process until a shell lets it go on; returns whether there is one.
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
