//! The chat as lines, in and out: for screen readers, scripts and pipes. No screen, no colours, no
//! escape sequences.
//!
//! Nobody may be there to look after it. So nothing here waits for ever unless that was asked for:
//! not for a server, not for a name, and, once the client is told to end, not for whoever reads.

mod client;
mod deadlines;
mod format;
mod lines;
mod output;
mod standard;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chitty_chat::{ParticipantName, logging::LogNews};
use futures_util::{Stream, StreamExt as _};
use jiff::tz::TimeZone;
use tokio::{
    io::{AsyncBufRead, AsyncWrite},
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use self::{client::PlainClient, lines::InputLines};
use crate::{app::ExitReason, session::SessionHandle};

pub use self::standard::{StdWriter, streams};

/// How long whoever reads has for the last lines, after the client was told to end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The name to enter under, how to show what happens, and how long to wait.
#[derive(Clone, Debug)]
pub struct PlainConfig {
    /// The name.
    pub name: ParticipantName,
    /// In which times of day are shown.
    pub time_zone: TimeZone,
    /// How long a server is waited for on entering, and again if it is lost when all of the input
    /// is read; `None`: for ever.
    pub wait: Option<Duration>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainOutcome {
    /// How the client ended.
    pub outcome: ExitReason,
    /// Lines of the input that were not sent, or of which that is not known. What could not be
    /// read counts as one.
    pub unsent: usize,
    /// It ended because no server could be reached.
    pub unreachable: bool,
}

/// Where lines come from and go to.
#[derive(Debug)]
pub struct PlainStreams<I, O, E> {
    /// Each line is a message or a command; at its end the client leaves, once all is sent.
    pub input: I,
    /// What happens in the chat.
    pub output: O,
    /// What happens to the client.
    pub errors: E,
}

/// Follows the chat and sends the input's lines until either ends, or `leave` yields; when that
/// yields again, it ends at once. `log` is what there is to say about the log file.
///
/// The session's notices are not read on while a reader of the output stalls, which the server
/// feels.
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
            Some(()) = leave.next() => client.asked_to_leave(),
            permit = commands.reserve(), if client.next.is_some() => match permit {
                Ok(permit) => if let Some(command) = client.next.take() {
                    permit.send(command);
                },
                // Its last notice says why.
                Err(_) => client.next = None,
            },
            written = client.output.write(), if client.output.waits() => client.wrote(written),
            // Nobody is left to be told.
            _ = client.errors.write(), if client.errors.waits() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                client.time_has_come(Instant::now());
            }
            Some(news) = log.recv(), if has_space => client.say(&news.to_string()),
            // The last of them must be taken, whoever reads what they tell.
            notice = notices.recv(), if has_space || leaves => client.notice(notice),
            piece = lines.next(), if wants_line && has_space => client.typed(piece),
        }
    }
    let end = client.end();
    let told = client.was_asked_to_leave();
    let deadlines = async {
        if !told {
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
