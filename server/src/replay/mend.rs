//! Mending: makes one log of records between which some are missing.
//!
//! A log has no holes: positions are dense, and each time follows from the one before. So each lost
//! position is filled with an event of unknown kind, which takes a position and a time and changes
//! nothing, or with the Joined of a participant that later records mention. All records that are
//! whole keep their positions, their times and their meaning.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use chitty_chat::{
    Event, EventKind, LamportTime, Position, SessionHash,
    proto::{log_v1, v1},
    secret::FillRandom,
};
use prost::Message as _;

use chitty_room::{Fold, SnapshotError, record::Record, time_after};

/// The participants that whole records mention, and whose Joined is lost.
#[derive(Default)]
pub(super) struct LostParticipants {
    known: BTreeSet<Position>,
    names: BTreeMap<Position, Arc<str>>,
}

impl LostParticipants {
    /// The participants that are known before the first record.
    pub(super) fn after(fold: &Fold) -> Self {
        Self {
            known: fold
                .participants()
                .map(|participant| Position::new(participant.number.get()))
                .collect(),
            names: BTreeMap::new(),
        }
    }

    /// Takes note of the participants of an event. Called with each record, in order.
    pub(super) fn observe(&mut self, event: &Event) {
        let (participant, name) = match &event.kind {
            EventKind::Joined { .. } => {
                self.known.insert(event.position);
                return;
            }
            EventKind::Left {
                participant, name, ..
            } => (participant, name),
            EventKind::Message {
                participant,
                author,
                ..
            } => (participant, author),
            EventKind::Member(_) | EventKind::Invitation(_) | EventKind::Unknown => return,
        };
        let number = Position::new(participant.get());
        if number < event.position && !self.known.contains(&number) {
            self.names.entry(number).or_insert_with(|| Arc::clone(name));
        }
    }

    /// A fold for the position before `first`, made of what later records mention: the participants
    /// that they mention are present.
    pub(super) fn fold_before(
        &self,
        first: Position,
        base: LamportTime,
        random: FillRandom<'_>,
    ) -> Result<Fold, SnapshotError> {
        let present = self.names.range(..first).map(|(number, name)| {
            let participant = v1::Participant {
                name: name.to_string(),
                number: number.get(),
                seen: 0,
                member: 0,
            };
            log_v1::snapshot::Present {
                participant: Some(participant),
                session: session(random).to_vec(),
                generation: 0,
                key: Vec::new(),
            }
        });
        let snapshot = log_v1::Snapshot {
            position: first.previous().get(),
            lamport: base.get(),
            present: present.collect(),
            ..log_v1::Snapshot::default()
        };
        Fold::decode(&snapshot.encode_to_vec())
    }
}

/// A session that nobody has, in place of one that is lost.
fn session(random: FillRandom<'_>) -> [u8; 16] {
    let mut session = [0; 16];
    random(&mut session);
    session
}

/// The Lamport time that the position before a record must have had.
#[derive(Clone, Copy)]
enum Before {
    Exactly(u64),
    AtMost(u64),
}

impl Before {
    fn of(event: &Event) -> Self {
        let (time, request) = (event.lamport.get(), event.request.get());
        if request == 0 {
            Self::Exactly(time.saturating_sub(1))
        } else if time == request.saturating_add(2) {
            Self::AtMost(request)
        } else {
            Self::Exactly(time.saturating_sub(2))
        }
    }

    const fn latest(self) -> u64 {
        match self {
            Self::Exactly(time) | Self::AtMost(time) => time,
        }
    }
}

/// The latest time that the position before this record can have had.
pub(super) fn time_before(event: &Event) -> LamportTime {
    Before::of(event).latest().into()
}

/// Takes records in the order of their positions, and returns a log without holes.
pub(super) struct Mender<'a> {
    fold: Fold,
    /// The position up to which the fold came from a snapshot.
    folded: Position,
    at: Position,
    time: LamportTime,
    wall: SystemTime,
    lost: &'a LostParticipants,
    pub(super) report: MendReport,
}

/// What was kept, filled in and left out.
#[derive(Debug, Default)]
pub(super) struct MendReport {
    pub(super) kept: u64,
    /// Positions that were filled.
    pub(super) filled: Vec<(Position, Position)>,
    /// How many of these positions were filled with a Joined.
    pub(super) joined: u64,
    /// Records that were whole and contradict those before.
    pub(super) contradicting: u64,
}

impl<'a> Mender<'a> {
    /// Begins after position `at`, which has this time.
    pub(super) const fn new(
        fold: Fold,
        at: Position,
        time: LamportTime,
        lost: &'a LostParticipants,
    ) -> Self {
        Self {
            folded: fold.head(),
            fold,
            at,
            time,
            wall: UNIX_EPOCH,
            lost,
            report: MendReport {
                kept: 0,
                filled: Vec::new(),
                joined: 0,
                contradicting: 0,
            },
        }
    }

    pub(super) const fn at(&self) -> Position {
        self.at
    }

    /// Takes a whole record, and returns the records that fill the hole before it, and the record
    /// itself. None if it contradicts those before.
    pub(super) fn take(&mut self, record: Record, random: FillRandom<'_>) -> Vec<Record> {
        let filling = self.fill(record.event.position, Before::of(&record.event), random);
        let Some(mut records) = filling else {
            self.report.contradicting += 1;
            return Vec::new();
        };
        self.adopt(&records);
        let event = &record.event;
        if event.position > self.folded && self.fold.apply(&record).is_err() {
            self.report.contradicting += 1;
            return records;
        }
        self.wall = event.at;
        (self.at, self.time) = (event.position, event.lamport);
        self.report.kept += 1;
        records.push(record);
        records
    }

    /// Fills the hole up to the snapshot's position, whose time is known; `None` if that is
    /// impossible.
    pub(super) fn fill_to_snapshot(&mut self, random: FillRandom<'_>) -> Option<Vec<Record>> {
        let (position, time) = (self.folded, self.fold.now());
        if self.at >= position {
            return Some(Vec::new());
        }
        let records = self.fill(position.next(), Before::Exactly(time.get()), random)?;
        self.adopt(&records);
        Some(records)
    }

    fn adopt(&mut self, filling: &[Record]) {
        let (Some(first), Some(last)) = (filling.first(), filling.last()) else {
            return;
        };
        let hole = (first.event.position, last.event.position);
        self.report.filled.push(hole);
        for record in filling {
            if record.event.position > self.folded {
                // It cannot fail: the event has no effect, or is a Joined, at a time by the rules.
                let _ = self.fold.apply(record);
            }
        }
        (self.at, self.time) = (last.event.position, last.event.lamport);
        let joined = filling
            .iter()
            .filter(|record| matches!(record.event.kind, EventKind::Joined { .. }));
        self.report.joined += joined.count() as u64;
    }

    /// The records that fill the hole before `next`, if the rules allow times for them.
    fn fill(&self, next: Position, before: Before, random: FillRandom<'_>) -> Option<Vec<Record>> {
        let count = next.get().checked_sub(self.at.get() + 1)?;
        if count == 0 {
            let now = self.time.get();
            let fits = match before {
                Before::Exactly(time) => now == time,
                Before::AtMost(time) => now <= time,
            };
            return fits.then(Vec::new);
        }
        let earliest = self.time.get().checked_add(count)?;
        let end = match before {
            Before::Exactly(time) => time,
            Before::AtMost(_) => earliest,
        };
        if earliest > before.latest() {
            return None;
        }
        let mut time = self.time;
        let mut records = Vec::new();
        for position in self.at.get() + 1..next.get() {
            // All are one tick apart but the last, which has to reach the end.
            let is_last = position + 1 == next.get();
            let request = match end - time.get() {
                distance if is_last && distance > 1 => end - 2,
                _ => 0,
            };
            let record = self.filling(position.into(), time, request.into(), random);
            time = record.event.lamport;
            records.push(record);
        }
        (time.get() == end).then_some(records)
    }

    fn filling(
        &self,
        position: Position,
        before: LamportTime,
        request: LamportTime,
        random: FillRandom<'_>,
    ) -> Record {
        let name = self.lost.names.get(&position);
        let kind = name.map_or(EventKind::Unknown, |name| EventKind::Joined {
            name: Arc::clone(name),
            member: None,
        });
        Record {
            session: name.and_then(|_| SessionHash::from_bytes(&session(random))),
            event: Event {
                position,
                lamport: time_after(before, request),
                at: self.wall,
                request,
                kind,
            },
            generation: 0,
            private: None,
        }
    }
}

#[cfg(test)]
mod tests;
