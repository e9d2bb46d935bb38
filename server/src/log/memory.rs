//! A log in memory, for `--ephemeral` and for tests: gone with the process.

use std::{
    collections::VecDeque,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use chitty_chat::{LamportTime, Position, secret};

use super::{
    AppendError, Extent, Keep, Log, LogFuture, MakeSnapshot, PageLimit, ReadError, TRIM_STEP,
};
use chitty_room::record::{Batch, EncodedEvents, EncodedRecord, PutEvent, Record, RecordError};

/// A log in memory, gone with the process.
pub struct MemoryLog {
    epoch: Arc<str>,
    state: Mutex<MemoryState>,
}

struct MemoryState {
    extent: Extent,
    records: VecDeque<StoredRecord>,
    snapshot: Option<Vec<u8>>,
}

/// A record as the bytes that a file would hold: less than half of what it takes decoded.
struct StoredRecord {
    lamport: LamportTime,
    bytes: Bytes,
}

impl MemoryLog {
    /// An empty log, with an epoch of its own.
    pub fn new(random: secret::FillRandom<'_>) -> Self {
        let state = MemoryState {
            extent: Extent::EMPTY,
            records: VecDeque::new(),
            snapshot: None,
        };
        Self {
            epoch: secret::epoch(random).into(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, MemoryState> {
        // The state is consistent after each statement, so that a poisoned lock can still be used.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for MemoryLog {
    fn epoch(&self) -> Arc<str> {
        Arc::clone(&self.epoch)
    }

    fn extent(&self) -> Extent {
        self.state().extent
    }

    fn append(&self, after: Position, batch: Batch) -> LogFuture<Result<(), AppendError>> {
        Box::pin(ready(self.state().append(after, &batch)))
    }

    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>> {
        let state = self.state();
        let page = state.page(after, limit);
        let page = page.map(|record| Record::decode(&record.bytes).map_err(read_error));
        Box::pin(ready(page.collect()))
    }

    fn read_events(
        &self,
        after: Position,
        limit: PageLimit,
        put: PutEvent,
    ) -> LogFuture<Result<EncodedEvents, ReadError>> {
        let state = self.state();
        let mut events = EncodedEvents::default();
        let pushed = state
            .page(after, limit)
            .try_for_each(|record| events.push(&record.bytes, put).map(drop));
        Box::pin(ready(pushed.map(|()| events).map_err(read_error)))
    }

    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>> {
        Box::pin(ready(Ok(self.state().locate(lamport))))
    }

    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>> {
        Box::pin(ready(Ok(self.state().snapshot.clone())))
    }

    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        Box::pin(ready(self.state().keep_snapshot(at, snapshot)))
    }

    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>> {
        Box::pin(ready(Ok(self.state().trim(keep, covered))))
    }
}

impl MemoryState {
    fn append(&mut self, after: Position, batch: &[EncodedRecord]) -> Result<(), AppendError> {
        self.check_tail(after)?;
        for record in batch {
            let bytes = Bytes::from(record.encode());
            self.extent.head = record.event.position;
            self.extent.bytes += bytes.len() as u64;
            self.records.push_back(StoredRecord {
                lamport: record.event.lamport,
                bytes,
            });
        }
        Ok(())
    }

    fn check_tail(&self, expected: Position) -> Result<(), AppendError> {
        let tail = self.extent.head;
        if tail == expected {
            Ok(())
        } else {
            Err(AppendError::Conflict { tail })
        }
    }

    fn page(&self, after: Position, limit: PageLimit) -> impl Iterator<Item = &StoredRecord> {
        let skip = (after.get() + 1).saturating_sub(self.extent.first.get());
        let mut bytes = 0;
        self.records
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take(limit.records)
            .enumerate()
            .take_while(move |(index, record)| {
                bytes += record.bytes.len();
                // The first record is returned even if it is too large, so that a reader always
                // gets on.
                *index == 0 || bytes <= limit.bytes
            })
            .map(|(_, record)| record)
    }

    fn locate(&self, lamport: LamportTime) -> Position {
        let earlier = self
            .records
            .partition_point(|record| record.lamport < lamport);
        Position::new(self.extent.first.get() + earlier as u64)
    }

    fn keep_snapshot(&mut self, at: Position, make: MakeSnapshot) -> Result<(), AppendError> {
        self.extent.require_held(at)?;
        self.snapshot = Some(make());
        Ok(())
    }

    fn trim(&mut self, keep: Keep, covered: Position) -> Extent {
        for _ in 0..TRIM_STEP {
            if !keep.is_exceeded(&self.extent) || self.extent.first > covered {
                break;
            }
            let Some(record) = self.records.pop_front() else {
                break;
            };
            self.extent.first = self.extent.first.next();
            self.extent.base = record.lamport;
            self.extent.bytes -= record.bytes.len() as u64;
        }
        self.extent
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
fn read_error(error: RecordError) -> ReadError {
    ReadError(error.to_string().into())
}
