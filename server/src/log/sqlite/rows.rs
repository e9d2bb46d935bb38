//! The records of a file, read and written with their checksums.

use chitty_chat::{LamportTime, Position};
use rusqlite::{Connection, Transaction, params};

use super::{
    super::TRIM_STEP,
    Extent, Keep, PageLimit, Problem,
    chat_row::ChatRow,
    checksum::Checksum,
    key::{ChatNumber, RowKey},
};
use chitty_room::record::{EncodedEvents, EncodedRecord, PutEvent, Record};

/// A walk along the records of a chat, which verifies that each follows from the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) chat: ChatNumber,
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
        let key = self.chat.key(position);
        if !key.is_some_and(|key| checksum.covers(key, bytes)) {
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

/// The records of a chat after position `after`, up to the limits, each of them verified. The log is
/// known to reach to `head`, so it is an error if the page ends earlier for no other reason.
pub(super) fn read_page(
    connection: &Connection,
    chat: ChatNumber,
    after: Position,
    limit: PageLimit,
    head: Position,
) -> Result<Vec<Record>, Problem> {
    let mut page = Vec::new();
    read_each(connection, chat, after, limit, head, |position, record| {
        page.push(decode(position, record)?);
        Ok(())
    })?;
    Ok(page)
}

/// Reads the events of the same records, in their encoding.
pub(super) fn read_events(
    connection: &Connection,
    chat: ChatNumber,
    after: Position,
    limit: PageLimit,
    head: Position,
    put: PutEvent,
) -> Result<EncodedEvents, Problem> {
    let mut events = EncodedEvents::default();
    read_each(connection, chat, after, limit, head, |position, record| {
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
    chat: ChatNumber,
    after: Position,
    limit: PageLimit,
    head: Position,
    mut take: impl FnMut(Position, &[u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    // The record at `after` is read first, for its chain; it may not be kept any more.
    if after > Position::ZERO {
        let (start, anchor) = (after.previous(), Some(after));
        if let Anchor::Kept = page(connection, chat, start, anchor, limit, head, &mut take)? {
            return Ok(());
        }
    }
    let transaction = connection.unchecked_transaction()?;
    let first: i64 = transaction
        .prepare_cached("SELECT first FROM chat WHERE number = ?1")?
        .query_row([chat.get()], |row| row.get(0))?;
    let start = after.max(position(first).previous());
    page(&transaction, chat, start, None, limit, head, take).map(drop)
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
    chat: ChatNumber,
    start: Position,
    anchor: Option<Position>,
    limit: PageLimit,
    head: Position,
    mut take: impl FnMut(Position, &[u8]) -> Result<(), Problem>,
) -> Result<Anchor, Problem> {
    let mut query = connection.prepare_cached(
        "SELECT position, record, checksum FROM records
         WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
    )?;
    // One more for the anchor.
    let most = limit.records.saturating_add(anchor.is_some().into());
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = query.query(params![chat.bound(start), chat.last().column(), most])?;
    let mut walk = Walk {
        chat,
        at: start,
        chain: None,
    };
    let mut anchor = anchor;
    let (mut records, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        let key = RowKey::from_column(row.get(0)?);
        let position = position_in(chat, key);
        let record = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let checksum = Checksum::unpack(row.get(2)?);
        if let Some(anchor) = anchor.take() {
            if anchor != position {
                return Ok(Anchor::Gone);
            }
            // If it is damaged, the records after it can still be read.
            let is_whole = checksum.covers(key, record);
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
    chat: ChatNumber,
    lamport: LamportTime,
    head: Position,
) -> Result<Position, Problem> {
    const ONE: PageLimit = PageLimit {
        records: 1,
        bytes: 0,
    };
    let transaction = connection.unchecked_transaction()?;
    let query = "SELECT first FROM chat WHERE number = ?1";
    let first: i64 = transaction.query_row(query, [chat.get()], |row| row.get(0))?;
    let (mut low, mut high) = (position(first).get(), head.get() + 1);
    while low < high {
        let middle = Position::new(low + (high - low) / 2);
        let start = middle.previous();
        let mut time = None;
        page(
            &transaction,
            chat,
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

/// Appends a record to a chat. Returns its chain, and its length in bytes.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    chat: ChatNumber,
    record: &EncodedRecord,
    before: u32,
) -> Result<(u32, usize), Problem> {
    let (position, bytes) = (record.event.position, record.encode());
    let key = chat.key(position).ok_or(Problem::TooFar { position })?;
    let checksum = Checksum::of(before, key, &bytes);
    transaction
        .prepare_cached("INSERT INTO records (position, record, checksum) VALUES (?1, ?2, ?3)")?
        .execute(params![key.column(), bytes, checksum.pack()])?;
    Ok((checksum.chain, bytes.len()))
}

/// Drops one step of a chat's records from the beginning, or fewer if the cap is met before.
pub(super) fn trim(
    transaction: &Transaction<'_>,
    number: ChatNumber,
    keep: Keep,
    covered: Position,
    extent: Extent,
) -> Result<Extent, Problem> {
    let mut chat = ChatRow::verified(transaction, number)?;
    let start = number.bound(Position::ZERO);
    let mut trimmed = extent;
    let mut walk = Walk {
        chat: number,
        at: chat.first.previous(),
        chain: Some(chat.chain),
    };
    {
        let mut oldest = transaction.prepare_cached(
            "SELECT position, record, checksum FROM records
             WHERE position >= ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
        )?;
        let step = i64::try_from(TRIM_STEP).unwrap_or(i64::MAX);
        let mut rows = oldest.query(params![start, number.bound(covered), step])?;
        while keep.is_exceeded(&trimmed) {
            let Some(row) = rows.next()? else { break };
            let position = position_in(number, RowKey::from_column(row.get(0)?));
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            // Verified before it is dropped: damage must not vanish with a trim.
            walk.step(position, bytes, Checksum::unpack(row.get(2)?))?;
            trimmed.first = position.next();
            trimmed.base = decode(position, bytes)?.event.lamport;
            trimmed.bytes = trimmed.bytes.saturating_sub(bytes.len() as u64);
        }
    }
    transaction.execute(
        "DELETE FROM records WHERE position >= ?1 AND position < ?2",
        [start, number.bound(trimmed.first)],
    )?;
    chat.first = trimmed.first;
    chat.base = trimmed.base;
    // The chain of what is kept goes on from the last record that was dropped.
    chat.chain = walk.chain.unwrap_or(chat.chain);
    chat.write(transaction)?;
    Ok(trimmed)
}

/// The chain at this position of a chat, if its record is kept.
pub(super) fn chain_at(
    connection: &Connection,
    chat: ChatNumber,
    position: Position,
) -> rusqlite::Result<Option<u32>> {
    use rusqlite::OptionalExtension as _;
    let Some(key) = chat.key(position) else {
        return Ok(None);
    };
    let query = "SELECT checksum FROM records WHERE position = ?1";
    let column = connection
        .query_row(query, [key.column()], |row| row.get(0))
        .optional()?;
    Ok(column.map(|column| Checksum::unpack(column).chain))
}

/// The last position of a chat that is there, in any version of the schema.
pub(super) fn last(
    connection: &Connection,
    chat: ChatNumber,
) -> rusqlite::Result<Option<Position>> {
    let query = "SELECT max(position) FROM records WHERE position >= ?1 AND position <= ?2";
    let range = [chat.bound(Position::ZERO), chat.last().column()];
    let last: Option<i64> = connection.query_row(query, range, |row| row.get(0))?;
    Ok(last.map(|key| position_in(chat, RowKey::from_column(key))))
}

/// The position of a row of this chat. A key of another chat gives a position that does not follow
/// from any other.
pub(super) fn position_in(chat: ChatNumber, key: RowKey) -> Position {
    match key.split() {
        Some((number, position)) if number == chat => position,
        _ => Position::new(key.get()),
    }
}

/// SQLite's integers are signed; no chat has 2^63 events.
pub(super) fn signed(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}

pub(super) const fn unsigned(value: i64) -> u64 {
    value.cast_unsigned()
}

pub(super) const fn position(value: i64) -> Position {
    Position::new(unsigned(value))
}

#[cfg(test)]
mod tests;
