//! The durable log, as one small trait: append a batch, read from a position. A [`Store`] has the
//! logs of all chats of a server, and appends to several of them with one commit.
//!
//! Another storage, such as a replicated stream, can implement it. Nothing outside of an
//! implementation may assume that this process is the only writer: appending is compare-and-append
//! on the tail, and broadcasts come from what the log holds.
//!
//! Deliberately absent: clients, gRPC, and what a record means. [`RecordFold`] is the little of it
//! that verifying a file needs; callers hand it in.

mod fold;
mod memory;
mod sqlite;
mod store;

#[cfg(test)]
pub(crate) mod tests;

use std::{pin::Pin, sync::Arc};

use chitty_chat::{LamportTime, Position};
use thiserror::Error;

pub use fold::{Contradiction, RecordFold};
pub use memory::{MemoryLog, MemoryStore};
pub use sqlite::{
    BackupError, ChatSummary, CheckError, Marked, OpenError, Problem, Problems, RecoverError,
    SqliteLog, SqliteStore, Summary, backup, check,
};
pub(crate) use sqlite::{FoundSnapshot, Salvage, salvage};
pub use store::{ChatAppend, CreateError, MOST_CHATS, Store};

use chitty_room::record::{Batch, EncodedEvents, PutEvent, Record};

/// The future that a log's methods return. It is boxed because they are called through a trait
/// object.
pub type LogFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A durable, ordered log of records, positions 1, 2, 3 and so on.
pub trait Log: Send + Sync + 'static {
    /// The epoch: the name of this log's life. Another log, or one that was restored from a backup,
    /// has another.
    fn epoch(&self) -> Arc<str>;

    /// The positions and bytes that it holds at this moment.
    fn extent(&self) -> Extent;

    /// Appends a batch after position `after`, all of it or nothing, and returns when it is
    /// durable. [`Store::append`] appends to several logs.
    fn append(&self, after: Position, batch: Batch) -> LogFuture<Result<(), AppendError>>;

    /// Reads the records after position `after`, in order, up to the limits, but at least one if
    /// there is one.
    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>>;

    /// Reads the events of the same records for callers that pass them on encoded. `put` appends
    /// each to the buffer of the page, in the form that the caller needs. A log that keeps its
    /// records encoded need not decode them.
    fn read_events(
        &self,
        after: Position,
        limit: PageLimit,
        put: PutEvent,
    ) -> LogFuture<Result<EncodedEvents, ReadError>> {
        let page = self.read(after, limit);
        Box::pin(async move {
            let mut events = EncodedEvents::default();
            for record in page.await? {
                let pushed = events.push(&record.encode(), put);
                pushed.map_err(|error| ReadError(error.to_string().into()))?;
            }
            Ok(events)
        })
    }

    /// The first position whose time is at least `lamport`; the position after the head if there is
    /// none.
    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>>;

    /// The snapshot that replaying begins with; `None` if none was kept.
    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>>;

    /// Keeps a snapshot of the fold at position `at`, which the log must hold, instead of an older
    /// one. The snapshot is encoded on the log's own thread, because it may be large.
    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>>;

    /// Drops records from the beginning while the cap is exceeded: at most [`TRIM_STEP`] of them,
    /// and none after `covered`. The caller has kept a snapshot of that position or a later one.
    /// Returns what is held afterwards.
    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>>;
}

/// Reads that a blocking log serves at once, each on a thread of its own. History leaves one of
/// them to followers ([`HISTORY_READERS`]), so that they never wait for it.
pub const READERS: usize = 4;

/// How many of the [`READERS`] serve History at most.
pub const HISTORY_READERS: usize = READERS - 1;

/// A function that encodes a snapshot.
pub type MakeSnapshot = Box<dyn FnOnce() -> Vec<u8> + Send>;

/// Records that one call of [`Log::trim`] drops at most. Appends in between do not wait for long,
/// even if a large log gets a cap for the first time.
pub const TRIM_STEP: usize = 10_000;

/// The range of positions that a log holds, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The oldest position that is kept; the position after `head` if there is none.
    pub first: Position,
    /// The last position; 0 if there never was one.
    pub head: Position,
    /// The Lamport time of the position before `first`; 0 if there is none.
    pub base: LamportTime,
    /// The size of all records in bytes.
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

    /// Refuses a snapshot of a position that the log does not hold.
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
    /// Keep so many of the newest events.
    Events(u64),
    /// Keep so many bytes of the newest records.
    Bytes(u64),
}

impl Keep {
    /// Whether the log exceeds the cap.
    pub const fn is_exceeded(self, extent: &Extent) -> bool {
        match self {
            Self::Events(most) => extent.events() > most,
            Self::Bytes(most) => extent.bytes > most,
        }
    }

    /// Whether the log exceeds the cap by a tenth, which is worth a new snapshot.
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
    /// At most so many bytes of records; the first record may exceed it.
    pub bytes: usize,
}

/// Why nothing was appended.
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// Another writer was first. Read what it appended, and decide again.
    #[error("the log ends at position {tail}, not where the batch was decided")]
    Conflict {
        /// The position at which the log ends.
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

/// The Lamport time that the log has for a position; `None` if it does not know it.
pub async fn lamport_at(
    log: &dyn Log,
    position: Position,
) -> Result<Option<LamportTime>, ReadError> {
    let extent = log.extent();
    // The log keeps the time of the position before its first one, for a resume that ends there.
    if position == extent.first.previous() {
        return Ok(Some(extent.base));
    }
    if position < extent.first || position > extent.head {
        return Ok(None);
    }
    let one = PageLimit {
        records: 1,
        bytes: 0,
    };
    let page = log.read(position.previous(), one).await?;
    Ok(page
        .first()
        .filter(|record| record.event.position == position)
        .map(|r| r.event.lamport))
}
