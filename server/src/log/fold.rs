//! What a log has to know of the meaning of its records, and is handed by its callers.

use std::error::Error;

use chitty_chat::{Event, LamportTime, Position};
use chitty_room::record::Record;
use thiserror::Error as ThisError;

/// The state that follows from the records of a log, as far as verifying a file needs it.
///
/// A log stores records and knows no rule that they follow. But a file has to be verified before
/// anything is written to it, and the records of an old schema have no checksums: only folding them
/// shows whether they are whole. So callers that open or check a file name the type that knows the
/// rules, [`Fold`](chitty_room::Fold).
pub trait RecordFold: Default {
    /// The state that a snapshot holds.
    ///
    /// # Errors
    /// The bytes are not a snapshot.
    fn from_snapshot(bytes: &[u8]) -> Result<Self, Contradiction>;

    /// The position of the last record; 0 before the first.
    fn head(&self) -> Position;

    /// The Lamport time of the last record; 0 before the first.
    fn now(&self) -> LamportTime;

    /// The number of participants that are present.
    fn count(&self) -> usize;

    /// Applies the next record.
    ///
    /// # Errors
    /// The record does not follow from those before it; the state is what it was.
    fn apply(&mut self, record: &Record) -> Result<(), Contradiction>;

    /// Checks an event's Lamport time, given that of the event before it. It needs no state, so that
    /// records can be checked that are older than the snapshot, or come after damage.
    ///
    /// # Errors
    /// The time is not the one that the rules give.
    fn check_time(before: LamportTime, event: &Event) -> Result<(), Contradiction>;
}

/// Why bytes of a log are not what its rules require, in the words of the type that knows the
/// rules.
#[derive(Debug, ThisError)]
#[error(transparent)]
pub struct Contradiction(Box<dyn Error + Send + Sync>);

impl Contradiction {
    /// Wraps the error of the type that knows the rules.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}
