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
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::{
    FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered, task::AtomicWaker,
};
use hyper_util::server::graceful::GracefulConnection;

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
    call: Arc<Call>,
}

impl Parts {
    /// Of a connection to come.
    pub(super) fn new() -> Self {
        Self {
            added: Arc::default(),
            call: Call::new(Arc::default()),
        }
    }

    pub(super) fn add(&self, part: impl Future<Output = End> + Send + 'static) {
        self.added().push(Box::pin(part));
        self.call.wake_by_ref();
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
        let stream = super::stream::until_cut(stream);
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
    parts: FuturesUnordered<Part>,
    new_parts: Parts,
    call: Arc<Call>,
    for_connection: Waker,
    for_parts: Waker,
}

/// Whether the task is having its turn, and how to get one.
#[derive(Default)]
struct Turn {
    is_on: AtomicBool,
    task: AtomicWaker,
}

/// One half of the task wants to be polled.
struct Call {
    is_open: AtomicBool,
    turn: Arc<Turn>,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In its turn, the task looks by itself.
        if !self.is_open.swap(true, Ordering::SeqCst) && !self.turn.is_on.load(Ordering::SeqCst) {
            self.turn.task.wake();
        }
    }
}

impl Call {
    fn new(turn: Arc<Turn>) -> Arc<Self> {
        let is_open = AtomicBool::new(true);
        Arc::new(Self { is_open, turn })
    }

    fn take(&self) -> bool {
        self.is_open.swap(false, Ordering::SeqCst)
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }
}

impl<C: GracefulConnection> Driver<C> {
    /// Drives this connection, whose executor these parts are.
    pub(super) fn new(connection: C, new_parts: Parts) -> Self {
        let call = Call::new(Arc::clone(&new_parts.call.turn));
        Self {
            connection: Box::pin(connection),
            parts: FuturesUnordered::new(),
            for_connection: Waker::from(Arc::clone(&call)),
            for_parts: Waker::from(Arc::clone(&new_parts.call)),
            new_parts,
            call,
        }
    }

    /// Polls what wants to be polled, once: parts first, so that what they hand over is written in
    /// the same turn.
    fn round(&mut self) -> Poll<Result<(), C::Error>> {
        if self.new_parts.call.take() {
            self.parts.extend(self.new_parts.added().drain(..));
            let mut context = Context::from_waker(&self.for_parts);
            while let Poll::Ready(Some(end)) = self.parts.poll_next_unpin(&mut context) {
                match end {
                    End::Of => {}
                    End::Closing => {
                        self.connection.as_mut().graceful_shutdown();
                        self.for_connection.wake_by_ref();
                    }
                    End::Cut => return Poll::Ready(Ok(())),
                }
            }
        }
        if self.call.take() {
            let mut context = Context::from_waker(&self.for_connection);
            return self.connection.as_mut().poll(&mut context);
        }
        Poll::Pending
    }

    fn is_called(&self) -> bool {
        self.call.is_open() || self.new_parts.call.is_open()
    }
}

impl<C: GracefulConnection> Future for Driver<C> {
    type Output = Result<(), C::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let turn = Arc::clone(&self.call.turn);
        turn.task.register(cx.waker());
        turn.is_on.store(true, Ordering::SeqCst);
        for _ in 0..ROUNDS {
            if let Poll::Ready(result) = self.round() {
                return Poll::Ready(result);
            }
            if !self.is_called() {
                break;
            }
        }
        turn.is_on.store(false, Ordering::SeqCst);
        // Looked at after the turn, as who calls looks at it after the call: one of both sees the
        // other.
        if self.is_called() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
