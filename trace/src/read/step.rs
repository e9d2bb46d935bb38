//! The content of a log line, typed (docs/log-format.md).

use super::interner::TextId;

/// The location of a line in the log files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineLocation {
    /// The number of the file, as an index into the trace's sources.
    pub file: u32,
    /// The number of the line in the file, from 1.
    pub line: u32,
    /// The offset of the line's first byte in the file.
    pub offset: u64,
}

impl LineLocation {
    /// The location before the first line of a file.
    pub(super) const fn start_of(file: u32) -> Self {
        Self {
            file,
            line: 0,
            offset: 0,
        }
    }
}

/// One line of a run that is not a diagnostic.
#[derive(Clone, Copy, Debug)]
pub struct TraceStep {
    /// Where the line is.
    pub location: LineLocation,
    /// The wall clock of the process in microseconds since 1970. It is shown to people and breaks
    /// ties between concurrent steps; no rule depends on it.
    pub wall: u64,
    /// The Lamport time that the message carries; 0 if the line has none.
    pub lamport: u64,
    /// The process's Lamport clock after the step, if the line reports it.
    pub clock: Option<u64>,
    /// Lines of this run are missing before this one.
    pub after_hole: bool,
    /// The run breaks off here, and the last field of the line may be cut.
    pub frayed: bool,
    /// What happened in the step, with its fields.
    pub kind: StepKind,
}

/// What happened in a step, with the fields of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A server started on a log.
    ServerStarted {
        /// The epoch of the log.
        epoch: TextId,
        /// The head of the log.
        position: u64,
    },
    /// A server ended in order.
    ServerStopped,
    /// A client began to connect.
    LinkBegan,
    /// A client ended in order.
    LinkEnded,
    /// A client sends a Join.
    JoinSent {
        /// The name that the client asks for.
        name: TextId,
        /// The position after which the client wants to resume, if it does.
        resume: Option<u64>,
    },
    /// The server receives a Join.
    JoinReceived {
        /// The name that the client asks for.
        name: TextId,
    },
    /// The server answers a Join with a Welcome.
    JoinGranted(LoggedWelcome),
    /// A client receives the Welcome.
    JoinReplied(LoggedWelcome),
    /// The server broadcasts an event.
    BroadcastSent(LoggedEvent),
    /// A client receives an event from its stream.
    BroadcastReceived(LoggedEvent),
    /// A client sends a Publish.
    PublishSent {
        /// The message's id; may be empty.
        id: TextId,
        /// The last position that the author had received when it wrote.
        seen: u64,
        /// The text of the message.
        text: TextId,
        /// The same request was sent before.
        retry: bool,
    },
    /// The server receives a Publish.
    PublishReceived {
        /// The author, if the request leads to an event.
        participant: Option<u64>,
        /// The id of the message.
        id: TextId,
        /// The `seen` of the request.
        seen: u64,
    },
    /// A Publish is acknowledged: in a server's log the reply is sent, in a client's it is received.
    PublishReplied {
        /// The position of the message.
        position: u64,
        /// The id of the message.
        id: TextId,
        /// It was a retry, and got the reply of the first request.
        repeated: bool,
    },
    /// A client receives a final refusal of its Publish.
    PublishRefused {
        /// The id of the message.
        id: TextId,
    },
    /// A client sends a Leave.
    LeaveSent,
    /// The server receives a Leave.
    LeaveReceived {
        /// The participant, if the request leads to an event.
        participant: Option<u64>,
    },
    /// A Leave is acknowledged, sent or received as with [`StepKind::PublishReplied`].
    LeaveReplied {
        /// The position of the Left.
        position: u64,
        /// It was a repeated Leave, and got the reply of the first.
        repeated: bool,
    },
    /// A client requests a page of History, which moves no clock.
    HistorySent,
    /// A client receives a page of History.
    HistoryReplied,
    /// A line that has no part in logical time.
    Other,
}

/// The fields of a Welcome, as in a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoggedWelcome {
    /// The position that the Welcome is as of.
    pub position: u64,
    /// The number of the participation: the position of its Joined.
    pub participant: u64,
    /// Whether an earlier participation continues.
    pub resumed: bool,
    /// The first position that the stream delivers.
    pub next: u64,
    /// The head of the log.
    pub head: u64,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoggedKind {
    /// A participant joined the chat.
    Joined,
    /// A participant left the chat.
    Left,
    /// A participant wrote a message.
    Message,
    /// A kind that only a later version knows.
    Unknown,
}

impl LoggedKind {
    /// The value of `kind=` in log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Message => "message",
            Self::Unknown => "unknown",
        }
    }
}

/// An event of the chat, as one log line has it. Lines about one event may differ if logs are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The position of the event in the chat's log.
    pub position: u64,
    /// The kind of the event.
    pub kind: LoggedKind,
    /// The number of the participation that joined, left or wrote.
    pub participant: u64,
    /// The name of the participant who joined, left or wrote.
    pub name: TextId,
    /// The reason of a Left; otherwise empty.
    pub reason: TextId,
    /// The id of a message; otherwise empty.
    pub id: TextId,
    /// The position up to which the author of a message had received everything; otherwise 0.
    pub seen: u64,
    /// The text of the message, or the fixed sentence for joining and leaving.
    pub text: TextId,
    /// The Lamport time of the request that led to the event; 0 if there was none.
    pub request: u64,
}
