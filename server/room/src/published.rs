//! The ids of recent messages, by which a retry is told from a new message.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use chitty_chat::{LamportTime, Position};

/// How many positions an id is remembered for. It is counted by position and never by wall time, so
/// that every reader of the log remembers the same ids.
pub const REMEMBERED_POSITIONS: u64 = 100_000;

/// The position and time of an event, as a reply states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The position of the event.
    pub position: Position,
    /// The event's Lamport time.
    pub lamport: LamportTime,
}

/// The ids of the last [`REMEMBERED_POSITIONS`] positions.
///
/// Nearly every message has an id, and a persistent map would copy a path of its tree for each. So
/// clones share the settled ids, and each clone has its own map of the ids that came since.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    settled: Arc<Settled>,
    recent: HashMap<Arc<str>, PublishedEntry>,
    head: Position,
}

#[derive(Debug, Default)]
struct Settled {
    by_id: HashMap<Arc<str>, PublishedEntry>,
    in_order: VecDeque<(Position, Arc<str>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PublishedEntry {
    receipt: Receipt,
    text: [u8; 16],
}

/// What an id was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdMatch {
    Same(Receipt),
    Other(Position),
}

impl Published {
    /// What this id was used for, compared with the digest of a text.
    pub(super) fn find(&self, id: &str, text: [u8; 16]) -> Option<IdMatch> {
        let entry = self
            .recent
            .get(id)
            .or_else(|| self.settled.by_id.get(id))
            // A settled entry may outlive its time until the next `settle`.
            .filter(|entry| is_remembered(entry.receipt.position, self.head))?;
        Some(if entry.text == text {
            IdMatch::Same(entry.receipt)
        } else {
            IdMatch::Other(entry.receipt.position)
        })
    }

    pub(super) fn insert(&mut self, id: Arc<str>, receipt: Receipt, text: [u8; 16]) {
        let entry = PublishedEntry { receipt, text };
        match Arc::get_mut(&mut self.settled) {
            // No clone shares the map, as during a replay, so there is no need for a second one.
            Some(settled) if self.recent.is_empty() => settled.insert(id, entry),
            _ => drop(self.recent.insert(id, entry)),
        }
    }

    /// Forgets the ids that are too old now that the log ends at `head`.
    pub(super) fn forget(&mut self, head: Position) {
        self.head = head;
        if self.recent.is_empty()
            && let Some(settled) = Arc::get_mut(&mut self.settled)
        {
            settled.forget(head);
        }
    }

    /// Settles the ids that came since this was cloned. Called when the clone has replaced the
    /// original. While another clone is still alive, it does nothing, and the next call settles
    /// them.
    pub(super) fn settle(&mut self) {
        let Some(settled) = Arc::get_mut(&mut self.settled) else {
            return;
        };
        let mut recent: Vec<_> = self.recent.drain().collect();
        recent.sort_unstable_by_key(|(_, entry)| entry.receipt.position);
        for (id, entry) in recent {
            settled.insert(id, entry);
        }
        settled.forget(self.head);
    }

    /// All remembered ids, in the order of their positions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, Receipt, [u8; 16])> {
        let settled = self.settled.in_order.iter().filter_map(|(position, id)| {
            let entry = self.settled.by_id.get(id)?;
            // An id that was used again has a newer entry, in `recent` or later in the order.
            (entry.receipt.position == *position && !self.recent.contains_key(id))
                .then_some((id, entry))
        });
        let mut recent: Vec<_> = self.recent.iter().collect();
        recent.sort_unstable_by_key(|(_, entry)| entry.receipt.position);
        settled
            .chain(recent)
            .filter(|(_, entry)| is_remembered(entry.receipt.position, self.head))
            .map(|(id, entry)| (id, entry.receipt, entry.text))
    }
}

/// Equal if they remember the same ids, settled or not.
impl PartialEq for Published {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.iter().eq(other.iter())
    }
}

impl Settled {
    fn insert(&mut self, id: Arc<str>, entry: PublishedEntry) {
        self.in_order
            .push_back((entry.receipt.position, Arc::clone(&id)));
        self.by_id.insert(id, entry);
    }

    fn forget(&mut self, head: Position) {
        while let Some((position, id)) = self.in_order.front() {
            if is_remembered(*position, head) {
                return;
            }
            // Only if it is the entry of this position: an id that was used again after it was
            // forgotten has a newer entry.
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
}

fn is_remembered(position: Position, head: Position) -> bool {
    position.get() + REMEMBERED_POSITIONS > head.get()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use chitty_chat::{MessageId, MessageText, ParticipantName, Session};

    use super::*;
    use crate::{DecisionTime, Fold, Join, Publish, Room, RoomRules};

    const START: DecisionTime = DecisionTime {
        wall: std::time::UNIX_EPOCH,
        mono: std::time::Duration::ZERO,
    };

    fn write(room: &mut Room, id: u64) {
        let session = Session::parse(&"s".repeat(22)).expect("a session").hash();
        let join = Join {
            session,
            name: ParticipantName::parse("ada"),
            lamport: 1.into(),
            resume: None,
            backlog: 0,
            source: None,
            identity: crate::Identity::None,
            invitation: None,
        };
        let publish = Publish {
            session,
            text: MessageText::parse("hi").expect("a text"),
            id: MessageId::parse(&format!("{id:016}")).ok(),
            seen: Position::ZERO,
            lamport: 1.into(),
            identity: crate::Identity::None,
        };
        room.join(&join, START).expect("free, or present");
        room.publish(&publish, START).expect("present");
    }

    /// Otherwise each clone would copy all ids that ever came.
    #[test]
    fn what_takes_the_place_of_the_original_is_settled() {
        let first = Position::new(1);
        let mut room = Room::new(
            Fold::default(),
            "".into(),
            first,
            RoomRules::default(),
            START,
        );
        let mut decided = room.clone();
        write(&mut decided, 1);
        assert_eq!(decided.fold().published.recent.len(), 1);
        room.adopt(decided);
        assert!(room.fold().published.recent.is_empty());
        let mut elsewhere = room.clone();
        write(&mut elsewhere, 2);
        let fold = elsewhere.fold().clone();
        drop(elsewhere);
        assert_eq!(fold.published.recent.len(), 1);
        room.advance(fold);
        assert!(room.fold().published.recent.is_empty());
        assert_eq!(room.fold().published.iter().count(), 2);
    }

    fn with(ids: &[u64]) -> Published {
        let mut published = Published::default();
        for id in ids {
            published.insert(id.to_string().into(), receipt(*id), [0; 16]);
            published.forget((*id).into());
        }
        published
    }

    /// As at a replay, in which nothing is ever cloned.
    #[test]
    fn ids_are_forgotten_although_nothing_is_settled() {
        let ids: Vec<_> = (1..=100).map(|id| id * REMEMBERED_POSITIONS / 4).collect();
        let published = with(&ids);
        assert!(published.recent.is_empty());
        assert_eq!(published.settled.by_id.len(), 4);
        assert_eq!(published.settled.in_order.len(), 4);
    }

    #[test]
    fn ids_are_in_order_although_a_clone_was_not_settled() {
        let original = with(&[1, 2]);
        let mut clone = original.clone();
        clone.insert("3".into(), receipt(3), [0; 16]);
        drop(original);
        clone.insert("4".into(), receipt(4), [0; 16]);
        clone.forget(4.into());
        let positions: Vec<_> = clone.iter().map(|(_, at, _)| at.position.get()).collect();
        assert_eq!(positions, [1, 2, 3, 4]);
    }

    #[test]
    fn they_are_equal_if_they_know_the_same_up_to_the_same_position() {
        let published = with(&[1, 2]);
        let mut clone = with(&[1]);
        let held = clone.clone();
        clone.insert("2".into(), receipt(2), [0; 16]);
        clone.forget(2.into());
        assert_eq!(clone, published, "settled or not");
        assert_ne!(held, published);
        let mut other_text = with(&[1]);
        other_text.insert("2".into(), receipt(2), [7; 16]);
        other_text.forget(2.into());
        assert_ne!(other_text, published);
        let mut later = with(&[1, 2]);
        later.forget(3.into());
        assert_ne!(later, published);
    }

    /// As an append goes: what was decided on a clone takes the original's place, or is dropped,
    /// while a snapshot may still be encoded from an older clone.
    #[derive(Clone, Debug)]
    struct Batch {
        ids: Vec<u8>,
        is_durable: bool,
        is_held: bool,
    }

    fn batch() -> impl Strategy<Value = Batch> {
        let ids = proptest::collection::vec(any::<u8>(), 0..6);
        (ids, any::<bool>(), any::<bool>()).prop_map(|(ids, is_durable, is_held)| Batch {
            ids,
            is_durable,
            is_held,
        })
    }

    fn receipt(position: u64) -> Receipt {
        Receipt {
            position: position.into(),
            lamport: position.into(),
        }
    }

    proptest! {
        #[test]
        fn clones_know_what_one_map_would(batches in proptest::collection::vec(batch(), 1..30)) {
            // Each id moves the head so far that a few of them are remembered.
            let step = REMEMBERED_POSITIONS / 8;
            let mut published = Published::default();
            let mut held = Vec::new();
            let mut plain: Vec<(u64, String)> = Vec::new();
            let mut head = 0;
            for batch in batches {
                let mut scratch = published.clone();
                let (mut decided, mut decided_head) = (plain.clone(), head);
                for id in batch.ids {
                    decided_head += step;
                    let id = id.to_string();
                    decided.retain(|(position, known)| {
                        is_remembered(Position::new(*position), decided_head.into())
                            && *known != id
                    });
                    decided.push((decided_head, id.clone()));
                    scratch.insert(id.into(), receipt(decided_head), [0; 16]);
                    scratch.forget(decided_head.into());
                }
                if batch.is_held {
                    held = vec![published.clone()];
                }
                if batch.is_durable {
                    published = scratch;
                    published.settle();
                    (plain, head) = (decided, decided_head);
                }
                let known: Vec<_> = published
                    .iter()
                    .map(|(id, receipt, _)| (receipt.position.get(), id.to_string()))
                    .collect();
                prop_assert_eq!(&known, &plain);
                for id in 0..=u8::MAX {
                    let id = id.to_string();
                    let found = published.find(&id, [0; 16]);
                    let expected = plain.iter().find(|(_, known)| *known == id);
                    prop_assert_eq!(
                        found,
                        expected.map(|(position, _)| IdMatch::Same(receipt(*position)))
                    );
                }
                if !batch.is_held {
                    held.clear();
                }
            }
            drop(held);
            published.settle();
            prop_assert!(published.recent.is_empty());
            prop_assert!(published.settled.by_id.len() <= 8);
        }
    }
}
