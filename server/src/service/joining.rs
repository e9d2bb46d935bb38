//! The sessions whose Joins are being decided. The published view does not know them yet, but may
//! in a moment.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chitty_chat::SessionHash;

/// Sessions with the number of their Joins under way. There are at most as many as requests that
/// wait for the sequencer.
#[derive(Default)]
pub(super) struct Joining(Mutex<HashMap<SessionHash, usize>>);

/// A guard: a Join of this session is being decided until it is dropped.
pub(super) struct JoiningGuard<'a> {
    joining: &'a Joining,
    session: SessionHash,
}

impl Joining {
    pub(super) fn begin(&self, session: SessionHash) -> JoiningGuard<'_> {
        *self.lock().entry(session).or_default() += 1;
        JoiningGuard {
            joining: self,
            session,
        }
    }

    pub(super) fn contains(&self, session: &SessionHash) -> bool {
        self.lock().contains_key(session)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionHash, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for JoiningGuard<'_> {
    fn drop(&mut self) {
        let mut sessions = self.joining.lock();
        if let Some(count) = sessions.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                sessions.remove(&self.session);
            }
        }
    }
}
