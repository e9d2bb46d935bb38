//! What is in the file: the schema, its versions, and every query.

use std::{path::Path, sync::Arc};

use chitty_chat::{LamportTime, Position, secret, secret::FillRandom};
use rusqlite::{Connection, Transaction, params};

use super::{super::TRIM_STEP, Extent, Keep, OpenError, PageLimit, verify::verify};
use crate::record::{Record, RecordError};

/// "Chit", in the header of each of our files (<https://www.sqlite.org/pragma.html#pragma_application_id>).
const APPLICATION_ID: i32 = 0x4368_6974;

/// From each version of the schema to the next, beginning with none.
pub(super) const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE records (
        position INTEGER PRIMARY KEY,
        record   BLOB NOT NULL
    ) STRICT;
    -- What is true of the chat as a whole; one row.
    CREATE TABLE chat (
        id       INTEGER PRIMARY KEY CHECK (id = 1),
        epoch    TEXT NOT NULL,
        -- The oldest position that is kept, and the Lamport time of the one before.
        first    INTEGER NOT NULL,
        base     INTEGER NOT NULL,
        -- The fold at some position not before `first - 1`; null while nothing was dropped.
        snapshot BLOB
    ) STRICT;
",
    "
    -- 1 in a copy that was made as a backup, until it is opened as a chat: that is another life of
    -- the log.
    ALTER TABLE chat ADD COLUMN restored INTEGER NOT NULL DEFAULT 0;
",
];

pub(super) fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
    move |source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::Foreign { path: path.into() },
        _ => OpenError::Sqlite {
            path: path.into(),
            source,
        },
    }
}

/// Makes sure that the file is a chat of the newest schema, and no backup any more. Nothing is
/// written to a file that is something else, or is damaged.
pub(super) fn prepare(
    connection: &mut Connection,
    path: &Path,
    random: FillRandom<'_>,
) -> Result<(), OpenError> {
    let failed = failed(path);
    let version = check(connection, path)?;
    let restored = is_restored(connection, version).map_err(&failed)?;
    if version > 0 && (version < MIGRATIONS.len() || restored) {
        // Before the first change. Else what is damaged shows when the log is folded.
        verify(connection, version).map_err(|problem| OpenError::Damaged {
            path: path.into(),
            problem: Box::new(problem),
        })?;
    }
    configure(connection).map_err(&failed)?;
    upgrade(connection, version, random).map_err(&failed)?;
    if restored {
        begin_new_life(connection, random).map_err(&failed)?;
    }
    Ok(())
}

/// From this version of the schema to the newest.
pub(super) fn upgrade(
    connection: &mut Connection,
    version: usize,
    random: FillRandom<'_>,
) -> rusqlite::Result<()> {
    for (number, migration) in (1_u32..).zip(MIGRATIONS).skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        if number == 1 {
            transaction.execute(
                "INSERT INTO chat (id, epoch, first, base) VALUES (1, ?1, 1, 0)",
                [secret::epoch(random)],
            )?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

pub(super) fn is_restored(connection: &Connection, version: usize) -> rusqlite::Result<bool> {
    if version < 2 {
        return Ok(false);
    }
    connection.query_row("SELECT restored FROM chat", [], |row| row.get(0))
}

/// Marks the copy as one: in the newest schema.
pub(super) fn mark_restored(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE chat SET restored = 1", [])
        .map(drop)
}

/// The chat that was copied may have gone on: what follows here are not the same positions.
fn begin_new_life(connection: &Connection, random: FillRandom<'_>) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE chat SET epoch = ?1, restored = 0",
            [secret::epoch(random)],
        )
        .map(drop)
}

/// The version of the schema, 0 for an empty file.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<usize, OpenError> {
    let failed = failed(path);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(&failed)?;
    let version = pragma("user_version").map_err(&failed)?;
    let objects: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(&failed)?;
    let is_empty = application == 0 && version == 0 && objects == 0;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    match u32::try_from(version) {
        _ if is_empty => Ok(0),
        Ok(found) if application == i64::from(APPLICATION_ID) && found > known => {
            Err(OpenError::Newer {
                path: path.into(),
                found,
                known,
            })
        }
        Ok(found) if application == i64::from(APPLICATION_ID) && found > 0 => Ok(found as usize),
        _ => Err(OpenError::Foreign { path: path.into() }),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode only FULL syncs at each commit: what is acknowledged survives a power loss.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Readers have connections of their own; this one never waits for them in WAL mode, but a
    // checkpoint may.
    connection.busy_timeout(std::time::Duration::from_secs(5))
}

pub(super) fn read_state(connection: &Connection) -> rusqlite::Result<(Arc<str>, Extent)> {
    let (epoch, first, base): (String, i64, i64) =
        connection.query_row("SELECT epoch, first, base FROM chat", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let (last, bytes): (Option<i64>, Option<i64>) = connection.query_row(
        "SELECT max(position), sum(length(record)) FROM records",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let first = position(first);
    let extent = Extent {
        first,
        head: last.map_or(first.previous(), position),
        base: LamportTime::new(unsigned(base)),
        bytes: unsigned(bytes.unwrap_or(0)),
    };
    Ok((epoch.into(), extent))
}

pub(super) fn read_snapshot(connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.query_row("SELECT snapshot FROM chat", [], |row| row.get(0))
}

pub(super) fn read_page(
    connection: &Connection,
    after: Position,
    limit: PageLimit,
) -> rusqlite::Result<Vec<Record>> {
    let mut query = connection.prepare_cached(
        "SELECT record FROM records WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let most = i64::try_from(limit.records).unwrap_or(i64::MAX);
    let mut rows = query.query(params![signed(after), most])?;
    let mut page = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let record = row.get_ref(0)?.as_blob()?;
        bytes += record.len();
        if !page.is_empty() && bytes > limit.bytes {
            break;
        }
        page.push(Record::decode(record).map_err(unreadable)?);
    }
    Ok(page)
}

/// A binary search, as times rise along positions; in one transaction, so that nothing is dropped
/// meanwhile.
pub(super) fn locate(connection: &Connection, lamport: LamportTime) -> rusqlite::Result<Position> {
    const ONE: PageLimit = PageLimit {
        records: 1,
        bytes: 0,
    };
    let transaction = connection.unchecked_transaction()?;
    let (first, last): (i64, Option<i64>) = transaction.query_row(
        "SELECT first, (SELECT max(position) FROM records) FROM chat",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let first = position(first);
    let head = last.map_or(first.previous(), position);
    let (mut low, mut high) = (first.get(), head.get() + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let page = read_page(&transaction, Position::new(middle).previous(), ONE)?;
        match page.first() {
            Some(record) if record.event.lamport >= lamport => high = middle,
            _ => low = middle + 1,
        }
    }
    Ok(Position::new(low))
}

fn unreadable(error: RecordError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
}

pub(super) fn keep_snapshot(connection: &Connection, snapshot: &[u8]) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE chat SET snapshot = ?1", [snapshot])
        .map(drop)
}

/// Drops a step of records from the beginning, or until the cap is kept to.
pub(super) fn trim(
    transaction: &Transaction<'_>,
    keep: Keep,
    covered: Position,
    extent: Extent,
) -> rusqlite::Result<Extent> {
    let mut trimmed = extent;
    {
        let mut oldest = transaction.prepare_cached(
            "SELECT position, record FROM records WHERE position <= ?1 ORDER BY position LIMIT ?2",
        )?;
        let step = i64::try_from(TRIM_STEP).unwrap_or(i64::MAX);
        let mut rows = oldest.query(params![signed(covered), step])?;
        while keep.is_exceeded(&trimmed) {
            let Some(row) = rows.next()? else { break };
            let bytes = row.get_ref(1)?.as_blob()?;
            let record = Record::decode(bytes).map_err(unreadable)?;
            trimmed.first = position(row.get(0)?).next();
            trimmed.base = record.event.lamport;
            trimmed.bytes = trimmed.bytes.saturating_sub(bytes.len() as u64);
        }
    }
    transaction.execute(
        "DELETE FROM records WHERE position < ?1",
        [signed(trimmed.first)],
    )?;
    transaction.execute(
        "UPDATE chat SET first = ?1, base = ?2",
        params![signed(trimmed.first), trimmed.base.get().cast_signed()],
    )?;
    Ok(trimmed)
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
