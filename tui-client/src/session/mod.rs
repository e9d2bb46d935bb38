//! The link to a server: joins, follows, publishes, reconnects. It knows nothing of the screen.
//!
//! One task owns everything: the clock, the position in the log, the lines still to be sent, the
//! stream. [`spawn`] starts it; commands go in, and notices come out.

mod backoff;
mod bounds;
mod connector;
mod cursor;
mod driver;
mod follow;
mod grpc;
mod history;
mod join;
mod leave;
mod link;
mod log;
mod notice_queue;
mod outbox;
mod own_participant;
#[cfg(test)]
mod properties;
mod publish;

use tokio::{sync::mpsc, task::JoinHandle};
use tracing::Instrument as _;

pub use chitty_app::port::{
    ClockCause, Ended, HistoryPage, Link, MAX_PENDING, NameRefusal, Notice, SessionCommand, Ticket,
    WelcomeNotice,
};
pub use connector::{Attempt, ConnectError, Connecting, Connector};
pub use grpc::endpoint;

pub(crate) use bounds::REPLY;

/// How many commands may wait.
const COMMANDS: usize = 64;
/// How many notices may wait for the app; beyond that the stream is not read.
const NOTICES: usize = 256;

/// The source of randomness of a session; it fills the buffer.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// A callback for each accepted name.
pub type OnAccepted = Box<dyn FnMut(&str) + Send>;

/// The configuration of a session.
pub struct SessionConfig {
    /// How to reach the server.
    pub connector: Connector,
    /// The source of the session's secret, of message ids and of jitter.
    pub random: Random,
    /// How many earlier events to request on joining.
    pub backlog: u32,
    /// Called with the name when it is accepted, and again with each other name later, because the
    /// log file is named after it.
    pub on_accepted: OnAccepted,
    /// The span of the task's log lines, if several sessions share a process.
    pub span: Option<tracing::Span>,
}

/// A running session.
pub struct SessionHandle {
    /// The commands to the session. Dropping this sender has the effect of
    /// [`SessionCommand::Leave`].
    pub commands: mpsc::Sender<SessionCommand>,
    /// The notices of the session; [`Notice::Ended`] is the last one. While they are not read,
    /// neither is the stream, and nothing is dropped.
    pub notices: mpsc::Receiver<Notice>,
    /// The task, which ends soon after [`Notice::Ended`].
    pub task: JoinHandle<()>,
}

/// Starts a session. It waits for [`SessionCommand::Join`] before it connects.
///
/// # Panics
/// Outside of a Tokio runtime.
pub fn spawn(config: SessionConfig) -> SessionHandle {
    let (commands, commands_out) = mpsc::channel(COMMANDS);
    let (notices_in, notices) = mpsc::channel(NOTICES);
    let span = config.span.clone().unwrap_or_else(tracing::Span::none);
    let driver = driver::SessionDriver::new(config, commands_out, notices_in);
    let task = tokio::spawn(driver.run().instrument(span));
    SessionHandle {
        commands,
        notices,
        task,
    }
}
