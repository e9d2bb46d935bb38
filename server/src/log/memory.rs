//! Logs in memory, for `--ephemeral` and for tests: gone with the process.

use std::{
    collections::{BTreeMap, VecDeque},
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use chitty_chat::{LamportTime, Position, secret, text::ChatName};

use super::{
    AppendError, ChatAppend, CreateError, Extent, Keep, Log, LogFuture, MOST_CHATS, MakeSnapshot,
    PageLimit, ReadError, Store, TRIM_STEP,
};
use chitty_room::record::{Batch, EncodedEvents, EncodedRecord, PutEvent, Record, RecordError};

/// A store in memory, gone with the process.
pub struct MemoryStore {
    lobby: Arc<MemoryLog>,
    /// All chats, the lobby included.
    chats: Mutex<BTreeMap<ChatName, Arc<MemoryLog>>>,
}

impl MemoryStore {
    /// A store with an empty lobby.
    pub fn new(random: secret::FillRandom<'_>) -> Self {
        let lobby = Arc::new(MemoryLog::new(random));
        let chats = BTreeMap::from([(ChatName::LOBBY, Arc::clone(&lobby))]);
        Self {
            lobby,
            chats: Mutex::new(chats),
        }
    }

    fn chats(&self) -> MutexGuard<'_, BTreeMap<ChatName, Arc<MemoryLog>>> {
        // Each change is one insertion, so that a poisoned lock can still be used.
        self.chats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_all(&self, appends: &[ChatAppend]) -> Result<(), AppendError> {
        ChatAppend::require_distinct(appends)?;
        let chats = self.chats();
        let mut locked = Vec::with_capacity(appends.len());
        // No other call locks two logs, because the lock on the chats is held.
        for append in appends {
            let log = chats.get(&append.chat).ok_or_else(|| no_chat(append))?;
            let state = log.state();
            state.check_tail(append.after)?;
            locked.push((state, &append.batch));
        }
        for (mut state, batch) in locked {
            state.push(batch);
        }
        Ok(())
    }
}

fn no_chat(append: &ChatAppend) -> AppendError {
    AppendError::Failed(format!("{} is not in the store", append.chat).into())
}

impl Store for MemoryStore {
    fn chats(&self) -> Vec<ChatName> {
        self.chats().keys().cloned().collect()
    }

    fn lobby(&self) -> Arc<dyn Log> {
        Arc::<MemoryLog>::clone(&self.lobby)
    }

    fn log(&self, chat: &ChatName) -> Option<Arc<dyn Log>> {
        let log = self.chats().get(chat).map(Arc::clone)?;
        Some(log)
    }

    fn create(
        &self,
        chat: &ChatName,
        random: secret::FillRandom<'_>,
    ) -> LogFuture<Result<Arc<dyn Log>, CreateError>> {
        let mut chats = self.chats();
        if !chats.contains_key(chat) && chats.len() >= MOST_CHATS {
            return Box::pin(ready(Err(CreateError::Full)));
        }
        let log = chats
            .entry(chat.clone())
            .or_insert_with(|| Arc::new(MemoryLog::new(random)));
        let log: Arc<dyn Log> = Arc::<MemoryLog>::clone(log);
        Box::pin(ready(Ok(log)))
    }

    fn append(&self, appends: Vec<ChatAppend>) -> LogFuture<Result<(), AppendError>> {
        Box::pin(ready(self.append_all(&appends)))
    }
}

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
        let mut state = self.state();
        let checked = state.check_tail(after);
        Box::pin(ready(checked.map(|()| state.push(&batch))))
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
    fn push(&mut self, batch: &[EncodedRecord]) {
        for record in batch {
            let bytes = Bytes::from(record.encode());
            self.extent.head = record.event.position;
            self.extent.bytes += bytes.len() as u64;
            self.records.push_back(StoredRecord {
                lamport: record.event.lamport,
                bytes,
            });
        }
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
