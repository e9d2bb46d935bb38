//! The events of a chat, as every part of the program uses them.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    lamport::LamportTime,
    proto::v1::{self, event::Kind, left::Reason},
};

/// An event's number in the log: 1, 2, 3 and so on, without gaps. 0 stands for the place before the
/// first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position before the first event.
    pub const ZERO: Self = Self(0);

    /// The position with this number.
    pub const fn new(position: u64) -> Self {
        Self(position)
    }

    /// The number, as it goes over the wire.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The position before this one; before the first it stays 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl From<u64> for Position {
    fn from(position: u64) -> Self {
        Self(position)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a participation: the position of its Joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantNumber(u64);

impl ParticipantNumber {
    /// The participation with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, as it goes over the wire.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<Position> for ParticipantNumber {
    fn from(joined: Position) -> Self {
        Self(joined.get())
    }
}

impl fmt::Display for ParticipantNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One entry of the chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its position in the log.
    pub position: Position,
    /// The Lamport time of its broadcast: the one time that every log and screen shows for it.
    pub lamport: LamportTime,
    /// The server's wall clock, for people only: events are ordered by position.
    pub at: SystemTime,
    /// The Lamport time of the request that led to it; 0 if no request did.
    pub request: LamportTime,
    /// What happened, and to whom.
    pub kind: EventKind,
}

/// What happened. Texts are as they were received; code that shows them makes them safe first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A participant joined; its number is the event's position.
    Joined {
        /// The name of the participant.
        name: Arc<str>,
    },
    /// The participation of a participant ended.
    Left {
        /// The name of the participant.
        name: Arc<str>,
        /// The reason why it ended.
        reason: LeftReason,
        /// The participation that ended.
        participant: ParticipantNumber,
    },
    /// A participant published a message.
    Message {
        /// The name of the participant.
        author: Arc<str>,
        /// The text of the message.
        text: Arc<str>,
        /// The id that the client picked; empty if it picked none.
        id: Arc<str>,
        /// The last position that the author had been shown when it sent the message; 0 if the
        /// client did not say.
        seen: Position,
        /// The participation of the author.
        participant: ParticipantNumber,
    },
    /// An event of a kind that this version does not know. It has a position and a time, and no
    /// effect.
    Unknown,
}

/// Why a participant left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftReason {
    /// No reason, or one that this version does not know.
    Unspecified,
    /// The participant sent Leave.
    Left,
    /// The stream ended, and the participant was not back within the grace.
    Lost,
    /// The participant was present when the server stopped, and was not back in time after the
    /// restart.
    Closed,
    /// An operator removed the participant.
    Removed,
}

impl LeftReason {
    /// One word for logs and screens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Closed => "closed",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for LeftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Reason> for LeftReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::Left => Self::Left,
            Reason::Lost => Self::Lost,
            Reason::Closed => Self::Closed,
            Reason::Removed => Self::Removed,
        }
    }
}

impl From<LeftReason> for Reason {
    fn from(reason: LeftReason) -> Self {
        match reason {
            LeftReason::Unspecified => Self::Unspecified,
            LeftReason::Left => Self::Left,
            LeftReason::Lost => Self::Lost,
            LeftReason::Closed => Self::Closed,
            LeftReason::Removed => Self::Removed,
        }
    }
}

impl Event {
    /// The sentence that announces a Joined or a Left, with the event's own time; `None` for other
    /// events.
    pub fn sentence(&self) -> Option<String> {
        match &self.kind {
            EventKind::Joined { name } => Some(joined_sentence(name, self.lamport)),
            EventKind::Left { name, .. } => Some(left_sentence(name, self.lamport)),
            EventKind::Message { .. } | EventKind::Unknown => None,
        }
    }

    /// The participant that the event is about: who joined, left or wrote. `None` if this version
    /// does not know the kind of event.
    pub const fn participant(&self) -> Option<ParticipantNumber> {
        match self.kind {
            // A participation's number is the position of its Joined.
            EventKind::Joined { .. } => Some(ParticipantNumber(self.position.0)),
            EventKind::Left { participant, .. } | EventKind::Message { participant, .. } => {
                Some(participant)
            }
            EventKind::Unknown => None,
        }
    }

    /// One word for what happened, as in logs.
    pub const fn kind_str(&self) -> &'static str {
        match self.kind {
            EventKind::Joined { .. } => "joined",
            EventKind::Left { .. } => "left",
            EventKind::Message { .. } => "message",
            EventKind::Unknown => "unknown",
        }
    }
}

/// "Participant X joined Chitty-Chat at Lamport time L".
pub fn joined_sentence(name: &str, lamport: LamportTime) -> String {
    format!("Participant {name} joined Chitty-Chat at Lamport time {lamport}")
}

/// "Participant X left Chitty-Chat at Lamport time L".
pub fn left_sentence(name: &str, lamport: LamportTime) -> String {
    format!("Participant {name} left Chitty-Chat at Lamport time {lamport}")
}

impl From<v1::Event> for Event {
    fn from(event: v1::Event) -> Self {
        let kind = match event.kind {
            Some(Kind::Joined(joined)) => EventKind::Joined {
                name: joined.name.into(),
            },
            Some(Kind::Left(left)) => EventKind::Left {
                reason: left.reason().into(),
                name: left.name.into(),
                participant: ParticipantNumber(left.participant),
            },
            Some(Kind::Message(message)) => EventKind::Message {
                author: message.author.into(),
                text: message.text.into(),
                id: message.id.into(),
                seen: Position(message.seen),
                participant: ParticipantNumber(message.participant),
            },
            None => EventKind::Unknown,
        };
        Self {
            position: Position(event.position),
            lamport: event.lamport.into(),
            // The wall clock is only shown, so a missing or impossible time is no reason to refuse
            // the event.
            at: event.at.map_or(UNIX_EPOCH, system_time),
            request: event.request.into(),
            kind,
        }
    }
}

impl From<&Event> for v1::Event {
    fn from(event: &Event) -> Self {
        let kind = match &event.kind {
            EventKind::Joined { name } => Some(Kind::Joined(v1::Joined {
                name: name.to_string(),
            })),
            EventKind::Left {
                name,
                reason,
                participant,
            } => Some(Kind::Left(v1::Left {
                name: name.to_string(),
                reason: Reason::from(*reason).into(),
                participant: participant.get(),
            })),
            EventKind::Message {
                author,
                text,
                id,
                seen,
                participant,
            } => Some(Kind::Message(v1::Message {
                author: author.to_string(),
                text: text.to_string(),
                id: id.to_string(),
                seen: seen.get(),
                participant: participant.get(),
            })),
            EventKind::Unknown => None,
        };
        Self {
            position: event.position.get(),
            lamport: event.lamport.get(),
            at: Some(event.at.into()),
            kind,
            request: event.request.get(),
        }
    }
}

/// A wall-clock time from the wire. One that [`SystemTime`] cannot hold becomes the Unix epoch.
fn system_time(at: prost_types::Timestamp) -> SystemTime {
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(at.seconds), u32::try_from(at.nanos)) else {
        return UNIX_EPOCH;
    };
    if nanos >= 1_000_000_000 {
        return UNIX_EPOCH;
    }
    UNIX_EPOCH
        .checked_add(Duration::new(seconds, nanos))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sentences_are_the_fixed_ones() {
        assert_eq!(
            joined_sentence("ada", LamportTime::new(3)),
            "Participant ada joined Chitty-Chat at Lamport time 3"
        );
        assert_eq!(
            left_sentence("ada", LamportTime::new(19)),
            "Participant ada left Chitty-Chat at Lamport time 19"
        );
    }

    #[test]
    fn an_unknown_reason_is_no_error() {
        let left = v1::Event {
            kind: Some(Kind::Left(v1::Left {
                reason: 77,
                ..Default::default()
            })),
            ..Default::default()
        };
        assert!(matches!(
            Event::from(left).kind,
            EventKind::Left {
                reason: LeftReason::Unspecified,
                ..
            }
        ));
    }

    proptest! {
        #[test]
        fn any_timestamp_is_survived(seconds: i64, nanos: i32) {
            let event = v1::Event {
                at: Some(prost_types::Timestamp { seconds, nanos }),
                ..Default::default()
            };
            let _ = v1::Event::from(&Event::from(event));
        }

        #[test]
        fn the_wire_form_round_trips(
            position: u64, lamport: u64, request: u64, seconds in 0..=4_000_000_000_u64,
            author: String, text: String, id: String, seen: u64, participant: u64,
        ) {
            let event = Event {
                position: position.into(),
                lamport: lamport.into(),
                at: UNIX_EPOCH + Duration::from_secs(seconds),
                request: request.into(),
                kind: EventKind::Message {
                    author: author.into(),
                    text: text.into(),
                    id: id.into(),
                    seen: seen.into(),
                    participant: ParticipantNumber(participant),
                },
            };
            prop_assert_eq!(Event::from(v1::Event::from(&event)), event);
        }
    }
}
