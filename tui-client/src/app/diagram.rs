//! The space-time diagram of the newest events, as one sees it from here: a line for oneself, one
//! for the chat, one for each of the others, and time running down.
//!
//! What is on it is what this participant knows: its own receipts with its own clock, and what the
//! others sent, placed behind what they had seen when they sent it. So sendings that crossed are
//! seen to cross. When the others received something is not known here.

use std::{collections::BTreeMap, sync::Arc};

use chitty_chat::{Event, EventKind, LamportTime, LeftReason, ParticipantNumber, Position};

use super::recent::{Received, Recent};

/// A diagram, as logical rows.
#[derive(Debug, PartialEq, Eq)]
pub struct Diagram {
    /// The others who did something, in the order in which they joined; the view gives each a
    /// column.
    pub others: Vec<Arc<str>>,
    /// From the oldest on.
    pub rows: Vec<Row>,
}

/// Somebody's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// The user's own.
    Own,
    /// One of [`Diagram::others`].
    Other(usize),
    /// Somebody for whom there is no room.
    Hidden,
}

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// What happens in it.
    pub step: Step,
    /// Whose sendings are on their way to the chat, between this row and the next.
    pub under_way: Vec<Line>,
    /// Which of [`Diagram::others`] are present in this row.
    pub present: Vec<bool>,
}

/// What happens in a row.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A sending that something else overtakes: it arrives further down.
    Sent {
        /// Whose.
        line: Line,
        /// Its author's clock.
        time: LamportTime,
    },
    /// The chat broadcasts an event.
    Broadcast {
        /// Where the sending behind it comes from; `None`: nobody asked for it.
        from: Option<Line>,
        /// The author's clock, where it was sent in this very row.
        sent: Option<LamportTime>,
        /// The event's time.
        time: LamportTime,
        /// The user's own clock after the receipt; shown in the next row where the sending came
        /// from there.
        received: Option<LamportTime>,
        /// What it is.
        label: String,
    },
    /// The user gets the event of the row above, which is their own.
    Received {
        /// Their clock after it.
        time: LamportTime,
    },
}

/// An event, and where its sending belongs.
struct Place<'a> {
    received: &'a Received,
    line: Option<Line>,
    /// The event behind which it was sent, where something came in between.
    behind: Option<Position>,
}

impl Diagram {
    /// The diagram of the newest events, in at most `rows` rows and with at most `columns` others.
    pub fn new(recent: &Recent, rows: usize, columns: usize) -> Self {
        // No event takes more than three.
        let mut events: Vec<_> = recent.events().rev().take(rows).collect();
        events.reverse();
        let others = others(&events, recent.own(), columns);
        let line = |participant: ParticipantNumber| {
            if Some(participant) == recent.own() {
                return Line::Own;
            }
            let found = others.iter().position(|(number, _)| *number == participant);
            found.map_or(Line::Hidden, Line::Other)
        };
        let places: Vec<_> = events
            .iter()
            .map(|received| Place::new(received, line))
            .collect();
        let mut built = Builder::new(&others, &places).build(&places);
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
    own: Option<ParticipantNumber>,
    columns: usize,
) -> Vec<(ParticipantNumber, Arc<str>)> {
    let mut found = BTreeMap::new();
    for received in events.iter().rev() {
        if found.len() == columns {
            break;
        }
        if let Some((number, name)) = who(&received.event)
            && Some(number) != own
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

impl<'a> Place<'a> {
    fn new(received: &'a Received, line: impl Fn(ParticipantNumber) -> Line) -> Self {
        let event = &received.event;
        let asked = event.request > LamportTime::ZERO;
        let behind = match event.kind {
            EventKind::Message { seen, .. }
                if seen > Position::ZERO && seen < event.position.previous() =>
            {
                Some(seen)
            }
            _ => None,
        };
        Self {
            received,
            line: who(event).filter(|_| asked).map(|(number, _)| line(number)),
            behind,
        }
    }
}

struct Builder {
    rows: Vec<Row>,
    under_way: Vec<Line>,
    present: Vec<bool>,
    numbers: Vec<ParticipantNumber>,
}

impl Builder {
    fn new(others: &[(ParticipantNumber, Arc<str>)], places: &[Place<'_>]) -> Self {
        let first = places
            .first()
            .map_or(Position::ZERO, |place| place.received.event.position);
        let numbers: Vec<_> = others.iter().map(|(number, _)| *number).collect();
        Self {
            rows: Vec::new(),
            // What was sent before the first event comes from above.
            under_way: places
                .iter()
                .filter(|place| place.behind.is_some_and(|behind| behind < first))
                .filter_map(|place| place.line)
                .collect(),
            // A participant's number is the position of its Joined.
            present: numbers
                .iter()
                .map(|number| Position::from(number.get()) < first)
                .collect(),
            numbers,
        }
    }

    fn build(mut self, places: &[Place<'_>]) -> Vec<Row> {
        for place in places {
            self.broadcast(place);
            let here = place.received.event.position;
            for sent in places.iter().filter(|place| place.behind == Some(here)) {
                if let Some(line) = sent.line {
                    self.under_way.push(line);
                    let time = sent.received.event.request;
                    self.push(Step::Sent { line, time });
                }
            }
        }
        self.rows
    }

    fn broadcast(&mut self, place: &Place<'_>) {
        let Received { event, clock } = place.received;
        if place.behind.is_some()
            && let Some(index) = self
                .under_way
                .iter()
                .position(|line| Some(*line) == place.line)
        {
            self.under_way.remove(index);
        }
        self.presence(event, true);
        let own = place.line == Some(Line::Own);
        self.push(Step::Broadcast {
            from: place.line,
            sent: (place.line.is_some() && place.behind.is_none()).then_some(event.request),
            time: event.lamport,
            received: clock.filter(|_| !own),
            label: label(event),
        });
        if own && let Some(time) = *clock {
            self.push(Step::Received { time });
        }
        self.presence(event, false);
    }

    /// A joining counts from its row on, a leaving behind it.
    fn presence(&mut self, event: &Event, before: bool) {
        let (number, there) = match &event.kind {
            EventKind::Joined { .. } if before => (event.position.into(), true),
            EventKind::Left { participant, .. } if !before => (*participant, false),
            _ => return,
        };
        let index = self.numbers.iter().position(|known| *known == number);
        if let Some(present) = index.and_then(|index| self.present.get_mut(index)) {
            *present = there;
        }
    }

    fn push(&mut self, step: Step) {
        self.rows.push(Row {
            step,
            under_way: self.under_way.clone(),
            present: self.present.clone(),
        });
    }
}

fn label(event: &Event) -> String {
    match &event.kind {
        EventKind::Message { author, text, .. } => format!("{author}: {text}"),
        EventKind::Joined { name } => format!("{name} joined"),
        EventKind::Left { name, reason, .. } if *reason == LeftReason::Left => {
            format!("{name} left")
        }
        EventKind::Left { name, .. } => format!("{name} is gone"),
        EventKind::Unknown => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::testing::*, *};

    fn recent() -> Recent {
        let mut recent = Recent::default();
        recent.welcome(&welcome("ada", 2, &[(1, "bob"), (2, "ada")]));
        recent.event(&joined(1, 3, "bob"), 3.into());
        recent.event(&joined(2, 5, "ada"), 6.into());
        recent
    }

    fn by(author: (u64, &str), position: u64, lamport: u64, seen: u64) -> Event {
        written(author, (position, lamport), seen, "hi")
    }

    /// One word for each row.
    fn sketch(diagram: &Diagram) -> Vec<String> {
        let steps = diagram.rows.iter().map(|row| match &row.step {
            Step::Sent { line, time } => format!("{line:?} sends at {time}"),
            Step::Broadcast {
                from,
                sent,
                time,
                received,
                ..
            } => {
                let number =
                    |time: &Option<LamportTime>| time.map_or("-".into(), |time| time.to_string());
                let from = from.map_or("nobody".into(), |line| format!("{line:?}"));
                format!("{from} {} > {time} > {}", number(sent), number(received))
            }
            Step::Received { time } => format!("got at {time}"),
        });
        steps.collect()
    }

    #[test]
    fn a_run_is_drawn_in_order() {
        let mut recent = recent();
        recent.event(&by((1, "bob"), 3, 9, 2), 10.into());
        recent.event(&by((2, "ada"), 4, 13, 3), 14.into());
        let diagram = Diagram::new(&recent, 40, 5);
        assert_eq!(diagram.others, ["bob".into()]);
        assert_eq!(
            sketch(&diagram),
            [
                "Other(0) 1 > 3 > -",
                "Own 3 > 5 > -",
                "got at 6",
                "Other(0) 7 > 9 > 10",
                "Own 11 > 13 > -",
                "got at 14",
            ]
        );
    }

    #[test]
    fn messages_that_crossed_cross() {
        let mut recent = recent();
        recent.event(&by((1, "bob"), 3, 9, 2), 10.into());
        recent.event(&by((2, "ada"), 4, 11, 2), 12.into());
        let diagram = Diagram::new(&recent, 40, 5);
        let rows = sketch(&diagram);
        assert_eq!(
            rows[3..],
            [
                "Own sends at 9",
                "Other(0) 7 > 9 > 10",
                "Own - > 11 > -",
                "got at 12",
            ]
        );
        let under_way: Vec<_> = diagram.rows.iter().map(|row| row.under_way.len()).collect();
        assert_eq!(under_way, [0, 0, 0, 1, 1, 0, 0]);
    }

    #[test]
    fn there_are_lines_only_where_somebody_is() {
        let mut recent = recent();
        recent.event(&joined(3, 9, "eve"), 10.into());
        recent.event(&left(4, 12, "eve", 3), 13.into());
        recent.event(&by((1, "bob"), 5, 20, 4), 21.into());
        let diagram = Diagram::new(&recent, 40, 5);
        let eve: Vec<_> = diagram.rows.iter().map(|row| row.present[1]).collect();
        assert_eq!(eve, [false, false, false, true, true, false]);
    }

    proptest! {
        #[test]
        fn any_run_fits(
            events in prop::collection::vec((0..6_u64, 0..50_u64), 0..60),
            rows in 0..40_usize,
            columns in 0..5_usize,
        ) {
            let mut recent = recent();
            for (index, (author, seen)) in (3..).zip(events) {
                let seen = seen.min(index - 1);
                recent.event(&by((author, "x"), index, index * 3, seen), (index * 3 + 1).into());
            }
            let diagram = Diagram::new(&recent, rows, columns);
            prop_assert!(diagram.rows.len() <= rows);
            prop_assert!(diagram.others.len() <= columns);
            if let Some(last) = diagram.rows.last() {
                prop_assert!(last.under_way.is_empty(), "all arrived");
            }
        }
    }
}
