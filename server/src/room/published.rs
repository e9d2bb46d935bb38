//! The ids of what was published lately, by which a retry is told from a new message.

use chitty_chat::{LamportTime, Position};
use imbl::{HashMap, Vector};
use std::sync::Arc;

/// Ids are remembered for so many positions: by position, never by wall time, so that every reader
/// of the log remembers the same ones.
pub const REMEMBERED_POSITIONS: u64 = 100_000;

/// Where an event is, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its position.
    pub position: Position,
    /// Its time.
    pub lamport: LamportTime,
}

/// The ids of the last [`REMEMBERED_POSITIONS`] positions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Published {
    by_id: HashMap<Arc<str>, Entry>,
    in_order: Vector<(Position, Arc<str>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    receipt: Receipt,
    text: [u8; 16],
}

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Same(Receipt),
    Other(Position),
}

impl Published {
    /// What is known of this id, asked for with the digest of a text.
    pub(super) fn find(&self, id: &str, text: [u8; 16]) -> Option<Known> {
        self.by_id.get(id).map(|entry| {
            if entry.text == text {
                Known::Same(entry.receipt)
            } else {
                Known::Other(entry.receipt.position)
            }
        })
    }

    pub(super) fn insert(&mut self, id: Arc<str>, receipt: Receipt, text: [u8; 16]) {
        self.in_order.push_back((receipt.position, Arc::clone(&id)));
        self.by_id.insert(id, Entry { receipt, text });
    }

    /// Forgets what is too old now that the log ends at `head`.
    pub(super) fn forget(&mut self, head: Position) {
        while let Some((position, id)) = self.in_order.front() {
            if position.get() + REMEMBERED_POSITIONS > head.get() {
                return;
            }
            // Only its own entry: an id that came again after its time has a newer one.
            if self
                .by_id
                .get(id)
                .is_some_and(|entry| entry.receipt.position == *position)
            {
                self.by_id.remove(id);
            }
            self.in_order.pop_front();
        }
    }

    /// In the order of positions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, Receipt, [u8; 16])> {
        self.in_order.iter().filter_map(|(position, id)| {
            let entry = self.by_id.get(id)?;
            (entry.receipt.position == *position).then_some((id, entry.receipt, entry.text))
        })
    }
}
