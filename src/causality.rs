//! What each participant could know when it wrote: which sendings are before which, and which
//! crossed on the way.
//!
//! Lamport times alone cannot show that: of two times, the smaller one may be of either. A message
//! therefore carries `seen`, the end of what its author's stream had delivered when it was sent.
//! With the log transparent (it passes on, and knows nothing itself) and replies left out, a
//! sending is before another, in the sense of Lamport's happened-before, exactly where both are
//! the same participant's and in this order, or the other's author had seen it. No chain of
//! sendings need be followed: whoever has seen a message has also seen all that its author had, as
//! positions are dense and `seen` is below the message's own position.
//!
//! A participant is taken to have seen all that was before its own joining: its Welcome stands for
//! it. So the messages that the message at `p`, by `a`, crossed on its way are those of all other
//! participants in `(seen, p)`.

use std::cmp::Ordering;

use crate::event::{Event, EventKind, LeftReason, ParticipantNumber, Position};

/// A participant's asking for an event: what it sent, named by the event that came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Where the event is.
    pub position: Position,
    /// Whose.
    pub participant: ParticipantNumber,
    /// What was sent.
    pub kind: SendingKind,
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendingKind {
    /// Join.
    Join,
    /// Publish, with the last position that its author had seen; 0: not told.
    Message(Position),
    /// Leave.
    Leave,
}

/// How one sending is related to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Both are one.
    Same,
    /// It happened before the other: whoever sent the other could know of it.
    Before,
    /// The other happened before it.
    After,
    /// Neither could know of the other: they crossed.
    Concurrent,
    /// The later one does not tell what its sender had seen.
    Unknown,
}

impl Sending {
    /// The sending that led to this event; `None` where no participant asked for it.
    pub const fn of(event: &Event) -> Option<Self> {
        let (participant, kind) = match event.kind {
            EventKind::Joined { .. } => (
                ParticipantNumber::new(event.position.get()),
                SendingKind::Join,
            ),
            EventKind::Left {
                reason: LeftReason::Left,
                participant,
                ..
            } => (participant, SendingKind::Leave),
            EventKind::Message {
                participant, seen, ..
            } => (participant, SendingKind::Message(seen)),
            EventKind::Left { .. } | EventKind::Unknown => return None,
        };
        Some(Self {
            position: event.position,
            participant,
            kind,
        })
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

    /// Nothing is before what is earlier in the log: its sender had seen positions below it only.
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

    /// The last position that its sender had seen, where that is told.
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

    /// The messages above this one that its author had not seen: the others' in `(seen, p)`. None
    /// where `seen` is not told.
    ///
    /// Where the window begins above `seen`, there may be more of them.
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

    /// Those whose relation to this sending it is.
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
