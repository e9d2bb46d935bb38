//! The space-time diagram of the newest events, as one sees it from here: a line for oneself, one
//! for the server, one for each of the others, and time running down.
//!
//! What is on it is what this participant knows: its own receipts with its own clock, the replies
//! that raised that clock, and what the others sent, placed above what they had not seen when they
//! sent it. So sendings that crossed are seen to cross. When the others received something is not
//! known here.

mod rows;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use chitty_chat::{Event, EventKind, LamportTime, LeftReason, ParticipantNumber, Position};

use super::recent::{Received, Recent};

/// A diagram, as logical rows.
#[derive(Debug, PartialEq, Eq)]
pub struct LocalDiagram {
    /// The others who did something, in the order in which they joined; the view gives each a
    /// column.
    pub others: Vec<Arc<str>>,
    /// From the oldest on. The times of one line rise downwards.
    pub rows: Vec<DiagramRow>,
}

/// Somebody's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifeline {
    /// The user's own.
    Own,
    /// One of [`LocalDiagram::others`].
    Other(usize),
    /// Somebody for whom there is no room.
    Hidden,
}

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub struct DiagramRow {
    /// What happens in it.
    pub step: DiagramStep,
    /// Whose sendings are on their way to the server, between this row and the next.
    pub under_way: Vec<Lifeline>,
    /// Which of [`LocalDiagram::others`] are present in this row.
    pub present: Vec<bool>,
}

/// What happens in a row.
#[derive(Debug, PartialEq, Eq)]
pub enum DiagramStep {
    /// A sending that something else overtakes: it arrives further down.
    Sent {
        /// Whose.
        line: Lifeline,
        /// Its author's clock.
        time: LamportTime,
    },
    /// The server broadcasts an event.
    Broadcast {
        /// Where the sending behind it comes from; `None`: nobody asked for it.
        from: Option<Lifeline>,
        /// The author's clock, where it was sent in this very row.
        sent: Option<LamportTime>,
        /// The event's time.
        time: LamportTime,
        /// The user's own clock after the receipt, where it is in this very row.
        received: Option<LamportTime>,
        /// What it is.
        label: String,
    },
    /// The user gets an event that was broadcast further up.
    Received {
        /// Their clock after it.
        time: LamportTime,
        /// Which event, where it is not that of the row above: its time, and what it is.
        event: Option<(LamportTime, String)>,
    },
    /// A reply, the Welcome or history told the user of an event, and raised their clock to its
    /// time.
    Observed {
        /// Their clock after it.
        time: LamportTime,
    },
}

/// An event, and where its sending belongs.
#[derive(Debug)]
struct PlacedEvent<'a> {
    received: &'a Received,
    /// Whose line its sending is on; `None`: nobody asked for it.
    from: Option<Lifeline>,
    /// Which participant's, if not the user's own.
    participant: Option<ParticipantNumber>,
    own: bool,
}

impl LocalDiagram {
    /// The diagram of the newest events, in at most `rows` rows and with at most `columns` others.
    pub fn new(recent: &Recent, rows: usize, columns: usize) -> Self {
        // Each takes a row at least.
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

/// Those with a column: the latest to do something.
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
        EventKind::Joined { name } => Some((event.position.into(), name)),
        EventKind::Left {
            name, participant, ..
        } => Some((*participant, name)),
        EventKind::Message {
            author,
            participant,
            ..
        } => Some((*participant, author)),
        EventKind::Unknown => None,
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

    /// Up to where its author had seen the chat, where that is told.
    fn seen(&self) -> Option<Position> {
        match self.received.event.kind {
            EventKind::Message { seen, .. } if seen > Position::ZERO => Some(seen),
            _ => None,
        }
    }

    fn label(&self) -> String {
        match &self.received.event.kind {
            EventKind::Message { author, text, .. } => format!("{author}: {text}"),
            EventKind::Joined { name } => format!("{name} joined"),
            EventKind::Left { name, reason, .. } if *reason == LeftReason::Left => {
                format!("{name} left")
            }
            EventKind::Left { name, .. } => format!("{name} is gone"),
            EventKind::Unknown => String::new(),
        }
    }
}
