//! A second fold of the log, written from the wire contract: positions, times, and who is present.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chitty_chat::EventKind;
use chitty_room::record::Record;

use super::Verdict;

/// The participants who are present: name by number.
pub(super) type PresentNames = BTreeMap<u64, String>;

/// The participants who were present after each position. The first entry is the state before
/// position 1.
#[derive(Debug)]
pub(super) struct PresenceHistory {
    states: Vec<PresentNames>,
}

impl PresenceHistory {
    /// The participants present after this position; `None` beyond the log's end.
    pub(super) fn at(&self, position: u64) -> Option<&PresentNames> {
        self.states.get(usize::try_from(position).ok()?)
    }

    /// The participants present at the log's end.
    pub(super) fn at_end(&self) -> &PresentNames {
        // There is always the state before the first position.
        &self.states[self.states.len() - 1]
    }
}

#[derive(Default)]
struct ModelFold {
    /// The time of the event before.
    clock: u64,
    present: PresentNames,
    /// The `seen` of each participant's last message.
    seen: HashMap<u64, u64>,
    /// Participants whose Left there was.
    left: BTreeSet<u64>,
    /// The position of each message id.
    ids: HashMap<String, u64>,
}

/// Folds a log from its first record, and checks each record on the way.
pub(super) fn replay(log: &[Record], verdict: &mut Verdict) -> PresenceHistory {
    let mut replay = ModelFold::default();
    let mut states = vec![PresentNames::new()];
    for (index, record) in log.iter().enumerate() {
        let position = record.event.position.get();
        verdict.must(position == index as u64 + 1, "dense positions", || {
            format!("position {position} is record {} of the log", index + 1)
        });
        replay.time(record, verdict);
        replay.event(position, &record.event.kind, verdict);
        states.push(replay.present.clone());
    }
    PresenceHistory { states }
}

impl ModelFold {
    /// Lamport's rules: a request is received at `max(clock, request) + 1` and its event broadcast
    /// one later. An event without a request only takes the second step.
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
            format!("position {position} has time {time} after {}", self.clock)
        });
        self.clock = time;
    }

    fn event(&mut self, position: u64, kind: &EventKind, verdict: &mut Verdict) {
        match kind {
            EventKind::Joined { name, .. } => {
                // The oracle compares names exactly: names that only look alike are the server's concern.
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
                verdict.must(self.left.insert(number), "each Left once", || {
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
            EventKind::Member(_) | EventKind::Invitation(_) | EventKind::Unknown => {}
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
