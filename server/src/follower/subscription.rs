//! A follower as the hub sees it: how it is woken, why it has to end, and whether its peer reads.
//!
//! The follower and the hub write its atomics concurrently. Each is independent of the others: a
//! stall check that reads one of them a moment too early decides at the next check.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
};

use chitty_chat::Position;
use chitty_wake::{Delivery, InFlight};
use futures_util::task::AtomicWaker;

use super::CloseReason;
use crate::net::StreamAbort;

/// How many stall checks a stream may fail before it is asked to end.
pub(super) const TICKS: u32 = 8;

/// How many stall checks a stream may fail within its Welcome before it is aborted. It holds a
/// seat, and its client has shown nothing yet.
pub(super) const WELCOME_TICKS: u32 = 2;

#[derive(Debug)]
pub(super) struct Subscription {
    generation: u64,
    waker: AtomicWaker,
    /// Whether a wave has woken it that it has not answered yet.
    delivery: Delivery,
    taken_over: AtomicBool,
    too_slow: AtomicBool,
    /// The last position that HTTP/2 has taken.
    cursor: AtomicU64,
    /// The tick at which HTTP/2 took bytes and since which it has not polled for more; 0 while the
    /// server has nothing to send.
    waiting_since: AtomicU64,
    /// The tick at which the stream began; 0 once all of its Welcome was handed over.
    unwelcomed_since: AtomicU64,
    abort: OnceLock<StreamAbort>,
}

impl Subscription {
    /// The subscription of a stream that begins at this tick.
    pub(super) fn new(generation: u64, tick: u64) -> Self {
        Self {
            generation,
            waker: AtomicWaker::new(),
            delivery: Delivery::default(),
            taken_over: AtomicBool::new(false),
            too_slow: AtomicBool::new(false),
            cursor: AtomicU64::new(0),
            waiting_since: AtomicU64::new(0),
            unwelcomed_since: AtomicU64::new(tick),
            abort: OnceLock::new(),
        }
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Wakes the follower for a wave if it waits and has not sent everything up to `head`, and says
    /// whether it did. A follower that is not waiting checks for new events by itself before it
    /// waits.
    pub(super) fn deliver(&self, head: Position, in_flight: &InFlight) -> bool {
        // Acquire and Release on the cursor order nothing but itself; what is in the ring is read
        // under the ring's lock.
        if self.cursor.load(Ordering::Acquire) >= head.get() {
            return false;
        }
        let Some(waker) = self.waker.take() else {
            return false;
        };
        // Counted before it can be polled.
        self.delivery.begin(in_flight);
        waker.wake();
        true
    }

    /// The follower was polled, has ended, or is not waited for any more. Returns whether that ends
    /// the wave.
    #[must_use]
    pub(super) fn delivered(&self, in_flight: &InFlight) -> bool {
        self.delivery.end(in_flight)
    }

    pub(super) fn take_over(&self) {
        self.taken_over.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn set_abort(&self, abort: StreamAbort) {
        // A stream begins once, so the handle is set once.
        let _ = self.abort.set(abort);
    }

    pub(super) fn register_waker(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(super) fn polled(&self) {
        self.waiting_since.store(0, Ordering::Release);
    }

    /// Records that HTTP/2 has taken all of the Welcome.
    pub(super) fn welcomed(&self) {
        self.unwelcomed_since.store(0, Ordering::Release);
    }

    pub(super) fn handed_over(&self, cursor: Position, tick: u64) {
        self.cursor.store(cursor.get(), Ordering::Release);
        self.waiting_since.store(tick, Ordering::Release);
    }

    pub(super) fn close_reason(&self) -> Option<CloseReason> {
        if self.taken_over.load(Ordering::Acquire) {
            Some(CloseReason::TakenOver)
        } else if self.too_slow.load(Ordering::Acquire) {
            Some(CloseReason::TooSlow)
        } else {
            None
        }
    }

    /// Asks a lagging stream to end if HTTP/2 has not polled it for [`TICKS`]. A stream that does
    /// not even take its Closing message is aborted at a later check, and so is one that does not
    /// take its Welcome.
    pub(super) fn check_stall(&self, now: u64, head: Position) {
        let since = self.waiting_since.load(Ordering::Acquire);
        // The server has nothing to send, so the peer is not stalling.
        if since == 0 {
            return;
        }
        let waited = now.saturating_sub(since);
        if self.refuses_welcome(now, waited) {
            self.abort();
        } else if self.close_reason().is_some() {
            // Not at the first check: the stream may have been asked to end a moment ago.
            if waited > 1 {
                self.abort();
            }
        } else if waited > u64::from(TICKS) && self.cursor.load(Ordering::Acquire) < head.get() {
            self.too_slow.store(true, Ordering::Release);
            self.wake();
        }
    }

    /// Whether the peer has no window for the next piece of the Welcome, or has not taken all of it
    /// in the time that a stream may stall.
    fn refuses_welcome(&self, now: u64, waited: u64) -> bool {
        let since = self.unwelcomed_since.load(Ordering::Acquire);
        let took = now.saturating_sub(since);
        since != 0 && (waited > u64::from(WELCOME_TICKS) || took > u64::from(TICKS))
    }

    /// Ends the stream even though HTTP/2 does not poll its body.
    pub(super) fn abort(&self) {
        if let Some(abort) = self.abort.get() {
            abort.abort();
        }
    }
}
