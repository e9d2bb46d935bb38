//! Causality: what each participant could know when it sent something. It tells which sendings
//! happened before which others, and which of them crossed.
//!
//! Lamport times alone cannot show this: the smaller of two times does not imply that its event
//! happened before the other. A message therefore carries `seen`, the last position that its
//! author's stream had delivered when it was sent. Treat the log as transparent (it passes messages
//! on, and knows nothing itself), and leave replies out. Then one sending happened before another,
//! in Lamport's sense, exactly if both are by the same participant and in this order, or if the
//! other's author had seen it. No chain of sendings has to be followed: an author that has seen a
//! message has also seen everything that the message's author had seen, because positions have no
//! gaps and `seen` is below the message's own position.
//!
//! A participant counts as having seen everything before its own Joined, because its Welcome stands
//! for it. So the messages that crossed with the message at position `p` by `a` are those of all
//! other participants in `(seen, p)`.

use std::cmp::Ordering;

use crate::event::{Event, EventKind, LeftReason, ParticipantNumber, Position};

/// A request of a participant, named by the event that it led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The position of the event.
    pub position: Position,
    /// The participant that sent it.
    pub participant: ParticipantNumber,
    /// The request that was sent.
    pub kind: SendingKind,
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendingKind {
    /// A Join.
    Join,
    /// A Publish, with the last position that its author had seen; 0 if it did not say.
    Message(Position),
    /// A Leave.
    Leave,
}

/// The relation of one sending to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Both are the same sending.
    Same,
    /// It happened before the other, whose sender could know of it.
    Before,
    /// The other happened before it.
    After,
    /// Neither sender could know of the other sending: they crossed.
    Concurrent,
    /// Not known, because the later one does not say what its sender had seen.
    Unknown,
}

impl Sending {
    /// The sending that led to this event; `None` if no request did.
    pub const fn of(event: &Event) -> Option<Self> {
        let kind = match event.kind {
            EventKind::Joined { .. } => SendingKind::Join,
            EventKind::Left {
                reason: LeftReason::Left,
                ..
            } => SendingKind::Leave,
            EventKind::Message { seen, .. } => SendingKind::Message(seen),
            EventKind::Left { .. }
            | EventKind::Member(_)
            | EventKind::Invitation(_)
            | EventKind::Unknown => return None,
        };
        match event.participant() {
            Some(participant) => Some(Self {
                position: event.position,
                participant,
                kind,
            }),
            None => None,
        }
    }

    /// How this one is related to the other.
    pub fn relation(&self, other: &Self) -> Relation {
        match self.position.cmp(&other.position) {
            Ordering::Equal => Relation::Same,
            Ordering::Less => self.to_later(other),
            Ordering::Greater => match other.to_later(self) {
                Relation::Before => Relation::After,
                relation => relation,
            },
        }
    }

    /// The relation to a sending that is later in the log. The later one can never be before the
    /// earlier one, whose sender had seen lower positions only.
    fn to_later(self, later: &Self) -> Relation {
        if self.participant == later.participant {
            return Relation::Before;
        }
        match later.seen() {
            None => Relation::Unknown,
            Some(seen) if self.position <= seen => Relation::Before,
            Some(_) => Relation::Concurrent,
        }
    }

    /// The last position that its sender had seen, if the message says so.
    pub fn seen(&self) -> Option<Position> {
        match self.kind {
            SendingKind::Message(seen) if seen != Position::default() => Some(seen),
            _ => None,
        }
    }

    const fn is_message(&self) -> bool {
        matches!(self.kind, SendingKind::Message(_))
    }
}

/// Some sendings, in the order of their positions; there may be gaps.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a>(&'a [Sending]);

impl<'a> Window<'a> {
    /// These sendings, which must be in the order of their positions.
    pub const fn new(sendings: &'a [Sending]) -> Self {
        Self(sendings)
    }

    /// The messages above this one that its author had not seen: those of others in `(seen, p)`.
    /// Empty if the message does not say what its author had seen.
    ///
    /// If the window begins above `seen`, there may be more of them.
    pub fn unseen(self, sending: Sending) -> impl DoubleEndedIterator<Item = &'a Sending> {
        let end = self.index(sending.position);
        let start = sending
            .seen()
            .map_or(end, |seen| self.index(seen.next()).min(end));
        self.0[start..end].iter().filter(move |earlier| {
            earlier.is_message() && earlier.relation(&sending) == Relation::Concurrent
        })
    }

    /// The messages that crossed with this sending, above and below it, in order.
    pub fn crossed(self, sending: Sending) -> impl DoubleEndedIterator<Item = &'a Sending> {
        self.related(sending, Relation::Concurrent)
            .filter(|other| other.is_message())
    }

    /// This sending's causal past: all that its sender could know of, in order.
    pub fn past(self, sending: Sending) -> impl DoubleEndedIterator<Item = &'a Sending> {
        self.related(sending, Relation::Before)
    }

    /// The sendings that have this relation to `sending`.
    fn related(
        self,
        sending: Sending,
        relation: Relation,
    ) -> impl DoubleEndedIterator<Item = &'a Sending> {
        let related = move |other: &&Sending| other.relation(&sending) == relation;
        self.0.iter().filter(related)
    }

    /// The first one that is not below this position.
    fn index(self, position: Position) -> usize {
        self.0
            .partition_point(|sending| sending.position < position)
    }
}

#[cfg(test)]
mod tests;
