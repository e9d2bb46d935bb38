//! Assigns each event of a diagram to a row.
//!
//! The rows keep what is known of the order: broadcasts follow the order of the log, the events of
//! one process follow its clock, and a receipt is below its sending. Within these limits a sending,
//! or a receipt, shares the row of its broadcast if it can, and a sending whose author had not seen
//! an event is above that event.

use std::collections::{BTreeMap, VecDeque};

use chitty_chat::{EventKind, LamportTime, ParticipantNumber, Position};

use super::{DiagramRow, DiagramStep, Lifeline, PlacedEvent};
use crate::recent::Recent;

/// The events on one participant's line, the next one first.
struct LifelineQueue {
    line: Lifeline,
    nodes: VecDeque<LocalEvent>,
}

/// An event in a participant's process. The numbers are indices into the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LocalEvent {
    time: LamportTime,
    what: LocalEventKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LocalEventKind {
    /// The request for an event is sent.
    Sent(usize),
    /// A reply reports this event, or one that is not in the diagram.
    Observed(Option<usize>),
    /// An event is received.
    Received(usize),
}

/// The limits within which a sending is drawn above events of others.
#[derive(Clone, Copy, Debug, Default)]
struct Crossing {
    /// The first event of another participant that the author had not seen.
    above: Option<usize>,
    /// The sending cannot be above this place: its author knew all events before it.
    from: usize,
}

pub(super) fn build(
    places: &[PlacedEvent<'_>],
    recent: &Recent,
    numbers: Vec<ParticipantNumber>,
) -> Vec<DiagramRow> {
    let mut builder = RowBuilder::new(places, recent, numbers);
    for place in 0..places.len() {
        // First the sendings whose authors did not know this event, then the event, then what was
        // received because of it.
        builder.show_crossing(place);
        builder.broadcast(place);
        builder.settle(place);
    }
    builder.finish();
    builder.rows
}

struct RowBuilder<'a> {
    places: &'a [PlacedEvent<'a>],
    queues: Vec<LifelineQueue>,
    /// The queue of each place, if it has one.
    queue_of: Vec<Option<usize>>,
    crossings: Vec<Crossing>,
    rows: Vec<DiagramRow>,
    under_way: Vec<Lifeline>,
    present: Vec<bool>,
    numbers: Vec<ParticipantNumber>,
}

/// The index of the user's own queue.
const OWN: usize = 0;

impl<'a> RowBuilder<'a> {
    fn new(
        places: &'a [PlacedEvent<'a>],
        recent: &Recent,
        numbers: Vec<ParticipantNumber>,
    ) -> Self {
        let (queues, queue_of) = queues(places, recent);
        let first = places
            .first()
            .map_or(Position::ZERO, |place| place.received.event.position);
        Self {
            places,
            queues,
            queue_of,
            crossings: crossings(places),
            rows: Vec::new(),
            under_way: Vec::new(),
            // A participant's number is the position of its Joined.
            present: numbers
                .iter()
                .map(|number| Position::from(number.get()) < first)
                .collect(),
            numbers,
        }
    }

    /// Draws the sendings whose authors had not seen the event at this place, which comes next.
    fn show_crossing(&mut self, place: usize) {
        for queue in 0..self.queues.len() {
            let nodes = &self.queues[queue].nodes;
            let ready = nodes.iter().take_while(|node| self.is_ready(node, place));
            let crosses = |node: &LocalEvent| match node.what {
                LocalEventKind::Sent(sent) => {
                    let above = self.crossings[sent].above;
                    above.is_some_and(|above| above <= place && place < sent)
                }
                _ => false,
            };
            let last = ready
                .enumerate()
                .filter(|(_, node)| crosses(node))
                .map(|(index, _)| index + 1)
                .last();
            for _ in 0..last.unwrap_or(0) {
                self.draw_next(queue);
            }
        }
    }

    /// Whether everything that the event depends on is above this place.
    fn is_ready(&self, node: &LocalEvent, place: usize) -> bool {
        match node.what {
            LocalEventKind::Sent(sent) => self.crossings[sent].from <= place,
            LocalEventKind::Received(event) | LocalEventKind::Observed(Some(event)) => {
                event < place
            }
            LocalEventKind::Observed(None) => true,
        }
    }

    fn broadcast(&mut self, place: usize) {
        let here = &self.places[place];
        let event = &here.received.event;
        let sent = self.send_in_this_row(place);
        if sent.is_none()
            && let Some(index) = self
                .under_way
                .iter()
                .position(|line| Some(*line) == here.from)
        {
            self.under_way.remove(index);
        }
        let received = self.receive_in_this_row(place);
        // A joining counts from its own row on, a leaving from the next one.
        self.show_joined(place);
        self.push(DiagramStep::Broadcast {
            from: here.from,
            sent,
            time: event.lamport,
            received,
            label: here.label(),
        });
        self.show_left(place);
    }

    /// Takes the sending of this event out of its queue, unless it was drawn before.
    fn send_in_this_row(&mut self, place: usize) -> Option<LamportTime> {
        let queue = self.queue_of[place]?;
        let is_it = |node: &LocalEvent| node.what == LocalEventKind::Sent(place);
        let before = self.queues[queue].nodes.iter().position(is_it)?;
        for _ in 0..before {
            self.draw_next(queue);
        }
        let sent = self.queues[queue].nodes.pop_front();
        sent.map(|node| node.time)
    }

    /// Takes the user's receipt of this event if it is the next thing on the user's line. A sending
    /// and a receipt do not fit on that line in one row.
    fn receive_in_this_row(&mut self, place: usize) -> Option<LamportTime> {
        let own = &mut self.queues[OWN].nodes;
        let next = own.front()?;
        let is_it = next.what == LocalEventKind::Received(place) && !self.places[place].own;
        let received = if is_it { own.pop_front() } else { None };
        received.map(|node| node.time)
    }

    /// Draws the user's receipts of events above this place.
    fn settle(&mut self, place: usize) {
        while let Some(next) = self.queues[OWN].nodes.front()
            && !matches!(next.what, LocalEventKind::Sent(_))
            && self.is_ready(next, place + 1)
        {
            self.draw_next(OWN);
        }
    }

    fn finish(&mut self) {
        while !self.queues[OWN].nodes.is_empty() {
            self.draw_next(OWN);
        }
    }

    /// Draws the next event of this queue in a row of its own.
    fn draw_next(&mut self, queue: usize) {
        let Some(node) = self.queues[queue].nodes.pop_front() else {
            return;
        };
        let (line, time) = (self.queues[queue].line, node.time);
        match node.what {
            // A hidden participant has no column to draw it in.
            LocalEventKind::Sent(_) if line == Lifeline::Hidden => {}
            LocalEventKind::Sent(_) => {
                self.under_way.push(line);
                self.push(DiagramStep::Sent { line, time });
            }
            LocalEventKind::Observed(_) => self.push(DiagramStep::Observed { time }),
            LocalEventKind::Received(place) => {
                let here = &self.places[place];
                let event = (here.received.event.lamport, here.label());
                let event = (!self.is_above(event.0)).then_some(event);
                self.push(DiagramStep::Received { time, event });
            }
        }
    }

    /// Whether the event with this time is in the row above, ignoring rows of replies that reported
    /// it.
    fn is_above(&self, event: LamportTime) -> bool {
        let observed =
            |row: &&DiagramRow| matches!(row.step, DiagramStep::Observed { time } if time == event);
        let above = self.rows.iter().rev().find(|row| !observed(row));
        above.is_some_and(
            |row| matches!(row.step, DiagramStep::Broadcast { time, .. } if time == event),
        )
    }

    fn show_joined(&mut self, place: usize) {
        let event = &self.places[place].received.event;
        if matches!(event.kind, EventKind::Joined { .. }) {
            self.set_present(event.position.into(), true);
        }
    }

    fn show_left(&mut self, place: usize) {
        if let EventKind::Left { participant, .. } = self.places[place].received.event.kind {
            self.set_present(participant, false);
        }
    }

    fn set_present(&mut self, number: ParticipantNumber, present: bool) {
        let index = self.numbers.iter().position(|known| *known == number);
        if let Some(known) = index.and_then(|index| self.present.get_mut(index)) {
            *known = present;
        }
    }

    fn push(&mut self, step: DiagramStep) {
        self.rows.push(DiagramRow {
            step,
            under_way: self.under_way.clone(),
            present: self.present.clone(),
        });
    }
}

/// The events on each line, in the order of its clock, and the queue of each place.
fn queues(places: &[PlacedEvent<'_>], recent: &Recent) -> (Vec<LifelineQueue>, Vec<Option<usize>>) {
    let queue = |line| LifelineQueue {
        line,
        nodes: VecDeque::new(),
    };
    let mut queues = vec![queue(Lifeline::Own)];
    let mut numbers = BTreeMap::new();
    let mut queue_of = vec![None; places.len()];
    for (index, place) in places.iter().enumerate() {
        let received = place.received;
        if let Some(line) = place.from {
            let number = match place.participant {
                None => OWN,
                Some(participant) => *numbers.entry(participant).or_insert_with(|| {
                    queues.push(queue(line));
                    queues.len() - 1
                }),
            };
            queue_of[index] = Some(number);
            queues[number].nodes.push_back(LocalEvent {
                time: received.event.request,
                what: LocalEventKind::Sent(index),
            });
        }
        if let Some(time) = received.clock {
            let what = LocalEventKind::Received(index);
            queues[OWN].nodes.push_back(LocalEvent { time, what });
        }
    }
    let first = places.first().map(|place| place.received.event.lamport);
    let is_drawn = |time: &LamportTime| first.is_some_and(|first| *time >= first);
    for time in recent.observed().filter(is_drawn) {
        let event = places.partition_point(|place| place.received.event.lamport < time);
        let observed = places.get(event).map(|place| place.received.event.lamport);
        let what = LocalEventKind::Observed((observed == Some(time)).then_some(event));
        queues[OWN].nodes.push_back(LocalEvent { time, what });
    }
    for queue in &mut queues {
        queue.nodes.make_contiguous().sort_unstable();
    }
    (queues, queue_of)
}

/// The limits of each place's sending.
fn crossings(places: &[PlacedEvent<'_>]) -> Vec<Crossing> {
    let first = places
        .first()
        .map_or(Position::ZERO, |place| place.received.event.position);
    let crossing = |(index, place): (usize, &PlacedEvent<'_>)| {
        let is_same = |other: &PlacedEvent<'_>| {
            place.own == other.own && place.participant == other.participant
        };
        let request = place.received.event.request;
        // The reply to the author's previous request raised its clock.
        let answered = places[..index].iter().rposition(|other| {
            is_same(other) && other.from.is_some() && other.received.event.lamport < request
        });
        let answered = answered.map_or(0, |answered| answered + 1);
        let Some(seen) = place.seen() else {
            return Crossing {
                above: None,
                from: answered,
            };
        };
        // Positions are dense, so the difference of two positions is a difference of places.
        let known = seen.get().saturating_add(1).saturating_sub(first.get());
        let known = usize::try_from(known).unwrap_or(index).min(index);
        let above = (known..index).find(|other| !is_same(&places[*other]));
        Crossing {
            above,
            from: answered.max(known),
        }
    };
    places.iter().enumerate().map(crossing).collect()
}
