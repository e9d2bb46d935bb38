//! A chat that is open, as the sequencer has it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use chitty_chat::{Position, text::ChatName};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{Handle, SequencerError, journal, request::ChatRequest};
use crate::{
    follower::{ChatSlot, Hub},
    log::{AppendError, Keep, Log},
    replay::catch_up,
};
use chitty_room::{
    Fold, Room, View,
    record::{Batch, EncodedRecord},
};

/// A chat that is open: its room, its log, its followers, and what is published of it.
pub(super) struct Chat {
    slot: ChatSlot,
    name: ChatName,
    room: Room,
    log: Arc<dyn Log>,
    hub: Arc<Hub>,
    /// The room as of the last batch, published for those who only read.
    view: watch::Sender<Arc<View>>,
    /// The position of the snapshot that was kept for the current trim. Records up to it are
    /// dropped step by step until the cap is met.
    trimming: Option<Position>,
}

impl Chat {
    pub(super) fn new(
        slot: ChatSlot,
        name: ChatName,
        room: Room,
        log: Arc<dyn Log>,
        hub: Arc<Hub>,
    ) -> Self {
        let view = watch::Sender::new(Arc::new(room.view()));
        Self {
            slot,
            name,
            room,
            log,
            hub,
            view,
            trimming: None,
        }
    }

    pub(super) const fn name(&self) -> &ChatName {
        &self.name
    }

    pub(super) const fn room(&self) -> &Room {
        &self.room
    }

    pub(super) const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The position at which its log ends, as far as it is folded.
    pub(super) const fn head(&self) -> Position {
        self.room.fold().head()
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.room.next_deadline()
    }

    /// A handle for others. `requests` leads to this chat's sequencer, which started at `started`
    /// and has the wall clock `wall`.
    pub(super) fn handle(
        &self,
        requests: mpsc::Sender<ChatRequest>,
        started: Instant,
        wall: fn() -> SystemTime,
    ) -> Handle {
        Handle::new(
            (self.slot, self.name.clone()),
            requests,
            Arc::clone(&self.hub),
            Arc::clone(&self.log),
            self.view.subscribe(),
            (started, wall),
        )
    }

    /// Replaces the room by the copy on which a batch was decided. The view is published before the
    /// replies, so that a caller that has a reply finds its effect there.
    pub(super) fn adopt(&mut self, decided: Room, is_changed: bool) {
        self.room.adopt(decided);
        if is_changed {
            self.publish_view();
        }
    }

    fn publish_view(&self) {
        self.view.send_replace(Arc::new(self.room.view()));
    }

    pub(super) fn broadcast(&self, batch: &Batch) {
        if !batch.is_empty() {
            self.hub.publish(batch.iter().map(EncodedRecord::event));
        }
    }

    /// Applies and broadcasts what another writer appended.
    pub(super) async fn read_on(&mut self) -> Result<(), SequencerError> {
        loop {
            let mut fold = self.room.fold().clone();
            let records = catch_up(&*self.log, &mut fold).await?;
            if records.is_empty() {
                return Ok(());
            }
            self.room.advance(fold);
            self.publish_view();
            for record in &records {
                journal::broadcast(&record.event);
            }
            self.broadcast(&records.into());
        }
    }

    /// Whether its log is so much larger than the cap that a trim is worth a snapshot.
    pub(super) fn needs_trim(&self, keep: Keep) -> bool {
        keep.is_far_exceeded(&self.log.extent())
    }

    /// One step of a trim. First a snapshot is kept, which costs as much as all that is remembered,
    /// and so is made only if there is much to drop. Then the records that it covers are dropped in
    /// parts. Returns whether there is more to do.
    pub(super) async fn trim(&mut self, keep: Keep) -> Result<bool, SequencerError> {
        let Some(covered) = self.trimming else {
            return self.begin_trim().await;
        };
        let extent = self
            .log
            .trim(keep, covered)
            .await
            .map_err(SequencerError::Append)?;
        self.room.set_first(extent.first);
        self.publish_view();
        if !keep.is_exceeded(&extent) || extent.first > covered {
            self.trimming = None;
        }
        Ok(self.trimming.is_some())
    }

    async fn begin_trim(&mut self) -> Result<bool, SequencerError> {
        // Cloning the fold is cheap. Encoding it is not, and is left to the log's own thread.
        let fold: Fold = self.room.fold().clone();
        let at = fold.head();
        let snapshot = Box::new(move || fold.encode());
        match self.log.keep_snapshot(at, snapshot).await {
            Ok(()) => self.trimming = Some(at),
            // Another writer has dropped that much already. The next check starts from the new
            // tail.
            Err(AppendError::Conflict { .. }) => {}
            Err(error @ AppendError::Failed(_)) => return Err(SequencerError::Append(error)),
        }
        Ok(self.trimming.is_some())
    }
}
