//! What connections write is sent in bursts.
//!
//! An event goes out over every connection. If each connection sent its own share in its own turn,
//! the work of HTTP/2 for the next one would come between two sends: long enough for whoever
//! receives on the same machine to fall asleep, so that each send has to wake it, and for the
//! system's network code to leave the caches. So what connections write is kept, and sent when
//! all who have something to write at this moment have written, one send right behind the other.

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

use self::stream::BurstStream;

/// In bytes, how much is kept of all connections of a group before it is sent without waiting for
/// more: as much as one event for each of a part of a wave. Large writes are dear by themselves,
/// and many of them would only take memory.
const BURST: usize = 16 << 10;

/// Sends for connections, for as long as it lives.
pub(super) struct Bursts<S> {
    /// One for each of the runtime's threads, so that all of them can send at once.
    groups: Vec<Arc<BurstGroup<S>>>,
    /// The groups' own.
    _tasks: JoinSet<Infallible>,
    next: usize,
}

/// Connections for which one task sends.
struct BurstGroup<S> {
    /// In bytes, how much of one connection is kept at most.
    limit: usize,
    due: Mutex<NextBurst<S>>,
    spare: Mutex<SpareBuffers>,
    scheduled: Notify,
}

/// The next burst.
struct NextBurst<S> {
    /// Who has something to be sent: each connection once at most.
    connections: Vec<Arc<BurstConnection<S>>>,
    /// So much has been written for it.
    bytes: usize,
}

/// Empty buffers for who writes next: a connection has one only while something is in it.
#[derive(Default)]
struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    /// What all of them have room for: at most as much as one burst needs.
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
    /// Without an allocation while nothing is in it.
    unsent: Vec<u8>,
    /// So much of it is sent.
    sent: usize,
    /// The socket took no more when it was last tried.
    is_full: bool,
    /// Of who waits for room, or for the end.
    waiter: Option<Waker>,
    failure: Option<ErrorKind>,
}

impl<S: AsyncWrite + Send + Unpin + 'static> Bursts<S> {
    /// Sends for connections; of each, so many bytes are kept at most.
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

    /// Another connection.
    pub(super) fn add(&mut self, socket: S) -> BurstStream<S> {
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

/// Whoever is due holds its group.
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

    /// The lock is free again when they are sent for, or dropped.
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
            // Behind all who were woken together with the first of them.
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

    /// Puts this connection, for which so many more bytes were written, into the next burst. Says
    /// whether the burst is large enough to be sent now.
    fn schedule(self: &Arc<Self>, bytes: usize) -> bool {
        let mut due = self.group.due();
        due.bytes += bytes;
        if self.is_due.raise() {
            due.connections.push(Arc::clone(self));
            if due.connections.len() == 1 {
                self.group.scheduled.notify_one();
            }
        }
        due.bytes >= BURST
    }
}

impl<S: AsyncWrite + Send + Unpin + 'static> BurstConnection<S> {
    fn send(self: Arc<Self>) {
        // Before the lock, so that whoever writes after this is put on the list again.
        self.is_due.lower();
        let mut state = self.state();
        let waker = Waker::from(Arc::clone(&self));
        let result = state.send(&mut Context::from_waker(&waker));
        if result.is_pending() {
            return;
        }
        let sent = std::mem::take(&mut state.unsent);
        let waiter = state.waiter.take();
        drop(state);
        self.group.spare().put_back(sent);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

/// The socket has room again.
impl<S: Send + 'static> Wake for BurstConnection<S> {
    fn wake(self: Arc<Self>) {
        self.schedule(0);
    }
}

impl<S: AsyncWrite + Unpin> SendState<S> {
    /// Sends what is unsent, or notes why that is not possible.
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

    /// A burst by itself goes to the socket as it is: pages from the log, to who catches up.
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
