//! What the thread that writes has done, for those who wait for it.

use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Lines done with, and the first failure.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    done: u64,
    failure: Option<(io::ErrorKind, String)>,
}

impl Progress {
    /// So many lines more are written, or given up for now.
    pub(super) fn advance(&self, lines: u64) {
        self.state().done += lines;
        self.changed.notify_all();
    }

    /// Keeps the first failure: the later ones are most often the same.
    pub(super) fn fail(&self, error: &io::Error) {
        let mut state = self.state();
        if state.failure.is_none() {
            state.failure = Some((error.kind(), error.to_string()));
        }
    }

    /// The first failure.
    pub(super) fn failure(&self) -> Option<(io::ErrorKind, String)> {
        self.state().failure.clone()
    }

    /// Waits until so many lines are done with, in all; false if that takes too long.
    pub(super) fn wait_for(&self, lines: u64, at_most: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), at_most, |state| state.done < lines)
            .unwrap_or_else(PoisonError::into_inner);
        state.done >= lines
    }

    #[cfg(test)]
    pub(super) fn done(&self) -> u64 {
        self.state().done
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
