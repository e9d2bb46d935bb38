//! Whether what is in a file is a chat in order.

use std::sync::Arc;

use chitty_chat::{LamportTime, Position};
use rusqlite::Connection;
use thiserror::Error;

use super::{Extent, schema};
use crate::{
    record::{Record, RecordError},
    room::{Fold, FoldError, SnapshotError, check_rises, time_after},
};

/// What a chat's file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The version of its schema.
    pub schema: usize,
    /// It is a backup that was not opened as a chat yet.
    pub backup: bool,
    /// The log's life.
    pub epoch: Arc<str>,
    /// The positions that it keeps.
    pub extent: Extent,
    /// The Lamport time of its end.
    pub lamport: LamportTime,
    /// How many are present at its end.
    pub present: usize,
}

/// The first thing that is wrong with a chat's file.
#[derive(Debug, Error)]
pub enum Problem {
    /// SQLite cannot read it.
    #[error("it cannot be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// SQLite reads it, but finds its pages out of order.
    #[error("its pages are damaged: {0}")]
    Pages(String),
    /// The snapshot of what was dropped is none.
    #[error("its snapshot is damaged: {0}")]
    Snapshot(#[from] SnapshotError),
    /// The snapshot does not fit what is kept.
    #[error(
        "its snapshot is of position {snapshot}, but it keeps positions {} to {}",
        extent.first, extent.head
    )]
    SnapshotElsewhere {
        /// Of which position it is.
        snapshot: Position,
        /// What is kept.
        extent: Extent,
    },
    /// A record cannot be decoded.
    #[error("position {position}: {error}")]
    Record {
        /// Where.
        position: Position,
        /// Why not.
        error: RecordError,
    },
    /// A record is not where it says that it is.
    #[error("the record of position {found} is at position {position}")]
    Misplaced {
        /// Where it is.
        position: Position,
        /// What it says.
        found: Position,
    },
    /// Records do not follow on each other.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

/// Reads all of a chat of this version of the schema, and says the first thing that is wrong.
/// Writes nothing.
pub(super) fn verify(connection: &Connection, version: usize) -> Result<Summary, Problem> {
    let pages: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if pages != "ok" {
        return Err(Problem::Pages(pages));
    }
    // One moment of a chat that goes on meanwhile.
    let transaction = connection.unchecked_transaction()?;
    let (epoch, extent) = schema::read_state(&transaction)?;
    let fold = fold(&transaction, extent)?;
    Ok(Summary {
        schema: version,
        backup: schema::is_restored(&transaction, version)?,
        epoch,
        extent,
        lamport: fold.now(),
        present: fold.count(),
    })
}

fn fold(connection: &Connection, extent: Extent) -> Result<Fold, Problem> {
    let mut fold = match schema::read_snapshot(connection)? {
        Some(bytes) => Fold::decode(&bytes)?,
        None => Fold::default(),
    };
    let snapshot = fold.head();
    if snapshot < extent.first.previous() || snapshot > extent.head {
        return Err(Problem::SnapshotElsewhere { snapshot, extent });
    }
    let (mut at, mut time) = (extent.first.previous(), extent.base);
    let mut query = connection.prepare("SELECT position, record FROM records ORDER BY position")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let position = schema::position(row.get(0)?);
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let record = Record::decode(bytes).map_err(|error| Problem::Record { position, error })?;
        follows(&record, position, at, time)?;
        (at, time) = (position, record.event.lamport);
        if position > snapshot {
            fold.apply(&record)?;
        }
    }
    Ok(fold)
}

/// What the fold checks too, but for what is older than its snapshot.
fn follows(
    record: &Record,
    position: Position,
    before: Position,
    time: LamportTime,
) -> Result<(), Problem> {
    let event = &record.event;
    if event.position != position {
        let found = event.position;
        return Err(Problem::Misplaced { position, found });
    }
    let expected = before.next();
    if position != expected {
        let found = position;
        return Err(FoldError::Position { expected, found }.into());
    }
    let (expected, found) = (time_after(time, event.request), event.lamport);
    if found != expected {
        let error = FoldError::Time {
            position,
            expected,
            found,
        };
        return Err(error.into());
    }
    Ok(check_rises(time, event)?)
}
