//! The progress and the health of the writing thread, for the threads that wait for it.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::Thread,
    time::{Duration, Instant},
};

/// The thread that watches the log, which is woken at once when it fails: see
/// [`Log::watch`](super::Log::watch).
#[derive(Debug, Default)]
pub(super) struct Watcher(pub(super) OnceLock<Thread>);

impl Watcher {
    pub(super) fn wake(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// How many lines are done, and what went wrong.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<ProgressState>,
    changed: Condvar,
    /// A copy of the state's `done`, which is read without the lock.
    done: AtomicU64,
    watcher: Arc<Watcher>,
}

#[derive(Debug)]
struct ProgressState {
    done: u64,
    /// When `done` last rose.
    moved: Instant,
    /// The first failure of all.
    failure: Option<(io::ErrorKind, String)>,
    /// Why writing does not work at the moment.
    trouble: Option<String>,
    /// Lines that are missing from the file, which says so.
    lost: u64,
}

/// The real clock: threads of this process wait in real time, which has nothing to do with the
/// chat's time.
#[expect(clippy::disallowed_methods, reason = "real threads wait in real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

impl Default for Progress {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Progress {
    pub(super) fn new(watcher: Arc<Watcher>) -> Self {
        Self {
            state: Mutex::new(ProgressState {
                done: 0,
                moved: now(),
                failure: None,
                trouble: None,
                lost: 0,
            }),
            changed: Condvar::new(),
            done: AtomicU64::new(0),
            watcher,
        }
    }

    /// Counts lines that were written, or given up for now.
    pub(super) fn advance(&self, lines: u64) {
        let mut state = self.state();
        state.done += lines;
        state.moved = now();
        self.done.store(state.done, Ordering::Relaxed);
        drop(state);
        self.changed.notify_all();
    }

    /// How many lines are done, as of the writer's last report.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// When a line was last done.
    pub(super) fn moved(&self) -> Instant {
        self.state().moved
    }

    /// Records a failure. The first one is kept for good, because later ones are mostly the same.
    pub(super) fn fail(&self, error: &io::Error) {
        let mut state = self.state();
        if state.failure.is_none() {
            state.failure = Some((error.kind(), error.to_string()));
        }
        let news = state.trouble.is_none();
        state.trouble = Some(error.to_string());
        drop(state);
        if news {
            self.watcher.wake();
        }
    }

    /// Records that writing works again.
    pub(super) fn succeed(&self) {
        let news = self.state().trouble.take().is_some();
        if news {
            self.watcher.wake();
        }
    }

    /// Counts lines that are missing from the file.
    pub(super) fn lose(&self, lines: u64) {
        self.state().lost += lines;
    }

    /// The first failure of all.
    pub(super) fn failure(&self) -> Option<(io::ErrorKind, String)> {
        self.state().failure.clone()
    }

    /// Why writing does not work at the moment.
    pub(super) fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// Lines that are missing from the file.
    pub(super) fn lost(&self) -> u64 {
        self.state().lost
    }

    /// Waits until so many lines are done in all; `false` if that takes too long.
    pub(super) fn wait_for(&self, lines: u64, at_most: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), at_most, |state| state.done < lines)
            .unwrap_or_else(PoisonError::into_inner);
        state.done >= lines
    }

    fn state(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
