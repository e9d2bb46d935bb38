//! What the process is told from outside.

use std::{io, task::Poll};

use futures_util::stream::{self, Stream};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal, by what it means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The window has another size.
    Resized,
    /// The user must go.
    Leave,
    /// The user has pressed a key that ends the program in front.
    Interrupted,
    /// The shell wants its terminal.
    Stop,
    /// The shell has given the terminal back.
    Continued,
}

/// The signals that mean something here.
pub(super) fn signals() -> io::Result<impl Stream<Item = Told> + Unpin> {
    let mut signals: Vec<(Signal, Told)> = Vec::new();
    for (kind, told) in [
        (SignalKind::terminate(), Told::Leave),
        (SignalKind::hangup(), Told::Leave),
        (SignalKind::interrupt(), Told::Interrupted),
        (SignalKind::quit(), Told::Interrupted),
        (
            SignalKind::from_raw(number(rustix::process::Signal::TSTP)),
            Told::Stop,
        ),
        (
            SignalKind::from_raw(number(rustix::process::Signal::CONT)),
            Told::Continued,
        ),
        (SignalKind::window_change(), Told::Resized),
    ] {
        signals.push((signal(kind)?, told));
    }
    Ok(stream::poll_fn(move |context| {
        for (signal, told) in &mut signals {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready(Some(*told));
            }
        }
        Poll::Pending
    }))
}

fn number(signal: rustix::process::Signal) -> i32 {
    signal.as_raw()
}
