//! The durable log behind one small trait: append a batch, read from a position.
//!
//! This is the seam for what comes later, such as a replicated stream: nothing outside of an
//! implementation may assume that this process is the only writer. Appending is
//! compare-and-append on the tail, and whoever broadcasts feeds on what the log holds.
//!
//! Deliberately absent: what a record means. Clients and gRPC are unknown here.

mod memory;
mod replay;
mod sqlite;

#[cfg(test)]
mod tests;

use std::{pin::Pin, sync::Arc, time::Duration};

use chitty_chat::{LamportTime, Position};
use thiserror::Error;

pub use memory::MemoryLog;
pub(crate) use replay::catch_up;
pub use replay::{ReplayError, lamport_at, replay};
pub use sqlite::{
    BackupError, CheckError, Marked, OpenError, Problem, Problems, RecoverError, Recovered,
    SqliteLog, Summary, backup, check, recover,
};

use crate::record::{Batch, EncodedEvent, Record};

/// What a log's methods return: they are called through a trait object.
pub type LogFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A durable, ordered log of records, positions 1, 2, 3 and so on.
pub trait Log: Send + Sync + 'static {
    /// The life of this log: another log, or one restored from a backup, has another.
    fn epoch(&self) -> Arc<str>;

    /// What it holds at this moment.
    fn extent(&self) -> Extent;

    /// Appends a batch behind `after`, all of it or nothing, and returns when it is durable.
    fn append(&self, after: Position, batch: Batch) -> LogFuture<Result<(), AppendError>>;

    /// Reads what follows `after`, ascending, up to the limits; always at least one record where
    /// there is one.
    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>>;

    /// The same for whoever passes the events on as they are: a log that keeps them encoded need
    /// not decode them.
    fn read_events(
        &self,
        after: Position,
        limit: PageLimit,
    ) -> LogFuture<Result<Vec<EncodedEvent>, ReadError>> {
        let page = self.read(after, limit);
        Box::pin(async move {
            let encode = |record: &Record| EncodedEvent::from(&record.event);
            Ok(page.await?.iter().map(encode).collect())
        })
    }

    /// The first position whose time is at least `lamport`; one behind the head where there is
    /// none.
    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>>;

    /// The snapshot from which the log is folded; `None` while none was kept.
    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>>;

    /// Keeps this snapshot of the fold at `at`, a position that is held, instead of an older one.
    /// It is made where the log does its work: it may be large.
    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>>;

    /// Drops records from the beginning while the cap is exceeded, at most [`TRIM_STEP`] of them,
    /// and none behind `covered`: the caller has kept a snapshot of that position or a later one.
    /// Returns what is held then.
    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>>;

    /// Resolves when what the log is kept in was deleted, replaced or changed by somebody else,
    /// after which nothing is appended any more. It is looked at so often; a log that is not kept
    /// in files has nothing to look at.
    fn watch(&self, every: Duration) -> LogFuture<AppendError> {
        let _ = every;
        Box::pin(std::future::pending())
    }
}

/// So many reads are served at once by a log that blocks, each on a thread of its own. History
/// leaves one of them to those who follow ([`HISTORY_READERS`]), so that they never wait for it.
pub const READERS: usize = 4;

/// So many of [`READERS`] serve History at most.
pub const HISTORY_READERS: usize = READERS - 1;

/// Makes the bytes of a snapshot.
pub type MakeSnapshot = Box<dyn FnOnce() -> Vec<u8> + Send>;

/// So many records are dropped at once at most: what is appended meanwhile does not wait for long,
/// also where a cap is new to a log of years.
pub const TRIM_STEP: usize = 10_000;

/// What a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The oldest position that is kept; one behind `head` where there is none.
    pub first: Position,
    /// The last position; 0 where there never was one.
    pub head: Position,
    /// The time of the position before `first`; 0 where there is none.
    pub base: LamportTime,
    /// In bytes of records.
    pub bytes: u64,
}

impl Extent {
    const EMPTY: Self = Self {
        first: Position::new(1),
        head: Position::ZERO,
        base: LamportTime::ZERO,
        bytes: 0,
    };

    /// How many events are kept.
    pub const fn events(&self) -> u64 {
        self.head.get() + 1 - self.first.get()
    }

    /// A snapshot is of a position that is held.
    fn require_held(&self, at: Position) -> Result<(), AppendError> {
        if at >= self.first && at <= self.head {
            Ok(())
        } else {
            Err(AppendError::Conflict { tail: self.head })
        }
    }
}

/// A cap on a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many events, the newest.
    Events(u64),
    /// So many bytes of records, of the newest.
    Bytes(u64),
}

impl Keep {
    /// There is something to drop.
    pub const fn is_exceeded(self, extent: &Extent) -> bool {
        match self {
            Self::Events(most) => extent.events() > most,
            Self::Bytes(most) => extent.bytes > most,
        }
    }

    /// There is so much to drop, a tenth of the cap, that it is worth a new snapshot.
    pub const fn is_far_exceeded(self, extent: &Extent) -> bool {
        let slack = match self {
            Self::Events(most) => Self::Events(most.saturating_add(most / 10)),
            Self::Bytes(most) => Self::Bytes(most.saturating_add(most / 10)),
        };
        slack.is_exceeded(extent)
    }
}

/// How much to read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// At most so many records.
    pub records: usize,
    /// At most so many bytes of records, but for the first.
    pub bytes: usize,
}

/// Why nothing was appended.
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// Another writer was there first: read on, and decide again.
    #[error("the log ends at position {tail}, not where the batch was decided")]
    Conflict {
        /// Where it ends.
        tail: Position,
    },
    /// The store failed. Whether the batch is durable is unknown: a failed sync is never retried.
    #[error("the store failed: {0}")]
    Failed(Arc<str>),
}

/// Why nothing was read.
#[derive(Clone, Debug, Error)]
#[error("the log cannot be read: {0}")]
pub struct ReadError(pub Arc<str>);
