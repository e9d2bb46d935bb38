//! What one line says, typed.

use super::interner::TextId;

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineLocation {
    /// Which of the trace's files.
    pub file: u32,
    /// Which line of it, from 1.
    pub line: u32,
    /// Where the line begins, in bytes.
    pub offset: u64,
}

impl LineLocation {
    /// Before the first line.
    pub(super) const fn start_of(file: u32) -> Self {
        Self {
            file,
            line: 0,
            offset: 0,
        }
    }
}

/// One line of a run.
#[derive(Clone, Copy, Debug)]
pub struct TraceStep {
    /// Where it is written.
    pub location: LineLocation,
    /// The wall clock of its process: microseconds since 1970, for people and to break ties.
    pub wall: u64,
    /// The time that the message carries; 0 where the line has none.
    pub lamport: u64,
    /// The process's clock after it.
    pub clock: Option<u64>,
    /// Lines of this run are missing before it.
    pub after_hole: bool,
    /// The run breaks off here, and the line may be cut in its last field.
    pub frayed: bool,
    /// What happened.
    pub kind: StepKind,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A server came up, with the log's life and last position.
    ServerStarted {
        /// The log's life.
        epoch: TextId,
        /// The last position.
        position: u64,
    },
    /// It ended in order.
    ServerStopped,
    /// A client began to connect.
    LinkBegan,
    /// A client ended in order.
    LinkEnded,
    /// A client asks to enter.
    JoinSent {
        /// Under this name.
        name: TextId,
        /// Going on behind this position.
        resume: Option<u64>,
    },
    /// The server got that.
    JoinReceived {
        /// Under this name.
        name: TextId,
    },
    /// The server lets somebody in.
    JoinGranted(LoggedWelcome),
    /// The client heard so.
    JoinReplied(LoggedWelcome),
    /// The server tells all.
    BroadcastSent(LoggedEvent),
    /// A client heard it.
    BroadcastReceived(LoggedEvent),
    /// A client sends a line.
    PublishSent {
        /// Its id; may be empty.
        id: TextId,
        /// The last position that its author had been shown.
        seen: u64,
        /// The line.
        text: TextId,
        /// It was sent before.
        retry: bool,
    },
    /// The server got it.
    PublishReceived {
        /// Whose, where it leads to an event.
        participant: Option<u64>,
        /// Its id.
        id: TextId,
        /// As it was told.
        seen: u64,
    },
    /// It is durable: on the server its saying so, at a client its hearing so.
    PublishReplied {
        /// Where it is.
        position: u64,
        /// Its id.
        id: TextId,
        /// A retry that got the first reply.
        repeated: bool,
    },
    /// A client heard that its line is not published.
    PublishRefused {
        /// The line's id.
        id: TextId,
    },
    /// A client leaves.
    LeaveSent,
    /// The server got that.
    LeaveReceived {
        /// Who, where it leads to an event.
        participant: Option<u64>,
    },
    /// It is durable: as with [`StepKind::PublishReplied`].
    LeaveReplied {
        /// Where its Left is.
        position: u64,
        /// A repeated Leave.
        repeated: bool,
    },
    /// A client asks for older events, which moves no clock.
    HistorySent,
    /// It got them.
    HistoryReplied,
    /// Of no meaning to logical time.
    Other,
}

/// What a Welcome says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoggedWelcome {
    /// As of which event.
    pub position: u64,
    /// The position of the participation's Joined.
    pub participant: u64,
    /// The same participation goes on.
    pub resumed: bool,
    /// The first position that follows.
    pub next: u64,
    /// The log's end.
    pub head: u64,
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoggedKind {
    /// Somebody entered.
    Joined,
    /// Somebody is gone.
    Left,
    /// Somebody wrote.
    Message,
    /// Of a later version.
    Unknown,
}

impl LoggedKind {
    /// The word for it in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Message => "message",
            Self::Unknown => "unknown",
        }
    }
}

/// An event of the chat, in one process's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its place.
    pub position: u64,
    /// What it is.
    pub kind: LoggedKind,
    /// Whose participation.
    pub participant: u64,
    /// Whose name: the author's, or who came or went.
    pub name: TextId,
    /// Why somebody left.
    pub reason: TextId,
    /// A message's id.
    pub id: TextId,
    /// What its author had seen.
    pub seen: u64,
    /// The message, or the sentence.
    pub text: TextId,
    /// The time of the request behind it; 0: none.
    pub request: u64,
}
