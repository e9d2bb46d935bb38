//! The interface between the session and the app: commands in, notices out.

use std::{sync::Arc, time::Duration};

use chitty_chat::{Event, LamportTime, MessageText, ParticipantName, ParticipantNumber, Position};

/// How many lines of the user's may wait for the server. The app refuses more, so the session's
/// outbox is full only for an app that does not keep to it.
pub const MAX_PENDING: usize = 100;

/// The app's number for a line of the user's; each line is confirmed or rejected once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A command of the app to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionCommand {
    /// Join the chat under this name. Answered with [`Notice::Welcome`] or [`Notice::Refused`];
    /// after a refusal another name can be tried.
    Join {
        /// The name to join under.
        name: ParticipantName,
    },
    /// Send a line. Lines are sent in order, one at a time, and kept and retried while the link is
    /// down.
    Publish {
        /// The app's number for the line.
        ticket: Ticket,
        /// The text of the line.
        text: MessageText,
    },
    /// Leave for good. Answered with [`Notice::Ended`], soon, whatever the network does.
    Leave,
    /// Try to reconnect at once, because the user is active.
    Hurry,
    /// Read a page of the log. Answered with [`Notice::History`].
    History {
        /// Which page to read.
        page: HistoryPage,
        /// The largest number of events.
        limit: u32,
    },
}

/// A page of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryPage {
    /// The events that end before this position; before 0, those at the end of the log.
    Before(Position),
    /// The events that begin after this position.
    After(Position),
    /// The events around the one at this time, or around the last one before it.
    At(LamportTime),
}

/// A report of the session to the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The state of the link changed.
    Link(Link),
    /// This participant's clock moved without an event to show.
    Clock {
        /// The new reading of the clock.
        clock: LamportTime,
        /// Why the clock moved.
        moved: ClockCause,
    },
    /// The name was not accepted.
    Refused(NameRefusal),
    /// The client joined the chat, or joined it again.
    Welcome(WelcomeNotice),
    /// The next event of the log. Positions follow each other without gaps or repeats.
    Event {
        /// The event itself.
        event: Event,
        /// This participant's clock after the receipt.
        clock: LamportTime,
        /// The ticket, if the event is one of the user's own lines.
        own: Option<Ticket>,
        /// Whether it happened during this participation. Otherwise it is history: it changes
        /// nobody's presence, and reading it is no receipt.
        live: bool,
    },
    /// The server did not accept a line; nobody received it.
    Rejected {
        /// The ticket of the line.
        ticket: Ticket,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// A line is in the log, but at a position that this timeline does not show because it started
    /// afresh in between: no [`Notice::Event`] follows for it.
    Accepted {
        /// The ticket of the line.
        ticket: Ticket,
        /// The position of the line in the log.
        position: Position,
    },
    /// A page of the log, in ascending order. History changes nobody's presence.
    History {
        /// The page as it was requested.
        page: HistoryPage,
        /// The events, or why there are none.
        events: Result<Vec<Event>, String>,
        /// Whether nothing older is kept.
        start: bool,
    },
    /// The session is over. This is the last notice.
    Ended(Ended),
}

/// Why a clock moved without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockCause {
    /// A request was sent: `C = C + 1`.
    Sent,
    /// A reply or history reported a later time `t`: `C = max(C, t)`.
    Observed,
}

/// The state of the link, as the status line shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A local server is being started.
    StartingServer,
    /// The session connects or joins.
    Connecting,
    /// The session follows the log at its end.
    Live,
    /// The session follows the log, and earlier events are still to come.
    CatchingUp {
        /// How many events are still to come.
        remaining: u64,
    },
    /// The link is down; the session tries again by itself.
    Lost {
        /// Why it is down, in a few words.
        reason: String,
        /// How long until the next try.
        retry_in: Duration,
    },
}

/// Why a name was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRefusal {
    /// The name that was tried.
    pub name: String,
    /// What is wrong and what to do, in a sentence.
    pub reason: String,
    /// After this time the name may be free, because its holder is lost.
    pub retry_in: Option<Duration>,
}

/// What a server reports on joining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WelcomeNotice {
    /// The accepted name.
    pub name: Arc<str>,
    /// The number of this participation.
    pub number: ParticipantNumber,
    /// The participants present as of `position`, oldest first, including this one; `None` if a
    /// resume was granted, so that the known ones stay.
    pub participants: Option<Vec<(ParticipantNumber, Arc<str>)>>,
    /// How far the present participants are known to have read.
    pub seen: Vec<(ParticipantNumber, Position)>,
    /// The position to which `participants` refers. Events below it are history and change nobody's
    /// presence.
    pub position: Position,
    /// The first position that follows.
    pub next: Position,
    /// The end of the log at this moment.
    pub head: Position,
    /// The oldest position that the server keeps.
    pub first: Position,
    /// This participant's clock.
    pub clock: LamportTime,
    /// Whether the same participation continues.
    pub resumed: bool,
    /// Whether the log is another one than before (replaced or restored), so that the timeline
    /// starts afresh.
    pub another_log: bool,
    /// The address of the server, for the status line.
    pub server: String,
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The user left.
    Left,
    /// The same session continues in another process.
    TakenOver,
    /// The server ended the participation; the text says why.
    Removed(String),
    /// The server cannot be used (it is another program, has no such room, cannot be started …);
    /// the text says what to do.
    Failed(String),
}

impl Ended {
    /// The end of a session whose task has ended without a last notice.
    pub fn vanished() -> Self {
        Self::Failed(
            "the connection to the server ended unexpectedly; start chitty again".to_owned(),
        )
    }
}
