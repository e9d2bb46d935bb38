//! The client without a screen: lines in and lines out, for screen readers, scripts and pipes. It
//! uses no colours and no escape sequences.
//!
//! Nobody may be watching it. Unless the user asks for it, it therefore never waits forever: not
//! for a server, not for a name and, once it was asked to end, not for a reader of its output.

mod client;
mod deadlines;
mod format;
mod lines;
mod output;
mod standard;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chitty_app::ExitReason;
use chitty_chat::{ParticipantName, logging::LogNews};
use futures_util::{Stream, StreamExt as _};
use jiff::tz::TimeZone;
use tokio::{
    io::{AsyncBufRead, AsyncWrite},
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use self::{client::PlainClient, lines::InputLines};
use crate::session::SessionHandle;

pub use self::standard::{StdWriter, streams};

/// How long the reader of the output has for the last lines after the client was asked to end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The settings of a plain client.
#[derive(Clone, Debug)]
pub struct PlainConfig {
    /// The name to join under.
    pub name: ParticipantName,
    /// The time zone of the times of day.
    pub time_zone: TimeZone,
    /// How long to wait for a server on joining, and again if it is lost after the end of the
    /// input; `None` to wait forever.
    pub wait: Option<Duration>,
}

/// The result of a plain client's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainOutcome {
    /// Why the client ended.
    pub outcome: ExitReason,
    /// The number of input lines that were not sent, or whose outcome is unknown. A read error
    /// counts as one.
    pub unsent: usize,
    /// Whether it ended because no server could be reached.
    pub unreachable: bool,
}

/// The input and outputs of a plain client.
#[derive(Debug)]
pub struct PlainStreams<I, O, E> {
    /// The input; each line is a message or a command. At its end the client leaves once everything
    /// is sent.
    pub input: I,
    /// The events of the chat.
    pub output: O,
    /// Messages about the client itself.
    pub errors: E,
}

/// Follows the chat and sends the lines of the input until either ends or `leave` yields; if it
/// yields again, the client ends at once. `log` reports the state of the log file.
///
/// While a reader of the output stalls, the session's notices are not read, so that the server's
/// flow control takes effect.
pub async fn run<I, O, E>(
    config: PlainConfig,
    session: SessionHandle,
    streams: PlainStreams<I, O, E>,
    mut leave: impl Stream<Item = ()> + Unpin,
    mut log: mpsc::Receiver<LogNews>,
) -> PlainOutcome
where
    I: AsyncBufRead + Unpin,
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let SessionHandle {
        commands,
        mut notices,
        ..
    } = session;
    let mut lines = InputLines::new(streams.input);
    let mut client = PlainClient::new(config, streams.output, streams.errors);
    while !client.is_over() {
        client.update_deadlines(Instant::now());
        let (has_space, leaves) = (client.has_space(), client.leaves());
        let (wants_line, due) = (client.wants_line(), client.due());
        tokio::select! {
            biased;
            // The order of the branches is their priority: a signal first, and new input last, so
            // that nothing is read that cannot be handled yet.
            Some(()) = leave.next() => client.asked_to_leave(),
            permit = commands.reserve(), if client.next.is_some() => match permit {
                Ok(permit) => if let Some(command) = client.next.take() {
                    permit.send(command);
                },
                // The session has ended; its last notice says why.
                Err(_) => client.next = None,
            },
            written = client.output.write(), if client.output.waits() => client.wrote(written),
            // There is nowhere to report an error of the error output.
            _ = client.errors.write(), if client.errors.waits() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                client.time_has_come(Instant::now());
            }
            Some(news) = log.recv(), if has_space => client.say(&news.to_string()),
            // While leaving, the last notices must be taken even if the reader of the output
            // stalls.
            notice = notices.recv(), if has_space || leaves => client.notice(notice),
            piece = lines.next(), if wants_line && has_space => client.typed(piece),
        }
    }
    let end = client.end();
    let is_asked = client.was_asked_to_leave();
    let deadlines = async {
        if !is_asked {
            leave.next().await;
        }
        sleep(LAST_LINES).await;
    };
    tokio::select! {
        () = client.write_all() => {}
        () = deadlines => {}
    }
    end
}
