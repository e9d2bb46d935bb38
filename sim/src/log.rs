//! A log with an explicit sync, whose disk outlives its server.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use chitty_chat::{Event, EventKind, LamportTime, LeftReason, Position, Session};
use chitty_server::{
    log::{
        AppendError, Extent, Keep, Log, LogFuture, MakeSnapshot, MemoryLog, PageLimit, ReadError,
    },
    record::{Batch, Record},
};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::sleep;

/// What a disk does to its users for now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// A sync takes so long at most.
    pub sync: Duration,
    /// A read takes so long at most.
    pub read: Duration,
    /// The probability that an append fails, and with it all that follow until a restart.
    pub append_fails: f64,
    /// The probability that a read fails.
    pub read_fails: f64,
    /// The probability that trimming fails, as an append may.
    pub trim_fails: f64,
    /// The probability that another writer appends first.
    pub conflicts: f64,
}

impl Weather {
    /// Quick, and nothing fails.
    pub const FAIR: Self = Self {
        sync: Duration::from_millis(2),
        read: Duration::from_millis(1),
        append_fails: 0.0,
        read_fails: 0.0,
        trim_fails: 0.0,
        conflicts: 0.0,
    };
}

/// A log that has written what was appended, and has it for sure only when it is synced, a while
/// later. Clones are the same log.
#[derive(Clone)]
pub struct SimLog {
    disk: Arc<Disk>,
}

struct Disk {
    state: Mutex<State>,
}

struct State {
    rng: StdRng,
    /// What is synced and kept.
    synced: Arc<MemoryLog>,
    weather: Weather,
    /// Written, with a sync under way: a crash may lose it, as a whole.
    unsynced: Option<Batch>,
    /// A sync failed: nothing is taken any more.
    failed: bool,
    /// While no server runs, somebody puts another log in the place of this one.
    replaced: bool,
    /// All that ever was synced in each life of the log, also what was dropped from the beginning
    /// since; the last one is the life that goes on.
    lives: Vec<Vec<Record>>,
    strangers: u64,
}

impl SimLog {
    /// An empty log.
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let synced = MemoryLog::new(&mut |bytes| rng.fill_bytes(bytes));
        let state = Mutex::new(State {
            rng,
            synced: Arc::new(synced),
            weather: Weather::FAIR,
            unsynced: None,
            failed: false,
            replaced: false,
            lives: vec![Vec::new()],
            strangers: 0,
        });
        Self {
            disk: Arc::new(Disk { state }),
        }
    }

    /// From now on the disk is like this.
    pub fn set_weather(&self, weather: Weather) {
        self.disk.state().weather = weather;
    }

    /// The next server that starts finds another log: an empty one, or a backup of this one.
    pub fn replace(&self) {
        self.disk.state().replaced = true;
    }

    /// What a server finds that starts after a crash or a failure: what was synced, and perhaps
    /// what was just being synced, for the disk may have had it without having said so.
    pub fn recover(&self) {
        let mut state = self.disk.state();
        state.failed = false;
        let unsynced = state.unsynced.take();
        if let Some(batch) = unsynced.filter(|_| state.rng.random_bool(0.5)) {
            // It was appended behind what is there still.
            state.sync(&batch);
        }
        state.begin_another_life();
    }

    /// Which life of the log goes on, counted from 0.
    pub fn life(&self) -> usize {
        self.disk.state().lives.len() - 1
    }

    /// All records that ever were durable in each life of the log, from position 1.
    pub fn lives(&self) -> Vec<Vec<Record>> {
        self.disk.state().lives.clone()
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
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
            let conflicts = state.weather.conflicts;
            if state.rng.random_bool(conflicts) {
                state.append_as_another(&batch);
            }
            let tail = state.synced.extent().head;
            if tail != after {
                return Err(AppendError::Conflict { tail });
            }
            state.unsynced = Some(batch.clone());
            let weather = state.weather;
            state.failed = state.rng.random_bool(weather.append_fails);
            (up_to(&mut state.rng, weather.sync), state.failed)
        };
        // A server that crashes here drops this future.
        sleep(time).await;
        if fails {
            return Err(failure());
        }
        self.state().sync(&batch);
        Ok(())
    }

    /// Changes what is kept; that may fail, done or not.
    async fn change<T>(
        &self,
        change: impl FnOnce(Arc<MemoryLog>) -> LogFuture<Result<T, AppendError>>,
    ) -> Result<T, AppendError> {
        let (time, fails, done) = {
            let mut state = self.state();
            if state.failed {
                return Err(failure());
            }
            let weather = state.weather;
            state.failed = state.rng.random_bool(weather.trim_fails);
            let done = !state.failed || state.rng.random_bool(0.5);
            (up_to(&mut state.rng, weather.sync), state.failed, done)
        };
        sleep(time).await;
        if !done {
            return Err(failure());
        }
        let changed = change(self.synced()).await;
        if fails { Err(failure()) } else { changed }
    }
}

impl State {
    fn sync(&mut self, batch: &Batch) {
        let after = self.synced.extent().head;
        // In memory it is done by the time that the future is there.
        drop(self.synced.append(after, batch.clone()));
        self.unsynced = None;
        if let Some(life) = self.lives.last_mut() {
            life.extend(batch.iter().map(|record| (**record).clone()));
        }
    }

    /// What another server would do: it got some of the same requests, which their clients
    /// repeated, or others of its own.
    fn append_as_another(&mut self, batch: &Batch) {
        let after = self.synced.extent().head;
        let follows = batch
            .first()
            .is_some_and(|first| first.event.position == after.next());
        let theirs: Batch = if follows && self.rng.random_bool(0.5) {
            batch[..self.rng.random_range(1..=batch.len())].into()
        } else {
            self.strangers += 1;
            let life = self.lives.last().map_or(&[][..], Vec::as_slice);
            let session = Session::random(&mut |bytes| self.rng.fill_bytes(bytes));
            stranger(self.strangers, &session, life.last()).into()
        };
        self.sync(&theirs);
    }

    /// Where somebody replaced the log: by an empty one, or by a backup.
    fn begin_another_life(&mut self) {
        if !std::mem::take(&mut self.replaced) {
            return;
        }
        let last = self.lives.last().map_or(&[][..], Vec::as_slice);
        let kept = if self.rng.random_bool(0.5) {
            last[..self.rng.random_range(0..=last.len())].to_vec()
        } else {
            Vec::new()
        };
        let rng = &mut self.rng;
        self.synced = Arc::new(MemoryLog::new(&mut |bytes| rng.fill_bytes(bytes)));
        drop(self.synced.append(Position::ZERO, kept.clone().into()));
        self.lives.push(kept);
    }

    fn read_fails(&mut self) -> Result<Duration, ReadError> {
        let weather = self.weather;
        if self.rng.random_bool(weather.read_fails) {
            return Err(ReadError("the simulated disk does not read".into()));
        }
        Ok(up_to(&mut self.rng, weather.read))
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

/// Somebody who comes and goes at another server, behind this event.
fn stranger(number: u64, session: &Session, last: Option<&Record>) -> [Record; 2] {
    let last = last.map(|record| &record.event);
    let position = last.map_or(Position::ZERO, |last| last.position).next();
    let lamport = last.map_or(0, |last| last.lamport.get());
    let at = last.map_or(UNIX_EPOCH, |last| last.at);
    let name: Arc<str> = format!("stranger-{number}").into();
    // Requested at time 1, received and broadcast.
    let lamport = lamport.max(1) + 2;
    let joined = Event {
        position,
        lamport: lamport.into(),
        at,
        request: 1.into(),
        kind: EventKind::Joined {
            name: Arc::clone(&name),
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
    })
}

fn failure() -> AppendError {
    AppendError::Failed("the simulated disk does not sync".into())
}

fn up_to(rng: &mut StdRng, most: Duration) -> Duration {
    most.mul_f64(rng.random::<f64>())
}
