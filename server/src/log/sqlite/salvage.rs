//! The part of a recovery that knows files: it finds what is whole in a damaged chat, and writes a
//! new one. Which records make one log is decided by the caller ([`crate::replay::recover`]).

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use chitty_chat::{
    LamportTime, Position, files,
    secret::{self, FillRandom},
    text::ChatName,
};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use thiserror::Error;

use super::{
    Problem, Problems,
    carve::carve,
    chat_row::ChatRow,
    checksum,
    found::{FoundChat, FoundSnapshot, found_chats, read_chats},
    key::{ChatNumber, RowKey},
    maintain::{BackupError, write_new},
    open,
    read_only::{self, WriteAheadLog},
    rows, schema,
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

/// Finds all that is whole in the chats in `source`, and lets `mend` make a log of each of them in the
/// file `target`. `source` is not touched, and `target` is there whole and synced afterwards, or not
/// at all. The new file is a backup: opening it begins another life of each log.
///
/// Returns what `mend` returned for each chat, the lobby first; `None` for a chat of which no event
/// is left.
pub(crate) fn salvage<F: RecordFold, T>(
    source: &Path,
    target: &Path,
    random: FillRandom<'_>,
    mend: impl FnMut(&Salvage<'_>, FillRandom<'_>) -> Result<T, RecoverError>,
) -> Result<Vec<(ChatName, Option<T>)>, RecoverError> {
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
    mend: impl FnMut(&Salvage<'_>, FillRandom<'_>) -> Result<T, RecoverError>,
) -> Result<Vec<(ChatName, Option<T>)>, RecoverError> {
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
    mut mend: impl FnMut(&Salvage<'_>, FillRandom<'_>) -> Result<T, RecoverError>,
) -> Result<Vec<(ChatName, Option<T>)>, RecoverError> {
    schema::upgrade(connection, 0, random).map_err(BackupError::from)?;
    // Not synced until the end, because an unfinished file is removed anyway.
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF;
             CREATE TEMP TABLE found (key INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;",
        )
        .map_err(BackupError::from)?;
    let with_log = open::has_write_ahead_log(source) && open::log_belongs::<F>(source);
    let found = collect(source, connection, with_log)?;
    let known = read_chats(source, WriteAheadLog::applied_if(with_log));
    let transaction = connection.transaction().map_err(BackupError::from)?;
    let mut recovered = Vec::new();
    for FoundChat {
        number,
        name,
        start,
        snapshot,
    } in found_chats(&found, known)
    {
        let mut row = ChatRow::empty(number, name.clone(), secret::epoch(random).into());
        row.restored = true;
        row.write(&transaction).map_err(BackupError::from)?;
        let salvage = Salvage {
            source,
            transaction: &transaction,
            number,
            start,
            snapshot,
        };
        match mend(&salvage, random) {
            Ok(mended) => recovered.push((name, Some(mended))),
            Err(RecoverError::Nothing(_)) => {
                row.write(&transaction).map_err(BackupError::from)?;
                recovered.push((name, None));
            }
            Err(error) => return Err(error),
        }
    }
    if recovered.iter().all(|(_, mended)| mended.is_none()) {
        return Err(RecoverError::Nothing(source.into()));
    }
    transaction.commit().map_err(BackupError::from)?;
    connection
        .execute_batch("DROP TABLE temp.found; PRAGMA synchronous = FULL;")
        .map_err(BackupError::from)?;
    Ok(recovered)
}

/// Collects the records that are found in a temporary table, so that their number is not limited by
/// memory. Returns the chats that they belong to.
fn collect(
    source: &Path,
    connection: &mut Connection,
    with_log: bool,
) -> Result<BTreeSet<ChatNumber>, RecoverError> {
    enum Failed {
        Read(io::Error),
        Write(rusqlite::Error),
    }
    impl From<io::Error> for Failed {
        fn from(error: io::Error) -> Self {
            Self::Read(error)
        }
    }
    let mut chats = BTreeSet::new();
    let transaction = connection.transaction().map_err(BackupError::from)?;
    let result = carve(source, with_log, &mut |carved| {
        chats.insert(carved.chat);
        // A verified record replaces one that was found before it: the write-ahead log comes last
        // and is newer. Without a checksum, the first one found is kept.
        let query = if carved.is_verified {
            "INSERT OR REPLACE INTO found VALUES (?1, ?2)"
        } else {
            "INSERT OR IGNORE INTO found VALUES (?1, ?2)"
        };
        let row = params![carved.key.column(), carved.bytes];
        transaction
            .prepare_cached(query)
            .and_then(|mut query| query.execute(row))
            .map(drop)
            .map_err(Failed::Write)
    });
    match result {
        Ok(()) => {
            transaction.commit().map_err(BackupError::from)?;
            Ok(chats)
        }
        Err(Failed::Write(error)) => Err(BackupError::from(error).into()),
        Err(Failed::Read(error)) => Err(RecoverError::Source {
            path: source.into(),
            source: error,
        }),
    }
}

/// What was found of a damaged chat, and the new file that is made of it.
pub(crate) struct Salvage<'a> {
    source: &'a Path,
    transaction: &'a Transaction<'a>,
    number: ChatNumber,
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
        let query = "SELECT record FROM found WHERE key >= ?1 AND key <= ?2 ORDER BY key LIMIT 1";
        let bytes: Option<Vec<u8>> = self
            .transaction
            .query_row(query, self.keys(from), |row| row.get(0))
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
            .prepare("SELECT key, record FROM found WHERE key >= ?1 AND key <= ?2 ORDER BY key")?;
        let mut rows = query.query(self.keys(from))?;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            let position = rows::position_in(self.number, RowKey::from_column(row.get(0)?));
            if let Ok(record) = rows::decode(position, bytes) {
                take(record)?;
            }
        }
        Ok(())
    }

    /// The keys of this chat's records from this position on.
    fn keys(&self, from: Position) -> [i64; 2] {
        [self.number.bound(from), self.number.last().column()]
    }

    /// The log of the new chat, which is empty.
    pub(crate) const fn new_log(&self) -> NewLog<'a> {
        NewLog {
            transaction: self.transaction,
            number: self.number,
            chain: checksum::START,
        }
    }
}

/// The log of a new chat, written record by record.
pub(crate) struct NewLog<'a> {
    transaction: &'a Transaction<'a>,
    number: ChatNumber,
    /// The chain of checksums at its end.
    chain: u32,
}

impl NewLog<'_> {
    /// Appends records.
    pub(crate) fn put(&mut self, records: Vec<Record>) -> Result<(), BackupError> {
        for record in records {
            let inserted = rows::insert(self.transaction, self.number, &record.into(), self.chain);
            self.chain = inserted.map_err(unwritten)?.0;
        }
        Ok(())
    }

    /// Finishes the log, which begins at position `first`; the position before has Lamport time
    /// `base`.
    pub(crate) fn finish(
        self,
        first: Position,
        base: LamportTime,
        snapshot: Option<&[u8]>,
    ) -> Result<(), BackupError> {
        let (mut chat, _) = ChatRow::read(self.transaction, usize::MAX, self.number)?;
        chat.first = first;
        chat.base = base;
        chat.chain = checksum::START;
        chat.snapshot = snapshot.map(crc32c::crc32c);
        chat.restored = true;
        self.transaction.execute(
            "UPDATE chat SET snapshot = ?2 WHERE number = ?1",
            params![self.number.get(), snapshot],
        )?;
        Ok(chat.write(self.transaction)?)
    }
}

/// Why a record was not written to the new file.
fn unwritten(problem: Problem) -> BackupError {
    match problem {
        Problem::Sqlite(error) => error.into(),
        problem => BackupError::Unwritten(problem),
    }
}
