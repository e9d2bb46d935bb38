//! Replay: from a log to its fold, and from a damaged chat to one that can be folded.
//!
//! This is where stored records meet their meaning. A log ([`crate::log`]) does not know it, and a
//! room ([`chitty_room`]) does not know where records are stored.

mod mend;
mod recover;

use chitty_chat::{Event, LamportTime, Position};
use thiserror::Error;

pub use recover::{Recovered, recover};

use crate::log::{Contradiction, Log, PageLimit, ReadError, RecordFold};
use chitty_room::{Fold, FoldError, SnapshotError, check_time, record::Record};

/// Why a log cannot be replayed.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its snapshot is damaged.
    #[error("the chat's snapshot is damaged: {0}")]
    Snapshot(#[from] SnapshotError),
    /// Its records do not follow from each other.
    #[error("the chat's log is damaged: {0}")]
    Fold(#[from] FoldError),
}

const PAGE: PageLimit = PageLimit {
    records: 4096,
    bytes: 1 << 20,
};

/// Folds everything that a log holds.
///
/// # Errors
/// The log cannot be read, or what it holds is damaged.
pub async fn replay(log: &dyn Log) -> Result<Fold, ReplayError> {
    let mut fold = match log.snapshot().await? {
        Some(bytes) => Fold::decode(&bytes)?,
        None => Fold::default(),
    };
    // Page by page, so that a long log is never in memory as a whole.
    while !catch_up(log, &mut fold).await?.is_empty() {}
    Ok(fold)
}

/// Applies the next page of records after the fold's head, and returns the page.
pub(crate) async fn catch_up(log: &dyn Log, fold: &mut Fold) -> Result<Vec<Record>, ReplayError> {
    let page = log.read(fold.head(), PAGE).await?;
    for record in &page {
        fold.apply(record)?;
    }
    Ok(page)
}

impl RecordFold for Fold {
    fn from_snapshot(bytes: &[u8]) -> Result<Self, Contradiction> {
        Self::decode(bytes).map_err(Contradiction::new)
    }

    fn head(&self) -> Position {
        self.head()
    }

    fn now(&self) -> LamportTime {
        self.now()
    }

    fn count(&self) -> usize {
        self.count()
    }

    fn apply(&mut self, record: &Record) -> Result<(), Contradiction> {
        self.apply(record).map_err(Contradiction::new)
    }

    fn check_time(before: LamportTime, event: &Event) -> Result<(), Contradiction> {
        check_time(before, event).map_err(Contradiction::new)
    }
}
