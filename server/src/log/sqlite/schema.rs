//! The schema of a chat's file, and its versions.

use std::path::Path;

use chitty_chat::{Position, secret, secret::FillRandom};
use rusqlite::{Connection, Transaction, params};

use super::{
    OpenError, Problem,
    chat_row::ChatRow,
    checksum::{self, Checksum},
    key::ChatNumber,
    rows,
};

/// "Chit", the application id in the header of each chat's file
/// (<https://www.sqlite.org/pragma.html#pragma_application_id>).
const APPLICATION_ID: i32 = 0x4368_6974;

/// The statements that lead from each version of the schema to the next, from an empty file on.
pub(super) const MIGRATIONS: [&str; 4] = [
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
    "
    -- Of the position and the bytes, and the chain up to here: see checksum.rs.
    ALTER TABLE records ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
    -- The chain of the position before `first`.
    ALTER TABLE chat ADD COLUMN chain INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE chat ADD COLUMN snapshot_checksum INTEGER;
    -- Of all of this row, with `snapshot_checksum` for the snapshot.
    ALTER TABLE chat ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
",
    "
    -- One row for each chat. The chat that was the only one is the lobby, with all that it had. From
    -- now on, `records.position` is a key: the number of a chat times 2^40, plus the position there,
    -- so that the lobby's records stay as they are: see key.rs.
    CREATE TABLE chats (
        number            INTEGER PRIMARY KEY,
        -- Empty for the lobby.
        name              TEXT NOT NULL,
        epoch             TEXT NOT NULL,
        first             INTEGER NOT NULL,
        base              INTEGER NOT NULL,
        snapshot          BLOB,
        restored          INTEGER NOT NULL,
        chain             INTEGER NOT NULL,
        snapshot_checksum INTEGER,
        -- Of all of this row; the lobby's does not cover the number and the name.
        checksum          INTEGER NOT NULL
    ) STRICT;
    INSERT INTO chats
        SELECT 0, '', epoch, first, base, snapshot, restored, chain, snapshot_checksum, checksum
        FROM chat;
    DROP TABLE chat;
    ALTER TABLE chats RENAME TO chat;
",
];

/// The first version with checksums.
pub(super) const WITH_CHECKSUMS: usize = 3;

/// The first version of a file that can hold several chats.
pub(super) const WITH_CHATS: usize = 4;

/// Records that get their checksums in one step, which bounds the memory for old chats of any size.
const MIGRATED_AT_ONCE: i64 = 1_000;

pub(super) fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
    move |source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::Foreign { path: path.into() },
        _ => OpenError::Sqlite {
            path: path.into(),
            source,
        },
    }
}

/// Upgrades from this version of the schema to the newest.
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
        if number as usize == WITH_CHECKSUMS {
            add_checksums(&transaction)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        // In the same transaction as the migration: after a crash the file has the old version or
        // the new one, and nothing in between.
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Adds checksums to a chat of a version that had none.
fn add_checksums(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let (mut chat, _) = ChatRow::read(transaction, WITH_CHECKSUMS, ChatNumber::LOBBY)?;
    chat.chain = checksum::START;
    let snapshot: Option<Vec<u8>> =
        transaction.query_row("SELECT snapshot FROM chat", [], |row| row.get(0))?;
    chat.snapshot = snapshot.as_deref().map(crc32c::crc32c);
    transaction.execute(
        "UPDATE chat SET chain = ?1, snapshot_checksum = ?2, checksum = ?3",
        params![chat.chain, chat.snapshot, chat.checksum()],
    )?;
    let mut select = transaction.prepare(
        "SELECT position, record FROM records WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let mut update = transaction.prepare("UPDATE records SET checksum = ?2 WHERE position = ?1")?;
    let (mut at, mut chain) = (Position::ZERO, chat.chain);
    loop {
        let mut checksums = Vec::new();
        let mut rows = select.query(params![rows::signed(at), MIGRATED_AT_ONCE])?;
        while let Some(row) = rows.next()? {
            at = rows::position(row.get(0)?);
            let checksum = Checksum::of(chain, at, row.get_ref(1)?.as_blob()?);
            chain = checksum.chain;
            checksums.push((rows::signed(at), checksum.pack()));
        }
        if checksums.is_empty() {
            return Ok(());
        }
        for row in checksums {
            update.execute(row)?;
        }
    }
}

/// Marks a copy as a backup, in the newest schema.
pub(super) fn mark_restored(connection: &mut Connection) -> Result<(), Problem> {
    let transaction = connection.transaction()?;
    for mut chat in ChatRow::all_verified(&transaction)? {
        chat.restored = true;
        chat.write(&transaction)?;
    }
    Ok(transaction.commit()?)
}

/// Begins a new epoch of each chat. The chats that were copied may have gone on, so the same
/// positions may hold other events there.
pub(super) fn begin_new_life(
    connection: &mut Connection,
    random: FillRandom<'_>,
) -> Result<(), Problem> {
    let transaction = connection.transaction()?;
    for mut chat in ChatRow::all_verified(&transaction)? {
        chat.epoch = secret::epoch(random).into();
        chat.restored = false;
        chat.write(&transaction)?;
    }
    Ok(transaction.commit()?)
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

/// Checks that the tables are those of this version, and that there is nothing else. A damaged
/// version number, or a trigger that somebody added, would change the meaning of the rest.
pub(super) fn check_tables(connection: &Connection, version: usize) -> Result<(), Problem> {
    let expected = Connection::open_in_memory()?;
    for migration in MIGRATIONS.iter().take(version) {
        expected.execute_batch(migration)?;
    }
    // With auto-vacuum on, SQLite would treat some pages of records as pointer maps.
    let vacuums: i64 =
        connection.pragma_query_value(None, "auto_vacuum", |row| row.get::<_, i64>(0))?;
    if vacuums == 0 && tables(connection)? == tables(&expected)? {
        Ok(())
    } else {
        Err(Problem::Tables(version))
    }
}

/// All objects of the schema, one line for each column.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut query = connection.prepare(
        "SELECT concat_ws(' ', o.type, o.name, c.cid, c.name, c.type, c.\"notnull\", c.pk,
                          c.dflt_value, t.strict)
         FROM sqlite_schema AS o
         LEFT JOIN pragma_table_xinfo(o.name) AS c
         LEFT JOIN pragma_table_list(o.name) AS t
         ORDER BY o.name, c.cid",
    )?;
    let lines = query.query_map([], |row| row.get(0))?;
    lines.collect()
}

pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode only FULL syncs at each commit: what is acknowledged survives a power loss.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A file from elsewhere must not run functions out of its schema.
    connection.pragma_update(None, "trusted_schema", false)?;
    // Readers have connections of their own; this one never waits for them in WAL mode, but a
    // checkpoint may.
    connection.busy_timeout(std::time::Duration::from_secs(5))
}

#[cfg(test)]
mod tests;
