//! The single owner of the chat. It drains requests, decides them, appends the batch with one
//! commit, broadcasts the events, and replies.
//!
//! Nothing is replied or shown before it is durable. This includes refusals, because they may rest
//! on records that are not durable yet. When the store fails, nothing is retried, because what a
//! failed sync left on the disk is unknown.
//!
//! Deliberately absent: HTTP/2.

mod handle;
mod journal;
mod request;

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use chitty_chat::Position;
use thiserror::Error;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub use handle::{Handle, JoinReply, RequestError, SequencerGone};

use self::request::{DecidedRequest, Request};
use crate::{
    follower::Hub,
    line_limit::{Cause, LineLimit},
    log::{AppendError, Keep, Log},
    replay::{ReplayError, catch_up, replay},
};
use chitty_room::{
    DecisionTime, Room, RoomRules, View,
    record::{Batch, EncodedRecord, Record},
};

/// Requests that may wait for the sequencer; further ones wait with their callers.
const QUEUE: usize = 1024;

/// Requests that are decided in one batch at most.
const BATCH: usize = 1024;

/// How often the size of a capped log is checked.
const TRIM_EVERY: Duration = Duration::from_secs(10);

/// How often the log checks that its files are still the same.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// Pause between two steps of a trim, in which requests are served.
const TRIM_PAUSE: Duration = Duration::from_millis(50);

/// What is configured about a sequencer.
#[derive(Clone, Copy, Debug)]
pub struct SequencerConfig {
    /// The rules of the room.
    pub rules: RoomRules,
    /// The cap on the log; `None` keeps everything.
    pub keep: Option<Keep>,
    /// The sequencer ends when nobody has been present for this long; `None`: never.
    pub idle_exit: Option<Duration>,
    /// The wall clock, passed in so that simulations can control it.
    pub wall: fn() -> SystemTime,
}

/// Why a sequencer ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It was asked to.
    Shutdown,
    /// Nobody was present for the configured time.
    Idle,
}

/// Why a sequencer cannot go on. Nothing that was acknowledged is lost, and nothing was shown that
/// is not durable.
#[derive(Debug, Error)]
pub enum SequencerError {
    /// The log cannot be written.
    #[error("the chat cannot be written any more: {0}; nothing that was acknowledged is lost")]
    Append(AppendError),
    /// The log cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// The single owner of a chat.
pub struct Sequencer {
    room: Room,
    log: Arc<dyn Log>,
    hub: Arc<Hub>,
    /// The room as of the last batch, published for those who only read.
    view: watch::Sender<Arc<View>>,
    requests: mpsc::Receiver<Request>,
    config: SequencerConfig,
    started: Instant,
    /// Since when nobody has been present; `None` while somebody is.
    idle_since: Option<Instant>,
    /// The position of the snapshot that was kept for the current trim. Records up to it are
    /// dropped step by step until the cap is met.
    trimming: Option<Position>,
    /// The limit on log lines about repeated requests.
    lines: LineLimit,
}

impl Sequencer {
    /// Replays the log. All participants that are present in it have the restart grace to come
    /// back.
    pub async fn start(
        log: Arc<dyn Log>,
        limits: crate::follower::FollowerLimits,
        config: SequencerConfig,
    ) -> Result<(Self, Handle), ReplayError> {
        let fold = replay(&*log).await?;
        let started = Instant::now();
        let now = DecisionTime {
            wall: (config.wall)(),
            mono: Duration::ZERO,
        };
        let hub = Arc::new(Hub::new(limits, fold.head()));
        let room = Room::new(fold, log.epoch(), log.extent().first, config.rules, now);
        let (sender, requests) = mpsc::channel(QUEUE);
        let (view, published) = watch::channel(Arc::new(room.view()));
        let handle = Handle::new(
            sender,
            Arc::clone(&hub),
            Arc::clone(&log),
            published,
            started,
        );
        let sequencer = Self {
            room,
            log,
            hub,
            view,
            requests,
            config,
            started,
            idle_since: None,
            trimming: None,
            lines: LineLimit::default(),
        };
        Ok((sequencer, handle))
    }

    /// Serves until `shutdown`, until nobody has been present for the configured time, or until the
    /// store fails. When it returns, all streams have been asked to end.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<StopReason, SequencerError> {
        let log = Arc::clone(&self.log);
        let result = tokio::select! {
            biased;
            // If this ends first, a batch that is being written may be durable or not; its requests
            // get no reply.
            error = log.watch(WATCH_EVERY) => Err(SequencerError::Append(error)),
            result = self.serve(shutdown) => result,
        };
        // Callers that still wait get no reply. They do not know what became of their requests, and
        // can find out by retrying with the same id.
        self.requests.close();
        self.hub.close();
        result
    }

    async fn serve(&mut self, shutdown: CancellationToken) -> Result<StopReason, SequencerError> {
        let mut requests = Vec::with_capacity(BATCH);
        let mut next_trim = Instant::now() + TRIM_EVERY;
        loop {
            // Checked in each round, because a busy chat never gets to wait for the timer below.
            if self.config.keep.is_some() && Instant::now() >= next_trim {
                self.trim().await?;
                let pause = self.trimming.map_or(TRIM_EVERY, |_| TRIM_PAUSE);
                next_trim = Instant::now() + pause;
            }
            let deadline = self.room.next_deadline().map(|mono| self.started + mono);
            let idle_end = self.idle_end();
            let hub = Arc::clone(&self.hub);
            tokio::select! {
                biased;
                // First, so that a busy queue does not delay the shutdown.
                () = shutdown.cancelled() => return Ok(StopReason::Shutdown),
                count = self.requests.recv_many(&mut requests, BATCH) => {
                    if count == 0 {
                        return Ok(StopReason::Shutdown);
                    }
                    self.gather(&mut requests).await;
                }
                () = hub.detachment() => {}
                () = at(deadline) => {}
                () = at(idle_end) => return Ok(StopReason::Idle),
                () = at(self.config.keep.map(|_| next_trim)) => continue,
            }
            self.serve_batch(&mut requests).await?;
        }
    }

    /// Collects the requests that other tasks are about to send. If requests come in over many
    /// connections at once, all those that are read in the same turn of the runtime share one
    /// commit. Waiting any longer for more would cost more waves of followers than it would save
    /// commits.
    async fn gather(&mut self, requests: &mut Vec<Request>) {
        tokio::task::yield_now().await;
        while requests.len() < BATCH
            && let Ok(request) = self.requests.try_recv()
        {
            requests.push(request);
        }
    }

    /// When the chat will have been idle for the configured time; `None` while somebody is present.
    fn idle_end(&mut self) -> Option<Instant> {
        let idle_exit = self.config.idle_exit?;
        if self.room.fold().count() > 0 {
            self.idle_since = None;
            return None;
        }
        Some(*self.idle_since.get_or_insert_with(Instant::now) + idle_exit)
    }

    /// Decides a batch on a scratch copy of the room, makes it durable, and only then publishes and
    /// replies.
    async fn serve_batch(&mut self, requests: &mut Vec<Request>) -> Result<(), SequencerError> {
        // Taken once: if the append conflicts, the same streams are detached from the next scratch
        // copy.
        let detached = self.hub.take_detached();
        loop {
            let now = self.now();
            // A clone, so that a failed append leaves the room as it is in the log.
            let mut scratch = self.room.clone();
            for stream in &detached {
                scratch.detach(stream.participant, stream.generation, now);
            }
            let expired = scratch.expire(now);
            let decided: Vec<_> = requests
                .drain(..)
                .map(|request| request.decide(&mut scratch, now))
                .collect();
            let records = decided.iter().flat_map(DecidedRequest::records);
            let batch: Batch = expired.iter().chain(records).cloned().collect();
            if self.append(&batch).await? {
                self.room.adopt(scratch);
                // A refusal changes nothing, so that a batch of refusals needs no new view.
                let is_changed = !detached.is_empty()
                    || !batch.is_empty()
                    || decided.iter().any(DecidedRequest::is_granted);
                if is_changed {
                    self.publish_view();
                }
                self.write_lines(&expired, &decided);
                self.broadcast(&batch);
                for request in decided {
                    request.reply(&self.hub);
                }
                return Ok(());
            }
            // Another writer was first: nothing of the scratch copy is kept, and everything is
            // decided again on the new tail.
            requests.extend(decided.into_iter().map(DecidedRequest::undecided));
        }
    }

    /// Writes the log lines of a batch. They come before its broadcasts and replies, so that a
    /// trace of all log files never shows a receipt before its sending.
    fn write_lines(&self, expired: &[Record], decided: &[DecidedRequest]) {
        for record in expired {
            journal::broadcast(&record.event);
        }
        for request in decided {
            if !request.is_repeated() || self.lines.admits(Cause::Repeat) {
                request.write_lines();
            }
        }
    }

    /// Makes a batch durable. `false` means that another writer was first, and that everything is
    /// to be decided again on the new tail.
    async fn append(&mut self, batch: &Batch) -> Result<bool, SequencerError> {
        if batch.is_empty() {
            return Ok(true);
        }
        match self
            .log
            .append(self.room.fold().head(), batch.clone())
            .await
        {
            Ok(()) => Ok(true),
            Err(AppendError::Conflict { .. }) => {
                self.read_on().await?;
                Ok(false)
            }
            Err(error @ AppendError::Failed(_)) => Err(SequencerError::Append(error)),
        }
    }

    /// Publishes the view. It comes before the replies, so that a caller that has a reply finds its
    /// effect there.
    fn publish_view(&self) {
        self.view.send_replace(Arc::new(self.room.view()));
    }

    fn broadcast(&self, batch: &Batch) {
        if !batch.is_empty() {
            self.hub.publish(batch.iter().map(EncodedRecord::event));
        }
    }

    /// Applies and broadcasts what another writer appended.
    async fn read_on(&mut self) -> Result<(), SequencerError> {
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

    /// One step of a trim. First a snapshot is kept, which costs as much as all that is remembered,
    /// and so is made only if there is much to drop. Then the records that it covers are dropped in
    /// parts.
    async fn trim(&mut self) -> Result<(), SequencerError> {
        let Some(keep) = self.config.keep else {
            return Ok(());
        };
        let Some(covered) = self.trimming else {
            return self.begin_trim(keep).await;
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
        Ok(())
    }

    async fn begin_trim(&mut self, keep: Keep) -> Result<(), SequencerError> {
        if !keep.is_far_exceeded(&self.log.extent()) {
            return Ok(());
        }
        // Cloning the fold is cheap. Encoding it is not, and is left to the log's own thread.
        let fold = self.room.fold().clone();
        let at = fold.head();
        let snapshot = Box::new(move || fold.encode());
        match self.log.keep_snapshot(at, snapshot).await {
            Ok(()) => self.trimming = Some(at),
            // Another writer has dropped that much already. The next check starts from the new
            // tail.
            Err(AppendError::Conflict { .. }) => {}
            Err(error @ AppendError::Failed(_)) => return Err(SequencerError::Append(error)),
        }
        Ok(())
    }

    fn now(&self) -> DecisionTime {
        DecisionTime {
            wall: (self.config.wall)(),
            mono: self.started.elapsed(),
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
