//! Verifies that a file contains chats in order.

use std::sync::Arc;

use chitty_chat::{LamportTime, Position, text::ChatName};
use rusqlite::Connection;

use super::{
    Extent, Problem,
    chat_row::{self, ChatRow},
    checksum::Checksum,
    key::{ChatNumber, RowKey},
    mark::Marked,
    problem::{MOST_LISTED, Problems},
    rows::{self, Walk},
    scan::{empty, number_of, position_of, require_different_names, select, stray},
    schema::{self, WITH_CHATS, WITH_CHECKSUMS},
};
use crate::log::{MOST_CHATS, RecordFold};
use chitty_room::record::Record;

/// A summary of a file. All but the schema is about the lobby, or about the file as a whole.
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
    /// The other chats of the file.
    pub others: Vec<ChatSummary>,
}

/// A summary of one of the chats that a file has beside the lobby.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatSummary {
    pub(super) number: ChatNumber,
    /// Its name.
    pub name: ChatName,
    /// The epoch of its log.
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

/// The keys that a chat's rows have, in this version of the schema: those after the first number, up
/// to the second one.
fn range(version: usize, chat: ChatNumber) -> (i64, i64) {
    let from = if chat.is_lobby() {
        i64::MIN
    } else {
        chat.bound(Position::ZERO) - 1
    };
    let to = if version < WITH_CHATS {
        i64::MAX
    } else {
        chat.last().column()
    };
    (from, to)
}

/// Reads all of a file of this schema version, and returns all problems, and a summary if there are
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
        .and_then(|moment| inspect_chats::<F>(&moment, version, &mut problems));
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

fn inspect_chats<F: RecordFold>(
    connection: &Connection,
    version: usize,
    problems: &mut Problems,
) -> Option<Summary> {
    let chats = problems.note(ChatRow::read_all(connection, version))?;
    problems.note(require_different_names(chats.iter().map(|(chat, _)| chat)));
    if version >= WITH_CHATS {
        find_strays(connection, version, &chats, problems);
    }
    let backup = chats.first().is_some_and(|(chat, _)| chat.restored);
    let mut summaries = Vec::with_capacity(chats.len());
    for (chat, checksum) in chats {
        let name = chat.name.clone();
        let mut its = Problems::default();
        let summary = inspect_chat::<F>(connection, version, (chat, checksum), &mut its);
        problems.add_of(&name, its);
        summaries.push(summary);
    }
    // All of them, so that a problem of one chat leaves none out.
    let mut summaries = summaries
        .into_iter()
        .collect::<Option<Vec<_>>>()?
        .into_iter();
    let lobby = summaries.next()?;
    Some(Summary {
        schema: version,
        backup,
        epoch: lobby.epoch,
        extent: lobby.extent,
        lamport: lobby.lamport,
        present: lobby.present,
        marked: lobby.marked,
        others: summaries.collect(),
    })
}

/// Finds records of chats that are not listed.
fn find_strays(
    connection: &Connection,
    version: usize,
    chats: &[(ChatRow, Option<u32>)],
    problems: &mut Problems,
) {
    let query = "SELECT min(position) FROM records WHERE position > ?1";
    let mut key = i64::MIN;
    // Each round is about another chat, so that there are as many as chats in the file.
    for _ in 0..=MOST_CHATS {
        let found = connection.query_row(query, [key], |row| row.get::<_, Option<i64>>(0));
        // What cannot be read is listed elsewhere.
        let Ok(Some(found)) = found else { return };
        let number = match number_of(version, found) {
            Ok(number) => number,
            Err(problem) => return problems.add(problem),
        };
        if !chats.iter().any(|(chat, _)| chat.number == number) {
            problems.add(stray(found));
        }
        key = number.last().column();
    }
}

fn inspect_chat<F: RecordFold>(
    connection: &Connection,
    version: usize,
    (chat, checksum): (ChatRow, Option<u32>),
    problems: &mut Problems,
) -> Option<ChatSummary> {
    if version >= WITH_CHECKSUMS && !chat.has(checksum) {
        problems.add(Problem::Chat);
    }
    let snapshot = problems.note(chat_row::raw_snapshot(connection, version, chat.number))?;
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
        version,
        walk: Walk {
            chat: chat.number,
            at: extent.head,
            chain: (version >= WITH_CHECKSUMS).then_some(chat.chain),
        },
        extent,
        time: Some(chat.base),
        fold,
        snapshot,
    };
    reading.read(connection, problems);
    reading.check_snapshot(problems);
    Some(ChatSummary {
        number: chat.number,
        name: chat.name,
        epoch: chat.epoch,
        extent: reading.extent,
        lamport: reading.fold.as_ref()?.now(),
        present: reading.fold.as_ref()?.count(),
        marked: Marked::Needless,
    })
}

/// A walk along all records of a chat, which goes on after damage.
struct Reading<F> {
    version: usize,
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
    fn read(&mut self, connection: &Connection, problems: &mut Problems) {
        let (mut start, end) = range(self.version, self.walk.chat);
        loop {
            let result = self.read_from(connection, (start, end), problems);
            let Err(error) = result else { return };
            // A damaged page. The records on other pages can be read by skipping it.
            self.fold = None;
            let from = self.walk.at.next();
            let Some(next) = self.next_readable(connection) else {
                problems.add(error);
                return;
            };
            let to = next.previous();
            problems.add(Problem::Unreadable { from, to, error });
            self.lose(to);
            start = self.key(to);
        }
    }

    fn read_from(
        &mut self,
        connection: &Connection,
        (start, end): (i64, i64),
        problems: &mut Problems,
    ) -> rusqlite::Result<()> {
        let mut query = connection.prepare(&select(self.version))?;
        let mut rows = query.query([start, end])?;
        while let Some(row) = rows.next()? {
            let position = position_of(self.version, self.walk.chat, row.get(0)?);
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
        let key = RowKey::from_column(self.key(position));
        if checksum.is_some_and(|checksum| !checksum.covers(key, bytes)) {
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
            chat: self.walk.chat,
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

    /// The key of a position, in this version of the schema.
    fn key(&self, position: Position) -> i64 {
        if self.version < WITH_CHATS {
            rows::signed(position)
        } else {
            self.walk.chat.bound(position)
        }
    }

    /// The first position after the current one that can be read. The records of a damaged page are
    /// adjacent, so it is found by an exponential search, and then a binary one.
    fn next_readable(&self, connection: &Connection) -> Option<Position> {
        let (_, end) = range(self.version, self.walk.chat);
        let first_from = |from: i64| {
            connection
                .prepare(&select(self.version))
                .and_then(|mut query| query.query_row([from, end], |row| row.get::<_, i64>(0)))
                .ok()
        };
        let start = self.key(self.walk.at);
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
        first_from(good).map(|key| position_of(self.version, self.walk.chat, key))
    }
}
