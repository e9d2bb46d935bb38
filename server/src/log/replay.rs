//! Replay: from a log to its fold.

use chitty_chat::{LamportTime, Position};
use thiserror::Error;

use super::{Log, PageLimit, ReadError};
use chitty_room::{Fold, FoldError, SnapshotError, record::Record};

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
