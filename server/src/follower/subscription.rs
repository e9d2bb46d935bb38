//! A follower, as the hub sees it: how it is woken, why it has to end, and whether its peer reads.
//!
//! Its atomics are written by the follower and by the hub at the same time. Each is independent of
//! the others: a look that reads one of them a moment too early decides at the next look.

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

/// Looks that find a stream standing still before it is told to end.
pub(super) const TICKS: u32 = 8;

/// Looks that find a stream standing still within its Welcome before it is cut. It holds a seat,
/// and has shown nothing yet.
pub(super) const WELCOME_TICKS: u32 = 2;

#[derive(Debug)]
pub(super) struct Subscription {
    generation: u64,
    waker: AtomicWaker,
    /// Woken by a wave, and has not come yet.
    delivery: Delivery,
    taken_over: AtomicBool,
    too_slow: AtomicBool,
    /// The last position that HTTP/2 got.
    cursor: AtomicU64,
    /// The tick at which HTTP/2 got something after which it has not asked for more; 0 while it
    /// is we who have nothing for it.
    waiting_since: AtomicU64,
    /// The tick at which the stream began, until all of its Welcome was handed over; then 0.
    unwelcomed_since: AtomicU64,
    abort: OnceLock<StreamAbort>,
}

impl Subscription {
    /// That of a stream that begins at this tick.
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

    /// Wakes the follower for a wave if it waits and lags behind `head`, and says whether it did.
    /// One that does not wait looks for news by itself before it waits.
    pub(super) fn deliver(&self, head: Position, in_flight: &InFlight) -> bool {
        // Acquire and Release on the cursor order nothing but itself; what is in the ring is read
        // under the ring's lock.
        if self.cursor.load(Ordering::Acquire) >= head.get() {
            return false;
        }
        let Some(waker) = self.waker.take() else {
            return false;
        };
        // Counted before it can come.
        self.delivery.begin(in_flight);
        waker.wake();
        true
    }

    /// The follower has come, has ended, or is not waited for. Says whether that ends the wave.
    #[must_use]
    pub(super) fn delivered(&self, in_flight: &InFlight) -> bool {
        self.delivery.end(in_flight)
    }

    pub(super) fn take_over(&self) {
        self.taken_over.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn set_abort(&self, abort: StreamAbort) {
        // A stream has one beginning.
        let _ = self.abort.set(abort);
    }

    pub(super) fn register_waker(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(super) fn polled(&self) {
        self.waiting_since.store(0, Ordering::Release);
    }

    /// HTTP/2 got all of the Welcome.
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

    /// Tells a stream to end that has not asked for what it is behind with for [`TICKS`]; one
    /// that does not even fetch its orders is cut at a later look, and so is one that does not
    /// take its Welcome.
    pub(super) fn check_stall(&self, now: u64, head: Position) {
        let since = self.waiting_since.load(Ordering::Acquire);
        if since == 0 {
            return;
        }
        let waited = now.saturating_sub(since);
        if self.refuses_welcome(now, waited) {
            self.abort();
        } else if self.close_reason().is_some() {
            // Not the first look: that may be right behind the order.
            if waited > 1 {
                self.abort();
            }
        } else if waited > u64::from(TICKS) && self.cursor.load(Ordering::Acquire) < head.get() {
            self.too_slow.store(true, Ordering::Release);
            self.wake();
        }
    }

    /// No room for a piece of the Welcome, or for all of it in the time that a stream may stand
    /// still.
    fn refuses_welcome(&self, now: u64, waited: u64) -> bool {
        let since = self.unwelcomed_since.load(Ordering::Acquire);
        let took = now.saturating_sub(since);
        since != 0 && (waited > u64::from(WELCOME_TICKS) || took > u64::from(TICKS))
    }

    /// Ends the stream though its body is not asked for anything.
    pub(super) fn abort(&self) {
        if let Some(abort) = self.abort.get() {
            abort.abort();
        }
    }
}
