//! Recovery: makes a new chat of all that is whole in a damaged one.

use std::{
    io,
    path::{Path, PathBuf},
};

use chitty_chat::{LamportTime, Position, files, secret::FillRandom};
use rusqlite::{Connection, params};
use thiserror::Error;

use super::{
    Problems,
    carve::carve,
    checksum,
    maintain::{BackupError, write_new},
    mend::{LostParticipants, MendReport, Mender, time_before},
    open,
    read_only::{self, connect},
    rows::{self, ChatRow},
    schema,
    verify::inspect,
};
use chitty_room::{Fold, SnapshotError, record::Record};

/// The longest hole that is filled. A longer one means that a position itself is damaged.
const MOST_FILLED: u64 = 1_000_000;

/// The result of a recovery.
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
}

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

/// Writes all that is whole in the chat in `source` to a new file. `source` is not touched, and
/// `target` is there whole and synced afterwards, or not at all. Opening it as a chat begins
/// another life of the log.
pub fn recover(
    source: &Path,
    target: &Path,
    random: FillRandom<'_>,
) -> Result<Recovered, RecoverError> {
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
    write_new(target, |partial| rescue(source, partial, random))
}

fn rescue(
    source: &Path,
    partial: &Path,
    random: FillRandom<'_>,
) -> Result<Recovered, RecoverError> {
    let mut connection = Connection::open(partial).map_err(BackupError::from)?;
    let recovered = fill(source, &mut connection, random)?;
    let (problems, _) = inspect(&connection, schema::MIGRATIONS.len());
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

fn fill(
    source: &Path,
    connection: &mut Connection,
    random: FillRandom<'_>,
) -> Result<Recovered, RecoverError> {
    schema::upgrade(connection, 0, random).map_err(BackupError::from)?;
    // Not synced until the end, because an unfinished file is removed anyway.
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF;
             CREATE TEMP TABLE found (position INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;",
        )
        .map_err(BackupError::from)?;
    let with_log = open::has_write_ahead_log(source) && open::log_belongs(source);
    collect(source, connection, with_log)?;
    let known = KnownChat::read(source, !with_log);
    let transaction = connection.transaction().map_err(BackupError::from)?;
    let recovered = mend(source, &transaction, known, random)?;
    transaction.commit().map_err(BackupError::from)?;
    connection
        .execute_batch("DROP TABLE temp.found; PRAGMA synchronous = FULL;")
        .map_err(BackupError::from)?;
    Ok(recovered)
}

/// What the file says about the chat as a whole, as far as its checksums are right.
struct KnownChat {
    chat: Option<ChatRow>,
    fold: Option<Fold>,
}

impl KnownChat {
    fn read(source: &Path, alone: bool) -> Self {
        let mut known = Self {
            chat: None,
            fold: None,
        };
        let Ok((connection, version)) = connect(source, alone) else {
            return known;
        };
        let Ok((chat, checksum)) = ChatRow::read(&connection, version) else {
            return known;
        };
        let has_checksums = version >= schema::WITH_CHECKSUMS;
        if has_checksums && checksum != Some(chat.checksum()) {
            return known;
        }
        known.fold = match rows::raw_snapshot(&connection) {
            Ok(Some(bytes)) if has_checksums && chat.snapshot != Some(crc32c::crc32c(&bytes)) => {
                None
            }
            Ok(Some(bytes)) => Fold::decode(&bytes).ok(),
            Ok(None) if chat.snapshot.is_none() && chat.first == Position::new(1) => {
                Some(Fold::default())
            }
            Ok(None) | Err(_) => None,
        };
        known.chat = Some(chat);
        known
    }
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

/// Calls `take` with the records found from this position on, in order.
fn for_each(
    connection: &Connection,
    from: Position,
    mut take: impl FnMut(Record) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut query = connection
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

fn mend(
    source: &Path,
    connection: &rusqlite::Transaction<'_>,
    known: KnownChat,
    random: FillRandom<'_>,
) -> Result<Recovered, RecoverError> {
    let nothing = || RecoverError::Nothing(source.into());
    let from = known
        .chat
        .as_ref()
        .map_or(Position::ZERO, |chat| chat.first);
    let first = first_record(connection, from)?;
    let mut lost = known
        .fold
        .as_ref()
        .map_or_else(LostParticipants::default, LostParticipants::after);
    for_each(connection, from, |record| {
        lost.observe(&record.event);
        Ok(())
    })?;
    let start = match (known.fold, first) {
        (Some(fold), _) => RecoveredStart::of(known.chat.as_ref(), fold),
        (None, Some(first)) => RecoveredStart::at(&first, &lost, random).map_err(|_| nothing())?,
        (None, None) => return Err(nothing()),
    };
    let written = write(connection, start, &lost, random)?;
    if written.report.kept == 0 && written.head == written.first.previous() {
        return Err(nothing());
    }
    Ok(Recovered {
        positions: (written.first, written.head),
        kept: written.report.kept,
        filled: written.report.filled,
        joined: written.report.joined,
        contradicting: written.report.contradicting,
    })
}

fn first_record(connection: &Connection, from: Position) -> Result<Option<Record>, BackupError> {
    use rusqlite::OptionalExtension as _;
    let query = "SELECT record FROM found WHERE position >= ?1 ORDER BY position LIMIT 1";
    let bytes: Option<Vec<u8>> = connection
        .query_row(query, [rows::signed(from)], |row| row.get(0))
        .optional()?;
    Ok(bytes.and_then(|bytes| Record::decode(&bytes).ok()))
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
    fn of(chat: Option<&ChatRow>, fold: Fold) -> Self {
        let has_snapshot = fold.head() > Position::ZERO;
        Self {
            first: chat.map_or(Position::new(1), |chat| chat.first),
            base: chat.map_or(LamportTime::ZERO, |chat| chat.base),
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
    transaction: &rusqlite::Transaction<'_>,
    start: RecoveredStart,
    lost: &LostParticipants,
    random: FillRandom<'_>,
) -> Result<Written, RecoverError> {
    let mut chain = checksum::START;
    let mut put = |records: Vec<Record>| -> Result<(), BackupError> {
        for record in records {
            chain = rows::insert(transaction, &record.into(), chain)?.0;
        }
        Ok(())
    };
    let snapshot = start.has_snapshot.then(|| start.fold.encode());
    let mut reached = start.fold.head();
    let mut mender = Mender::new(start.fold, start.first.previous(), start.base, lost);
    for_each(transaction, start.first, |record| {
        let position = record.event.position;
        // The part that the snapshot covers ends at the snapshot's time, which is known.
        if position > reached {
            put(mender.fill_to_snapshot(random).unwrap_or_default())?;
            reached = Position::new(u64::MAX);
        }
        if position.get() - mender.at().get() > MOST_FILLED {
            mender.report.contradicting += 1;
            return Ok(());
        }
        put(mender.take(record, random))
    })?;
    put(mender.fill_to_snapshot(random).unwrap_or_default())?;
    let (head, report) = (mender.at(), mender.report);
    let (mut chat, _) = ChatRow::read(transaction, usize::MAX).map_err(BackupError::from)?;
    chat.first = start.first;
    chat.base = start.base;
    chat.chain = checksum::START;
    chat.snapshot = snapshot.as_deref().map(crc32c::crc32c);
    chat.restored = true;
    transaction
        .execute("UPDATE chat SET snapshot = ?1", [snapshot])
        .and_then(|_| chat.write(transaction))
        .map_err(BackupError::from)?;
    Ok(Written {
        first: start.first,
        head,
        report,
    })
}
