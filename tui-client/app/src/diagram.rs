//! The space-time diagram of the newest events, seen from this participant: one line for the user,
//! one for the server, one for each other participant, with time running down.
//!
//! It shows what this participant knows: its own receipts with its own clock, the replies that
//! raised that clock, and the messages of others, placed above the events that their authors had
//! not seen. Crossed messages therefore cross in the diagram. It does not show when others received
//! something, because that is not known here.

mod rows;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use chitty_chat::{
    Event, EventKind, LamportTime, LeftReason, ParticipantNumber, Position, text::action_of,
};

use super::recent::{Received, Recent};

/// A diagram as rows, before it is drawn.
#[derive(Debug, PartialEq, Eq)]
pub struct LocalDiagram {
    /// The names of the other participants with a column, in the order in which they joined.
    pub others: Vec<Arc<str>>,
    /// The rows, oldest first. The times on one line rise from top to bottom.
    pub rows: Vec<DiagramRow>,
}

/// The line of a participant in the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifeline {
    /// The user's own line.
    Own,
    /// The line of one of [`LocalDiagram::others`], by its index.
    Other(usize),
    /// The line of a participant for which there is no space.
    Hidden,
}

/// One row of the diagram.
#[derive(Debug, PartialEq, Eq)]
pub struct DiagramRow {
    /// What happens in the row.
    pub step: DiagramStep,
    /// The lines that have a message on its way to the server between this row and the next.
    pub under_way: Vec<Lifeline>,
    /// Which of [`LocalDiagram::others`] are present in this row.
    pub present: Vec<bool>,
}

/// What happens in one row.
#[derive(Debug, PartialEq, Eq)]
pub enum DiagramStep {
    /// A message is sent that other events overtake: it arrives in a row further down.
    Sent {
        /// The line of its author.
        line: Lifeline,
        /// The author's clock after sending.
        time: LamportTime,
    },
    /// The server broadcasts an event.
    Broadcast {
        /// The line of the participant whose request led to the event, or `None` if no request did.
        from: Option<Lifeline>,
        /// The author's clock after sending, if the message was sent in this row.
        sent: Option<LamportTime>,
        /// The event's Lamport time.
        time: LamportTime,
        /// The user's clock after the receipt, if the event was received in this row.
        received: Option<LamportTime>,
        /// A short description of the event.
        label: String,
    },
    /// The user receives an event that was broadcast in a row further up.
    Received {
        /// The user's clock after the receipt.
        time: LamportTime,
        /// The time and description of the event, if it is not the one in the row above.
        event: Option<(LamportTime, String)>,
    },
    /// A reply, a Welcome or history reported a later time and raised the user's clock to it.
    Observed {
        /// The user's clock afterwards.
        time: LamportTime,
    },
}

/// An event, with the line of the request that led to it.
#[derive(Debug)]
struct PlacedEvent<'a> {
    received: &'a Received,
    /// The line of its author, or `None` if no request led to it.
    from: Option<Lifeline>,
    /// The number of its participant, or `None` if it is the user's own.
    participant: Option<ParticipantNumber>,
    own: bool,
}

impl LocalDiagram {
    /// The diagram of the newest events, in at most `rows` rows and with at most `columns` others.
    pub fn new(recent: &Recent, rows: usize, columns: usize) -> Self {
        // Each event takes at least one row.
        let mut events: Vec<_> = recent.events().rev().take(rows).collect();
        events.reverse();
        let others = others(&events, recent, columns);
        let places: Vec<_> = events
            .iter()
            .map(|received| PlacedEvent::new(received, recent, &others))
            .collect();
        let numbers = others.iter().map(|(number, _)| *number).collect();
        let mut built = rows::build(&places, recent, numbers);
        let cut = built.len().saturating_sub(rows);
        built.drain(..cut);
        Self {
            others: others.into_iter().map(|(_, name)| name).collect(),
            rows: built,
        }
    }
}

/// The participants that get a column: those that did something last.
fn others(
    events: &[&Received],
    recent: &Recent,
    columns: usize,
) -> Vec<(ParticipantNumber, Arc<str>)> {
    let mut found = BTreeMap::new();
    for received in events.iter().rev() {
        if found.len() == columns {
            break;
        }
        if let Some((number, name)) = who(&received.event)
            && !recent.is_own(number)
        {
            found.entry(number).or_insert_with(|| Arc::clone(name));
        }
    }
    found.into_iter().collect()
}

fn who(event: &Event) -> Option<(ParticipantNumber, &Arc<str>)> {
    match &event.kind {
        EventKind::Joined { name, .. } => Some((event.position.into(), name)),
        EventKind::Left {
            name, participant, ..
        } => Some((*participant, name)),
        EventKind::Message {
            author,
            participant,
            ..
        } => Some((*participant, author)),
        EventKind::Member(_) | EventKind::Invitation(_) | EventKind::Unknown => None,
    }
}

impl<'a> PlacedEvent<'a> {
    fn new(
        received: &'a Received,
        recent: &Recent,
        others: &[(ParticipantNumber, Arc<str>)],
    ) -> Self {
        let event = &received.event;
        let participant = who(event).map(|(number, _)| number);
        let own = participant.is_some_and(|number| recent.is_own(number));
        let asked = event.request > LamportTime::ZERO;
        let line = |number: ParticipantNumber| {
            if own {
                return Lifeline::Own;
            }
            let found = others.iter().position(|(other, _)| *other == number);
            found.map_or(Lifeline::Hidden, Lifeline::Other)
        };
        Self {
            received,
            from: participant.filter(|_| asked).map(line),
            participant: participant.filter(|_| !own),
            own,
        }
    }

    /// The position up to which the author had seen the chat, if the message reports it.
    fn seen(&self) -> Option<Position> {
        match self.received.event.kind {
            EventKind::Message { seen, .. } if seen > Position::ZERO => Some(seen),
            _ => None,
        }
    }

    fn label(&self) -> String {
        match &self.received.event.kind {
            EventKind::Message { author, text, .. } => match action_of(text) {
                Some(deed) => format!("* {author} {deed}"),
                None => format!("{author}: {text}"),
            },
            EventKind::Joined { name, .. } => format!("{name} joined"),
            EventKind::Left { name, reason, .. } if *reason == LeftReason::Left => {
                format!("{name} left")
            }
            EventKind::Left { name, .. } => format!("{name} is gone"),
            EventKind::Member(_) | EventKind::Invitation(_) => {
                self.received.event.announcement().unwrap_or_default()
            }
            EventKind::Unknown => String::new(),
        }
    }
}
