//! A connection and its streams, as one task.
//!
//! hyper gives each stream to an executor, and the usual one makes a task of each. Then every
//! event costs each participant two tasks' turns: its stream's, which hands bytes to HTTP/2, and
//! then the connection's, which writes them. Here both are done in one turn.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::{FutureExt as _, future::BoxFuture, task::AtomicWaker};
use hyper_util::server::graceful::GracefulConnection;

use super::member::Member;

/// How often connection and streams are looked at in one turn: a request's headers, its body and
/// its answer. Others' turns come in between the rest.
const ROUNDS: usize = 4;

/// What a part of a connection has to say at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing: it goes on without it.
    Of,
    /// The connection takes no new streams, and ends with the last.
    Closing,
    /// The connection is cut.
    Cut,
}

type Part = BoxFuture<'static, End>;

/// New parts of a connection, from whichever part has them.
#[derive(Clone)]
pub(super) struct Parts {
    added: Arc<Mutex<Vec<Part>>>,
    turn: Arc<Turn>,
    member: Arc<Member>,
}

impl Parts {
    /// Of a connection to come.
    pub(super) fn new(member: Arc<Member>) -> Self {
        Self {
            added: Arc::default(),
            turn: Arc::default(),
            member,
        }
    }

    pub(super) fn add(&self, part: impl Future<Output = End> + Send + 'static) {
        self.added().push(Box::pin(part));
        self.turn.call(ADDED);
    }

    fn added(&self) -> MutexGuard<'_, Vec<Part>> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> hyper::rt::Executor<F> for Parts
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let stream = super::stream::until_cut(stream, Arc::clone(&self.member));
        self.add(async {
            // Who panics is reset; the connection's other streams have no part in it.
            let _ = AssertUnwindSafe(stream).catch_unwind().await;
            End::Of
        });
    }
}

/// The task of a connection.
pub(super) struct Driver<C> {
    connection: Pin<Box<C>>,
    for_connection: Waker,
    /// A slot is used again when its part has ended, and its waker with it.
    slots: Vec<Slot>,
    new_parts: Parts,
}

struct Slot {
    part: Option<Part>,
    waker: Waker,
}

/// Who wants to be polled, a bit each, and how the task gets a turn for it. It is one word, as
/// every event reads and writes it once for each participant.
#[derive(Default)]
struct Turn {
    called: AtomicU64,
    task: AtomicWaker,
}

/// The task has its turn: it looks by itself.
const ON: u64 = 1 << 63;
/// The connection is called.
const CONNECTION: u64 = 1 << 62;
/// There are new parts.
const ADDED: u64 = 1 << 61;
/// The bits below are those of the parts. Where there are more parts than bits, those that share
/// one are polled together.
const SLOT_BITS: usize = 61;

impl Turn {
    fn call(&self, who: u64) {
        if self.called.fetch_or(who, Ordering::AcqRel) & (who | ON) == 0 {
            self.task.wake();
        }
    }
}

/// The waker of one of them.
struct Call {
    who: u64,
    turn: Arc<Turn>,
}

impl Call {
    fn waker(who: u64, turn: &Arc<Turn>) -> Waker {
        let turn = Arc::clone(turn);
        Waker::from(Arc::new(Self { who, turn }))
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.turn.call(self.who);
    }
}

impl<C: GracefulConnection> Driver<C> {
    /// Drives this connection, whose executor these parts are.
    pub(super) fn new(connection: C, new_parts: Parts) -> Self {
        let for_connection = Call::waker(CONNECTION, &new_parts.turn);
        for_connection.wake_by_ref();
        Self {
            connection: Box::pin(connection),
            for_connection,
            slots: Vec::new(),
            new_parts,
        }
    }

    /// Polls whom is `called`, once: parts first, so that what they hand over is written in the
    /// same turn.
    fn round(&mut self, mut called: u64) -> Poll<Result<(), C::Error>> {
        if called & ADDED != 0 {
            called |= self.add_parts();
        }
        let mut slots = called & ((1 << SLOT_BITS) - 1);
        while slots != 0 {
            let first = slots.trailing_zeros() as usize;
            slots &= slots - 1;
            for index in (first..self.slots.len()).step_by(SLOT_BITS) {
                match self.slots[index].poll() {
                    Poll::Pending | Poll::Ready(End::Of) => {}
                    Poll::Ready(End::Closing) => {
                        self.connection.as_mut().graceful_shutdown();
                        called |= CONNECTION;
                    }
                    Poll::Ready(End::Cut) => return Poll::Ready(Ok(())),
                }
            }
        }
        // Its parts may have called it in this round.
        let turn = &self.new_parts.turn;
        called |= turn.called.fetch_and(!CONNECTION, Ordering::AcqRel) & CONNECTION;
        if called & CONNECTION == 0 {
            return Poll::Pending;
        }
        let mut context = Context::from_waker(&self.for_connection);
        self.connection.as_mut().poll(&mut context)
    }

    /// Gives a slot to each new part, and returns their bits.
    fn add_parts(&mut self) -> u64 {
        let mut bits = 0;
        for part in self.new_parts.added().drain(..) {
            let free = self.slots.iter().position(|slot| slot.part.is_none());
            let index = free.unwrap_or(self.slots.len());
            let bit = 1 << (index % SLOT_BITS);
            if free.is_none() {
                let waker = Call::waker(bit, &self.new_parts.turn);
                self.slots.push(Slot { part: None, waker });
            }
            self.slots[index].part = Some(part);
            bits |= bit;
        }
        bits
    }
}

/// A stream that was never polled holds what it would add parts to.
impl<C> Drop for Driver<C> {
    fn drop(&mut self) {
        // Dropped when the lock is free again.
        let never_polled = std::mem::take(&mut *self.new_parts.added());
        drop(never_polled);
    }
}

impl Slot {
    fn poll(&mut self) -> Poll<End> {
        let Some(part) = &mut self.part else {
            return Poll::Pending;
        };
        let polled = part.as_mut().poll(&mut Context::from_waker(&self.waker));
        if polled.is_ready() {
            self.part = None;
        }
        polled
    }
}

impl<C: GracefulConnection> Future for Driver<C> {
    type Output = Result<(), C::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let turn = Arc::clone(&self.new_parts.turn);
        turn.task.register(cx.waker());
        for _ in 0..ROUNDS {
            let called = turn.called.swap(ON, Ordering::AcqRel) & !ON;
            if called == 0 {
                break;
            }
            if let Poll::Ready(result) = self.round(called) {
                return Poll::Ready(result);
            }
        }
        // Who calls from here on wakes the task.
        if turn.called.fetch_and(!ON, Ordering::AcqRel) & !ON != 0 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
