//! A connection and its streams, as one task.
//!
//! hyper gives each stream to an executor, and the usual one spawns a task for each. Then every
//! event costs two task switches for each participant: one to the stream's task, which hands bytes
//! to HTTP/2, and one to the connection's, which writes them. Here one task does both in one turn.
//!
//! ```text
//!   a waker of a part, of the connection, or of who adds a part
//!        | mark its bit (ReadySet), wake the task if it is asleep
//!        v
//!   turn of the task: up to 4 rounds of
//!        1. give a slot to each part that was added
//!        2. poll each part whose bit is set      -> it hands bytes to HTTP/2, which marks CONNECTION
//!        3. poll the connection if it is marked  -> it writes the bytes, and may add parts
//! ```
//!
//! Why not [`FuturesUnordered`]: it polls a future per call, through a queue that it takes from and
//! an allocation for each, and says nothing of the connection, which has to come last in each round.
//! Here a slot and its waker are made once and used for all parts that follow one another in it.
//! [`chitty_wake::ReadySet`] has the states and the proof that no wake-up is lost.
//!
//! [`FuturesUnordered`]: futures_util::stream::FuturesUnordered

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use chitty_wake::{MEMBERS, ReadySet};
use futures_util::{FutureExt as _, future::BoxFuture};

use super::member::Member;

#[cfg(test)]
mod tests;

/// Rounds in one turn: enough for a request's headers, its body and its answer. If there is more to
/// do, other tasks run first.
const ROUNDS: usize = 4;

/// What the end of a part means for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartEnd {
    /// Nothing: the connection goes on without it.
    Done,
    /// The connection takes no new streams, and ends with the last.
    Closing,
    /// The connection is closed at once.
    Abort,
}

type ConnectionPart = BoxFuture<'static, PartEnd>;

/// Where new parts of a connection are added, by HTTP/2 or by another part.
#[derive(Clone)]
pub(super) struct Parts {
    added: Arc<Mutex<Vec<ConnectionPart>>>,
    ready: Arc<ReadySet>,
    member: Arc<Member>,
}

impl Parts {
    /// The parts of a connection that is about to be served.
    pub(super) fn new(member: Arc<Member>) -> Self {
        Self {
            added: Arc::default(),
            ready: Arc::default(),
            member,
        }
    }

    pub(super) fn add(&self, part: impl Future<Output = PartEnd> + Send + 'static) {
        self.added().push(Box::pin(part));
        self.ready.mark(ADDED);
    }

    fn added(&self) -> MutexGuard<'_, Vec<ConnectionPart>> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> hyper::rt::Executor<F> for Parts
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let stream = super::stream::until_aborted(stream, Arc::clone(&self.member));
        // A stream whose handler panics is reset; the connection's other streams go on. This is a
        // combinator, because an `async` block would have space for the stream twice.
        self.add(
            AssertUnwindSafe(stream)
                .catch_unwind()
                .map(|_| PartEnd::Done),
        );
    }
}

/// The task of a connection.
pub(super) struct ConnectionDriver<C> {
    connection: Pin<Box<C>>,
    /// Makes the connection take no new streams.
    close: fn(Pin<&mut C>),
    for_connection: Waker,
    /// A slot and its waker are reused when its part has ended.
    slots: Vec<Slot>,
    new_parts: Parts,
}

struct Slot {
    part: Option<ConnectionPart>,
    waker: Waker,
}

/// The bit of the connection itself.
const CONNECTION: u64 = 1 << (MEMBERS - 1);
/// The bit for new parts.
const ADDED: u64 = 1 << (MEMBERS - 2);
/// The bits below are those of the slots. If there are more slots than bits, the slots that share a
/// bit are polled together.
const SLOT_BITS: usize = MEMBERS as usize - 2;

impl<C, E> ConnectionDriver<C>
where
    C: Future<Output = Result<(), E>>,
{
    /// Drives this connection, whose executor these parts are. `close` tells it to take no new
    /// streams, and to end with the last one.
    pub(super) fn new(connection: C, close: fn(Pin<&mut C>), new_parts: Parts) -> Self {
        let for_connection = new_parts.ready.waker(CONNECTION);
        for_connection.wake_by_ref();
        Self {
            connection: Box::pin(connection),
            close,
            for_connection,
            slots: Vec::new(),
            new_parts,
        }
    }

    /// Polls those that are `ready`, once: parts first, so that what they hand over is written in
    /// the same turn.
    fn round(&mut self, mut ready: u64) -> Poll<Result<(), E>> {
        if ready & ADDED != 0 {
            ready |= self.add_parts();
        }
        let mut slots = ready & ((1 << SLOT_BITS) - 1);
        while slots != 0 {
            let first = slots.trailing_zeros() as usize;
            slots &= slots - 1;
            for index in (first..self.slots.len()).step_by(SLOT_BITS) {
                match self.slots[index].poll() {
                    Poll::Pending | Poll::Ready(PartEnd::Done) => {}
                    Poll::Ready(PartEnd::Closing) => {
                        // The connection is polled next, so that it sends its GOAWAY.
                        (self.close)(self.connection.as_mut());
                        ready |= CONNECTION;
                    }
                    Poll::Ready(PartEnd::Abort) => return Poll::Ready(Ok(())),
                }
            }
        }
        // Its parts may have marked it in this round.
        ready |= self.new_parts.ready.take(CONNECTION);
        if ready & CONNECTION == 0 {
            return Poll::Pending;
        }
        let mut context = Context::from_waker(&self.for_connection);
        self.connection.as_mut().poll(&mut context)
    }

    /// Gives a slot to each new part, and returns their bits.
    fn add_parts(&mut self) -> u64 {
        let mut bits = 0;
        for part in self.new_parts.added().drain(..) {
            // A linear search: a connection has a handful of parts, and at most as many streams as
            // are allowed.
            let free = self.slots.iter().position(|slot| slot.part.is_none());
            let index = free.unwrap_or(self.slots.len());
            let bit = 1 << (index % SLOT_BITS);
            if free.is_none() {
                let waker = self.new_parts.ready.waker(bit);
                self.slots.push(Slot { part: None, waker });
            }
            // New parts are polled in this round, as a task is when it is spawned.
            self.slots[index].part = Some(part);
            bits |= bit;
        }
        bits
    }
}

/// Breaks a cycle: a stream that was never polled holds the `Parts` that hold it.
impl<C> Drop for ConnectionDriver<C> {
    fn drop(&mut self) {
        // Dropped after the lock is released, because dropping a stream may add parts.
        let never_polled = std::mem::take(&mut *self.new_parts.added());
        drop(never_polled);
    }
}

impl Slot {
    fn poll(&mut self) -> Poll<PartEnd> {
        let Some(part) = &mut self.part else {
            return Poll::Pending;
        };
        let polled = part.as_mut().poll(&mut Context::from_waker(&self.waker));
        // Dropped at once and not when the slot is reused, because a stream holds memory and
        // guards.
        if polled.is_ready() {
            self.part = None;
        }
        polled
    }
}

impl<C, E> Future for ConnectionDriver<C>
where
    C: Future<Output = Result<(), E>>,
{
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ready = Arc::clone(&self.new_parts.ready);
        ready.poll(cx, ROUNDS, |members| self.round(members))
    }
}
