//! The log in a SQLite file, in WAL mode with `synchronous=FULL`. Each batch is one commit, on a
//! thread of its own.
//!
//! A commit is one sync of the write-ahead log (<https://www.sqlite.org/wal.html>), so the size of
//! batches decides the throughput.

mod carve;
mod checksum;
mod damage;
mod maintain;
mod mark;
mod open;
mod prepare;
mod problem;
mod read_only;
mod readers;
mod rows;
mod salvage;
mod schema;
mod verify;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chitty_chat::{LamportTime, Position, files, secret::FillRandom};
use rusqlite::Connection;
use thiserror::Error;

pub(crate) use self::salvage::{FoundSnapshot, Salvage, salvage};
#[cfg(test)]
pub(crate) use self::tests::{old_chat, records};
use self::{damage::Damage, prepare::prepare, readers::Readers, writer::LogWriter};
pub use self::{
    maintain::{BackupError, CheckError, backup, check},
    mark::Marked,
    problem::{Problem, Problems},
    salvage::RecoverError,
    verify::Summary,
};
use super::{
    AppendError, Extent, Keep, Log, LogFuture, MakeSnapshot, PageLimit, ReadError, RecordFold,
};
use crate::data::DataDir;
use chitty_room::record::{Batch, EncodedEvents, PutEvent, Record};

/// The oldest version that is safe to use. Earlier ones could corrupt a WAL database that several
/// connections have open.
const OLDEST_SQLITE: i32 = 3_051_003;

/// The log in a SQLite file.
pub struct SqliteLog {
    epoch: Arc<str>,
    extent: Arc<Mutex<Extent>>,
    // Before the writer, because fields are dropped in this order. The last connection to the file
    // checkpoints the write-ahead log, which a read-only one cannot do.
    readers: Arc<Readers>,
    writer: Arc<LogWriter>,
    damage: Arc<Damage>,
}

/// Why a file cannot be opened as a chat. The file was not touched.
#[derive(Debug, Error)]
pub enum OpenError {
    /// SQLite cannot open it.
    #[error("cannot open the chat in {}: {source}", path.display())]
    Sqlite {
        /// The path of the file.
        path: PathBuf,
        /// The error that SQLite reports.
        source: rusqlite::Error,
    },
    /// The file cannot be created or read.
    #[error("cannot open the chat in {}: {source}; choose another folder with --data", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is something else than a chat.
    #[error("{} is not a chat of Chitty-Chat; choose another folder with --data", path.display())]
    Foreign {
        /// The path of the file.
        path: PathBuf,
    },
    /// The chat is damaged.
    #[error("the chat in {0} is damaged: {problem}; chitty-server recover {0} --to NEW.db rescues what is whole, or restore a backup, or choose another folder with --data", path.display())]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// The first thing that is wrong.
        problem: Box<Problem>,
    },
    /// The chat is whole, but some of what was acknowledged is missing.
    #[error("the chat in {0} is not complete: {problem}; put the file or its write-ahead log back, or, to go on without, put in its place what chitty-server recover {0} --to NEW.db makes", path.display())]
    Incomplete {
        /// The path of the file.
        path: PathBuf,
        /// What is missing.
        problem: Box<Problem>,
    },
    /// The file is empty or missing, but its mark or its write-ahead log is there.
    #[error("{0} is empty or not there, but {1} is; put the chat back, or, to begin a new one, move that away", path.display(), remains(path, *acknowledged))]
    Gone {
        /// The path of the file.
        path: PathBuf,
        /// The last position that was acknowledged, if it is known.
        acknowledged: Option<Position>,
    },
    /// A newer version wrote the file.
    #[error("the chat in {} has schema {found}, and this version knows up to {known}; use a newer chitty-server", path.display())]
    Newer {
        /// The path of the file.
        path: PathBuf,
        /// The version of its schema.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The SQLite that this was linked with is too old.
    #[error(
        "SQLite {0} is linked, and has a bug that can damage a chat; 3.51.3 or later is needed"
    )]
    OldSqlite(&'static str),
}

impl OpenError {
    fn damaged(path: &Path, problem: Problem) -> Self {
        match problem {
            Problem::Sqlite(source) => schema::failed(path)(source),
            problem => Self::Damaged {
                path: path.into(),
                problem: Box::new(problem),
            },
        }
    }

    fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::File {
            path: path.into(),
            source,
        }
    }
}

fn remains(path: &Path, acknowledged: Option<Position>) -> String {
    match acknowledged {
        Some(position) => format!(
            "its mark {}, by which everything up to position {position} was acknowledged,",
            mark::mark_file(path).display()
        ),
        None => format!("its write-ahead log {}", beside(path, "-wal").display()),
    }
}

/// The path of a file that lies beside another one and has its name with a suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl SqliteLog {
    /// Opens the chat in this file, or creates one. The caller must ensure that no other process
    /// has it open. No mark is created, so that a loss of the file's end would not be noticed
    /// afterwards. A server uses [`SqliteLog::serve`].
    ///
    /// `F` knows the rules that the records follow.
    pub fn open<F: RecordFold>(path: &Path, random: FillRandom<'_>) -> Result<Self, OpenError> {
        Self::open_with::<F>(path, false, &[], random)
    }

    /// Opens the chat in this folder, or creates one, with a mark beside it. [`Log::watch`] reports
    /// when one of the files is deleted, replaced or changed.
    ///
    /// `F` knows the rules that the records follow.
    pub fn serve<F: RecordFold>(data: &DataDir, random: FillRandom<'_>) -> Result<Self, OpenError> {
        Self::open_with::<F>(&data.chat(), true, &data.watched(), random)
    }

    fn open_with<F: RecordFold>(
        path: &Path,
        create_mark: bool,
        watched: &[PathBuf],
        random: FillRandom<'_>,
    ) -> Result<Self, OpenError> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(OpenError::OldSqlite(rusqlite::version()));
        }
        for suffix in ["", "-wal", "-shm", "-journal", "-mark"] {
            let file = beside(path, suffix);
            // SQLite opens these files by their names, so they are checked before it does.
            files::check_own(&file).map_err(OpenError::file(&file))?;
        }
        let found = open::examine::<F>(path)?;
        for file in &found.foreign {
            open::put_aside(file)?;
        }
        let (epoch, opened) = prepare(path, &found, create_mark, watched, random)?;
        let readers = Readers::connect(path).map_err(schema::failed(path))?;
        let readers = Readers::spawn(readers).map_err(OpenError::file(path))?;
        let extent = Arc::clone(&opened.extent);
        let writer = LogWriter::spawn(opened).map_err(OpenError::file(path))?;
        Ok(Self {
            epoch,
            extent,
            writer: Arc::new(writer),
            readers: Arc::new(readers),
            damage: Arc::new(Damage::new(path)),
        })
    }
}

impl Log for SqliteLog {
    fn epoch(&self) -> Arc<str> {
        Arc::clone(&self.epoch)
    }

    fn extent(&self) -> Extent {
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, after: Position, batch: Batch) -> LogFuture<Result<(), AppendError>> {
        self.writer.append(after, batch)
    }

    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>> {
        let readers = Arc::clone(&self.readers);
        let damage = Arc::clone(&self.damage);
        let head = self.extent().head;
        Box::pin(async move {
            let read =
                move |connection: &Connection| Ok(rows::read_page(connection, after, limit, head));
            damage.report(readers.run(read).await?)
        })
    }

    fn read_events(
        &self,
        after: Position,
        limit: PageLimit,
        put: PutEvent,
    ) -> LogFuture<Result<EncodedEvents, ReadError>> {
        let readers = Arc::clone(&self.readers);
        let damage = Arc::clone(&self.damage);
        let head = self.extent().head;
        Box::pin(async move {
            let read = move |connection: &Connection| {
                Ok(rows::read_events(connection, after, limit, head, put))
            };
            damage.report(readers.run(read).await?)
        })
    }

    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>> {
        let readers = Arc::clone(&self.readers);
        let damage = Arc::clone(&self.damage);
        let head = self.extent().head;
        Box::pin(async move {
            let find = move |connection: &Connection| Ok(rows::locate(connection, lamport, head));
            damage.report(readers.run(find).await?)
        })
    }

    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>> {
        let readers = Arc::clone(&self.readers);
        let damage = Arc::clone(&self.damage);
        Box::pin(async move {
            let read = |connection: &Connection| Ok(rows::read_snapshot(connection));
            damage.report(readers.run(read).await?)
        })
    }

    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        self.writer.keep_snapshot(at, snapshot)
    }

    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>> {
        self.writer.trim(keep, covered)
    }

    fn watch(&self, every: Duration) -> LogFuture<AppendError> {
        let writer = Arc::clone(&self.writer);
        Box::pin(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = writer.check_files().await {
                    return error;
                }
            }
        })
    }
}
