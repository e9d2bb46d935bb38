//! Who of one network joins next, if more want to than may.
//!
//! Whoever is refused because too many come, or because there is no seat, has a reservation: if it comes back when it was told to,
//! it waits here for its turn, and until all of those are in nobody else is let in. So who joins in
//! a loop does not keep out who waits as told, which comes in after those who were refused before
//! it and wait as told, too. A connection has one reservation at a time, so that one that is refused
//! by the thousand counts once.

mod queue;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use self::queue::{LONGEST_WAIT, NetworkQueue, QueueContext, QueuePlace, QueueVerdict};
pub(super) use self::queue::{Newcomer, NewcomerKey};
use crate::source::network;

/// Reservations in all, of some 150 bytes each.
const MOST_RESERVED_IN_ALL: usize = 32_768;

/// Expired reservations are looked for so often at most.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// All who are about to join.
#[derive(Default)]
pub(super) struct JoinQueue {
    state: Mutex<JoinQueueState>,
}

#[derive(Default)]
struct JoinQueueState {
    /// By network, or by source of IPv4. None is idle.
    queues: HashMap<IpAddr, NetworkQueue>,
    reserved: usize,
    number: u64,
    next_sweep: Option<Instant>,
}

/// A Join may go on. It counts as under way for as long as this lives.
pub(super) struct Turn {
    queue: Arc<JoinQueue>,
    network: IpAddr,
    /// It has waited, so that what was true before may not be any more.
    pub(super) has_waited: bool,
}

impl JoinQueue {
    /// Waits for a turn if there is a reservation; else there is one at once, or in the time that
    /// is returned, for which there is a reservation then.
    ///
    /// `ready` says whether so many more may join now, or in which time they may; `interval` is the
    /// time between two that may.
    pub(super) async fn turn(
        self: &Arc<Self>,
        newcomer: Newcomer,
        interval: Duration,
        ready: impl Fn(u32) -> Result<(), Duration>,
    ) -> Result<Turn, Duration> {
        let network = network(newcomer.source).unwrap_or(newcomer.source);
        let until = Instant::now() + LONGEST_WAIT;
        let ask = |queue: &mut NetworkQueue, moment| queue.ask(&newcomer, &ready, until, moment);
        let mut step = self.with(network, interval, ask);
        let mut waits = None;
        loop {
            match step {
                QueueVerdict::Go => {
                    return Ok(Turn {
                        queue: Arc::clone(self),
                        network,
                        has_waited: waits.is_some(),
                    });
                }
                QueueVerdict::Refuse(retry_in) => return Err(retry_in),
                QueueVerdict::Wait(place, pause) => {
                    waits.get_or_insert(WaitGuard {
                        queue: self,
                        network,
                        place,
                    });
                    sleep(pause).await;
                    let look = |queue: &mut NetworkQueue, moment| {
                        queue.check_turn(place, &newcomer.key, &ready, until, moment)
                    };
                    step = self.with(network, interval, look);
                }
            }
        }
    }

    fn with<T>(
        &self,
        network: IpAddr,
        interval: Duration,
        work: impl FnOnce(&mut NetworkQueue, QueueContext) -> T,
    ) -> T {
        let mut state = self.lock();
        let now = Instant::now();
        state.sweep(now);
        state.number += 1;
        let moment = QueueContext {
            now,
            number: state.number,
            has_space: state.reserved < MOST_RESERVED_IN_ALL,
            interval,
        };
        let queue = state.queues.entry(network).or_default();
        let before = queue.reservations.len();
        let result = work(queue, moment);
        let after = queue.reservations.len();
        if queue.is_idle() {
            state.queues.remove(&network);
        }
        state.reserved = (state.reserved + after).saturating_sub(before);
        result
    }

    fn lock(&self) -> MutexGuard<'_, JoinQueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JoinQueueState {
    /// Drops what has expired.
    fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_some_and(|next| now < next) {
            return;
        }
        self.next_sweep = Some(now + SWEEP_EVERY);
        for queue in self.queues.values_mut() {
            queue.sweep(now);
        }
        self.queues.retain(|_, queue| !queue.is_idle());
        let reserved = self.queues.values().map(|queue| queue.reservations.len());
        self.reserved = reserved.sum();
    }
}

/// Waits at a place for as long as it lives.
struct WaitGuard<'a> {
    queue: &'a JoinQueue,
    network: IpAddr,
    place: QueuePlace,
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.lock().queues.get_mut(&self.network) {
            queue.waiting.remove(&self.place);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if let Some(queue) = state.queues.get_mut(&self.network) {
            queue.under_way = queue.under_way.saturating_sub(1);
            if queue.is_idle() {
                state.queues.remove(&self.network);
            }
        }
    }
}
