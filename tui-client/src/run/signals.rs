//! The signals of the process.

use std::{io, task::Poll};

use chitty_chat::signals::is_ignored;
use futures_util::stream::{self, Stream};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal, by its meaning for a client with a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessSignal {
    /// The window has another size.
    Resized,
    /// The client must end.
    Leave,
    /// The user pressed a key that interrupts the program in the foreground.
    Interrupted,
    /// The shell wants its terminal back.
    Stop,
    /// The shell has continued the client.
    Continued,
}

/// The signals that have a meaning for a client with a screen.
pub(super) fn signals() -> io::Result<impl Stream<Item = ProcessSignal> + Unpin> {
    let mut signals: Vec<(Signal, ProcessSignal)> = Vec::new();
    for (kind, meaning) in [
        (SignalKind::terminate(), ProcessSignal::Leave),
        (SignalKind::hangup(), ProcessSignal::Leave),
        (SignalKind::interrupt(), ProcessSignal::Interrupted),
        (SignalKind::quit(), ProcessSignal::Interrupted),
        (
            SignalKind::from_raw(number(rustix::process::Signal::TSTP)),
            ProcessSignal::Stop,
        ),
        (
            SignalKind::from_raw(number(rustix::process::Signal::CONT)),
            ProcessSignal::Continued,
        ),
        (SignalKind::window_change(), ProcessSignal::Resized),
    ] {
        signals.push((signal(kind)?, meaning));
    }
    Ok(of(signals))
}

/// The signals that end a plain client, except for those that its parent set to be ignored.
pub(super) fn termination_signals() -> io::Result<impl Stream<Item = ()> + Unpin> {
    use rustix::process::Signal;

    let mut signals = vec![(signal(SignalKind::terminate())?, ())];
    for other in [Signal::HUP, Signal::INT, Signal::QUIT] {
        if is_ignored(other) != Some(true) {
            signals.push((signal(SignalKind::from_raw(number(other)))?, ()));
        }
    }
    Ok(of(signals))
}

fn of<T: Copy + Unpin>(mut signals: Vec<(Signal, T)>) -> impl Stream<Item = T> + Unpin {
    stream::poll_fn(move |context| {
        for (signal, meaning) in &mut signals {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready(Some(*meaning));
            }
        }
        Poll::Pending
    })
}

fn number(signal: rustix::process::Signal) -> i32 {
    signal.as_raw()
}
