//! The single owner of the chat: drains commands, decides, appends the batch with one commit,
//! broadcasts, acknowledges.
//!
//! Nothing is answered or shown before it is durable, refusals included, since they may rest on
//! what is not durable yet. When the store fails, nothing is retried: what a failed sync left on
//! the disk is unknown.
//!
//! Deliberately absent: HTTP/2, and who follows.

mod handle;
mod journal;

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

use self::handle::Request;
use crate::{
    follower::Hub,
    line_limit::{Cause, LineLimit},
    log::{AppendError, Keep, Log, ReplayError, catch_up, replay},
    record::Record,
    room::{Accepted, Decision, DecisionTime, Refusal, Room, RoomRules, View},
};

/// So many requests wait for the sequencer at most; further ones wait with their callers.
const QUEUE: usize = 1024;

/// So many requests are decided at once at most.
const BATCH: usize = 1024;

/// How often a capped log is looked at.
const TRIM_EVERY: Duration = Duration::from_secs(10);

/// How often it is looked at whether what the log is kept in is still there.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// Between two steps of what is dropped from a capped log: others come in between.
const TRIM_PAUSE: Duration = Duration::from_millis(50);

/// What is configured.
#[derive(Clone, Copy, Debug)]
pub struct SequencerConfig {
    /// The rules of the room.
    pub rules: RoomRules,
    /// The cap on the log.
    pub keep: Option<Keep>,
    /// End when nobody has been present for so long.
    pub idle_exit: Option<Duration>,
    /// The wall clock.
    pub wall: fn() -> SystemTime,
}

/// Why a sequencer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It was told to.
    Shutdown,
    /// Nobody was present for as long as is configured.
    Idle,
}

/// Why a sequencer cannot go on. Nothing that was acknowledged is lost, nothing that was not
/// durable was shown.
#[derive(Debug, Error)]
pub enum SequencerError {
    /// The log does not take any more.
    #[error("the chat cannot be written any more: {0}; nothing that was acknowledged is lost")]
    Append(AppendError),
    /// The log cannot be folded.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// The owner of a chat.
pub struct Sequencer {
    room: Room,
    log: Arc<dyn Log>,
    hub: Arc<Hub>,
    /// The room as of the last batch, for who reads beside it.
    view: watch::Sender<Arc<View>>,
    requests: mpsc::Receiver<Request>,
    config: SequencerConfig,
    started: Instant,
    /// Since when nobody has been present.
    idle_since: Option<Instant>,
    /// A snapshot of this position was kept: what is not behind it is dropped, step by step, until
    /// the cap is kept to.
    trimming: Option<Position>,
    /// On lines of what was answered before.
    lines: LineLimit,
}

impl Sequencer {
    /// Folds the log; everybody who was present in it has the restart grace to come back.
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

    /// Serves until told to end, idle for long enough, or the store fails. When it returns, all
    /// streams are told to end.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<StopReason, SequencerError> {
        let log = Arc::clone(&self.log);
        let result = tokio::select! {
            biased;
            // What was just being written, and is not answered then, may be durable or not.
            error = log.watch(WATCH_EVERY) => Err(SequencerError::Append(error)),
            result = self.serve(shutdown) => result,
        };
        // Who still waits for an answer gets none: their outcome is unknown to them, and a retry
        // by id finds it out.
        self.requests.close();
        self.hub.close();
        result
    }

    async fn serve(&mut self, shutdown: CancellationToken) -> Result<StopReason, SequencerError> {
        let mut requests = Vec::with_capacity(BATCH);
        let mut next_trim = Instant::now() + TRIM_EVERY;
        loop {
            // Looked at each time, since a busy chat never comes to wait for the timer below.
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

    /// Takes along what others are just about to ask: where requests come in over many connections
    /// at once, all of those that are read in the same turn of the runtime share one commit. Waiting
    /// any longer for more of them costs more waves of followers than it saves commits.
    async fn gather(&mut self, requests: &mut Vec<Request>) {
        tokio::task::yield_now().await;
        while requests.len() < BATCH
            && let Ok(request) = self.requests.try_recv()
        {
            requests.push(request);
        }
    }

    /// When it will have been idle for long enough; `None` while somebody is present.
    fn idle_end(&mut self) -> Option<Instant> {
        let idle_exit = self.config.idle_exit?;
        if self.room.fold().count() > 0 {
            self.idle_since = None;
            return None;
        }
        Some(*self.idle_since.get_or_insert_with(Instant::now) + idle_exit)
    }

    /// Decides all of these on a scratch copy, makes it durable, and only then lets anybody know.
    async fn serve_batch(&mut self, requests: &mut Vec<Request>) -> Result<(), SequencerError> {
        let detached = self.hub.take_detached();
        loop {
            let now = self.now();
            let mut scratch = self.room.clone();
            for stream in &detached {
                scratch.detach(stream.participant, stream.generation, now);
            }
            let expired = scratch.expire(now);
            let decisions: Vec<_> = requests
                .iter()
                .map(|request| scratch.decide(request.command(), now))
                .collect();
            let decided = decisions
                .iter()
                .flatten()
                .flat_map(|decision| &decision.records);
            let batch: Arc<[Record]> = expired.iter().chain(decided).cloned().collect();
            if self.append(&batch).await? {
                self.room.adopt(scratch);
                // Who is refused changes nothing.
                if !detached.is_empty() || !batch.is_empty() || decisions.iter().any(Result::is_ok)
                {
                    self.publish_view();
                }
                for record in &expired {
                    journal::broadcast(&record.event);
                }
                for (request, decision) in requests.iter().zip(&decisions) {
                    if let Ok(decision) = decision
                        && (!journal::is_repeat(decision) || self.lines.admits(Cause::Repeat))
                    {
                        journal::decided(request.command(), decision);
                    }
                }
                self.broadcast(&batch);
                self.answer(requests, decisions);
                return Ok(());
            }
        }
    }

    /// Makes a batch durable; `false` where another writer was first, and all is to be decided
    /// again on the new tail.
    async fn append(&mut self, batch: &Arc<[Record]>) -> Result<bool, SequencerError> {
        if batch.is_empty() {
            return Ok(true);
        }
        match self
            .log
            .append(self.room.fold().head(), Arc::clone(batch))
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

    /// Before anybody is answered: whoever has an answer finds it there.
    fn publish_view(&self) {
        self.view.send_replace(Arc::new(self.room.view()));
    }

    fn broadcast(&self, batch: &[Record]) {
        if !batch.is_empty() {
            self.hub.publish(batch.iter().map(|record| &record.event));
        }
    }

    /// Takes in, and broadcasts, what another writer appended.
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
            self.broadcast(&records);
        }
    }

    fn answer(&self, requests: &mut Vec<Request>, decisions: Vec<Result<Decision, Refusal>>) {
        for (request, decision) in requests.drain(..).zip(decisions) {
            match (request, decision.map(|decision| decision.accepted)) {
                (Request::Join(_, reply), Ok(Accepted::Joined(granted))) => {
                    // Attached even where the caller is gone: dropping it detaches.
                    let attachment = self.hub.attach(granted.participant, granted.generation);
                    let _ = reply.send(Ok(JoinReply {
                        granted,
                        attachment,
                    }));
                }
                (Request::Publish(_, reply), Ok(Accepted::Published { receipt, .. }))
                | (Request::Leave(_, reply), Ok(Accepted::Left { receipt, .. })) => {
                    let _ = reply.send(Ok(receipt));
                }
                (Request::Join(_, reply), Err(refusal)) => drop(reply.send(Err(refusal))),
                (Request::Publish(_, reply) | Request::Leave(_, reply), Err(refusal)) => {
                    drop(reply.send(Err(refusal)));
                }
                // Each command has its own answer, which the room's types do not say: without one
                // the caller hears that the server is gone.
                (request, Ok(_)) => drop(request),
            }
        }
    }

    /// A step towards the cap: first a snapshot, which costs as much as all that is remembered,
    /// and so is kept only where there is much to drop; then what it covers, in parts.
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
        // A clone costs nothing; its encoding does, and is left to the log's own thread.
        let fold = self.room.fold().clone();
        let at = fold.head();
        let snapshot = Box::new(move || fold.encode());
        match self.log.keep_snapshot(at, snapshot).await {
            Ok(()) => self.trimming = Some(at),
            // Another writer has dropped that much already; it is tried again on the new tail.
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
