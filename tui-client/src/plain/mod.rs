//! The chat as lines, in and out: for screen readers, scripts and pipes. No screen, no colours, no
//! escape sequences.

mod lines;
mod show;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, io, time::Duration};

use chitty_chat::{ParticipantName, Position, logging::LogNews};
use futures_util::{Stream, StreamExt as _};
use jiff::tz::TimeZone;
use tokio::{
    io::{AsyncBufRead, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
};

use self::{
    lines::{Lines, Piece},
    show::Show,
};
use crate::{
    app::{
        Outcome,
        commands::{self, Line},
        participants::Participants,
        recent::Recent,
    },
    session::{Command, Ended, Link, Notice, SessionHandle, Ticket},
};

/// Own lines that wait for the server at most; beyond that the input is not read on.
const MAX_PENDING: usize = 16;

/// The name to enter under, and how to show what happens.
#[derive(Clone, Debug)]
pub struct PlainConfig {
    /// The name.
    pub name: ParticipantName,
    /// In which times of day are shown.
    pub time_zone: TimeZone,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// How the client ended.
    pub outcome: Outcome,
    /// Lines of the input that were not sent.
    pub unsent: usize,
}

/// Where lines come from and go to.
pub struct Streams<I, O, E> {
    /// Each line is a message or a command; at its end the client leaves, once all is sent.
    pub input: I,
    /// What happens in the chat.
    pub output: O,
    /// What happens to the client.
    pub errors: E,
}

/// Follows the chat and sends the input's lines until either ends, or `leave` yields. `log` is what
/// there is to say about the log file.
///
/// # Errors
/// The output cannot be written; the session is left all the same.
pub async fn run<I, O, E>(
    config: PlainConfig,
    session: SessionHandle,
    streams: Streams<I, O, E>,
    mut leave: impl Stream<Item = ()> + Unpin,
    mut log: mpsc::Receiver<LogNews>,
) -> io::Result<Plain>
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
    let mut lines = Lines::new(streams.input);
    let mut client = Client {
        name: config.name.as_str().to_owned(),
        show: Show::new(config.time_zone),
        recent: Recent::default(),
        participants: Participants::default(),
        output: streams.output,
        errors: streams.errors,
        pending: HashMap::new(),
        joined: false,
        awaited: None,
        reading: true,
        leaving: false,
        line: 0,
        unsent: 0,
        outcome: None,
    };
    let join = Command::Join { name: config.name };
    let mut next = Some(join);
    loop {
        if let Some(outcome) = client.outcome.take() {
            client.output.flush().await?;
            let unsent = client.unsent + client.pending.len();
            return Ok(Plain { outcome, unsent });
        }
        if next.is_none() && client.is_done() && !client.leaving {
            client.leaving = true;
            next = Some(Command::Leave);
        }
        let wants_line = next.is_none() && client.wants_line();
        tokio::select! {
            biased;
            Some(()) = leave.next(), if !client.leaving => {
                client.leaving = true;
                next = Some(Command::Leave);
            }
            permit = commands.reserve(), if next.is_some() => match permit {
                Ok(permit) => if let Some(command) = next.take() {
                    permit.send(command);
                },
                // Its last notice says why.
                Err(_) => next = None,
            },
            Some(news) = log.recv() => client.say(&news.to_string()).await?,
            notice = notices.recv() => client.notice(notice).await?,
            piece = lines.next(), if wants_line => next = client.typed(piece).await?,
        }
    }
}

/// The state between two things that happen.
struct Client<O, E> {
    name: String,
    show: Show,
    recent: Recent,
    participants: Participants,
    output: O,
    errors: E,
    /// Lines under way, with their numbers in the input.
    pending: HashMap<Ticket, u64>,
    joined: bool,
    /// Up to this position everything is to be shown before the client leaves by itself: the end of
    /// the chat when it was entered.
    awaited: Option<Position>,
    reading: bool,
    leaving: bool,
    /// Lines read so far.
    line: u64,
    unsent: usize,
    outcome: Option<Outcome>,
}

impl<O: AsyncWrite + Unpin, E: AsyncWrite + Unpin> Client<O, E> {
    fn wants_line(&self) -> bool {
        self.joined && self.reading && !self.leaving && self.pending.len() < MAX_PENDING
    }

    /// The input has ended, and all is sent and shown.
    fn is_done(&self) -> bool {
        !self.reading && self.pending.is_empty() && self.joined && self.awaited.is_none()
    }

    async fn notice(&mut self, notice: Option<Notice>) -> io::Result<()> {
        match notice {
            Some(Notice::Event { event, clock, own }) => {
                self.awaited = self.awaited.filter(|end| event.position < *end);
                self.recent.event(&event, clock);
                // The fading of those who are gone is for a screen.
                self.participants.apply(&event, Duration::ZERO);
                if let Some(ticket) = own {
                    self.pending.remove(&ticket);
                }
                let lines = self.show.event(&event);
                self.output.write_all(lines.as_bytes()).await?;
                // Whoever reads this through a pipe waits for it.
                self.output.flush().await
            }
            Some(Notice::Accepted { ticket, .. }) => {
                self.pending.remove(&ticket);
                Ok(())
            }
            Some(Notice::Rejected { ticket, reason }) => {
                let line = self.pending.remove(&ticket).unwrap_or(self.line);
                self.not_sent(line, &reason).await
            }
            Some(Notice::Welcome(welcome)) => {
                self.joined = true;
                self.awaited = Some(welcome.head).filter(|head| welcome.next <= *head);
                self.recent.welcome(&welcome);
                self.participants.welcome(&welcome);
                if welcome.another_log {
                    return self.say("the server has another chat than before").await;
                }
                Ok(())
            }
            Some(Notice::Link(link)) => self.link(link).await,
            Some(Notice::Refused(refusal)) => {
                let reason = format!("the name {:?} is refused: {}", self.name, refusal.reason);
                self.outcome = Some(Outcome::NeverJoined(reason));
                Ok(())
            }
            Some(Notice::Ended(ended)) => {
                self.outcome = Some(Outcome::Over(ended));
                Ok(())
            }
            None => {
                let why = "the connection to the server ended unexpectedly; start chitty again";
                self.outcome = Some(Outcome::Over(Ended::Failed(why.into())));
                Ok(())
            }
            Some(Notice::Clock { clock, moved }) => {
                self.recent.moved(clock, moved);
                Ok(())
            }
            Some(Notice::History { .. }) => Ok(()),
        }
    }

    async fn link(&mut self, link: Link) -> io::Result<()> {
        match link {
            Link::StartingServer => self.say("no server is running here: one is started").await,
            Link::Lost { reason, .. } => {
                self.say(&format!("not connected ({reason}); trying again"))
                    .await
            }
            Link::Live if self.joined => self.say("connected").await,
            Link::Live | Link::Connecting | Link::CatchingUp { .. } => Ok(()),
        }
    }

    /// Returns what the session is to do about it.
    async fn typed(&mut self, piece: Option<Piece>) -> io::Result<Option<Command>> {
        let Some(piece) = piece else {
            self.reading = false;
            return Ok(None);
        };
        self.line += 1;
        let text = match piece {
            Piece::Line(text) => text,
            Piece::Wrong(why) => {
                self.not_sent(self.line, &why).await?;
                return Ok(None);
            }
        };
        match commands::parse(&text) {
            Line::Nothing => {}
            Line::Message(text) => {
                let ticket = Ticket(self.line);
                self.pending.insert(ticket, self.line);
                return Ok(Some(Command::Publish { ticket, text }));
            }
            Line::Quit => self.reading = false,
            Line::Time => self.say(&self.recent.explain()).await?,
            Line::Help => {
                for row in commands::COMMANDS {
                    self.say(&format!("{}: {}", row.command, row.what)).await?;
                }
            }
            Line::Who => {
                for line in self.participants.list() {
                    self.say(&line).await?;
                }
            }
            Line::At(_) | Line::Clear | Line::Search(_) => {
                let why = "/at, /clear and /search need a screen";
                self.not_sent(self.line, why).await?;
            }
            Line::Wrong(why) => self.not_sent(self.line, &why).await?,
        }
        Ok(None)
    }

    async fn not_sent(&mut self, line: u64, why: &str) -> io::Result<()> {
        self.unsent += 1;
        let why = why.trim_start_matches("Not sent: ");
        self.say(&format!("line {line} is not sent: {why}")).await
    }

    async fn say(&mut self, what: &str) -> io::Result<()> {
        let line = format!("chitty: {}\n", chitty_chat::text::display::safe(what));
        self.errors.write_all(line.as_bytes()).await?;
        self.errors.flush().await
    }
}
