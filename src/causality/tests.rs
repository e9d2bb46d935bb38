//! Against vector clocks, which know everything, of the same random history.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A vector clock (Fidge and Mattern, 1988): how many events of each process it knows of.
type Clock = Vec<u64>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    Publish(usize),
    Leave(usize),
    /// A request, which may have been under way for long, comes to the log.
    Arrive(usize),
    /// A participant's stream delivers its next event.
    Deliver(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..8_usize;
    prop_oneof![
        1 => Just(Step::Join),
        4 => who.clone().prop_map(Step::Publish),
        1 => who.clone().prop_map(Step::Leave),
        6 => who.clone().prop_map(Step::Arrive),
        8 => who.prop_map(Step::Deliver),
    ]
}

#[derive(Default)]
struct Process {
    clock: Clock,
    /// Its participation's number; 0 until its Joined is delivered.
    number: u64,
    received: u64,
    /// It awaits its own event: a participant has one request under way.
    waits: bool,
    left: bool,
}

struct Request {
    process: usize,
    clock: Clock,
    kind: SendingKind,
}

/// One event of the log, and the sending that led to it.
struct Entry {
    sending: Sending,
    process: usize,
    clock: Clock,
}

/// Processes that send and receive with delays, around a log that only orders.
#[derive(Default)]
struct History {
    processes: Vec<Process>,
    under_way: Vec<Request>,
    log: Vec<Entry>,
}

impl History {
    fn of(steps: &[Step]) -> Self {
        let mut history = Self::default();
        for step in [Step::Join, Step::Join].iter().chain(steps) {
            history.step(*step);
        }
        while !history.under_way.is_empty() {
            history.arrive(0);
        }
        history
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Join if self.processes.len() < 8 => {
                self.processes.push(Process::default());
                self.send(self.processes.len() - 1, SendingKind::Join);
            }
            Step::Publish(who) => {
                let who = who % self.processes.len();
                let process = &self.processes[who];
                if process.number > 0 {
                    self.send(who, SendingKind::Message(process.received.into()));
                }
            }
            Step::Leave(who) => {
                let who = who % self.processes.len();
                if self.processes[who].number > 0 {
                    self.send(who, SendingKind::Leave);
                }
            }
            Step::Arrive(which) if !self.under_way.is_empty() => {
                self.arrive(which % self.under_way.len());
            }
            Step::Join | Step::Arrive(_) => {}
            Step::Deliver(who) => self.deliver(who % self.processes.len()),
        }
    }

    fn send(&mut self, who: usize, kind: SendingKind) {
        let process = &mut self.processes[who];
        if process.waits || process.left {
            return;
        }
        process.waits = true;
        process.left = kind == SendingKind::Leave;
        let clock = tick(&mut process.clock, who);
        self.under_way.push(Request {
            process: who,
            clock,
            kind,
        });
    }

    fn arrive(&mut self, which: usize) {
        let request = self.under_way.remove(which);
        let position = self.log.len() as u64 + 1;
        let process = &mut self.processes[request.process];
        process.waits = false;
        let participant = if request.kind == SendingKind::Join {
            // What was before its joining is there at once.
            process.received = position - 1;
            for entry in &self.log {
                merge(&mut process.clock, &entry.clock);
            }
            position
        } else {
            process.number
        };
        self.log.push(Entry {
            sending: Sending {
                position: position.into(),
                participant: ParticipantNumber::new(participant),
                kind: request.kind,
            },
            process: request.process,
            clock: request.clock,
        });
    }

    fn deliver(&mut self, who: usize) {
        let process = &mut self.processes[who];
        let next = usize::try_from(process.received).unwrap();
        let Some(entry) = self.log.get(next).filter(|_| !process.left) else {
            return;
        };
        if process.number == 0 && entry.process != who {
            return;
        }
        process.received += 1;
        if process.number == 0 {
            process.number = process.received;
        }
        merge(&mut process.clock, &entry.clock);
        tick(&mut process.clock, who);
    }

    fn sendings(&self) -> Vec<Sending> {
        self.log.iter().map(|entry| entry.sending).collect()
    }
}

fn tick(clock: &mut Clock, who: usize) -> Clock {
    clock.resize(clock.len().max(who + 1), 0);
    clock[who] += 1;
    clock.clone()
}

fn merge(clock: &mut Clock, told: &Clock) {
    clock.resize(clock.len().max(told.len()), 0);
    for (own, told) in clock.iter_mut().zip(told) {
        *own = (*own).max(*told);
    }
}

/// What the vector clocks say.
fn truth(one: &Entry, other: &Entry) -> Relation {
    let knows = |later: &Entry, earlier: &Entry| {
        later.clock.get(earlier.process) >= earlier.clock.get(earlier.process)
    };
    if one.sending.position == other.sending.position {
        Relation::Same
    } else if knows(other, one) {
        Relation::Before
    } else if knows(one, other) {
        Relation::After
    } else {
        Relation::Concurrent
    }
}

/// The positions of the entries that are so related to this one.
fn those(history: &History, of: &Entry, relation: Relation, messages: bool) -> BTreeSet<Position> {
    let entries = history
        .log
        .iter()
        .filter(|entry| truth(entry, of) == relation && (!messages || entry.sending.is_message()));
    entries.map(|entry| entry.sending.position).collect()
}

fn positions<'a>(sendings: impl Iterator<Item = &'a Sending>) -> BTreeSet<Position> {
    sendings.map(|sending| sending.position).collect()
}

proptest! {
    #[test]
    fn it_is_what_vector_clocks_say(steps in prop::collection::vec(step(), 0..200)) {
        let history = History::of(&steps);
        for one in &history.log {
            for other in &history.log {
                let told = one.sending.relation(&other.sending);
                let later = one.sending.position.max(other.sending.position);
                let later = if later == one.sending.position { one } else { other };
                if told == Relation::Unknown {
                    // Joining and leaving do not tell what was seen.
                    prop_assert!(!later.sending.is_message());
                } else {
                    prop_assert_eq!(told, truth(one, other));
                }
            }
        }
    }

    #[test]
    fn so_is_what_a_window_finds(steps in prop::collection::vec(step(), 0..200)) {
        let history = History::of(&steps);
        let sendings = history.sendings();
        let window = Window::new(&sendings);
        for entry in history.log.iter().filter(|entry| entry.sending.is_message()) {
            let sending = entry.sending;
            let crossed = those(&history, entry, Relation::Concurrent, true);
            let unseen: BTreeSet<_> =
                crossed.iter().copied().filter(|position| *position < sending.position).collect();
            prop_assert_eq!(positions(window.unseen(sending)), unseen);
            prop_assert_eq!(positions(window.crossed(sending)), crossed);
            prop_assert_eq!(
                positions(window.past(sending)),
                those(&history, entry, Relation::Before, false)
            );
        }
    }

    #[test]
    fn nothing_that_a_server_tells_is_fatal(
        told in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..20),
    ) {
        let mut sendings: Vec<_> = told
            .into_iter()
            .map(|(position, participant, seen)| message(position, participant, seen))
            .collect();
        sendings.sort_by_key(|sending| sending.position);
        let window = Window::new(&sendings);
        for sending in &sendings {
            let all = window.unseen(*sending).chain(window.crossed(*sending));
            prop_assert!(all.chain(window.past(*sending)).all(|other| other.position != sending.position));
        }
    }
}

/// A message at this position, whose author had received everything up to `seen`.
fn message(position: u64, participant: u64, seen: u64) -> Sending {
    Sending {
        position: position.into(),
        participant: ParticipantNumber::new(participant),
        kind: SendingKind::Message(seen.into()),
    }
}

/// ada and bob join at 1 and 2. ada asks at 3, and adds something at 4. bob answers at 5, and has
/// seen the question only.
#[test]
fn an_answer_that_crossed_an_addition() {
    const ADA: u64 = 1;
    const BOB: u64 = 2;

    let question = message(3, ADA, 2);
    let addition = message(4, ADA, question.position.get());
    let answer = message(5, BOB, question.position.get());
    let sendings = [question, addition, answer];
    assert_eq!(question.relation(&answer), Relation::Before);
    assert_eq!(answer.relation(&question), Relation::After);
    assert_eq!(addition.relation(&answer), Relation::Concurrent);
    assert_eq!(answer.relation(&addition), Relation::Concurrent);
    assert_eq!(question.relation(&addition), Relation::Before);
    let window = Window::new(&sendings);
    assert_eq!(window.unseen(answer).collect::<Vec<_>>(), [&addition]);
    assert_eq!(window.unseen(addition).count(), 0);
    assert_eq!(window.crossed(addition).collect::<Vec<_>>(), [&answer]);
    assert_eq!(window.past(answer).collect::<Vec<_>>(), [&question]);
}

#[test]
fn who_does_not_tell_what_it_saw_has_crossed_nothing() {
    // On the wire, 0 means that the author did not report what it had seen.
    const NOT_REPORTED: u64 = 0;

    let (author, other) = (2, 1);
    let others = message(3, other, 2);
    let silent = message(4, author, NOT_REPORTED);
    assert_eq!(others.relation(&silent), Relation::Unknown);
    assert_eq!(silent.relation(&others), Relation::Unknown);
    let sendings = [others, silent];
    let window = Window::new(&sendings);
    assert_eq!(window.unseen(silent).count(), 0);
    assert_eq!(window.crossed(silent).count(), 0);
    // The author's own earlier line is before it all the same.
    let own = message(2, author, NOT_REPORTED);
    assert_eq!(own.relation(&silent), Relation::Before);
}

#[test]
fn events_that_somebody_asked_for_are_sendings() {
    let of = |kind| {
        let event = Event {
            position: 7.into(),
            lamport: 15.into(),
            at: std::time::UNIX_EPOCH,
            request: 13.into(),
            kind,
        };
        let sending = Sending::of(&event)?;
        assert_eq!(sending.position, 7.into());
        Some((sending.participant.get(), sending.kind))
    };
    let participant = ParticipantNumber::new(3);
    let left = |reason| EventKind::Left {
        name: "ada".into(),
        reason,
        participant,
    };
    let joined = EventKind::Joined {
        name: "ada".into(),
        member: None,
    };
    assert_eq!(of(joined), Some((7, SendingKind::Join)));
    assert_eq!(of(left(LeftReason::Left)), Some((3, SendingKind::Leave)));
    let message = EventKind::Message {
        author: "ada".into(),
        text: "hello".into(),
        id: "".into(),
        seen: 5.into(),
        participant,
        member: None,
    };
    assert_eq!(of(message), Some((3, SendingKind::Message(5.into()))));
    for nobodys in [LeftReason::Lost, LeftReason::Closed, LeftReason::Removed] {
        assert_eq!(of(left(nobodys)), None, "{nobodys:?}");
    }
    assert_eq!(of(EventKind::Unknown), None);
}
