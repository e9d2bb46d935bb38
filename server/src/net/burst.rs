//! What connections write is sent in bursts.
//!
//! An event goes out over every connection. If each connection sent its own share in its own turn,
//! the work of HTTP/2 for the next one would come between two sends: long enough for whoever
//! receives on the same machine to fall asleep, so that each send has to wake it, and for the
//! system's network code to leave the caches. So what connections write is kept, and sent when
//! all who have something to write at this moment have written, one send right behind the other.

use std::{
    convert::Infallible,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Handle,
    sync::Notify,
    task::{JoinSet, yield_now},
};

/// In bytes, how much is kept of all connections of a group before it is sent without waiting for
/// more: as much as one event for each of a part of a wave. Large writes are dear by themselves,
/// and many of them would only take memory.
const BURST: usize = 16 << 10;

/// Sends for connections, for as long as it lives.
pub(super) struct Bursts<S> {
    /// One for each of the runtime's threads, so that all of them can send at once.
    groups: Vec<Arc<Group<S>>>,
    /// The groups' own.
    _tasks: JoinSet<Infallible>,
    next: usize,
}

/// Connections for which one task sends.
struct Group<S> {
    /// In bytes, how much of one connection is kept at most.
    limit: usize,
    due: Mutex<Due<S>>,
    spare: Mutex<Spare>,
    called: Notify,
}

/// The next burst.
struct Due<S> {
    /// Who has something to be sent: each connection once at most.
    connections: Vec<Arc<Connection<S>>>,
    /// So much has been written for it.
    bytes: usize,
}

/// Empty buffers for who writes next: a connection has one only while something is in it.
#[derive(Default)]
struct Spare {
    buffers: Vec<Vec<u8>>,
    /// What all of them have room for: at most as much as one burst needs.
    bytes: usize,
}

struct Connection<S> {
    group: Arc<Group<S>>,
    is_due: AtomicBool,
    state: Mutex<State<S>>,
}

struct State<S> {
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

/// The end of a connection that HTTP/2 has. What is written to it, and flushed, is sent in the
/// next burst; a failure of that is told to whoever writes next. To shut it down waits until all
/// is sent.
pub(super) struct Stream<S: AsyncWrite + Unpin>(Arc<Connection<S>>);

impl<S: AsyncWrite + Send + Unpin + 'static> Bursts<S> {
    /// Sends for connections; of each, so many bytes are kept at most.
    pub(super) fn new(limit: usize) -> Self {
        let count = Handle::current().metrics().num_workers();
        let groups: Vec<_> = (0..count).map(|_| Arc::new(Group::new(limit))).collect();
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
    pub(super) fn add(&mut self, socket: S) -> Stream<S> {
        let group = &self.groups[self.next];
        self.next = (self.next + 1) % self.groups.len();
        let state = State {
            socket: Some(socket),
            unsent: Vec::new(),
            sent: 0,
            is_full: false,
            waiter: None,
            failure: None,
        };
        Stream(Arc::new(Connection {
            group: Arc::clone(group),
            is_due: AtomicBool::new(false),
            state: Mutex::new(state),
        }))
    }
}

/// Whoever is due holds its group.
impl<S> Drop for Bursts<S> {
    fn drop(&mut self) {
        for group in &self.groups {
            drop(std::mem::replace(&mut *group.due(), Due::NONE));
        }
    }
}

impl<S> Group<S> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            due: Mutex::new(Due::NONE),
            spare: Mutex::default(),
            called: Notify::const_new(),
        }
    }

    fn due(&self) -> MutexGuard<'_, Due<S>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spare {
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

impl<S> Due<S> {
    const NONE: Self = Self {
        connections: Vec::new(),
        bytes: 0,
    };
}

impl<S: AsyncWrite + Send + Unpin + 'static> Group<S> {
    async fn run(&self) -> Infallible {
        loop {
            self.called.notified().await;
            // Behind all who were woken together with the first of them.
            yield_now().await;
            self.send();
        }
    }

    fn send(&self) {
        let due = std::mem::replace(&mut *self.due(), Due::NONE);
        for connection in due.connections {
            connection.send();
        }
    }
}

impl<S> Connection<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many more bytes are to be sent in the next burst. Whether that is large enough now.
    fn call(self: &Arc<Self>, bytes: usize) -> bool {
        let mut due = self.group.due();
        due.bytes += bytes;
        if !self.is_due.swap(true, Ordering::AcqRel) {
            due.connections.push(Arc::clone(self));
            if due.connections.len() == 1 {
                self.group.called.notify_one();
            }
        }
        due.bytes >= BURST
    }
}

impl<S: AsyncWrite + Send + Unpin + 'static> Connection<S> {
    fn send(self: Arc<Self>) {
        self.is_due.store(false, Ordering::Release);
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
impl<S: Send + 'static> Wake for Connection<S> {
    fn wake(self: Arc<Self>) {
        self.call(0);
    }
}

impl<S: AsyncWrite + Unpin> State<S> {
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
        connection: &Arc<Connection<S>>,
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

/// What was flushed goes out as far as the socket takes it, and the socket is closed, whoever else
/// holds the connection: a full socket itself does, by the waker that it was given.
impl<S: AsyncWrite + Unpin> Drop for Stream<S> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let _ = state.send(&mut Context::from_waker(Waker::noop()));
        state.socket = None;
        state.waiter = None;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0.state().socket {
            Some(socket) => Pin::new(socket).poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Send + Unpin + 'static> AsyncWrite for Stream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let connection = &self.0;
        let mut state = connection.state();
        state.check()?;
        let limit = connection.group.limit;
        if state.is_full || state.unsent.len() >= limit {
            state.wait(cx);
            return Poll::Pending;
        }
        let before = state.unsent.len();
        let offered = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        if before == 0 && offered >= BURST {
            return state.pass_on(connection, cx, pieces);
        }
        let count = offered.min(limit - before);
        if before == 0 {
            state.unsent = connection.group.spare().take();
        }
        state.unsent.reserve(count);
        for piece in pieces {
            let room = before + count - state.unsent.len();
            let taken = &piece[..piece.len().min(room)];
            state.unsent.extend_from_slice(taken);
        }
        drop(state);
        if connection.call(count) {
            connection.group.send();
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.state().check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        state.check()?;
        if !state.unsent.is_empty() {
            state.wait(cx);
            return Poll::Pending;
        }
        match &mut state.socket {
            Some(socket) => Pin::new(socket).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::timeout,
    };

    use super::*;

    const LIMIT: usize = 1000;
    const PATIENCE: Duration = Duration::from_millis(20);

    fn pair(room: usize) -> (Bursts<DuplexStream>, Stream<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(room);
        let mut bursts = Bursts::new(LIMIT);
        let stream = bursts.add(near);
        (bursts, stream, far)
    }

    #[tokio::test]
    async fn all_arrives_in_order_however_little_the_socket_takes() {
        let text: Vec<u8> = (0..=250).cycle().take(5 * BURST).collect();
        let sizes = [1, 7, LIMIT, 10 * LIMIT].map(|room| [(room, 333), (room, 2 * BURST)]);
        for (room, size) in sizes.into_iter().flatten() {
            let (_bursts, mut stream, mut far) = pair(room);
            let write = async {
                for piece in text.chunks(size) {
                    stream.write_all(piece).await.expect("open");
                }
                stream.shutdown().await.expect("all is sent");
            };
            let mut read = Vec::new();
            let (count, ()) = tokio::join!(far.read_to_end(&mut read), write);
            assert_eq!(count.expect("open"), text.len());
            assert!(read == text, "in pieces of {size} through {room} bytes");
        }
    }

    #[tokio::test]
    async fn what_is_written_in_one_turn_is_sent_at_once() {
        let (_bursts, mut stream, mut far) = pair(10 * LIMIT);
        for piece in ["one", " and ", "two"] {
            stream.write_all(piece.as_bytes()).await.expect("open");
            stream.flush().await.expect("open");
        }
        let mut read = [0; 100];
        let count = far.read(&mut read).await.expect("open");
        assert_eq!(&read[..count], b"one and two");
    }

    #[tokio::test]
    async fn who_does_not_read_is_not_written_for_without_end() {
        let (_bursts, mut stream, _far) = pair(10);
        for _ in 0..3 {
            // Not one write: what waits for room again takes no more.
            let text = [0; 10 * LIMIT];
            let written = timeout(PATIENCE, stream.write_all(&text)).await;
            assert!(written.is_err(), "too much is taken");
            let kept = stream.0.state().unsent.len();
            assert!(kept <= LIMIT, "{kept}");
        }
    }

    #[tokio::test]
    async fn what_is_dropped_is_closed_also_where_its_socket_is_full() {
        let (_bursts, mut stream, mut far) = pair(10);
        let text = [7; 10 * LIMIT];
        let written = timeout(PATIENCE, stream.write_all(&text)).await;
        assert!(written.is_err(), "too much is taken");
        drop(stream);
        let mut read = Vec::new();
        let end = timeout(100 * PATIENCE, far.read_to_end(&mut read)).await;
        end.expect("the end").expect("open");
        assert_eq!(read, [7; 10]);
    }

    #[tokio::test]
    async fn what_was_flushed_goes_out_before_the_end() {
        let (_bursts, mut stream, mut far) = pair(10);
        stream.write_all(b"goodbye").await.expect("open");
        stream.flush().await.expect("open");
        drop(stream);
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.expect("open");
        assert_eq!(read, b"goodbye");
    }

    #[tokio::test]
    async fn who_writes_hears_that_nobody_is_there_any_more() {
        let (_bursts, mut stream, far) = pair(10);
        drop(far);
        let written = stream.write_all(&[0; 10 * LIMIT]).await;
        let failure = written.map_err(|error| error.kind());
        assert_eq!(failure, Err(ErrorKind::BrokenPipe));
        assert!(stream.flush().await.is_err());
        assert!(stream.shutdown().await.is_err());
    }

    #[tokio::test]
    async fn who_is_silent_keeps_no_buffer() {
        let (mut bursts, mut first, mut far) = pair(10 * LIMIT);
        let (near, _far) = duplex(10);
        let second = bursts.add(near);
        first.write_all(b"hi").await.expect("open");
        far.read_exact(&mut [0; 2]).await.expect("open");
        for stream in [first, second] {
            assert_eq!(stream.0.state().unsent.capacity(), 0);
        }
    }
}
