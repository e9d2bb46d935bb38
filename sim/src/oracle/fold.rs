//! The log itself: an independent fold, written from the wire contract.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chitty_chat::EventKind;
use chitty_server::record::Record;

use super::Verdict;

/// Who is present: their numbers and names.
pub(super) type Present = BTreeMap<u64, String>;

/// Who was present after each position; the first entry is before the first position.
#[derive(Debug)]
pub(super) struct Chat {
    states: Vec<Present>,
}

impl Chat {
    /// Who was present after this position.
    pub(super) fn at(&self, position: u64) -> Option<&Present> {
        self.states.get(usize::try_from(position).ok()?)
    }

    pub(super) fn at_end(&self) -> &Present {
        // There is one before the first position.
        &self.states[self.states.len() - 1]
    }
}

#[derive(Default)]
struct Fold {
    clock: u64,
    present: Present,
    seen: HashMap<u64, u64>,
    gone: BTreeSet<u64>,
    ids: HashMap<String, u64>,
}

pub(super) fn fold(log: &[Record], verdict: &mut Verdict) -> Chat {
    let mut fold = Fold::default();
    let mut states = vec![Present::new()];
    for (index, record) in log.iter().enumerate() {
        let position = record.event.position.get();
        verdict.must(position == index as u64 + 1, "dense positions", || {
            format!("position {position} is at place {} of the log", index + 1)
        });
        fold.time(record, verdict);
        fold.event(position, &record.event.kind, verdict);
        states.push(fold.present.clone());
    }
    Chat { states }
}

impl Fold {
    /// A request is received at max + 1 and broadcast one later; without one, one later.
    fn time(&mut self, record: &Record, verdict: &mut Verdict) {
        let event = &record.event;
        let (position, request) = (event.position, event.request.get());
        let rule = if request == 0 {
            self.clock + 1
        } else {
            self.clock.max(request) + 2
        };
        let time = event.lamport.get();
        verdict.must(time == rule, "times by the rules", || {
            format!("position {position} has time {time}, the rules give {rule}")
        });
        verdict.must(time > self.clock, "times rise", || {
            format!("position {position} has time {time} behind {}", self.clock)
        });
        self.clock = time;
    }

    fn event(&mut self, position: u64, kind: &EventKind, verdict: &mut Verdict) {
        match kind {
            EventKind::Joined { name } => {
                let taken = self.present.values().any(|other| **other == **name);
                verdict.must(!taken, "one name, one participant", || {
                    format!("{name} joins at {position} and is present")
                });
                self.present.insert(position, name.to_string());
            }
            EventKind::Left {
                name, participant, ..
            } => {
                let number = participant.get();
                verdict.must(self.gone.insert(number), "each Left once", || {
                    format!("{name} ({number}) leaves again at {position}")
                });
                let left = self.present.remove(&number);
                verdict.must(
                    left.as_deref() == Some(name),
                    "who leaves was there",
                    || format!("{name} ({number}) leaves at {position}; present was {left:?}"),
                );
            }
            EventKind::Message {
                author,
                id,
                seen,
                participant,
                ..
            } => {
                let number = participant.get();
                let present = self.present.get(&number);
                verdict.must(
                    present.map(String::as_str) == Some(author),
                    "who writes is there",
                    || format!("{author} ({number}) writes at {position}; present is {present:?}"),
                );
                self.id(position, id, verdict);
                self.seen(position, number, seen.get(), verdict);
            }
            EventKind::Unknown => {}
        }
    }

    fn id(&mut self, position: u64, id: &str, verdict: &mut Verdict) {
        if id.is_empty() {
            return;
        }
        if let Some(before) = self.ids.insert(id.to_owned(), position) {
            let what = format!("{id} is at {before} and at {position}");
            verdict.broken("one id, one event", what);
        }
    }

    fn seen(&mut self, position: u64, participant: u64, seen: u64, verdict: &mut Verdict) {
        if seen == 0 {
            return;
        }
        let before = self.seen.insert(participant, seen).unwrap_or(0);
        verdict.must(
            before <= seen && seen < position,
            "seen never falls",
            || format!("the message at {position} has seen {seen}, after {before}"),
        );
    }
}
