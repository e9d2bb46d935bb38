//! A log with an explicit sync, whose disk outlives its server.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chitty_chat::Position;
use chitty_server::{
    log::{
        AppendError, Extent, Keep, Log, LogFuture, MakeSnapshot, MemoryLog, PageLimit, ReadError,
    },
    record::Record,
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
}

impl Weather {
    /// Quick, and nothing fails.
    pub const FAIR: Self = Self {
        sync: Duration::from_millis(2),
        read: Duration::from_millis(1),
        append_fails: 0.0,
        read_fails: 0.0,
    };
}

/// A log that has written what was appended, and has it for sure only when it is synced, a while
/// later. Clones are the same log.
#[derive(Clone)]
pub struct SimLog {
    disk: Arc<Disk>,
}

struct Disk {
    /// What is synced and kept.
    synced: MemoryLog,
    state: Mutex<State>,
}

struct State {
    rng: StdRng,
    weather: Weather,
    /// Written, with a sync under way: a crash may lose it, as a whole.
    unsynced: Option<Arc<[Record]>>,
    /// A sync failed: nothing is taken any more.
    failed: bool,
    /// All that ever was synced, also what was dropped from the beginning since.
    history: Vec<Record>,
}

impl SimLog {
    /// An empty log.
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let synced = MemoryLog::new(&mut |bytes| rng.fill_bytes(bytes));
        let state = Mutex::new(State {
            rng,
            weather: Weather::FAIR,
            unsynced: None,
            failed: false,
            history: Vec::new(),
        });
        Self {
            disk: Arc::new(Disk { synced, state }),
        }
    }

    /// From now on the disk is like this.
    pub fn set_weather(&self, weather: Weather) {
        self.disk.state().weather = weather;
    }

    /// What a server finds that starts after a crash or a failure: what was synced, and perhaps
    /// what was just being synced, for the disk may have had it without having said so.
    pub async fn recover(&self) {
        let unsynced = {
            let mut state = self.disk.state();
            state.failed = false;
            let unsynced = state.unsynced.take();
            unsynced.filter(|_| state.rng.random_bool(0.5))
        };
        if let Some(batch) = unsynced {
            // It was appended behind what is there still.
            let _ = self.disk.sync(&batch).await;
        }
    }

    /// All records that ever were durable, from position 1.
    pub fn history(&self) -> Vec<Record> {
        self.disk.state().history.clone()
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sync(&self, batch: &Arc<[Record]>) -> Result<(), AppendError> {
        let after = self.synced.extent().head;
        self.synced.append(after, Arc::clone(batch)).await?;
        let mut state = self.state();
        state.unsynced = None;
        state.history.extend_from_slice(batch);
        Ok(())
    }

    async fn append(&self, after: Position, batch: Arc<[Record]>) -> Result<(), AppendError> {
        let tail = self.synced.extent().head;
        if tail != after {
            return Err(AppendError::Conflict { tail });
        }
        let (time, fails) = {
            let mut state = self.state();
            if state.failed {
                return Err(failure());
            }
            state.unsynced = Some(Arc::clone(&batch));
            let weather = state.weather;
            state.failed = state.rng.random_bool(weather.append_fails);
            (up_to(&mut state.rng, weather.sync), state.failed)
        };
        // A server that crashes here drops this future.
        sleep(time).await;
        if fails {
            return Err(failure());
        }
        self.sync(&batch).await
    }
}

impl State {
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
        self.disk.synced.epoch()
    }

    fn extent(&self) -> Extent {
        self.disk.synced.extent()
    }

    fn append(&self, after: Position, batch: Arc<[Record]>) -> LogFuture<Result<(), AppendError>> {
        let disk = Arc::clone(&self.disk);
        Box::pin(async move { disk.append(after, batch).await })
    }

    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>> {
        let disk = Arc::clone(&self.disk);
        Box::pin(async move {
            let time = disk.state().read_fails()?;
            sleep(time).await;
            disk.synced.read(after, limit).await
        })
    }

    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>> {
        self.disk.synced.snapshot()
    }

    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        self.disk.synced.keep_snapshot(at, snapshot)
    }

    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>> {
        self.disk.synced.trim(keep, covered)
    }
}

fn failure() -> AppendError {
    AppendError::Failed("the simulated disk does not sync".into())
}

fn up_to(rng: &mut StdRng, most: Duration) -> Duration {
    most.mul_f64(rng.random::<f64>())
}
