//! The state of the plain client between two events.

use std::{collections::BTreeMap, io, time::Duration};

use chitty_app::{
    ExitReason,
    commands::{self, ParsedLine},
    participants::Participants,
    recent::Recent,
    status::without_codes,
};
use chitty_chat::{Position, text::display};
use tokio::{io::AsyncWrite, time::Instant};

use super::{
    PlainConfig, PlainOutcome,
    deadlines::{DueAction, WaitDeadlines},
    format::EventFormatter,
    lines::ReadLine,
    output::OutputBuffer,
};
use crate::session::{Ended, Link, NameRefusal, Notice, SessionCommand, Ticket, WelcomeNotice};

/// How many of its own lines may be unconfirmed; the input is not read beyond that. Fewer than the
/// session would take, so that little is in doubt if the client has to end.
pub(super) const MAX_UNCONFIRMED: usize = 16;

pub(super) struct PlainClient<O, E> {
    config: PlainConfig,
    formatter: EventFormatter,
    recent: Recent,
    participants: Participants,
    pub(super) output: OutputBuffer<O>,
    pub(super) errors: OutputBuffer<E>,
    /// The next command for the session.
    pub(super) next: Option<SessionCommand>,
    /// Lines that are not confirmed, with their line numbers in the input.
    pending: BTreeMap<Ticket, u64>,
    joined: bool,
    link: LinkReport,
    deadlines: WaitDeadlines,
    /// The client does not leave by itself before everything up to this position was shown: the end
    /// of the chat at the time of joining.
    awaited: Option<Position>,
    reading: bool,
    leaving: LeaveReason,
    /// The number of lines that were read.
    line: u64,
    unsent: usize,
    unreachable: bool,
    outcome: Option<ExitReason>,
}

/// Whether and why the session was asked to leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeaveReason {
    No,
    /// Everything is done.
    Done,
    /// A signal asks the client to end, whether all is sent or not.
    Asked,
}

/// What is known of the link, and what of it was reported.
#[derive(Default)]
struct LinkReport {
    /// The reason why it is down, if it is.
    down: Option<String>,
    /// Whether the loss was reported and the recovery was not.
    said: bool,
    /// Whether the start of a server was reported.
    starting: bool,
}

impl<O: AsyncWrite + Unpin, E: AsyncWrite + Unpin> PlainClient<O, E> {
    pub(super) fn new(config: PlainConfig, output: O, errors: E) -> Self {
        Self {
            formatter: EventFormatter::new(config.time_zone.clone()),
            recent: Recent::default(),
            participants: Participants::default(),
            output: OutputBuffer::new(output),
            errors: OutputBuffer::new(errors),
            next: Some(SessionCommand::Join {
                name: config.name.clone(),
            }),
            pending: BTreeMap::new(),
            joined: false,
            link: LinkReport::default(),
            deadlines: WaitDeadlines::new(config.wait),
            awaited: None,
            reading: true,
            leaving: LeaveReason::No,
            line: 0,
            unsent: 0,
            unreachable: false,
            outcome: None,
            config,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    pub(super) fn was_asked_to_leave(&self) -> bool {
        self.leaving == LeaveReason::Asked
    }

    /// Whether more output may be produced: its readers have taken most of the earlier output.
    pub(super) fn has_space(&self) -> bool {
        self.output.has_space() && self.errors.has_space()
    }

    pub(super) fn leaves(&self) -> bool {
        self.leaving != LeaveReason::No
    }

    pub(super) fn wants_line(&self) -> bool {
        self.joined
            && self.reading
            && !self.leaves()
            && self.next.is_none()
            && self.pending.len() < MAX_UNCONFIRMED
    }

    /// The time of the next deadline.
    pub(super) fn due(&self) -> Option<Instant> {
        self.deadlines.due()
    }

    /// Sets the deadlines that follow from the current state, and leaves if everything is done.
    pub(super) fn update_deadlines(&mut self, now: Instant) {
        let failed = self.link.down.is_some();
        // While there is input, a lost server is waited for as long as it takes: nobody asked for
        // an end.
        let needed = !self.leaves() && (!self.joined || (failed && !self.reading));
        self.deadlines.needs_server(needed, failed, now);
        // Everything is confirmed, and everything that was in the chat on joining was shown.
        let done = !self.reading
            && self.pending.is_empty()
            && self.joined
            && self.awaited.is_none()
            && self.next.is_none();
        if done && !self.leaves() {
            self.leave(LeaveReason::Done);
        }
    }

    fn leave(&mut self, why: LeaveReason) {
        self.leaving = why;
        if let Some(SessionCommand::Publish { ticket, .. }) = self.next.take() {
            let line = self.pending.remove(&ticket).unwrap_or(self.line);
            self.not_sent(line, "the client was asked to leave");
        }
        self.next = Some(SessionCommand::Leave);
    }

    /// A second request does not wait for the server's answer.
    pub(super) fn asked_to_leave(&mut self) {
        match self.leaving {
            LeaveReason::No => self.leave(LeaveReason::Asked),
            LeaveReason::Done => self.leaving = LeaveReason::Asked,
            LeaveReason::Asked => self.ended(Ended::Left),
        }
    }

    pub(super) fn time_has_come(&mut self, now: Instant) {
        match self.deadlines.take(now) {
            Some(DueAction::AskAgain) => {
                let name = self.config.name.clone();
                self.next = Some(SessionCommand::Join { name });
            }
            Some(DueAction::GiveUp) => self.give_up(),
            None => {}
        }
    }

    fn give_up(&mut self) {
        let after = match self.deadlines.wait().unwrap_or_default() {
            Duration::ZERO => "at the first failure".to_owned(),
            wait => format!("after {} s", wait.as_secs_f64()),
        };
        let reason = self.link.down.as_deref().unwrap_or("it does not answer");
        let what = if self.joined {
            "the server did not come back"
        } else {
            "cannot enter the chat"
        };
        let text = format!(
            "{what}: {reason}; given up {after}: start the server, choose another with --server, \
             or wait longer with --wait"
        );
        self.unreachable = true;
        self.outcome = Some(if self.joined {
            ExitReason::Over(Ended::Failed(text))
        } else {
            ExitReason::NeverJoined(text)
        });
    }

    pub(super) fn wrote(&mut self, written: io::Result<()>) {
        let Err(error) = written else { return };
        // A reader such as `head` has read enough, so there is nobody to show anything to.
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.say(&format!("cannot write the output: {error}"));
            self.unsent += 1;
        }
        if !self.leaves() {
            self.leave(LeaveReason::Done);
        }
    }

    pub(super) fn notice(&mut self, notice: Option<Notice>) {
        match notice {
            Some(Notice::Event {
                event,
                clock,
                own,
                live,
            }) => {
                self.awaited = self.awaited.filter(|end| event.position < *end);
                self.recent.event(&event, clock, live);
                // Participants that left stay visible for a while only on a screen.
                if live {
                    self.participants.apply(&event, Duration::ZERO);
                }
                if let Some(ticket) = own {
                    self.pending.remove(&ticket);
                }
                let lines = self.formatter.event(&event);
                self.output.push(&lines);
            }
            Some(Notice::Accepted { ticket, .. }) => {
                self.pending.remove(&ticket);
            }
            Some(Notice::Rejected { ticket, reason }) => {
                let line = self.pending.remove(&ticket).unwrap_or(self.line);
                self.not_sent(line, &reason);
            }
            Some(Notice::Welcome(welcome)) => self.welcome(&welcome),
            Some(Notice::Link(link)) => self.link(link),
            Some(Notice::Refused(refusal)) => self.refused(&refusal),
            Some(Notice::Ended(ended)) => self.ended(ended),
            None if self.leaves() => self.ended(Ended::Left),
            None => {
                self.ended(Ended::vanished());
            }
            Some(Notice::Clock { clock, moved }) => self.recent.moved(clock, moved),
            Some(Notice::History { .. }) => {}
        }
    }

    fn welcome(&mut self, welcome: &WelcomeNotice) {
        self.joined = true;
        self.link.down = None;
        self.deadlines.entered();
        self.awaited = Some(welcome.head).filter(|head| welcome.next <= *head);
        self.recent.welcome(welcome);
        self.participants.welcome(welcome);
        if welcome.another_log {
            self.say("the server has another chat than before");
        }
    }

    /// Each change is reported once: a client that tries for days must not fill a log.
    fn link(&mut self, link: Link) {
        match link {
            Link::StartingServer if !self.link.starting => {
                self.link.starting = true;
                self.say("no server is running here: one is started");
            }
            Link::Lost { reason, .. } => {
                let reason = without_codes(&reason);
                // Without any waiting the client gives up now, and the final message has the same
                // reason.
                let tries = self.joined || self.deadlines.wait() != Some(Duration::ZERO);
                if tries && !self.link.said {
                    self.link.said = true;
                    let how_long = self.how_long();
                    self.say(&format!("not connected ({reason}); trying {how_long}"));
                }
                self.link.down = Some(reason);
            }
            Link::Live if self.joined => {
                self.link = LinkReport::default();
                self.say("connected");
            }
            Link::StartingServer | Link::Live | Link::Connecting | Link::CatchingUp { .. } => {}
        }
    }

    fn how_long(&self) -> String {
        match self.deadlines.wait() {
            Some(wait) if !self.joined => format!("for {} s", wait.as_secs_f64()),
            _ => "again".to_owned(),
        }
    }

    fn refused(&mut self, refusal: &NameRefusal) {
        let name = self.config.name.as_str();
        let waited_for = self.deadlines.waits_for_name();
        let waits = refusal
            .retry_in
            .is_some_and(|free_in| self.deadlines.name_is_taken(free_in, Instant::now()));
        if !waits {
            let reason = format!("the name {name:?} is refused: {}", refusal.reason);
            self.outcome = Some(ExitReason::NeverJoined(reason));
        } else if !waited_for {
            self.say(&format!(
                "{}; waiting until the name is free",
                refusal.reason
            ));
        }
    }

    fn ended(&mut self, ended: Ended) {
        self.outcome = Some(match ended {
            Ended::Left if !self.joined => {
                ExitReason::NeverJoined("asked to end before it had joined the chat".into())
            }
            ended => ExitReason::Over(ended),
        });
    }

    pub(super) fn typed(&mut self, piece: Option<ReadLine>) {
        let Some(piece) = piece else {
            self.reading = false;
            return;
        };
        self.line += 1;
        let text = match piece {
            ReadLine::Line(text) => text,
            ReadLine::Wrong(why) => return self.not_sent(self.line, &why),
            ReadLine::Broken(error) => {
                self.reading = false;
                self.unsent += 1;
                return self.say(&format!("cannot read the input: {error}"));
            }
        };
        match commands::parse(&text) {
            ParsedLine::Nothing => {}
            ParsedLine::Message(text) => {
                let ticket = Ticket(self.line);
                self.pending.insert(ticket, self.line);
                self.next = Some(SessionCommand::Publish { ticket, text });
            }
            ParsedLine::Quit => self.reading = false,
            ParsedLine::Time => self.say(&self.recent.explain()),
            ParsedLine::Help => {
                let rows = commands::COMMANDS.iter();
                for row in rows.filter(|row| !commands::parse(row.command).needs_screen()) {
                    self.say(&format!("{}: {}", row.command, row.what));
                }
            }
            ParsedLine::Who => {
                for line in self.participants.list() {
                    self.say(&line);
                }
            }
            ParsedLine::At(_) | ParsedLine::Clear | ParsedLine::Search(_) => {
                self.not_sent(self.line, "/at, /clear and /search need a screen");
            }
            ParsedLine::Wrong(why) => self.not_sent(self.line, &why),
        }
    }

    fn not_sent(&mut self, line: u64, why: &str) {
        self.unsent += 1;
        let why = why.trim_start_matches("Not sent: ");
        self.say(&format!("line {line} is not sent: {why}"));
    }

    pub(super) fn say(&mut self, what: &str) {
        self.errors
            .push(&format!("chitty: {}\n", display::safe(what)));
    }

    /// The result of the run; lines that are not confirmed count as not sent.
    pub(super) fn end(&mut self) -> PlainOutcome {
        for line in std::mem::take(&mut self.pending).into_values() {
            self.unsent += 1;
            self.say(&format!(
                "line {line} is not confirmed: it may be in the chat or not"
            ));
        }
        PlainOutcome {
            outcome: self.outcome.take().unwrap_or(ExitReason::Left),
            unsent: self.unsent,
            unreachable: self.unreachable,
        }
    }

    /// Writes all pending output, however long that takes.
    pub(super) async fn write_all(&mut self) {
        tokio::join!(self.output.finish(), self.errors.finish());
    }
}
