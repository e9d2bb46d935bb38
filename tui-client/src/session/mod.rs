//! The link to a server: joins, follows, publishes, reconnects. It knows nothing of the screen.
//!
//! One task owns everything: the clock, the place in the log, the lines still to be sent, the
//! stream. [`spawn`] starts it; commands go in, notices come out.

mod backoff;
mod bounds;
mod connector;
mod cursor;
mod driver;
#[cfg(test)]
mod driver_tests;
mod follow;
mod grpc;
mod join;
mod leave;
mod link;
mod log;
mod notice_queue;
mod outbox;
mod port;
#[cfg(test)]
mod properties;
mod publish;

use tokio::{sync::mpsc, task::JoinHandle};
use tracing::Instrument as _;

pub use connector::{Attempt, ConnectError, Connecting, Connector};
pub use grpc::endpoint;
pub use port::{
    ClockCause, Ended, HistoryPage, Link, NameRefusal, Notice, SessionCommand, Ticket,
    WelcomeNotice,
};

pub(crate) use bounds::REPLY;

/// How many commands wait at most.
const COMMANDS: usize = 64;
/// How many notices wait for the app at most; behind that the stream is not read on.
const NOTICES: usize = 256;

/// The source of randomness of a session: fills the buffer.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What is done with each accepted name.
pub type OnAccepted = Box<dyn FnMut(&str) + Send>;

/// What a session needs.
pub struct SessionConfig {
    /// How to reach the server.
    pub connector: Connector,
    /// For the session's secret, the ids of messages and the waiting between tries.
    pub random: Random,
    /// How many older events are wanted on entering.
    pub backlog: u32,
    /// Called with the name when it is accepted, and with each other one after that: the log file
    /// is named after it.
    pub on_accepted: OnAccepted,
    /// What the task's log lines belong to, where several sessions share a process.
    pub span: Option<tracing::Span>,
}

/// A running session.
pub struct SessionHandle {
    /// What is asked of it. Dropping this is as good as [`SessionCommand::Leave`].
    pub commands: mpsc::Sender<SessionCommand>,
    /// What it tells; [`Notice::Ended`] is the last. While this is not read, neither is the
    /// stream: nothing is dropped.
    pub notices: mpsc::Receiver<Notice>,
    /// Ends soon after [`Notice::Ended`].
    pub task: JoinHandle<()>,
}

/// Starts a session. It waits for [`SessionCommand::Join`] before it connects.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn spawn(config: SessionConfig) -> SessionHandle {
    let (commands, asked) = mpsc::channel(COMMANDS);
    let (told, notices) = mpsc::channel(NOTICES);
    let span = config.span.clone().unwrap_or_else(tracing::Span::none);
    let driver = driver::SessionDriver::new(config, asked, told);
    let task = tokio::spawn(driver.run().instrument(span));
    SessionHandle {
        commands,
        notices,
        task,
    }
}
