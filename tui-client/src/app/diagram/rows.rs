//! In which row everything of a diagram is.
//!
//! The rows keep what is known of the order: broadcasts are in the order of the log, what happened
//! in one process is in the order of its clock, and what was received is below what was sent. Within
//! that a sending, and a receipt, shares the row of its broadcast if it can; and a sending whose
//! author had not seen an event is above that event.

use std::collections::{BTreeMap, VecDeque};

use chitty_chat::{EventKind, LamportTime, ParticipantNumber, Position};

use super::{DiagramRow, DiagramStep, Lifeline, PlacedEvent};
use crate::app::recent::Recent;

/// What happens on one participant's line, the next first.
struct LifelineQueue {
    line: Lifeline,
    nodes: VecDeque<LocalEvent>,
}

/// Something that happens in a participant's process. The numbers are those of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LocalEvent {
    time: LamportTime,
    what: LocalEventKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LocalEventKind {
    /// The request for an event is sent.
    Sent(usize),
    /// A reply comes, which tells of this event, or of one that is not on the diagram.
    Observed(Option<usize>),
    /// An event is received.
    Received(usize),
}

/// When a sending has to be drawn above others' events.
#[derive(Clone, Copy, Debug, Default)]
struct Crossing {
    /// The first event that its author had not seen, and that is not its author's.
    above: Option<usize>,
    /// It cannot be above these: its author knew of all before this one.
    from: usize,
}

pub(super) fn build(
    places: &[PlacedEvent<'_>],
    recent: &Recent,
    numbers: Vec<ParticipantNumber>,
) -> Vec<DiagramRow> {
    let mut builder = RowBuilder::new(places, recent, numbers);
    for place in 0..places.len() {
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
    /// By place.
    queue_of: Vec<Option<usize>>,
    crossings: Vec<Crossing>,
    rows: Vec<DiagramRow>,
    under_way: Vec<Lifeline>,
    present: Vec<bool>,
    numbers: Vec<ParticipantNumber>,
}

/// The user's own queue is the first.
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

    /// Draws what was sent without knowing of the event at this place, which comes next.
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

    /// Whether all that it needs is above this place.
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
        self.presence(place, true);
        self.push(DiagramStep::Broadcast {
            from: here.from,
            sent,
            time: event.lamport,
            received,
            label: here.label(),
        });
        self.presence(place, false);
    }

    /// Takes the sending of this event, unless it is drawn already.
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

    /// Takes the user's receipt of this event, if nothing of theirs comes before it. On their own
    /// line there is no room for a sending and a receipt.
    fn receive_in_this_row(&mut self, place: usize) -> Option<LamportTime> {
        let own = &mut self.queues[OWN].nodes;
        let next = own.front()?;
        let is_it = next.what == LocalEventKind::Received(place) && !self.places[place].own;
        let received = if is_it { own.pop_front() } else { None };
        received.map(|node| node.time)
    }

    /// Draws what the user got of what is above by now.
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

    /// Draws what is next in this queue, in a row of its own.
    fn draw_next(&mut self, queue: usize) {
        let Some(node) = self.queues[queue].nodes.pop_front() else {
            return;
        };
        let (line, time) = (self.queues[queue].line, node.time);
        match node.what {
            // There is nowhere to draw it.
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

    /// Whether the event with this time is in the row above, or only what a reply told of it is
    /// between.
    fn is_above(&self, event: LamportTime) -> bool {
        let observed =
            |row: &&DiagramRow| matches!(row.step, DiagramStep::Observed { time } if time == event);
        let above = self.rows.iter().rev().find(|row| !observed(row));
        above.is_some_and(
            |row| matches!(row.step, DiagramStep::Broadcast { time, .. } if time == event),
        )
    }

    /// A joining counts from its row on, a leaving after it.
    fn presence(&mut self, place: usize, before: bool) {
        let event = &self.places[place].received.event;
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

    fn push(&mut self, step: DiagramStep) {
        self.rows.push(DiagramRow {
            step,
            under_way: self.under_way.clone(),
            present: self.present.clone(),
        });
    }
}

/// What happens on each line, in the order of its clock.
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

/// By place.
fn crossings(places: &[PlacedEvent<'_>]) -> Vec<Crossing> {
    let first = places
        .first()
        .map_or(Position::ZERO, |place| place.received.event.position);
    let crossing = |(index, place): (usize, &PlacedEvent<'_>)| {
        let is_same = |other: &PlacedEvent<'_>| {
            place.own == other.own && place.participant == other.participant
        };
        let request = place.received.event.request;
        // The reply to what its author sent before raised the clock.
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
