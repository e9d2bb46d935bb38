//! Any history of a chat by the rules of the protocol, as one of its participants lives through it:
//! the times of each line rise downwards.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::port::WelcomeNotice;

/// A participant of the chat.
#[derive(Default)]
struct Person {
    name: &'static str,
    number: u64,
    clock: u64,
    /// The position up to which its stream has delivered.
    shown: u64,
    /// The position from which events count as received.
    from: u64,
    linked: bool,
    /// The number of lines that wait to be sent.
    typed: u64,
    in_flight: Option<Lifeline>,
}

/// A line on its way.
struct Lifeline {
    request: u64,
    seen: u64,
    /// Its position once the server has it, and whether the reply is on its way.
    position: Option<u64>,
    reply: bool,
}

/// Something that may happen to a participant next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Type,
    Send,
    Serve,
    Reply,
    Deliver,
    Cut,
    Resume,
    Rejoin,
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        3 => Just(Act::Type),
        4 => Just(Act::Send),
        4 => Just(Act::Serve),
        4 => Just(Act::Reply),
        5 => Just(Act::Deliver),
        1 => Just(Act::Cut),
        2 => Just(Act::Resume),
        1 => Just(Act::Rejoin),
    ];
    prop::collection::vec((0..3_usize, act), 0..150)
}

struct Chat {
    log: Vec<Event>,
    clock: u64,
    people: Vec<Person>,
    /// What the first participant knows.
    recent: Recent,
}

const ME: usize = 0;

impl Chat {
    fn new() -> Self {
        let mut chat = Self {
            log: Vec::new(),
            clock: 0,
            people: Vec::new(),
            recent: Recent::default(),
        };
        for name in ["ada", "bob", "eve"] {
            chat.people.push(Person {
                name,
                ..Person::default()
            });
            chat.enter(chat.people.len() - 1);
        }
        chat
    }

    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn tick(&mut self, who: usize) -> u64 {
        let person = &mut self.people[who];
        person.clock += 1;
        if who == ME {
            self.recent.moved(person.clock.into(), ClockCause::Sent);
        }
        self.people[who].clock
    }

    fn observed(&mut self, who: usize, time: u64) {
        let person = &mut self.people[who];
        person.clock = person.clock.max(time);
        if who == ME {
            self.recent.moved(person.clock.into(), ClockCause::Observed);
        }
    }

    /// Appends the event that `kind` makes of its time.
    fn append(&mut self, request: u64, kind: impl FnOnce(u64, u64) -> Event) -> u64 {
        let receipt = if request > 0 {
            self.clock.max(request) + 1
        } else {
            self.clock
        };
        self.clock = receipt + 1;
        let mut event = kind(self.head() + 1, self.clock);
        event.request = request.into();
        self.log.push(event);
        self.head()
    }

    /// Begins a new participation; an old one was lost before.
    fn enter(&mut self, who: usize) {
        let request = self.tick(who);
        let name = self.people[who].name;
        let position = self.append(request, |position, time| joined(position, time, name));
        let time = self.clock;
        let person = &mut self.people[who];
        if person.number == 0 {
            person.shown = position - 1;
        }
        person.number = position;
        person.from = position;
        person.linked = true;
        person.clock = person.clock.max(time);
        if who == ME {
            let welcome = WelcomeNotice {
                clock: person.clock.into(),
                next: (person.shown + 1).into(),
                ..welcome(name, position, &[(position, name)])
            };
            self.recent.welcome(&welcome);
        }
    }

    fn act(&mut self, who: usize, act: Act) {
        let person = &mut self.people[who];
        let linked = person.linked;
        match act {
            Act::Type => person.typed = (person.typed + 1).min(20),
            Act::Send if linked && person.typed > 0 && person.in_flight.is_none() => {
                person.typed -= 1;
                let request = self.tick(who);
                let person = &mut self.people[who];
                person.in_flight = Some(Lifeline {
                    request,
                    seen: person.shown,
                    position: None,
                    reply: false,
                });
            }
            Act::Serve if linked => self.serve(who),
            Act::Reply if linked => {
                let answered = person.in_flight.take_if(|line| line.reply);
                let position = answered.and_then(|line| line.position);
                if let Some(position) = position.and_then(|position| usize::try_from(position).ok())
                {
                    self.observed(who, self.log[position - 1].lamport.get());
                }
            }
            Act::Deliver if linked => self.deliver(who),
            Act::Cut => {
                person.linked = false;
                if let Some(line) = &mut person.in_flight {
                    line.reply = false;
                }
            }
            Act::Resume if !linked => {
                person.linked = true;
                person.from = 0;
                let clock = self.tick(who);
                assert!(clock > 0);
            }
            Act::Rejoin if !linked => {
                let (name, number) = (person.name, person.number);
                self.append(0, |position, time| {
                    let mut event = left(position, time, name, number);
                    if let EventKind::Left { reason, .. } = &mut event.kind {
                        *reason = LeftReason::Lost;
                    }
                    event
                });
                self.enter(who);
            }
            _ => {}
        }
    }

    /// Lets the server take the line on its way. A line that it has already is answered as before.
    fn serve(&mut self, who: usize) {
        let Person { name, number, .. } = self.people[who];
        let Some(line) = &mut self.people[who].in_flight else {
            return;
        };
        line.reply = true;
        if line.position.is_some() {
            return;
        }
        let (request, seen) = (line.request, line.seen);
        let position = self.append(request, |position, time| {
            let hi = TestAuthor { number, name }.says("hi");
            hi.position(position).time(time).seen(seen).into()
        });
        if let Some(line) = &mut self.people[who].in_flight {
            line.position = Some(position);
        }
    }

    fn deliver(&mut self, who: usize) {
        let person = &mut self.people[who];
        let next = person.shown + 1;
        let Some(event) = usize::try_from(next)
            .ok()
            .and_then(|next| self.log.get(next - 1))
        else {
            return;
        };
        person.shown = next;
        let time = event.lamport.get();
        let live = next >= person.from;
        person.clock = person.clock.max(time) + u64::from(live);
        // A line that the log has already is not sent again.
        person
            .in_flight
            .take_if(|line| line.position == Some(next) && !line.reply);
        if who == ME {
            self.recent.event(event, person.clock.into(), live);
        }
    }

    fn end(&mut self) {
        for who in 0..self.people.len() {
            if !self.people[who].linked {
                self.act(who, Act::Resume);
            }
        }
        while self.people[ME].shown < self.head() {
            self.deliver(ME);
        }
    }
}

/// The times on each line, from top to bottom.
fn times(diagram: &LocalDiagram) -> BTreeMap<String, Vec<LamportTime>> {
    let mut times = BTreeMap::<_, Vec<_>>::new();
    let mut at = |line: String, time: Option<LamportTime>| {
        times.entry(line).or_default().extend(time);
    };
    for row in &diagram.rows {
        match &row.step {
            DiagramStep::Sent { line, time } => at(format!("{line:?}"), Some(*time)),
            DiagramStep::Broadcast {
                from,
                sent,
                time,
                received,
                ..
            } => {
                at(
                    from.map_or("nobody".into(), |from| format!("{from:?}")),
                    *sent,
                );
                at("Own".into(), *received);
                at("server".into(), Some(*time));
            }
            DiagramStep::Received { time, .. } | DiagramStep::Observed { time } => {
                at("Own".into(), Some(*time));
            }
        }
    }
    times
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_times_of_each_line_rise_downwards(acts in acts(), rows in 1..60_usize) {
        let mut chat = Chat::new();
        for (who, act) in acts {
            chat.act(who, act);
        }
        chat.end();
        let all = LocalDiagram::new(&chat.recent, usize::MAX, 8);
        for diagram in [&all, &LocalDiagram::new(&chat.recent, rows, 8)] {
            for (line, times) in times(diagram) {
                let rises = times.windows(2).all(|pair| pair[0] < pair[1]);
                prop_assert!(rises, "{line}: {times:?}\n{}", sketch(diagram).join("\n"));
            }
        }
        // Every event is there once, and none arrives above its sending.
        let events: Vec<_> = chat.recent.events().collect();
        let receipts = events.iter().filter_map(|received| received.clock);
        let own = &times(&all)["Own"];
        for receipt in receipts {
            prop_assert!(own.contains(&receipt));
        }
        let mut under_way = 0;
        let mut broadcast = 0;
        for row in &all.rows {
            match &row.step {
                DiagramStep::Sent { .. } => under_way += 1,
                DiagramStep::Broadcast { from, sent, .. } => {
                    broadcast += 1;
                    if from.is_some() && sent.is_none() {
                        under_way -= 1;
                    }
                }
                DiagramStep::Received { .. } | DiagramStep::Observed { .. } => {}
            }
            prop_assert_eq!(row.under_way.len(), usize::try_from(under_way).unwrap_or(usize::MAX));
        }
        prop_assert_eq!(under_way, 0);
        prop_assert_eq!(broadcast, events.len());
    }

    /// An event of another participant that the author of a message had not seen is below the
    /// sending, unless a reply had reported it to the author.
    #[test]
    fn what_crossed_is_seen_to_cross(acts in acts()) {
        let mut chat = Chat::new();
        for (who, act) in acts {
            chat.act(who, act);
        }
        chat.end();
        let diagram = LocalDiagram::new(&chat.recent, usize::MAX, 8);
        let row_of = |wanted: LamportTime| diagram.rows.iter().position(
            |row| matches!(row.step, DiagramStep::Broadcast { time, .. } if time == wanted),
        );
        let events: Vec<_> = chat.recent.events().map(|received| &received.event).collect();
        for event in &events {
            let EventKind::Message { seen, participant, .. } = &event.kind else { continue };
            // It is not told what its author had seen.
            if *seen == Position::ZERO {
                continue;
            }
            let crossed = events.iter().find(|other| {
                let whose = who(other).map(|(number, _)| number);
                other.position > *seen
                    && other.position < event.position
                    && other.lamport >= event.request
                    && whose != Some(*participant)
                    && !(chat.recent.is_own(*participant) && whose.is_some_and(|who| chat.recent.is_own(who)))
            });
            let Some(crossed) = crossed else { continue };
            let sent = diagram.rows.iter().position(|row| match &row.step {
                DiagramStep::Sent { time, line } => {
                    *time == event.request
                        && (*line == super::super::Lifeline::Own) == chat.recent.is_own(*participant)
                }
                DiagramStep::Broadcast { sent, time, .. } => *time == event.lamport && sent.is_some(),
                _ => false,
            });
            prop_assert!(sent < row_of(crossed.lamport), "{event:?}\n{}", sketch(&diagram).join("\n"));
        }
    }
}
