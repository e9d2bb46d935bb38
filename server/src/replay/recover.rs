//! Recovery: makes a new chat of all that is whole in a damaged one.

use std::path::Path;

use chitty_chat::{LamportTime, Position, secret::FillRandom, text::ChatName};

use super::mend::{LostParticipants, MendReport, Mender, time_before};
use crate::log::{FoundSnapshot, RecoverError, Salvage, salvage};
use chitty_room::{Fold, SnapshotError, record::Record};

/// The longest hole that is filled. A longer one means that a position itself is damaged.
const MOST_FILLED: u64 = 1_000_000;

/// The result of a recovery. All but the other chats is about the lobby.
#[derive(Debug)]
pub struct Recovered {
    /// The first and the last position of the new chat.
    pub positions: (Position, Position),
    /// Events that were whole.
    pub kept: u64,
    /// Positions whose events are lost. The new chat has events without a meaning there.
    pub filled: Vec<(Position, Position)>,
    /// How many of the lost events were Joineds, which later events show.
    pub joined: u64,
    /// Events that were whole and could not be kept because they contradict others.
    pub contradicting: u64,
    /// The other chats of the file. A chat whose name is lost has a new one.
    pub others: Vec<(ChatName, Recovered)>,
}

impl Recovered {
    /// A chat of which no event is left.
    const NOTHING: Self = Self {
        positions: (Position::new(1), Position::ZERO),
        kept: 0,
        filled: Vec::new(),
        joined: 0,
        contradicting: 0,
        others: Vec::new(),
    };
}

/// Writes all that is whole in the chats in `source` to a new file. `source` is not touched, and
/// `target` is there whole and synced afterwards, or not at all. Opening it as a chat begins
/// another life of each log.
pub fn recover(
    source: &Path,
    target: &Path,
    random: FillRandom<'_>,
) -> Result<Recovered, RecoverError> {
    let mut chats = salvage::<Fold, _>(source, target, random, mend)?
        .into_iter()
        .map(|(name, recovered)| (name, recovered.unwrap_or(Recovered::NOTHING)));
    let (_, lobby) = chats
        .next()
        .unwrap_or((ChatName::LOBBY, Recovered::NOTHING));
    Ok(Recovered {
        others: chats.collect(),
        ..lobby
    })
}

fn mend(found: &Salvage<'_>, random: FillRandom<'_>) -> Result<Recovered, RecoverError> {
    let from = found.start.map_or(Position::ZERO, |(first, _)| first);
    let first = found.first_record(from)?;
    let fold = match &found.snapshot {
        FoundSnapshot::Whole(bytes) => Fold::decode(bytes).ok(),
        FoundSnapshot::Needless => Some(Fold::default()),
        FoundSnapshot::Lost => None,
    };
    let mut lost = fold
        .as_ref()
        .map_or_else(LostParticipants::default, LostParticipants::after);
    found.for_each(from, |record| {
        lost.observe(&record.event);
        Ok(())
    })?;
    let start = match (fold, first) {
        (Some(fold), _) => RecoveredStart::of(found.start, fold),
        (None, Some(first)) => {
            RecoveredStart::at(&first, &lost, random).map_err(|_| found.nothing())?
        }
        (None, None) => return Err(found.nothing()),
    };
    let written = write(found, start, &lost, random)?;
    if written.report.kept == 0 && written.head == written.first.previous() {
        return Err(found.nothing());
    }
    Ok(Recovered {
        positions: (written.first, written.head),
        kept: written.report.kept,
        filled: written.report.filled,
        joined: written.report.joined,
        contradicting: written.report.contradicting,
        others: Vec::new(),
    })
}

/// How the new log begins.
struct RecoveredStart {
    first: Position,
    base: LamportTime,
    fold: Fold,
    /// Whether it needs a snapshot, because records before it were dropped or lost.
    has_snapshot: bool,
}

impl RecoveredStart {
    /// Begins where the chat began, if that is known.
    fn of(start: Option<(Position, LamportTime)>, fold: Fold) -> Self {
        let has_snapshot = fold.head() > Position::ZERO;
        let (first, base) = start.unwrap_or((Position::new(1), LamportTime::ZERO));
        Self {
            first,
            base,
            fold,
            has_snapshot,
        }
    }

    /// Begins at the first record that was found; everything before it is lost.
    fn at(
        record: &Record,
        lost: &LostParticipants,
        random: FillRandom<'_>,
    ) -> Result<Self, SnapshotError> {
        let first = record.event.position;
        let base = match first.previous() {
            Position::ZERO => LamportTime::ZERO,
            _ => time_before(&record.event),
        };
        Ok(Self {
            first,
            base,
            fold: lost.fold_before(first, base, random)?,
            has_snapshot: first > Position::new(1),
        })
    }
}

struct Written {
    first: Position,
    head: Position,
    report: MendReport,
}

fn write(
    found: &Salvage<'_>,
    start: RecoveredStart,
    lost: &LostParticipants,
    random: FillRandom<'_>,
) -> Result<Written, RecoverError> {
    let mut log = found.new_log();
    let snapshot = start.has_snapshot.then(|| start.fold.encode());
    let mut reached = start.fold.head();
    let mut mender = Mender::new(start.fold, start.first.previous(), start.base, lost);
    found.for_each(start.first, |record| {
        let position = record.event.position;
        // The part that the snapshot covers ends at the snapshot's time, which is known.
        if position > reached {
            log.put(mender.fill_to_snapshot(random).unwrap_or_default())?;
            reached = Position::new(u64::MAX);
        }
        if position.get() - mender.at().get() > MOST_FILLED {
            mender.report.contradicting += 1;
            return Ok(());
        }
        log.put(mender.take(record, random))
    })?;
    log.put(mender.fill_to_snapshot(random).unwrap_or_default())?;
    log.finish(start.first, start.base, snapshot.as_deref())?;
    Ok(Written {
        first: start.first,
        head: mender.at(),
        report: mender.report,
    })
}

#[cfg(test)]
mod tests;
