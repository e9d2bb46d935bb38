//! Verifies that a file contains a chat in order.

use std::sync::Arc;

use chitty_chat::{LamportTime, Position};
use rusqlite::Connection;

use super::{
    Extent, Problem,
    checksum::Checksum,
    mark::Marked,
    problem::{MOST_LISTED, Problems},
    rows::{self, ChatRow, Walk},
    schema::{self, WITH_CHECKSUMS},
};
use crate::log::RecordFold;
use chitty_room::record::Record;

/// A summary of a chat's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The version of its schema.
    pub schema: usize,
    /// Whether it is a backup that was not opened as a chat yet.
    pub backup: bool,
    /// The epoch of the log.
    pub epoch: Arc<str>,
    /// The positions that it keeps, and their size.
    pub extent: Extent,
    /// The Lamport time of its last event.
    pub lamport: LamportTime,
    /// The number of participants present at its end.
    pub present: usize,
    /// Whether everything that was acknowledged is there, according to the mark.
    pub marked: Marked,
}

/// A chat all of whose checksums were verified.
#[derive(Clone, Debug)]
pub(super) struct ScannedChat {
    pub(super) chat: ChatRow,
    pub(super) extent: Extent,
    /// The chain at the head.
    pub(super) chain: u32,
}

/// Reads all of a chat of this schema version, and returns the first problem. It is done at each
/// start, because it costs less than folding the chat. Older versions have no checksums, so these
/// are folded. Writes nothing.
pub(super) fn scan<F: RecordFold>(
    connection: &Connection,
    version: usize,
) -> Result<ScannedChat, Problem> {
    if version < WITH_CHECKSUMS {
        let (problems, _) = inspect::<F>(connection, version);
        if let Some(problem) = problems.into_first() {
            return Err(problem);
        }
    }
    scan_rows(connection, version)
}

/// The same for a schema with checksums, whose records need not be folded.
pub(super) fn scan_rows(connection: &Connection, version: usize) -> Result<ScannedChat, Problem> {
    schema::check_tables(connection, version)?;
    // One problem is enough here; `inspect` lists all of them.
    let pages: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if pages != "ok" {
        return Err(Problem::Pages(pages));
    }
    let transaction = connection.unchecked_transaction()?;
    if version >= WITH_CHECKSUMS {
        rows::read_snapshot_in(&transaction)?;
    }
    let (chat, _) = ChatRow::read(&transaction, version)?;
    let mut extent = empty(&chat);
    let mut walk = Walk {
        at: extent.head,
        chain: Some(chat.chain),
    };
    let mut query = transaction.prepare(select(version))?;
    let mut rows = query.query([i64::MIN])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        if version >= WITH_CHECKSUMS {
            let position = rows::position(row.get(0)?);
            walk.step(position, bytes, Checksum::unpack(row.get(2)?))?;
        } else {
            walk.at = rows::position(row.get(0)?);
        }
        extent.bytes += bytes.len() as u64;
    }
    extent.head = walk.at;
    Ok(ScannedChat {
        chain: walk.chain.unwrap_or(chat.chain),
        chat,
        extent,
    })
}

const fn select(version: usize) -> &'static str {
    if version < WITH_CHECKSUMS {
        "SELECT position, record, NULL FROM records WHERE position > ?1 ORDER BY position"
    } else {
        "SELECT position, record, checksum FROM records WHERE position > ?1 ORDER BY position"
    }
}

fn empty(chat: &ChatRow) -> Extent {
    Extent {
        first: chat.first,
        head: chat.first.previous(),
        base: chat.base,
        bytes: 0,
    }
}

/// Reads all of a chat of this schema version, and returns all problems, and a summary if there are
/// none. Writes nothing.
pub(super) fn inspect<F: RecordFold>(
    connection: &Connection,
    version: usize,
) -> (Problems, Option<Summary>) {
    let mut problems = Problems::default();
    problems.note(schema::check_tables(connection, version));
    check_pages(connection, &mut problems);
    // In a transaction: one moment of a chat that may go on meanwhile.
    let summary = problems
        .note(connection.unchecked_transaction())
        .and_then(|moment| inspect_rows::<F>(&moment, version, &mut problems));
    let summary = summary.filter(|_| problems.is_empty());
    (problems, summary)
}

fn check_pages(connection: &Connection, problems: &mut Problems) {
    let found = (|| {
        let mut query = connection.prepare(&format!("PRAGMA integrity_check({MOST_LISTED})"))?;
        let lines = query.query_map([], |row| row.get(0))?;
        lines.collect::<rusqlite::Result<Vec<String>>>()
    })();
    for line in problems.note(found).unwrap_or_default() {
        if line != "ok" {
            problems.add(Problem::Pages(line));
        }
    }
}

fn inspect_rows<F: RecordFold>(
    connection: &Connection,
    version: usize,
    problems: &mut Problems,
) -> Option<Summary> {
    let (chat, checksum) = problems.note(ChatRow::read(connection, version))?;
    if version >= WITH_CHECKSUMS && checksum != Some(chat.checksum()) {
        problems.add(Problem::Chat);
    }
    let snapshot = problems.note(rows::raw_snapshot(connection))?;
    let is_whole = snapshot.as_deref().map(crc32c::crc32c) == chat.snapshot;
    let fold = match snapshot {
        Some(bytes) => problems.note(F::from_snapshot(&bytes).map_err(Problem::Snapshot)),
        None => Some(F::default()),
    };
    if version >= WITH_CHECKSUMS && !is_whole && fold.is_some() {
        problems.add(Problem::SnapshotChecksum);
    }
    let snapshot = fold.as_ref().map(F::head);
    let extent = empty(&chat);
    let mut reading = Reading {
        walk: Walk {
            at: extent.head,
            chain: (version >= WITH_CHECKSUMS).then_some(chat.chain),
        },
        extent,
        time: Some(chat.base),
        fold,
        snapshot,
    };
    reading.read(connection, version, problems);
    reading.check_snapshot(problems);
    Some(Summary {
        schema: version,
        backup: chat.restored,
        epoch: chat.epoch,
        extent: reading.extent,
        lamport: reading.fold.as_ref()?.now(),
        present: reading.fold.as_ref()?.count(),
        marked: Marked::Needless,
    })
}

/// A walk along all records, which goes on after damage.
struct Reading<F> {
    walk: Walk,
    extent: Extent,
    /// The time of the record before, if that is known.
    time: Option<LamportTime>,
    /// `None` after the first damage, because later records cannot be folded.
    fold: Option<F>,
    /// The position of the snapshot.
    snapshot: Option<Position>,
}

impl<F: RecordFold> Reading<F> {
    fn read(&mut self, connection: &Connection, version: usize, problems: &mut Problems) {
        let mut start = i64::MIN;
        loop {
            let result = self.read_from(connection, version, start, problems);
            let Err(error) = result else { return };
            // A damaged page. The records on other pages can be read by skipping it.
            self.fold = None;
            let from = self.walk.at.next();
            let Some(next) = next_readable(connection, version, self.walk.at) else {
                problems.add(error);
                return;
            };
            let to = next.previous();
            problems.add(Problem::Unreadable { from, to, error });
            self.lose(to);
            start = rows::signed(to);
        }
    }

    fn read_from(
        &mut self,
        connection: &Connection,
        version: usize,
        start: i64,
        problems: &mut Problems,
    ) -> rusqlite::Result<()> {
        let mut query = connection.prepare(select(version))?;
        let mut rows = query.query([start])?;
        while let Some(row) = rows.next()? {
            let position = rows::position(row.get(0)?);
            let bytes = row.get_ref(1)?.as_blob()?;
            let checksum = row.get::<_, Option<i64>>(2)?.map(Checksum::unpack);
            self.extent.bytes += bytes.len() as u64;
            if let Err(problem) = self.take(position, bytes, checksum) {
                problems.add(problem);
                self.lose(position);
            }
            self.extent.head = position;
        }
        Ok(())
    }

    fn take(
        &mut self,
        position: Position,
        bytes: &[u8],
        checksum: Option<Checksum>,
    ) -> Result<(), Problem> {
        if checksum.is_some_and(|checksum| !checksum.covers(position, bytes)) {
            // A decoding error says more than a wrong checksum does.
            rows::decode(position, bytes)?;
            return Err(Problem::Checksum { position });
        }
        let record = rows::decode(position, bytes)?;
        self.follows(&record)?;
        match checksum {
            Some(checksum) => self.walk.step(position, bytes, checksum)?,
            None => self.walk.at = position,
        }
        self.time = Some(record.event.lamport);
        let is_folded = self.snapshot.is_some_and(|snapshot| position <= snapshot);
        if let Some(fold) = &mut self.fold
            && !is_folded
        {
            fold.apply(&record)?;
        }
        Ok(())
    }

    /// Checks a record's position and time. The fold does so, too, but not for records that are
    /// older than its snapshot.
    fn follows(&self, record: &Record) -> Result<(), Problem> {
        let event = &record.event;
        let (expected, position) = (self.walk.at.next(), event.position);
        if position != expected {
            let found = position;
            return Err(Problem::Gap { expected, found });
        }
        if let Some(before) = self.time {
            F::check_time(before, event)?;
        }
        Ok(())
    }

    /// Continues after a damaged position, of which nothing is known.
    fn lose(&mut self, position: Position) {
        self.walk = Walk {
            at: position,
            chain: None,
        };
        self.time = None;
        self.fold = None;
    }

    fn check_snapshot(&self, problems: &mut Problems) {
        let extent = self.extent;
        if let Some(snapshot) = self.snapshot
            && (snapshot < extent.first.previous() || snapshot > extent.head)
        {
            problems.add(Problem::SnapshotElsewhere { snapshot, extent });
        }
    }
}

/// The first position after this one that can be read. The records of a damaged page are adjacent,
/// so it is found by an exponential search, and then a binary one.
fn next_readable(connection: &Connection, version: usize, after: Position) -> Option<Position> {
    let first_from = |from: i64| {
        connection
            .prepare(select(version))
            .and_then(|mut query| query.query_row([from], |row| row.get::<_, i64>(0)))
            .ok()
    };
    let start = rows::signed(after);
    let (mut bad, mut good) = (start, None);
    for shift in 0..40 {
        let from = start.checked_add(1 << shift)?;
        if first_from(from).is_some() {
            good = Some(from);
            break;
        }
        bad = from;
    }
    let mut good = good?;
    while good - bad > 1 {
        let middle = bad + (good - bad) / 2;
        match first_from(middle) {
            Some(_) => good = middle,
            None => bad = middle,
        }
    }
    first_from(good).map(rows::position)
}
