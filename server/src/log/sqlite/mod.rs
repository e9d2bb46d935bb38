//! The log in a SQLite file: WAL, `synchronous=FULL`, one commit for each batch, on a thread of
//! its own.
//!
//! SQLite is the right tool for a log of chat's size: a commit is one sync of the write-ahead log
//! (<https://www.sqlite.org/wal.html>), and batching decides the speed.

mod maintain;
mod read_only;
mod readers;
mod schema;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use chitty_chat::{LamportTime, Position, secret::FillRandom};
use rusqlite::Connection;
use thiserror::Error;

pub use self::{
    maintain::{BackupError, CheckError, backup, check},
    verify::{Problem, Summary},
};
use self::{readers::Readers, writer::Writer};
use super::{AppendError, Extent, Keep, Log, LogFuture, MakeSnapshot, PageLimit, ReadError};
use crate::record::Record;

/// SQLite before 3.51.3 could corrupt a WAL database that several connections have open.
const OLDEST_SQLITE: i32 = 3_051_003;

/// The log in a SQLite file.
pub struct SqliteLog {
    epoch: Arc<str>,
    extent: Arc<Mutex<Extent>>,
    // Before the writer, since fields drop in this order: the last to close the file folds the
    // write-ahead log in, which a reader may not.
    readers: Arc<Readers>,
    writer: Writer,
}

/// Why a file cannot be opened as a chat. The file was not touched.
#[derive(Debug, Error)]
pub enum OpenError {
    /// SQLite says no.
    #[error("cannot open the chat in {}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file cannot be made or read.
    #[error("cannot open the chat in {}: {source}; choose another folder with --data", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else is in the file.
    #[error("{} is not a chat of Chitty-Chat; choose another folder with --data", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is a chat, but damaged.
    #[error("the chat in {} is damaged: {problem}; restore a backup, or choose another folder with --data", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first thing that is wrong.
        problem: Box<Problem>,
    },
    /// A newer version wrote the file.
    #[error("the chat in {} has schema {found}, and this version knows up to {known}; use a newer chitty-server", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The SQLite that this was linked with is too old.
    #[error(
        "SQLite {0} is linked, and has a bug that can damage a chat; 3.51.3 or later is needed"
    )]
    OldSqlite(&'static str),
}

impl SqliteLog {
    /// Opens the chat in this file, or makes one. The caller sees to it that no other process has
    /// it open.
    pub fn open(path: &Path, random: FillRandom<'_>) -> Result<Self, OpenError> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(OpenError::OldSqlite(rusqlite::version()));
        }
        make_private(path).map_err(|source| OpenError::File {
            path: path.into(),
            source,
        })?;
        let mut connection = Connection::open(path).map_err(schema::failed(path))?;
        schema::prepare(&mut connection, path, random)?;
        let (epoch, extent) = schema::read_state(&connection).map_err(schema::failed(path))?;
        let readers = Readers::connect(path).map_err(schema::failed(path))?;
        let readers = Readers::spawn(readers).map_err(|source| OpenError::File {
            path: path.into(),
            source,
        })?;
        let extent = Arc::new(Mutex::new(extent));
        let writer =
            Writer::spawn(connection, Arc::clone(&extent)).map_err(|source| OpenError::File {
                path: path.into(),
                source,
            })?;
        Ok(Self {
            epoch,
            extent,
            writer,
            readers: Arc::new(readers),
        })
    }
}

/// A chat is its participants' business: the file is readable by its owner only.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

impl Log for SqliteLog {
    fn epoch(&self) -> Arc<str> {
        Arc::clone(&self.epoch)
    }

    fn extent(&self) -> Extent {
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, after: Position, batch: Arc<[Record]>) -> LogFuture<Result<(), AppendError>> {
        self.writer.append(after, batch)
    }

    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>> {
        let readers = Arc::clone(&self.readers);
        Box::pin(readers.run(move |connection| schema::read_page(connection, after, limit)))
    }

    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>> {
        let readers = Arc::clone(&self.readers);
        Box::pin(readers.run(move |connection| schema::locate(connection, lamport)))
    }

    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>> {
        let readers = Arc::clone(&self.readers);
        Box::pin(readers.run(schema::read_snapshot))
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
}
