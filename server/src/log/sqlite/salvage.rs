//! The part of a recovery that knows files: it finds what is whole in a damaged chat, and writes a
//! new one. Which records make one log is decided by the caller ([`crate::replay::recover`]).

use std::{
    io,
    path::{Path, PathBuf},
};

use chitty_chat::{LamportTime, Position, files, secret::FillRandom};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use thiserror::Error;

use super::{
    Problems,
    carve::carve,
    checksum,
    maintain::{BackupError, write_new},
    open,
    read_only::{self, WriteAheadLog, connect},
    rows::{self, ChatRow},
    schema,
    verify::inspect,
};
use crate::log::RecordFold;
use chitty_room::record::Record;

/// Why nothing was rescued. No new file was made.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Source {
        /// The path of the file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A server is using the file.
    #[error("a server has the chat in {}; stop it first", .0.display())]
    Live(PathBuf),
    /// No record was found in it.
    #[error("nothing of a chat was found in {}", .0.display())]
    Nothing(PathBuf),
    /// The new file cannot be written.
    #[error(transparent)]
    Target(#[from] BackupError),
    /// The new chat is not in order, which is a bug.
    #[error("what was put together of {} is not in order: {problems}; please report this", path.display())]
    Result {
        /// The damaged file.
        path: PathBuf,
        /// All problems that were found.
        problems: Problems,
    },
}

/// Finds all that is whole in the chat in `source`, and lets `mend` make a log of it in the file
/// `target`. `source` is not touched, and `target` is there whole and synced afterwards, or not at
/// all. The new chat is a backup: opening it begins another life of the log.
pub(crate) fn salvage<F: RecordFold, T>(
    source: &Path,
    target: &Path,
    random: FillRandom<'_>,
    mend: impl FnOnce(&Salvage<'_>, FillRandom<'_>) -> Result<T, RecoverError>,
) -> Result<T, RecoverError> {
    let unreadable = |error| RecoverError::Source {
        path: source.into(),
        source: error,
    };
    drop(files::open_to_read(source).map_err(unreadable)?);
    let source = &std::fs::canonicalize(source).map_err(unreadable)?;
    let (is_live, _lock) = read_only::lock(source).map_err(unreadable)?;
    if is_live {
        return Err(RecoverError::Live(source.into()));
    }
    write_new(target, |partial| {
        rescue::<F, T>(source, partial, random, mend)
    })
}

fn rescue<F: RecordFold, T>(
    source: &Path,
    partial: &Path,
    random: FillRandom<'_>,
    mend: impl FnOnce(&Salvage<'_>, FillRandom<'_>) -> Result<T, RecoverError>,
) -> Result<T, RecoverError> {
    let mut connection = Connection::open(partial).map_err(BackupError::from)?;
    let recovered = fill::<F, T>(source, &mut connection, random, mend)?;
    let (problems, _) = inspect::<F>(&connection, schema::MIGRATIONS.len());
    if problems.count() > 0 {
        return Err(RecoverError::Result {
            path: source.into(),
            problems,
        });
    }
    connection
        .close()
        .map_err(|(_, error)| BackupError::from(error))?;
    Ok(recovered)
}

fn fill<F: RecordFold, T>(
    source: &Path,
    connection: &mut Connection,
    random: FillRandom<'_>,
    mend: impl FnOnce(&Salvage<'_>, FillRandom<'_>) -> Result<T, RecoverError>,
) -> Result<T, RecoverError> {
    schema::upgrade(connection, 0, random).map_err(BackupError::from)?;
    // Not synced until the end, because an unfinished file is removed anyway.
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF;
             CREATE TEMP TABLE found (position INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;",
        )
        .map_err(BackupError::from)?;
    let with_log = open::has_write_ahead_log(source) && open::log_belongs::<F>(source);
    collect(source, connection, with_log)?;
    let (chat, snapshot) = read_chat(source, WriteAheadLog::applied_if(with_log));
    let transaction = connection.transaction().map_err(BackupError::from)?;
    let salvage = Salvage {
        source,
        transaction: &transaction,
        start: chat.map(|chat| (chat.first, chat.base)),
        snapshot,
    };
    let recovered = mend(&salvage, random)?;
    transaction.commit().map_err(BackupError::from)?;
    connection
        .execute_batch("DROP TABLE temp.found; PRAGMA synchronous = FULL;")
        .map_err(BackupError::from)?;
    Ok(recovered)
}

/// What is known about the snapshot of a damaged chat.
pub(crate) enum FoundSnapshot {
    /// Its bytes, with the right checksum if the schema has one.
    Whole(Vec<u8>),
    /// There never was one, because all records since position 1 were kept.
    Needless,
    /// Whether there was one is not known, or it is damaged.
    Lost,
}

/// What the file says about the chat as a whole, as far as its checksums are right.
fn read_chat(source: &Path, log: WriteAheadLog) -> (Option<ChatRow>, FoundSnapshot) {
    let nothing = (None, FoundSnapshot::Lost);
    let Ok((connection, version)) = connect(source, log) else {
        return nothing;
    };
    let Ok((chat, checksum)) = ChatRow::read(&connection, version) else {
        return nothing;
    };
    let has_checksums = version >= schema::WITH_CHECKSUMS;
    if has_checksums && checksum != Some(chat.checksum()) {
        return nothing;
    }
    let snapshot = match rows::raw_snapshot(&connection) {
        Ok(Some(bytes)) if has_checksums && chat.snapshot != Some(crc32c::crc32c(&bytes)) => {
            FoundSnapshot::Lost
        }
        Ok(Some(bytes)) => FoundSnapshot::Whole(bytes),
        Ok(None) if chat.snapshot.is_none() && chat.first == Position::new(1) => {
            FoundSnapshot::Needless
        }
        Ok(None) | Err(_) => FoundSnapshot::Lost,
    };
    (Some(chat), snapshot)
}

/// Collects the records that are found in a temporary table, so that their number is not limited by
/// memory.
fn collect(source: &Path, connection: &mut Connection, with_log: bool) -> Result<(), RecoverError> {
    enum Failed {
        Read(io::Error),
        Write(rusqlite::Error),
    }
    impl From<io::Error> for Failed {
        fn from(error: io::Error) -> Self {
            Self::Read(error)
        }
    }
    let transaction = connection.transaction().map_err(BackupError::from)?;
    let result = carve(source, with_log, &mut |carved| {
        // A verified record replaces one that was found before it: the write-ahead log comes last
        // and is newer. Without a checksum, the first one found is kept.
        let query = if carved.is_verified {
            "INSERT OR REPLACE INTO found VALUES (?1, ?2)"
        } else {
            "INSERT OR IGNORE INTO found VALUES (?1, ?2)"
        };
        let row = params![rows::signed(carved.record.event.position), carved.bytes];
        transaction
            .prepare_cached(query)
            .and_then(|mut query| query.execute(row))
            .map(drop)
            .map_err(Failed::Write)
    });
    match result {
        Ok(()) => Ok(transaction.commit().map_err(BackupError::from)?),
        Err(Failed::Write(error)) => Err(BackupError::from(error).into()),
        Err(Failed::Read(error)) => Err(RecoverError::Source {
            path: source.into(),
            source: error,
        }),
    }
}

/// What was found in a damaged chat, and the new file that is made of it.
pub(crate) struct Salvage<'a> {
    source: &'a Path,
    transaction: &'a Transaction<'a>,
    /// The oldest position that the chat kept, and the Lamport time of the one before, if they are
    /// known.
    pub(crate) start: Option<(Position, LamportTime)>,
    pub(crate) snapshot: FoundSnapshot,
}

impl<'a> Salvage<'a> {
    /// The error if there is nothing to rescue.
    pub(crate) fn nothing(&self) -> RecoverError {
        RecoverError::Nothing(self.source.into())
    }

    /// The first record found from this position on.
    pub(crate) fn first_record(&self, from: Position) -> Result<Option<Record>, BackupError> {
        let query = "SELECT record FROM found WHERE position >= ?1 ORDER BY position LIMIT 1";
        let bytes: Option<Vec<u8>> = self
            .transaction
            .query_row(query, [rows::signed(from)], |row| row.get(0))
            .optional()?;
        Ok(bytes.and_then(|bytes| Record::decode(&bytes).ok()))
    }

    /// Calls `take` with the records found from this position on, in order.
    pub(crate) fn for_each(
        &self,
        from: Position,
        mut take: impl FnMut(Record) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let mut query = self
            .transaction
            .prepare("SELECT position, record FROM found WHERE position >= ?1 ORDER BY position")?;
        let mut rows = query.query([rows::signed(from)])?;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            if let Ok(record) = rows::decode(rows::position(row.get(0)?), bytes) {
                take(record)?;
            }
        }
        Ok(())
    }

    /// The log of the new chat, which is empty.
    pub(crate) const fn new_log(&self) -> NewLog<'a> {
        NewLog {
            transaction: self.transaction,
            chain: checksum::START,
        }
    }
}

/// The log of a new chat, written record by record.
pub(crate) struct NewLog<'a> {
    transaction: &'a Transaction<'a>,
    /// The chain of checksums at its end.
    chain: u32,
}

impl NewLog<'_> {
    /// Appends records.
    pub(crate) fn put(&mut self, records: Vec<Record>) -> Result<(), BackupError> {
        for record in records {
            self.chain = rows::insert(self.transaction, &record.into(), self.chain)?.0;
        }
        Ok(())
    }

    /// Finishes the log, which begins at position `first`; the position before has Lamport time
    /// `base`.
    pub(crate) fn finish(
        self,
        first: Position,
        base: LamportTime,
        snapshot: Option<Vec<u8>>,
    ) -> Result<(), BackupError> {
        let (mut chat, _) = ChatRow::read(self.transaction, usize::MAX)?;
        chat.first = first;
        chat.base = base;
        chat.chain = checksum::START;
        chat.snapshot = snapshot.as_deref().map(crc32c::crc32c);
        chat.restored = true;
        self.transaction
            .execute("UPDATE chat SET snapshot = ?1", [snapshot])?;
        Ok(chat.write(self.transaction)?)
    }
}
