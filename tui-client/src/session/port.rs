//! What passes between the session and the app: commands in, notices out.

use std::{sync::Arc, time::Duration};

use chitty_chat::{Event, LamportTime, MessageText, ParticipantName, ParticipantNumber, Position};

/// One line that the user sent, as the app counts them: each is confirmed or refused once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What the app asks of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionCommand {
    /// Enter the chat under this name. Answered with [`Notice::Welcome`] or [`Notice::Refused`];
    /// after a refusal another name can be tried.
    Join {
        /// The name.
        name: ParticipantName,
    },
    /// Send a line. Sent in order, one at a time; kept and retried while the link is down.
    Publish {
        /// The app's number for it.
        ticket: Ticket,
        /// The line.
        text: MessageText,
    },
    /// Leave for good: answered with [`Notice::Ended`], soon, whatever the network does.
    Leave,
    /// The user is there: if the session waits to reconnect, it tries at once.
    Hurry,
    /// Read a page of the log. Answered with [`Notice::History`].
    History {
        /// Which page.
        page: HistoryPage,
        /// How many events at most.
        limit: u32,
    },
}

/// Which page of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryPage {
    /// What ends before this position; before 0, what ends at the end of the log.
    Before(Position),
    /// What begins behind this position.
    After(Position),
    /// What is around the event at this time, or at the next one before it.
    At(LamportTime),
}

/// What the session tells the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The state of the link changed.
    Link(Link),
    /// This participant's clock moved without an event to show.
    Clock {
        /// Its reading.
        clock: LamportTime,
        /// Why.
        moved: ClockCause,
    },
    /// The name was not accepted.
    Refused(NameRefusal),
    /// The chat was entered, or gone on with.
    Welcome(WelcomeNotice),
    /// The next event of the log; positions follow each other without gap or repeat.
    Event {
        /// What happened.
        event: Event,
        /// This participant's clock after the receipt.
        clock: LamportTime,
        /// Which of the user's own lines this is.
        own: Option<Ticket>,
    },
    /// The server did not accept a line; it was not sent to anyone.
    Rejected {
        /// Which line.
        ticket: Ticket,
        /// What to do about it.
        reason: String,
    },
    /// A line is in the log, but at a position that this timeline does not show any more (it
    /// started afresh in between): no [`Notice::Event`] follows for it.
    Accepted {
        /// Which line.
        ticket: Ticket,
        /// Where it is.
        position: Position,
    },
    /// A page of the log, ascending; history changes nobody's presence.
    History {
        /// As asked for.
        page: HistoryPage,
        /// The events, or why there are none.
        events: Result<Vec<Event>, String>,
        /// Nothing older is kept.
        start: bool,
    },
    /// The session is over. Nothing comes after this.
    Ended(Ended),
}

/// Why a clock moved where no event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockCause {
    /// Something was sent: `C = C + 1`.
    Sent,
    /// A reply or history told a later time: `C = max(C, t)`.
    Observed,
}

/// The state of the link, for the status line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A server of one's own is being started.
    StartingServer,
    /// Connecting or joining.
    Connecting,
    /// Following the log, and at its end.
    Live,
    /// Following the log, with older events still to come.
    CatchingUp {
        /// How many.
        remaining: u64,
    },
    /// The link is down; the session tries again by itself.
    Lost {
        /// Why, in a few words.
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
    /// The name may be free again after this time, as its owner is lost.
    pub retry_in: Option<Duration>,
}

/// What a server tells on joining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WelcomeNotice {
    /// The accepted name.
    pub name: Arc<str>,
    /// This participation.
    pub number: ParticipantNumber,
    /// Who is present as of `position`, oldest first, this one included; `None` on a granted
    /// resume: go on with whom you have.
    pub participants: Option<Vec<(ParticipantNumber, Arc<str>)>>,
    /// How far those present are known to have read.
    pub seen: Vec<(ParticipantNumber, Position)>,
    /// As of which position `participants` speaks: events below it are history and change
    /// nobody's presence.
    pub position: Position,
    /// The first position that follows.
    pub next: Position,
    /// The end of the log at this moment.
    pub head: Position,
    /// The oldest position kept.
    pub first: Position,
    /// This participant's clock.
    pub clock: LamportTime,
    /// The same participation goes on.
    pub resumed: bool,
    /// The log is another one than before (replaced or restored): start afresh, and say so.
    pub another_log: bool,
    /// Where the server is, for the status line.
    pub server: String,
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The user left.
    Left,
    /// The same session goes on in another process.
    TakenOver,
    /// The participation was ended by the server; the detail says why.
    Removed(String),
    /// The server cannot be used (no Chitty-Chat there, unknown room, cannot be started …); the
    /// text says what to do.
    Failed(String),
}
