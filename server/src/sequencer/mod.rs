//! The single owner of all chats of a server. It drains requests, decides them, appends the batch
//! with one commit, broadcasts the events, and replies.
//!
//! One sequencer decides for all chats, because what is decided in one chat may rest on another: a
//! decision on both is then one batch and one commit. Chats that are busy at the same time also
//! share the syncs of the store.
//!
//! Nothing is replied or shown before it is durable. This includes refusals, because they may rest
//! on records that are not durable yet. When the store fails, nothing is retried, because what a
//! failed sync left on the disk is unknown.
//!
//! Deliberately absent: HTTP/2.

mod batch;
mod chat;
mod chats;
mod handle;
mod journal;
mod membership;
mod open_chats;
mod request;
mod upkeep;

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use chitty_chat::text::ChatName;
use thiserror::Error;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub use chats::{ChatError, Chats};
pub use handle::{Handle, JoinReply, RequestError, SequencerGone};

use self::{
    batch::DecidedBatch,
    chats::Opening,
    open_chats::OpenChats,
    request::ChatRequest,
    upkeep::{TRIM_EVERY, Upkeep},
};
use crate::{
    follower::FollowerLimits,
    line_limit::{Cause, LineLimit},
    log::{AppendError, Keep, Store},
    replay::{ReplayError, replay},
};
use chitty_room::{DecisionTime, RoomRules};

/// Requests that may wait for the sequencer; further ones wait with their callers.
const QUEUE: usize = 1024;

/// Requests that are decided in one batch at most.
const BATCH: usize = 1024;

/// Chats that may wait to be opened; further ones wait with their callers.
const OPENINGS: usize = 16;

/// How often the store checks that its files are still the same.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// What is configured about a sequencer.
#[derive(Clone, Copy, Debug)]
pub struct SequencerConfig {
    /// The rules of each chat.
    pub rules: RoomRules,
    /// The cap on the log of each chat; `None` keeps everything.
    pub keep: Option<Keep>,
    /// The sequencer ends when nobody has been present in any chat for this long; `None`: never.
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

/// The single owner of all chats of a server.
pub struct Sequencer {
    store: Arc<dyn Store>,
    chats: OpenChats,
    requests: mpsc::Receiver<ChatRequest>,
    openings: mpsc::Receiver<Opening>,
    config: SequencerConfig,
    started: Instant,
    /// Since when nobody has been present in any chat; `None` while somebody is.
    idle_since: Option<Instant>,
    upkeep: Upkeep,
    /// The limit on log lines about repeated requests.
    lines: LineLimit,
}

impl Sequencer {
    /// Replays the logs of the store. All participants that are present in them have the restart
    /// grace to come back. Chats in which nobody is present stay closed until somebody opens them;
    /// only the lobby is always open.
    pub async fn start(
        store: Arc<dyn Store>,
        limits: FollowerLimits,
        config: SequencerConfig,
    ) -> Result<(Self, Chats), ReplayError> {
        let lobby = store.lobby();
        let fold = replay(&*lobby).await?;
        let mut chats = OpenChats::new(limits, config.rules);
        let mut waiting = Vec::new();
        for name in store.chats() {
            let Some(log) = store.log(&name).filter(|_| !name.is_lobby()) else {
                continue;
            };
            let fold = replay(&*log).await?;
            if fold.count() > 0 {
                waiting.push((name, log, fold));
            }
        }
        let started = Instant::now();
        let now = DecisionTime {
            wall: (config.wall)(),
            mono: Duration::ZERO,
        };
        let (sender, requests) = mpsc::channel(QUEUE);
        let (opener, openings) = mpsc::channel(OPENINGS);
        let lobby = chats.add(ChatName::LOBBY, lobby, fold, now);
        let lobby = lobby.handle(sender.clone(), started, config.wall);
        let others = waiting.into_iter().map(|(name, log, fold)| {
            let chat = chats.add(name, log, fold, now);
            chat.handle(sender.clone(), started, config.wall)
        });
        let others = others.collect();
        let registry = Chats::new(Arc::clone(&store), lobby, others, opener);
        let sequencer = Self {
            store,
            chats,
            requests,
            openings,
            config,
            started,
            idle_since: None,
            upkeep: Upkeep::default(),
            lines: LineLimit::default(),
        };
        Ok((sequencer, registry))
    }

    /// Serves as [`Sequencer::run`] does, and runs the timers of all hubs in the same task.
    pub async fn run_with_hubs(
        mut self,
        shutdown: CancellationToken,
    ) -> Result<StopReason, SequencerError> {
        let hubs = self.chats.take_timers();
        tokio::select! {
            biased;
            result = self.run(shutdown) => result,
            never = hubs.run() => match never {},
        }
    }

    /// Serves until `shutdown`, until nobody has been present for the configured time, or until the
    /// store fails. When it returns, all streams have been asked to end.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<StopReason, SequencerError> {
        let store = Arc::clone(&self.store);
        let result = tokio::select! {
            biased;
            // If this ends first, a batch that is being written may be durable or not; its requests
            // get no reply.
            error = store.watch(WATCH_EVERY) => Err(SequencerError::Append(error)),
            result = self.serve(shutdown) => result,
        };
        // Callers that still wait get no reply. They do not know what became of their requests, and
        // can find out by retrying with the same id.
        self.requests.close();
        self.openings.close();
        self.chats.close();
        result
    }

    async fn serve(&mut self, shutdown: CancellationToken) -> Result<StopReason, SequencerError> {
        let mut requests = Vec::with_capacity(BATCH);
        let mut next_trim = Instant::now() + TRIM_EVERY;
        let detached = self.chats.detached();
        loop {
            // Checked in each round, because a busy chat never gets to wait for the timer below.
            if let Some(keep) = self.config.keep
                && Instant::now() >= next_trim
            {
                let pause = self.upkeep.step(&mut self.chats, keep).await?;
                next_trim = Instant::now() + pause;
            }
            let deadline = self.chats.next_deadline().map(|mono| self.started + mono);
            let idle_end = self.idle_end();
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
                Some(opening) = self.openings.recv() => {
                    self.open(opening).await;
                    continue;
                }
                () = detached.detachment() => {}
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
    async fn gather(&mut self, requests: &mut Vec<ChatRequest>) {
        tokio::task::yield_now().await;
        while requests.len() < BATCH
            && let Ok(request) = self.requests.try_recv()
        {
            requests.push(request);
        }
    }

    /// When the server will have been idle for the configured time; `None` while somebody is
    /// present.
    fn idle_end(&mut self) -> Option<Instant> {
        let idle_exit = self.config.idle_exit?;
        if self.chats.is_anybody_present() {
            self.idle_since = None;
            return None;
        }
        Some(*self.idle_since.get_or_insert_with(Instant::now) + idle_exit)
    }

    /// Opens a chat that a caller has replayed, and gives the caller its handle.
    async fn open(&mut self, opening: Opening) {
        let now = self.now();
        let opened = self
            .chats
            .open(opening.name, opening.log, opening.fold, now);
        let handle = opened
            .await
            .map(|chat| chat.handle(opening.requests, self.started, self.config.wall));
        // A caller that is gone does not matter: the next one finds the chat open.
        let _ = opening.reply.send(handle);
    }

    /// Decides a batch on scratch copies of the chats that it touches, makes it durable with one
    /// commit, and only then publishes and replies.
    async fn serve_batch(&mut self, requests: &mut Vec<ChatRequest>) -> Result<(), SequencerError> {
        // Taken once: if the append conflicts, the same streams are detached from the next scratch
        // copies.
        let detached = self.chats.detached().take();
        loop {
            let batch = DecidedBatch::decide(&self.chats, requests, &detached, self.now());
            if self.append(&batch).await? {
                self.finish(batch);
                return Ok(());
            }
            // Another writer was first: nothing of the scratch copies is kept, and everything is
            // decided again on the new tails.
            requests.extend(batch.undecided());
        }
    }

    /// Makes a batch durable. `false` means that another writer was first in one of its chats, and
    /// that everything is to be decided again on the new tails.
    async fn append(&mut self, batch: &DecidedBatch) -> Result<bool, SequencerError> {
        let appends = batch.appends(&self.chats);
        if appends.is_empty() {
            return Ok(true);
        }
        match self.store.append(appends).await {
            Ok(()) => Ok(true),
            Err(AppendError::Conflict { .. }) => {
                for chat in batch.touched() {
                    self.chats.read_on(chat).await?;
                }
                Ok(false)
            }
            Err(error @ AppendError::Failed(_)) => Err(SequencerError::Append(error)),
        }
    }

    /// Publishes a durable batch, and replies to its requests. The log lines come before the
    /// broadcasts and the replies, so that a trace of all log files never shows a receipt before
    /// its sending.
    fn finish(&mut self, batch: DecidedBatch) {
        let DecidedBatch { chats, requests } = batch;
        let mut batches = Vec::with_capacity(chats.len());
        for (slot, decided) in chats {
            self.chats.adopt(slot, decided.room, decided.is_changed);
            for record in &decided.expired {
                journal::broadcast(&record.event);
            }
            batches.push((slot, decided.batch));
        }
        for (_, request) in &requests {
            if !request.is_repeated() || self.lines.admits(Cause::Repeat) {
                request.write_lines();
            }
        }
        for (slot, batch) in &batches {
            self.chats.get(*slot).broadcast(batch);
        }
        for (slot, request) in requests {
            request.reply(self.chats.get(slot).hub());
        }
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
