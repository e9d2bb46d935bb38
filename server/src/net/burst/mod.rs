//! Bursts: the output of many connections, sent to their sockets one right after the other.
//!
//! An event goes out over every connection. If each connection sent its output in its own turn, the
//! HTTP/2 work for the next one would come between two sends. That is long enough for a receiver on
//! the same machine to fall asleep, so that each send has to wake it, and for the kernel's network
//! code to leave the caches. So the output is buffered until all connections that are ready at this
//! moment have written theirs, and then it is sent in one go.

mod stream;

#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use chitty_wake::DueFlag;
use tokio::{
    io::AsyncWrite,
    runtime::Handle,
    sync::Notify,
    task::{JoinSet, yield_now},
};

pub(super) use self::stream::BurstStream;

/// Bytes that a group buffers before it sends without waiting for more: about one event for each
/// follower in a part of a wave. Large writes are expensive by themselves, so that collecting many
/// of them would only cost memory.
const BURST: usize = 16 << 10;

/// Sends the output of connections until it is dropped.
pub(super) struct Bursts<S> {
    /// One for each of the runtime's threads, so that all of them can send at once.
    groups: Vec<Arc<BurstGroup<S>>>,
    /// The groups' tasks, which end when this is dropped.
    _tasks: JoinSet<Infallible>,
    next: usize,
}

/// The connections whose output one task sends.
struct BurstGroup<S> {
    /// Bytes that are buffered for one connection at most.
    limit: usize,
    due: Mutex<NextBurst<S>>,
    spare: Mutex<SpareBuffers>,
    scheduled: Notify,
}

/// The connections and bytes of the next burst.
struct NextBurst<S> {
    /// The connections with something to send, each of them once.
    connections: Vec<Arc<BurstConnection<S>>>,
    /// Bytes that were written for this burst.
    bytes: usize,
}

/// Empty buffers for reuse. A connection has a buffer only while something is in it, so that idle
/// connections cost no memory for it.
#[derive(Default)]
struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    /// The capacity of all of them together: at most as much as one burst needs.
    bytes: usize,
}

struct BurstConnection<S> {
    group: Arc<BurstGroup<S>>,
    is_due: DueFlag,
    state: Mutex<SendState<S>>,
}

struct SendState<S> {
    /// `None` when HTTP/2 has dropped its end.
    socket: Option<S>,
    /// Written and not sent yet. It has no allocation while it is empty.
    unsent: Vec<u8>,
    /// How many bytes of `unsent` the socket has taken already.
    sent: usize,
    /// The socket's buffer was full at the last attempt.
    is_full: bool,
    /// The waker of the HTTP/2 side if it waits for space or for the end of the output.
    waiter: Option<Waker>,
    failure: Option<ErrorKind>,
}

impl<S: AsyncWrite + Send + Unpin + 'static> Bursts<S> {
    /// Starts one sending task for each of the runtime's threads. `limit` is how many bytes are
    /// buffered for one connection at most.
    pub(super) fn new(limit: usize) -> Self {
        let count = Handle::current().metrics().num_workers();
        let groups: Vec<_> = (0..count)
            .map(|_| Arc::new(BurstGroup::new(limit)))
            .collect();
        let mut tasks = JoinSet::new();
        for group in &groups {
            let group = Arc::clone(group);
            tasks.spawn(async move { group.run().await });
        }
        Self {
            groups,
            _tasks: tasks,
            next: 0,
        }
    }

    /// Adds a connection, and returns the end of it that HTTP/2 gets.
    pub(super) fn add(&mut self, socket: S) -> BurstStream<S> {
        // In turn, so that the groups have equally many connections.
        let group = &self.groups[self.next];
        self.next = (self.next + 1) % self.groups.len();
        let state = SendState {
            socket: Some(socket),
            unsent: Vec::new(),
            sent: 0,
            is_full: false,
            waiter: None,
            failure: None,
        };
        BurstStream(Arc::new(BurstConnection {
            group: Arc::clone(group),
            is_due: DueFlag::default(),
            state: Mutex::new(state),
        }))
    }
}

/// A connection that is due holds its group, and the group holds it: the lists are emptied to break
/// these cycles.
impl<S> Drop for Bursts<S> {
    fn drop(&mut self) {
        for group in &self.groups {
            drop(group.take_due());
        }
    }
}

impl<S> BurstGroup<S> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            due: Mutex::new(NextBurst::NONE),
            spare: Mutex::default(),
            scheduled: Notify::const_new(),
        }
    }

    fn due(&self) -> MutexGuard<'_, NextBurst<S>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the list out, so that the lock is free while its connections are sent or dropped.
    fn take_due(&self) -> Vec<Arc<BurstConnection<S>>> {
        std::mem::replace(&mut *self.due(), NextBurst::NONE).connections
    }

    fn spare(&self) -> MutexGuard<'_, SpareBuffers> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpareBuffers {
    fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    fn put_back(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        if buffer.capacity() > 0 && self.bytes + buffer.capacity() <= BURST {
            self.bytes += buffer.capacity();
            self.buffers.push(buffer);
        }
    }
}

impl<S> NextBurst<S> {
    const NONE: Self = Self {
        connections: Vec::new(),
        bytes: 0,
    };
}

impl<S: AsyncWrite + Send + Unpin + 'static> BurstGroup<S> {
    async fn run(&self) -> Infallible {
        loop {
            self.scheduled.notified().await;
            // Let the other tasks that were woken together with the first writer run before this
            // sends.
            yield_now().await;
            self.send();
        }
    }

    fn send(&self) {
        for connection in self.take_due() {
            connection.send();
        }
    }
}

impl<S> BurstConnection<S> {
    fn state(&self) -> MutexGuard<'_, SendState<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts this connection into the next burst, after so many more bytes were written for it.
    /// Returns whether the burst is large enough to be sent now.
    fn schedule(self: &Arc<Self>, bytes: usize) -> bool {
        let mut due = self.group.due();
        due.bytes += bytes;
        if self.is_due.raise() {
            due.connections.push(Arc::clone(self));
            // Only the first connection wakes the group's task; the others are sent in the same
            // burst.
            if due.connections.len() == 1 {
                self.group.scheduled.notify_one();
            }
        }
        due.bytes >= BURST
    }
}

impl<S: AsyncWrite + Send + Unpin + 'static> BurstConnection<S> {
    fn send(self: Arc<Self>) {
        // Before the lock is taken, so that a writer that comes after this puts the connection on
        // the list again.
        self.is_due.lower();
        let mut state = self.state();
        // A full socket wakes the connection itself, which puts it into a later burst.
        let waker = Waker::from(Arc::clone(&self));
        let result = state.send(&mut Context::from_waker(&waker));
        if result.is_pending() {
            return;
        }
        // The buffer goes back even after an error: its bytes cannot be sent any more.
        let sent = std::mem::take(&mut state.unsent);
        let waiter = state.waiter.take();
        drop(state);
        self.group.spare().put_back(sent);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

/// The socket's waker: it has space again, so the rest goes into the next burst.
impl<S: Send + 'static> Wake for BurstConnection<S> {
    fn wake(self: Arc<Self>) {
        self.schedule(0);
    }
}

impl<S: AsyncWrite + Unpin> SendState<S> {
    /// Sends what is unsent, or records why that is not possible.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(socket) = &mut self.socket
            && self.sent < self.unsent.len()
        {
            let rest = &self.unsent[self.sent..];
            match Pin::new(socket).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => self.failure = Some(ErrorKind::WriteZero),
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Ready(Err(error)) => self.failure = Some(error.kind()),
                Poll::Pending => {
                    self.is_full = true;
                    return Poll::Pending;
                }
            }
            if self.failure.is_some() {
                break;
            }
        }
        self.is_full = false;
        self.sent = 0;
        Poll::Ready(())
    }

    /// Writes pieces that are a burst by themselves to the socket without copying them: pages from
    /// the log for a follower that catches up.
    fn pass_on(
        &mut self,
        connection: &Arc<BurstConnection<S>>,
        cx: &Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>
    where
        S: Send + 'static,
    {
        let Some(socket) = &mut self.socket else {
            return Poll::Ready(Ok(0));
        };
        let waker = Waker::from(Arc::clone(connection));
        let cx_of_socket = &mut Context::from_waker(&waker);
        let written = Pin::new(socket).poll_write_vectored(cx_of_socket, pieces);
        if written.is_pending() {
            self.is_full = true;
            self.wait(cx);
        }
        written
    }

    fn check(&self) -> io::Result<()> {
        self.failure.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn wait(&mut self, cx: &Context<'_>) {
        self.waiter = Some(cx.waker().clone());
    }
}
