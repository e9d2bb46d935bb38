//! The logs of all chats of a server in one SQLite file, in WAL mode with `synchronous=FULL`. Each
//! batch is one commit, on a thread of its own, however many chats it appends to.
//!
//! A commit is one sync of the write-ahead log (<https://www.sqlite.org/wal.html>), so the size of
//! batches decides the throughput.

mod carve;
mod chat_row;
mod checksum;
mod damage;
mod found;
mod key;
mod maintain;
mod mark;
mod open;
mod opened;
mod prepare;
mod problem;
mod read_only;
mod readers;
mod rows;
mod salvage;
mod scan;
mod schema;
mod store;
mod verify;
mod watch;
mod writer;
mod writer_state;

#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chitty_chat::{LamportTime, Position, secret::FillRandom, text::ChatName};
use rusqlite::Connection;
use thiserror::Error;

#[cfg(test)]
pub(crate) use self::tests::{old_chat, records};
use self::{
    damage::Damage, key::ChatNumber, opened::OpenedChat, readers::Readers, writer::LogWriter,
};
pub(crate) use self::{
    found::FoundSnapshot,
    salvage::{Salvage, salvage},
};
pub use self::{
    maintain::{BackupError, CheckError, backup, check},
    mark::Marked,
    problem::{Problem, Problems},
    salvage::RecoverError,
    store::SqliteStore,
    verify::{ChatSummary, Summary},
};
use super::{
    AppendError, ChatAppend, CreateError, Extent, Keep, Log, LogFuture, MOST_CHATS, MakeSnapshot,
    PageLimit, ReadError, RecordFold, Store,
};
use crate::data::DataDir;
use chitty_room::record::{Batch, EncodedEvents, PutEvent, Record};

/// The oldest version that is safe to use. Earlier ones could corrupt a WAL database that several
/// connections have open.
const OLDEST_SQLITE: i32 = 3_051_003;

/// The log of one chat in a SQLite file. A clone is the same log. The file is closed when all of its
/// logs and its store are dropped.
#[derive(Clone)]
pub struct SqliteLog {
    file: Arc<OpenFile>,
    number: ChatNumber,
    name: ChatName,
    epoch: Arc<str>,
    extent: Arc<Mutex<Extent>>,
}

/// The threads that have the file open.
struct OpenFile {
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
    /// The lobby of the file that [`SqliteStore::open`] opens, for those who need no other chat.
    pub fn open<F: RecordFold>(path: &Path, random: FillRandom<'_>) -> Result<Self, OpenError> {
        SqliteStore::open::<F>(path, random).map(|store| store.lobby.clone())
    }

    /// The lobby of the folder that [`SqliteStore::serve`] opens, for those who need no other chat.
    pub fn serve<F: RecordFold>(data: &DataDir, random: FillRandom<'_>) -> Result<Self, OpenError> {
        SqliteStore::serve::<F>(data, random).map(|store| store.lobby.clone())
    }

    fn new(file: &Arc<OpenFile>, chat: OpenedChat) -> Self {
        Self {
            file: Arc::clone(file),
            number: chat.number,
            name: chat.name,
            epoch: chat.epoch,
            extent: chat.extent,
        }
    }

    /// Runs a query of this chat's rows on one of the readers. The query gets the head, up to which
    /// the rows are known to be there.
    fn read_rows<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection, ChatNumber, Position) -> Result<T, Problem> + Send + 'static,
    ) -> LogFuture<Result<T, ReadError>> {
        let readers = Arc::clone(&self.file.readers);
        let damage = Arc::clone(&self.file.damage);
        let (number, name, head) = (self.number, self.name.clone(), self.extent().head);
        Box::pin(async move {
            let query = move |connection: &Connection| {
                Ok(query(connection, number, head).map_err(|problem| problem.of(&name)))
            };
            damage.report(readers.run(query).await?)
        })
    }
}

impl Log for SqliteLog {
    fn epoch(&self) -> Arc<str> {
        Arc::clone(&self.epoch)
    }

    fn extent(&self) -> Extent {
        *lock(&self.extent)
    }

    fn append(&self, after: Position, batch: Batch) -> LogFuture<Result<(), AppendError>> {
        let chat = self.name.clone();
        let append = ChatAppend { chat, after, batch };
        self.file.writer.append(vec![append])
    }

    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>> {
        self.read_rows(move |rows, chat, head| rows::read_page(rows, chat, after, limit, head))
    }

    fn read_events(
        &self,
        after: Position,
        limit: PageLimit,
        put: PutEvent,
    ) -> LogFuture<Result<EncodedEvents, ReadError>> {
        self.read_rows(move |rows, chat, head| {
            rows::read_events(rows, chat, after, limit, head, put)
        })
    }

    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>> {
        self.read_rows(move |rows, chat, head| rows::locate(rows, chat, lamport, head))
    }

    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>> {
        self.read_rows(|rows, chat, _| chat_row::read_snapshot(rows, chat))
    }

    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        self.file.writer.keep_snapshot(self.number, at, snapshot)
    }

    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>> {
        self.file.writer.trim(self.number, keep, covered)
    }
}

/// Locks. Each change of what is locked here is one assignment or insertion, so that a poisoned lock can still be used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
