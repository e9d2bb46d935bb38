//! The rows of a chat's file, read and written with their checksums.

use std::sync::Arc;

use chitty_chat::{LamportTime, Position};
use rusqlite::{Connection, Transaction, params};

use super::{
    super::TRIM_STEP,
    Extent, Keep, PageLimit, Problem,
    checksum::{self, Checksum},
};
use chitty_room::record::{EncodedEvents, EncodedRecord, PutEvent, Record};

/// The row about the chat as a whole, without its snapshot, which may be large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChatRow {
    pub(super) epoch: Arc<str>,
    /// The oldest position that is kept.
    pub(super) first: Position,
    /// The Lamport time of the position before.
    pub(super) base: LamportTime,
    /// Whether it is a backup that was not opened as a chat yet.
    pub(super) restored: bool,
    /// The chain of the position before `first`.
    pub(super) chain: u32,
    /// The checksum of the snapshot, if there is one.
    pub(super) snapshot: Option<u32>,
}

impl ChatRow {
    /// Reads the row in this version of the schema, and the checksum stored in it.
    pub(super) fn read(
        connection: &Connection,
        version: usize,
    ) -> rusqlite::Result<(Self, Option<u32>)> {
        let columns = match version {
            0 | 1 => "0, 0, NULL, NULL",
            2 => "restored, 0, NULL, NULL",
            _ => "restored, chain, snapshot_checksum, checksum",
        };
        let query = format!("SELECT epoch, first, base, {columns} FROM chat");
        connection.query_row(&query, [], |row| {
            let chat = Self {
                epoch: row.get::<_, String>(0)?.into(),
                first: position(row.get(1)?),
                base: LamportTime::new(unsigned(row.get(2)?)),
                restored: row.get(3)?,
                chain: row.get(4)?,
                snapshot: row.get(5)?,
            };
            Ok((chat, row.get(6)?))
        })
    }

    /// Reads the row of the newest schema, and verifies its checksum.
    pub(super) fn verified(connection: &Connection) -> Result<Self, Problem> {
        match Self::read(connection, usize::MAX)? {
            (chat, Some(checksum)) if chat.checksum() == checksum => Ok(chat),
            _ => Err(Problem::Chat),
        }
    }

    pub(super) fn checksum(&self) -> u32 {
        let snapshot = self.snapshot.map(u32::to_le_bytes);
        checksum::fields([
            self.epoch.as_bytes(),
            &self.first.get().to_le_bytes(),
            &self.base.get().to_le_bytes(),
            &[u8::from(self.restored)],
            &self.chain.to_le_bytes(),
            snapshot.as_ref().map_or(&[], <[u8; 4]>::as_slice),
        ])
    }

    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .execute(
                "UPDATE chat SET epoch = ?1, first = ?2, base = ?3, restored = ?4, chain = ?5,
                 snapshot_checksum = ?6, checksum = ?7",
                params![
                    &*self.epoch,
                    signed(self.first),
                    self.base.get().cast_signed(),
                    self.restored,
                    self.chain,
                    self.snapshot,
                    self.checksum(),
                ],
            )
            .map(drop)
    }
}

/// The snapshot in any version of the schema, not verified.
pub(super) fn raw_snapshot(connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.query_row("SELECT snapshot FROM chat", [], |row| row.get(0))
}

pub(super) fn read_snapshot(connection: &Connection) -> Result<Option<Vec<u8>>, Problem> {
    // In a transaction, because the row is read twice.
    let transaction = connection.unchecked_transaction()?;
    read_snapshot_in(&transaction)
}

/// The same within a transaction.
pub(super) fn read_snapshot_in(transaction: &Transaction<'_>) -> Result<Option<Vec<u8>>, Problem> {
    let chat = ChatRow::verified(transaction)?;
    let snapshot = raw_snapshot(transaction)?;
    if snapshot.as_deref().map(crc32c::crc32c) == chat.snapshot {
        Ok(snapshot)
    } else {
        Err(Problem::SnapshotChecksum)
    }
}

pub(super) fn keep_snapshot(connection: &mut Connection, snapshot: &[u8]) -> Result<(), Problem> {
    let transaction = connection.transaction()?;
    let mut chat = ChatRow::verified(&transaction)?;
    chat.snapshot = Some(crc32c::crc32c(snapshot));
    transaction.execute("UPDATE chat SET snapshot = ?1", [snapshot])?;
    chat.write(&transaction)?;
    Ok(transaction.commit()?)
}

/// A walk along the records, which verifies that each follows from the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) at: Position,
    /// The chain at that position, if it is known.
    pub(super) chain: Option<u32>,
}

impl Walk {
    /// Goes on to the record at this position. After an error it has not moved.
    pub(super) fn step(
        &mut self,
        position: Position,
        bytes: &[u8],
        checksum: Checksum,
    ) -> Result<(), Problem> {
        let expected = self.at.next();
        if position != expected {
            let found = position;
            return Err(Problem::Gap { expected, found });
        }
        if !checksum.covers(position, bytes) {
            return Err(Problem::Checksum { position });
        }
        if self.chain.is_some_and(|before| !checksum.follows(before)) {
            return Err(Problem::Chain { position });
        }
        self.at = position;
        self.chain = Some(checksum.chain);
        Ok(())
    }
}

/// The records after position `after`, up to the limits, each of them verified. The log is known to
/// reach to `head`, so it is an error if the page ends earlier for no other reason.
pub(super) fn read_page(
    connection: &Connection,
    after: Position,
    limit: PageLimit,
    head: Position,
) -> Result<Vec<Record>, Problem> {
    let mut page = Vec::new();
    read_each(connection, after, limit, head, |position, record| {
        page.push(decode(position, record)?);
        Ok(())
    })?;
    Ok(page)
}

/// Reads the events of the same records, in their encoding.
pub(super) fn read_events(
    connection: &Connection,
    after: Position,
    limit: PageLimit,
    head: Position,
    put: PutEvent,
) -> Result<EncodedEvents, Problem> {
    let mut events = EncodedEvents::default();
    read_each(connection, after, limit, head, |position, record| {
        let found = events
            .push(record, put)
            .map_err(|error| Problem::Record { position, error })?;
        require_place(position, found)
    })?;
    Ok(events)
}

/// Calls `take` for each record of a page.
fn read_each(
    connection: &Connection,
    after: Position,
    limit: PageLimit,
    head: Position,
    mut take: impl FnMut(Position, &[u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    // The record at `after` is read first, for its chain; it may not be kept any more.
    if after > Position::ZERO {
        let (start, anchor) = (after.previous(), Some(after));
        if let Anchor::Kept = page(connection, start, anchor, limit, head, &mut take)? {
            return Ok(());
        }
    }
    let transaction = connection.unchecked_transaction()?;
    let first: i64 = transaction
        .prepare_cached("SELECT first FROM chat")?
        .query_row([], |row| row.get(0))?;
    let start = after.max(position(first).previous());
    page(&transaction, start, None, limit, head, take).map(drop)
}

/// Whether the record before a page is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Kept,
    Gone,
}

/// Calls `take` for the records after `start`. If `anchor` is given, the first one has to be at that
/// position and is left out; if it is not there, nothing is taken.
fn page(
    connection: &Connection,
    start: Position,
    anchor: Option<Position>,
    limit: PageLimit,
    head: Position,
    mut take: impl FnMut(Position, &[u8]) -> Result<(), Problem>,
) -> Result<Anchor, Problem> {
    let mut query = connection.prepare_cached(
        "SELECT position, record, checksum FROM records
         WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    // One more for the anchor.
    let most = limit.records.saturating_add(anchor.is_some().into());
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = query.query(params![signed(start), most])?;
    let mut walk = Walk {
        at: start,
        chain: None,
    };
    let mut anchor = anchor;
    let (mut records, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        let position = position(row.get(0)?);
        let record = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let checksum = Checksum::unpack(row.get(2)?);
        if let Some(anchor) = anchor.take() {
            if anchor != position {
                return Ok(Anchor::Gone);
            }
            // If it is damaged, the records after it can still be read.
            let is_whole = checksum.covers(position, record);
            walk.at = position;
            walk.chain = is_whole.then_some(checksum.chain);
            continue;
        }
        bytes += record.len();
        if records > 0 && bytes > limit.bytes {
            return Ok(Anchor::Kept);
        }
        walk.step(position, record, checksum)?;
        take(position, record)?;
        records += 1;
    }
    if anchor.is_some() {
        return Ok(Anchor::Gone);
    }
    if records < limit.records && walk.at < head {
        return Err(Problem::End {
            head: walk.at,
            acknowledged: head,
        });
    }
    Ok(Anchor::Kept)
}

/// The first position whose time is at least `lamport`; one after `head`, which the log is known to
/// reach, if there is none. A binary search, since times rise along positions; in one transaction,
/// so that nothing is dropped meanwhile.
pub(super) fn locate(
    connection: &Connection,
    lamport: LamportTime,
    head: Position,
) -> Result<Position, Problem> {
    const ONE: PageLimit = PageLimit {
        records: 1,
        bytes: 0,
    };
    let transaction = connection.unchecked_transaction()?;
    let first: i64 = transaction.query_row("SELECT first FROM chat", [], |row| row.get(0))?;
    let (mut low, mut high) = (position(first).get(), head.get() + 1);
    while low < high {
        let middle = Position::new(low + (high - low) / 2);
        let start = middle.previous();
        let mut time = None;
        page(
            &transaction,
            start,
            None,
            ONE,
            middle,
            |position, record| {
                time = Some(decode(position, record)?.event.lamport);
                Ok(())
            },
        )?;
        if time.is_some_and(|time| time >= lamport) {
            high = middle.get();
        } else {
            low = middle.get() + 1;
        }
    }
    Ok(Position::new(low))
}

/// The record at this position, if the bytes are one.
pub(super) fn decode(position: Position, bytes: &[u8]) -> Result<Record, Problem> {
    let record = Record::decode(bytes).map_err(|error| Problem::Record { position, error })?;
    require_place(position, record.event.position)?;
    Ok(record)
}

/// A record says its own position, which has to be that of its row.
fn require_place(position: Position, found: Position) -> Result<(), Problem> {
    if found == position {
        Ok(())
    } else {
        Err(Problem::Misplaced { position, found })
    }
}

/// Appends a record. Returns its chain, and its length in bytes.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    record: &EncodedRecord,
    before: u32,
) -> rusqlite::Result<(u32, usize)> {
    let (position, bytes) = (record.event.position, record.encode());
    let checksum = Checksum::of(before, position, &bytes);
    transaction
        .prepare_cached("INSERT INTO records (position, record, checksum) VALUES (?1, ?2, ?3)")?
        .execute(params![signed(position), bytes, checksum.pack()])?;
    Ok((checksum.chain, bytes.len()))
}

/// Drops one step of records from the beginning, or fewer if the cap is met before.
pub(super) fn trim(
    transaction: &Transaction<'_>,
    keep: Keep,
    covered: Position,
    extent: Extent,
) -> Result<Extent, Problem> {
    let mut chat = ChatRow::verified(transaction)?;
    let mut trimmed = extent;
    let mut walk = Walk {
        at: chat.first.previous(),
        chain: Some(chat.chain),
    };
    {
        let mut oldest = transaction.prepare_cached(
            "SELECT position, record, checksum FROM records
             WHERE position <= ?1 ORDER BY position LIMIT ?2",
        )?;
        let step = i64::try_from(TRIM_STEP).unwrap_or(i64::MAX);
        let mut rows = oldest.query(params![signed(covered), step])?;
        while keep.is_exceeded(&trimmed) {
            let Some(row) = rows.next()? else { break };
            let position = position(row.get(0)?);
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            // Verified before it is dropped: damage must not vanish with a trim.
            walk.step(position, bytes, Checksum::unpack(row.get(2)?))?;
            trimmed.first = position.next();
            trimmed.base = decode(position, bytes)?.event.lamport;
            trimmed.bytes = trimmed.bytes.saturating_sub(bytes.len() as u64);
        }
    }
    transaction.execute(
        "DELETE FROM records WHERE position < ?1",
        [signed(trimmed.first)],
    )?;
    chat.first = trimmed.first;
    chat.base = trimmed.base;
    // The chain of what is kept goes on from the last record that was dropped.
    chat.chain = walk.chain.unwrap_or(chat.chain);
    chat.write(transaction)?;
    Ok(trimmed)
}

/// The chain at this position, if its record is kept.
pub(super) fn chain_at(
    connection: &Connection,
    position: Position,
) -> rusqlite::Result<Option<u32>> {
    use rusqlite::OptionalExtension as _;
    let query = "SELECT checksum FROM records WHERE position = ?1";
    let column = connection
        .query_row(query, [signed(position)], |row| row.get(0))
        .optional()?;
    Ok(column.map(|column| Checksum::unpack(column).chain))
}

/// SQLite's integers are signed; no chat has 2^63 events.
pub(super) fn signed(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}

const fn unsigned(value: i64) -> u64 {
    value.cast_unsigned()
}

pub(super) const fn position(value: i64) -> Position {
    Position::new(unsigned(value))
}

#[cfg(test)]
mod tests;
