//! A queue for Joins: who of one network joins next if more want to than may.
//!
//! A client that is refused because too many come, or because there is no seat, gets a reservation.
//! If it comes back at the time it was given, it waits here for its turn, and nobody else is let in
//! before all of those have joined. So a client that joins in a loop cannot keep out one that waits
//! as asked: that one joins after those that were refused earlier and wait as asked, too. A
//! connection has one reservation at a time, so that one that is refused a thousand times counts
//! once.

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
use chitty_room::source::network;

/// Reservations in all, of about 150 bytes each.
const MOST_RESERVED_IN_ALL: usize = 32_768;

/// Shortest time between two searches for expired reservations.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The queues of all networks.
#[derive(Default)]
pub(super) struct JoinQueue {
    state: Mutex<JoinQueueState>,
}

#[derive(Default)]
struct JoinQueueState {
    /// By IPv6 network or IPv4 address. A queue that becomes idle is removed.
    queues: HashMap<IpAddr, NetworkQueue>,
    reserved: usize,
    number: u64,
    next_sweep: Option<Instant>,
}

/// A guard: the Join has its turn, and counts as under way until this is dropped.
pub(super) struct Turn {
    queue: Arc<JoinQueue>,
    network: IpAddr,
    /// It has waited, so that what was checked before may not be true any more.
    pub(super) has_waited: bool,
}

impl JoinQueue {
    /// Waits for a turn if the newcomer has a reservation. Otherwise it gets a turn at once, or a
    /// reservation and, as the error, the time after which to come back.
    ///
    /// `ready` says whether so many more may join now, or after which time they may. `interval` is
    /// the time between two Joins at the configured rate.
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
        // Kept as a running sum: counting all reservations at each request would be linear.
        state.reserved = (state.reserved + after).saturating_sub(before);
        result
    }

    fn lock(&self) -> MutexGuard<'_, JoinQueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JoinQueueState {
    /// Drops the reservations that have expired.
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

/// A guard: the newcomer waits at this place until it is dropped, even if its request is cancelled.
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
