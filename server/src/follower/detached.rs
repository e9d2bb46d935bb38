//! The streams that ended, of all chats of a server, for the sequencer to take note of.

use std::sync::{Mutex, PoisonError};

use chitty_chat::ParticipantNumber;
use tokio::sync::Notify;

/// The place of a chat among those that a sequencer has open, by which its streams and its requests
/// name it. The lobby's is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChatSlot(usize);

impl ChatSlot {
    pub(crate) const fn new(index: usize) -> Self {
        Self(index)
    }

    pub(crate) const fn index(self) -> usize {
        self.0
    }
}

/// A stream that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detached {
    /// The chat that it followed.
    pub chat: ChatSlot,
    /// The participation that the stream belonged to.
    pub participant: ParticipantNumber,
    /// Which stream of the participation it was.
    pub generation: u64,
}

/// The streams that ended and were not taken note of yet. The hubs of all chats share one list, so
/// that the sequencer waits for one signal, however many chats it has open.
#[derive(Debug, Default)]
pub struct DetachedStreams {
    /// Bounded by the number of streams: each adds one entry when it ends.
    list: Mutex<Vec<Detached>>,
    detachment: Notify,
}

impl DetachedStreams {
    pub(super) fn add(&self, detached: Detached) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(detached);
        drop(list);
        self.detachment.notify_one();
    }

    /// Takes the list of streams that ended since it was last taken.
    pub fn take(&self) -> Vec<Detached> {
        std::mem::take(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when a stream has ended.
    pub async fn detachment(&self) {
        self.detachment.notified().await;
    }
}
