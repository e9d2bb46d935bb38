//! A [`Log`] on a simulated disk that outlives the server and loses what was not synced.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use chitty_chat::{Event, EventKind, LamportTime, LeftReason, Position, Session};
use chitty_room::record::{Batch, Record};
use chitty_server::log::{
    AppendError, Extent, Keep, Log, LogFuture, MakeSnapshot, MemoryLog, PageLimit, ReadError,
};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::sleep;

/// How quick and how reliable the simulated disk is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiskConditions {
    /// The longest time that a sync takes.
    pub sync: Duration,
    /// The longest time that a read takes.
    pub read: Duration,
    /// The probability that an append fails. All later appends fail, too, until a restart.
    pub append_fails: f64,
    /// The probability that a read fails.
    pub read_fails: f64,
    /// The probability that a trim or a snapshot fails, with the same consequence.
    pub trim_fails: f64,
    /// The probability that another writer appends first, so that an append conflicts.
    pub conflicts: f64,
}

impl DiskConditions {
    /// A disk that is quick and never fails.
    pub const HEALTHY: Self = Self {
        sync: Duration::from_millis(2),
        read: Duration::from_millis(1),
        append_fails: 0.0,
        read_fails: 0.0,
        trim_fails: 0.0,
        conflicts: 0.0,
    };
}

/// A log in which a batch is durable only after its sync, which takes a while. A crash before that
/// may lose the batch, as a whole. Clones are the same log.
#[derive(Clone)]
pub struct SimLog {
    disk: Arc<SimDisk>,
}

struct SimDisk {
    state: Mutex<DiskState>,
}

struct DiskState {
    rng: StdRng,
    /// The records that are synced and not trimmed.
    synced: Arc<MemoryLog>,
    conditions: DiskConditions,
    /// The batch whose sync is under way: a crash keeps all of it or none.
    unsynced: Option<Batch>,
    /// A sync failed: every append is refused until a restart.
    failed: bool,
    /// The next start finds another log in the place of this one.
    replaced: bool,
    /// Every record that was ever synced, in each epoch of the log, including the records that were
    /// trimmed since. The last epoch is the current one.
    epochs: Vec<Vec<Record>>,
    /// How many participants of another server there were, to name the next one.
    strangers: u64,
}

impl SimLog {
    /// Makes an empty log. Its faults and delays are drawn from the seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let synced = MemoryLog::new(&mut |bytes| rng.fill_bytes(bytes));
        let state = Mutex::new(DiskState {
            rng,
            synced: Arc::new(synced),
            conditions: DiskConditions::HEALTHY,
            unsynced: None,
            failed: false,
            replaced: false,
            epochs: vec![Vec::new()],
            strangers: 0,
        });
        Self {
            disk: Arc::new(SimDisk { state }),
        }
    }

    /// Changes how the disk behaves from now on.
    pub fn set_conditions(&self, conditions: DiskConditions) {
        self.disk.state().conditions = conditions;
    }

    /// Replaces the log when the next server starts: by an empty one, or by a backup of this one.
    pub fn replace(&self) {
        self.disk.state().replaced = true;
    }

    /// Brings the disk into the state that a server finds when it starts after a crash or a failure:
    /// all that was synced, and perhaps the batch whose sync was under way, since a disk can hold
    /// data whose sync it never confirmed.
    pub fn recover(&self) {
        let mut state = self.disk.state();
        state.failed = false;
        let unsynced = state.unsynced.take();
        if let Some(batch) = unsynced.filter(|_| state.rng.random_bool(0.5)) {
            // Nothing was appended after it: the batch still continues the log.
            state.sync(&batch);
        }
        state.begin_another_epoch();
    }

    /// The number of the current epoch, counted from 0.
    pub fn current_epoch(&self) -> usize {
        self.disk.state().epochs.len() - 1
    }

    /// Every record that was ever durable, by epoch, each from position 1.
    pub fn epochs(&self) -> Vec<Vec<Record>> {
        self.disk.state().epochs.clone()
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, DiskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn synced(&self) -> Arc<MemoryLog> {
        Arc::clone(&self.state().synced)
    }

    async fn append(&self, after: Position, batch: Batch) -> Result<(), AppendError> {
        let (time, fails) = {
            let mut state = self.state();
            if state.failed {
                return Err(failure());
            }
            // Another writer appends between the server's read of the tail and its append.
            let conflicts = state.conditions.conflicts;
            if state.rng.random_bool(conflicts) {
                state.append_as_another(&batch);
            }
            let tail = state.synced.extent().head;
            if tail != after {
                return Err(AppendError::Conflict { tail });
            }
            // From here on a crash may find the batch on the disk.
            state.unsynced = Some(batch.clone());
            let conditions = state.conditions;
            state.failed = state.rng.random_bool(conditions.append_fails);
            (up_to(&mut state.rng, conditions.sync), state.failed)
        };
        // A server that crashes drops this future here, and the batch stays unsynced.
        sleep(time).await;
        if fails {
            return Err(failure());
        }
        self.state().sync(&batch);
        Ok(())
    }

    /// Makes a change to the kept records or the snapshot. If it fails, the change may have
    /// happened all the same, as with a real disk.
    async fn change<T>(
        &self,
        change: impl FnOnce(Arc<MemoryLog>) -> LogFuture<Result<T, AppendError>>,
    ) -> Result<T, AppendError> {
        let (time, fails, done) = {
            let mut state = self.state();
            if state.failed {
                return Err(failure());
            }
            let conditions = state.conditions;
            state.failed = state.rng.random_bool(conditions.trim_fails);
            // A change that is reported as failed may be on the disk all the same.
            let done = !state.failed || state.rng.random_bool(0.5);
            (up_to(&mut state.rng, conditions.sync), state.failed, done)
        };
        sleep(time).await;
        if !done {
            return Err(failure());
        }
        let changed = change(self.synced()).await;
        if fails { Err(failure()) } else { changed }
    }
}

impl DiskState {
    fn sync(&mut self, batch: &Batch) {
        let after = self.synced.extent().head;
        // The log in memory has appended by the time it returns its future.
        drop(self.synced.append(after, batch.clone()));
        self.unsynced = None;
        if let Some(records) = self.epochs.last_mut() {
            records.extend(batch.iter().map(|record| (**record).clone()));
        }
    }

    /// Appends what another server could have appended first: some of the same requests, which
    /// their clients repeated to that server, or events of participants of its own.
    fn append_as_another(&mut self, batch: &Batch) {
        let after = self.synced.extent().head;
        let follows = batch
            .first()
            .is_some_and(|first| first.event.position == after.next());
        let theirs: Batch = if follows && self.rng.random_bool(0.5) {
            batch[..self.rng.random_range(1..=batch.len())].into()
        } else {
            self.strangers += 1;
            let records = self.epochs.last().map_or(&[][..], Vec::as_slice);
            let session = Session::random(&mut |bytes| self.rng.fill_bytes(bytes));
            stranger(self.strangers, &session, records.last()).into()
        };
        self.sync(&theirs);
    }

    /// Starts another epoch if the log was replaced: empty, or from a backup.
    fn begin_another_epoch(&mut self) {
        if !std::mem::take(&mut self.replaced) {
            return;
        }
        let last = self.epochs.last().map_or(&[][..], Vec::as_slice);
        let kept = if self.rng.random_bool(0.5) {
            last[..self.rng.random_range(0..=last.len())].to_vec()
        } else {
            Vec::new()
        };
        let rng = &mut self.rng;
        self.synced = Arc::new(MemoryLog::new(&mut |bytes| rng.fill_bytes(bytes)));
        drop(self.synced.append(Position::ZERO, kept.clone().into()));
        self.epochs.push(kept);
    }

    fn read_fails(&mut self) -> Result<Duration, ReadError> {
        let conditions = self.conditions;
        if self.rng.random_bool(conditions.read_fails) {
            return Err(ReadError("the simulated disk does not read".into()));
        }
        Ok(up_to(&mut self.rng, conditions.read))
    }
}

impl Log for SimLog {
    fn epoch(&self) -> Arc<str> {
        self.disk.synced().epoch()
    }

    fn extent(&self) -> Extent {
        self.disk.synced().extent()
    }

    fn append(&self, after: Position, batch: Batch) -> LogFuture<Result<(), AppendError>> {
        let disk = Arc::clone(&self.disk);
        Box::pin(async move { disk.append(after, batch).await })
    }

    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>> {
        let disk = Arc::clone(&self.disk);
        Box::pin(async move {
            let time = disk.state().read_fails()?;
            sleep(time).await;
            disk.synced().read(after, limit).await
        })
    }

    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>> {
        let disk = Arc::clone(&self.disk);
        Box::pin(async move {
            let time = disk.state().read_fails()?;
            sleep(time).await;
            disk.synced().locate(lamport).await
        })
    }

    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>> {
        self.disk.synced().snapshot()
    }

    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        let disk = Arc::clone(&self.disk);
        Box::pin(async move { disk.change(|log| log.keep_snapshot(at, snapshot)).await })
    }

    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>> {
        let disk = Arc::clone(&self.disk);
        Box::pin(async move { disk.change(|log| log.trim(keep, covered)).await })
    }
}

/// The records of a participant who joins and is lost at another server, right after this one.
fn stranger(number: u64, session: &Session, last: Option<&Record>) -> [Record; 2] {
    let last = last.map(|record| &record.event);
    let position = last.map_or(Position::ZERO, |last| last.position).next();
    let lamport = last.map_or(0, |last| last.lamport.get());
    let at = last.map_or(UNIX_EPOCH, |last| last.at);
    let name: Arc<str> = format!("stranger-{number}").into();
    // A request at time 1: one step for its receipt, one for its broadcast.
    let lamport = lamport.max(1) + 2;
    let joined = Event {
        position,
        lamport: lamport.into(),
        at,
        request: 1.into(),
        kind: EventKind::Joined {
            name: Arc::clone(&name),
            member: None,
        },
    };
    let left = Event {
        position: position.next(),
        lamport: (lamport + 1).into(),
        at,
        request: 0.into(),
        kind: EventKind::Left {
            name,
            reason: LeftReason::Lost,
            participant: position.into(),
        },
    };
    [(joined, Some(session.hash())), (left, None)].map(|(event, session)| Record {
        event,
        session,
        generation: 0,
        private: None,
    })
}

fn failure() -> AppendError {
    AppendError::Failed("the simulated disk does not sync".into())
}

fn up_to(rng: &mut StdRng, most: Duration) -> Duration {
    most.mul_f64(rng.random::<f64>())
}
