//! A batch: requests to several chats, decided together on scratch copies of these chats.

use std::collections::BTreeMap;

use super::{
    open_chats::OpenChats,
    request::{ChatRequest, DecidedRequest},
};
use crate::{
    follower::{ChatSlot, Detached},
    log::ChatAppend,
};
use chitty_room::{
    DecisionTime, Room,
    record::{Batch, EncodedRecord, Record},
};

/// What a batch leads to. It counts once it is durable, for all of its chats at once.
pub(super) struct DecidedBatch {
    /// The chats that the batch touches.
    pub(super) chats: BTreeMap<ChatSlot, DecidedChat>,
    /// All requests, in the order in which they were decided.
    pub(super) requests: Vec<(ChatSlot, DecidedRequest)>,
}

/// What a batch leads to in one of its chats.
pub(super) struct DecidedChat {
    /// The room after the batch.
    pub(super) room: Room,
    /// The records that no request led to: participants whose grace is over.
    pub(super) expired: Vec<Record>,
    /// All records, beginning with the expired ones.
    pub(super) batch: Batch,
    /// Whether the room is another one than before. A refusal changes nothing, so that a batch of
    /// refusals needs no new view.
    pub(super) is_changed: bool,
}

impl DecidedBatch {
    /// Decides the requests, in order, after the streams that have ended and the graces that are
    /// over. The chats stay what they are: all of it is done on clones, which are cheap.
    pub(super) fn decide(
        chats: &OpenChats,
        requests: &mut Vec<ChatRequest>,
        detached: &[Detached],
        now: DecisionTime,
    ) -> Self {
        let mut scratch = Scratch {
            chats,
            now,
            touched: BTreeMap::new(),
        };
        for stream in detached {
            let chat = scratch.copy_of(stream.chat);
            chat.room.detach(stream.participant, stream.generation, now);
            chat.is_changed = true;
        }
        for slot in chats.due(now.mono) {
            scratch.copy_of(slot);
        }
        // After all streams were detached, and before the first request is decided.
        for chat in scratch.touched.values_mut() {
            chat.expire(now);
        }
        let mut decided = Vec::with_capacity(requests.len());
        for ChatRequest { chat, request } in requests.drain(..) {
            let touched = scratch.expired_copy_of(chat);
            let request = request.decide(&mut touched.room, now);
            touched.take(&request);
            decided.push((chat, request));
        }
        let touched = scratch.touched.into_iter();
        Self {
            chats: touched.map(|(slot, chat)| (slot, chat.end())).collect(),
            requests: decided,
        }
    }

    /// What has to be appended: nothing to the chats that get no record.
    pub(super) fn appends(&self, chats: &OpenChats) -> Vec<ChatAppend> {
        let appends = self.chats.iter();
        let appends = appends.filter(|(_, decided)| !decided.batch.is_empty());
        appends
            .map(|(slot, decided)| {
                let chat = chats.get(*slot);
                ChatAppend {
                    chat: chat.name().clone(),
                    after: chat.head(),
                    batch: decided.batch.clone(),
                }
            })
            .collect()
    }

    /// The chats that the batch touches, also those that get no record.
    pub(super) fn touched(&self) -> impl Iterator<Item = ChatSlot> {
        self.chats.keys().copied()
    }

    /// Drops all decisions, for requests that have to be decided again.
    pub(super) fn undecided(self) -> impl Iterator<Item = ChatRequest> {
        let requests = self.requests.into_iter();
        requests.map(|(chat, request)| ChatRequest {
            chat,
            request: request.undecided(),
        })
    }
}

/// The scratch copies of the chats that were touched so far.
struct Scratch<'a> {
    chats: &'a OpenChats,
    now: DecisionTime,
    touched: BTreeMap<ChatSlot, TouchedChat>,
}

impl Scratch<'_> {
    /// The copy of a chat, at first as it is.
    fn copy_of(&mut self, slot: ChatSlot) -> &mut TouchedChat {
        let chat = self.chats.get(slot);
        self.touched
            .entry(slot)
            .or_insert_with(|| TouchedChat::new(chat.room()))
    }

    /// The copy of a chat after the graces that are over.
    fn expired_copy_of(&mut self, slot: ChatSlot) -> &mut TouchedChat {
        let (chat, now) = (self.chats.get(slot), self.now);
        self.touched.entry(slot).or_insert_with(|| {
            let mut touched = TouchedChat::new(chat.room());
            touched.expire(now);
            touched
        })
    }
}

struct TouchedChat {
    room: Room,
    expired: Vec<Record>,
    records: Vec<EncodedRecord>,
    is_changed: bool,
}

impl TouchedChat {
    fn new(room: &Room) -> Self {
        Self {
            room: room.clone(),
            expired: Vec::new(),
            records: Vec::new(),
            is_changed: false,
        }
    }

    fn expire(&mut self, now: DecisionTime) {
        self.expired = self.room.expire(now);
        let expired = self.expired.iter().cloned();
        self.records.extend(expired.map(EncodedRecord::from));
    }

    fn take(&mut self, request: &DecidedRequest) {
        self.is_changed |= request.is_granted();
        let records = request.records().iter().cloned();
        self.records.extend(records.map(EncodedRecord::from));
    }

    fn end(self) -> DecidedChat {
        DecidedChat {
            is_changed: self.is_changed || !self.records.is_empty(),
            room: self.room,
            expired: self.expired,
            batch: self.records.into_iter().collect(),
        }
    }
}
