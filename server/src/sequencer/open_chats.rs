//! All chats that a sequencer has open.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    mem,
    sync::Arc,
    time::Duration,
};

use chitty_chat::text::ChatName;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{SequencerError, chat::Chat};
use crate::{
    follower::{ChatSlot, DetachedStreams, FollowerLimits, Hub, SharedByHubs},
    log::{Keep, Log},
    replay::{ReplayError, catch_up},
};
use chitty_room::{DecisionTime, Fold, Room, RoomRules};

/// The chats that are open. A slot is valid for good, because an open chat is not closed before the
/// sequencer ends.
pub(super) struct OpenChats {
    /// By slot.
    chats: Vec<Chat>,
    slots: HashMap<ChatName, ChatSlot>,
    /// When each chat next has something to do by itself, for those that have.
    deadlines: BTreeSet<(Duration, ChatSlot)>,
    shared: SharedByHubs,
    limits: FollowerLimits,
    rules: RoomRules,
    /// Where the hub of each chat is sent, for its timers.
    hubs: mpsc::UnboundedSender<Arc<Hub>>,
    timers: HubTimers,
}

impl OpenChats {
    pub(super) fn new(limits: FollowerLimits, rules: RoomRules) -> Self {
        // It holds one hub for each chat at most, and a store has a limit on these.
        let (hubs, new) = mpsc::unbounded_channel();
        Self {
            chats: Vec::new(),
            slots: HashMap::new(),
            deadlines: BTreeSet::new(),
            shared: SharedByHubs::default(),
            limits,
            rules,
            hubs,
            timers: HubTimers { new: Some(new) },
        }
    }

    /// Adds a chat that is not open yet. All participants that are present in it have the restart
    /// grace to come back.
    pub(super) fn add(
        &mut self,
        name: ChatName,
        log: Arc<dyn Log>,
        fold: Fold,
        now: DecisionTime,
    ) -> &Chat {
        let slot = ChatSlot::new(self.chats.len());
        let shared = self.shared.clone();
        let hub = Arc::new(Hub::of_chat(slot, self.limits, fold.head(), shared));
        let room = Room::new(fold, log.epoch(), log.extent().first, self.rules, now);
        // Nobody receives it if the timers are not run, or the server is about to end.
        let _ = self.hubs.send(Arc::clone(&hub));
        let chat = Chat::new(slot, name.clone(), room, log, hub);
        if let Some(deadline) = chat.next_deadline() {
            self.deadlines.insert((deadline, slot));
        }
        self.slots.insert(name, slot);
        self.chats.push(chat);
        &self.chats[slot.index()]
    }

    /// The chat of this name, which is added if it is not open. `fold` is that of its log.
    pub(super) async fn open(
        &mut self,
        name: ChatName,
        log: Arc<dyn Log>,
        mut fold: Fold,
        now: DecisionTime,
    ) -> Result<&Chat, ReplayError> {
        if let Some(slot) = self.slots.get(&name) {
            return Ok(&self.chats[slot.index()]);
        }
        // Another server may have appended since.
        while !catch_up(&*log, &mut fold).await?.is_empty() {}
        Ok(self.add(name, log, fold, now))
    }

    pub(super) fn get(&self, slot: ChatSlot) -> &Chat {
        &self.chats[slot.index()]
    }

    /// The streams of all chats that have ended.
    pub(super) fn detached(&self) -> Arc<DetachedStreams> {
        Arc::clone(&self.shared.detached)
    }

    /// The timers of all hubs; they do nothing if they were taken before.
    pub(super) const fn take_timers(&mut self) -> HubTimers {
        mem::replace(&mut self.timers, HubTimers { new: None })
    }

    /// When the first chat has something to do by itself.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The chats that have something to do by now.
    pub(super) fn due(&self, now: Duration) -> impl Iterator<Item = ChatSlot> {
        let deadlines = self.deadlines.iter();
        deadlines
            .take_while(move |(deadline, _)| *deadline <= now)
            .map(|(_, slot)| *slot)
    }

    pub(super) fn is_anybody_present(&self) -> bool {
        self.chats.iter().any(|chat| chat.room().fold().count() > 0)
    }

    /// Replaces the room of a chat by the copy on which a durable batch was decided.
    pub(super) fn adopt(&mut self, slot: ChatSlot, decided: Room, is_changed: bool) {
        self.change(slot, |chat| chat.adopt(decided, is_changed));
    }

    /// Applies and broadcasts what another writer appended to a chat.
    pub(super) async fn read_on(&mut self, slot: ChatSlot) -> Result<(), SequencerError> {
        let before = self.chats[slot.index()].next_deadline();
        let result = self.chats[slot.index()].read_on().await;
        self.move_deadline(slot, before);
        result
    }

    pub(super) fn that_need_trim(&self, keep: Keep) -> impl Iterator<Item = ChatSlot> {
        let chats = (0..).map(ChatSlot::new).zip(&self.chats);
        chats
            .filter(move |(_, chat)| chat.needs_trim(keep))
            .map(|(slot, _)| slot)
    }

    /// One step of a trim; whether there is more to do.
    pub(super) async fn trim(
        &mut self,
        slot: ChatSlot,
        keep: Keep,
    ) -> Result<bool, SequencerError> {
        self.chats[slot.index()].trim(keep).await
    }

    /// Ends every stream, because the server is shutting down.
    pub(super) fn close(&self) {
        for chat in &self.chats {
            chat.hub().close();
        }
    }

    fn change(&mut self, slot: ChatSlot, change: impl FnOnce(&mut Chat)) {
        let before = self.chats[slot.index()].next_deadline();
        change(&mut self.chats[slot.index()]);
        self.move_deadline(slot, before);
    }

    fn move_deadline(&mut self, slot: ChatSlot, before: Option<Duration>) {
        let now = self.chats[slot.index()].next_deadline();
        if before == now {
            return;
        }
        if let Some(before) = before {
            self.deadlines.remove(&(before, slot));
        }
        if let Some(now) = now {
            self.deadlines.insert((now, slot));
        }
    }
}

/// The timers of the hubs of all open chats. They run in one task, and each hub is polled only when
/// one of its own timers is due.
pub(super) struct HubTimers {
    /// The hubs of chats that were opened; `None` if others run them.
    new: Option<mpsc::UnboundedReceiver<Arc<Hub>>>,
}

impl HubTimers {
    pub(super) async fn run(self) -> Infallible {
        let Some(mut new) = self.new else {
            return std::future::pending().await;
        };
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(hub) = new.recv() => running.push(async move { hub.run().await }),
                Some(never) = running.next() => match never {},
                else => std::future::pending().await,
            }
        }
    }
}
