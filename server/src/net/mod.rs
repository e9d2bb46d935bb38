//! The accept loop: HTTP/2 connections, served by hyper.
//!
//! It is written by hand because tonic's own does not offer what a server of many idle streams
//! needs: the size of send buffers, `TCP_NODELAY` on listeners that are passed in, limits on
//! connections, a deadline for the first request, a way to end a single stream, and a deadline for
//! shutting down (<https://github.com/hyperium/hyper/issues/4170>).

mod admission;
mod burst;
mod doors;
mod driver;
mod exhaustion;
mod introduction;
mod listener;
mod member;
mod pace;
mod peer;
mod stream;
mod tls;
mod unix;

use std::{convert::Infallible, sync::Arc, time::Duration};

use chitty_room::Identity;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::BoxError;
use tower_service::Service;
use tracing::{debug, warn};

pub use self::{
    doors::{Doors, Stream},
    listener::{Arrival, Encryption, Listener, THIS_MACHINE},
    member::ParticipantGuard,
    peer::Peer,
    stream::{Endless, StreamAbort, set_waits_for_peer, set_waits_for_server, set_watches},
    tls::Tls,
    unix::{UnixDoor, UnixDoorError},
};

use self::{
    admission::{Admitted, Registry},
    burst::Bursts,
    driver::{ConnectionDriver, PartEnd, Parts},
    exhaustion::Exhaustion,
    introduction::Channel,
    introduction::introduce,
    member::{Expiry, Member},
    pace::Paced,
};

/// The receive window of a stream in bytes: the largest request, and a little more.
const STREAM_WINDOW: u32 = 20 << 10;
/// The receive window of a connection in bytes: the minimum of RFC 9113, and enough for the short
/// requests of one connection.
const CONNECTION_WINDOW: u32 = (64 << 10) - 1;

/// What is configured about connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all. Each one costs a file descriptor and about 40 KiB of memory.
    pub connections: usize,
    /// Connections from one address, or from one IPv6 /64 network. This is below the total, so that
    /// one address cannot keep everybody else out, and far above what a household, an office or a
    /// machine full of test clients has. An IPv6 /48 network may have
    /// [`NETWORK_SHARE`](chitty_room::source::NETWORK_SHARE) times as many.
    pub connections_per_source: usize,
    /// Connections without a participant. When there are so many of them, or when connections run
    /// out, the one that has been idle for the longest is closed for a newcomer.
    pub unjoined: usize,
    /// From the connection to the headers of its first request.
    pub first_request: Duration,
    /// How long a connection lasts without a participant, or a request of one.
    pub join_within: Duration,
    /// How long a peer may take to receive a reply. It does not apply to streams that follow the
    /// log.
    pub taken_within: Duration,
    /// How often a silent peer is sent a PING.
    pub keepalive_interval: Duration,
    /// How long it may take to answer the PING.
    pub keepalive_timeout: Duration,
    /// Bytes that may wait to be sent: on one stream and, on Linux, in the kernel's buffer of one
    /// connection.
    pub send_buffer: usize,
    /// Bytes of all replies that wait to be received by their peers. One source may have half of
    /// it, and one participant 792 KiB.
    pub replies: usize,
    /// Concurrent streams of one connection.
    pub streams: u32,
    /// Size of a request's headers in bytes.
    pub headers: u32,
    /// From the beginning of a shutdown until open connections are closed by force.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 12_000,
            connections_per_source: 4_096,
            unjoined: 4_096,
            first_request: Duration::from_secs(10),
            join_within: Duration::from_secs(60),
            taken_within: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            // A stalled stream holds three times as much, with the bytes that it hands over at once
            // and those that it has in hand.
            send_buffer: 16 << 10,
            replies: 32 << 20,
            streams: 64,
            headers: 16 << 10,
            drain: Duration::from_secs(2),
        }
    }
}

/// Accepts and serves connections until `ends.shutdown`. Then it waits for open connections as long
/// as `limits.drain`, and closes the rest, or all of them at `ends.aborted`. Ending the streams
/// themselves is up to the service.
///
/// The service is cloned for each connection. Each request has a [`Peer`] among its extensions.
pub async fn serve<L, S, B>(listener: L, service: S, limits: Limits, ends: Ends)
where
    L: Listener,
    S: Service<http::Request<Incoming>, Response = http::Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let registry = Registry::new(limits);
    let mut exhaustion = Exhaustion::default();
    let connections = TaskTracker::new();
    let mut bursts = Bursts::new(limits.send_buffer);
    let mut connection_number = 0;
    loop {
        let arrival = tokio::select! {
            biased;
            // First, so that a shutdown is noticed even while connections come in without a pause.
            () = ends.shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => {
                    exhaustion.accepted();
                    accepted
                }
                Err(error) => {
                    exhaustion.failed(&error, || registry.evict_idlest()).await;
                    continue;
                }
            },
        };
        let Arrival {
            stream,
            address,
            encryption,
            identity,
        } = arrival;
        let source = admission::source(address);
        // A connection that is not admitted is closed without an answer, which would need the very
        // resources that are to be saved.
        let Some(admitted) = registry.admit(source) else {
            continue;
        };
        // A socket without these options works, too, only less well.
        if let Err(error) = L::prepare(&stream, limits.send_buffer) {
            debug!(%error, "a connection without its socket options");
        }
        let stream = bursts.add(stream);
        connection_number += 1;
        let connection = Connection {
            admitted,
            number: connection_number,
            identity,
        };
        if matches!(encryption, Encryption::Never) {
            let stream = Channel::Left(stream);
            let served = connection.serve(stream, service.clone(), limits, ends.clone());
            connections.spawn(served);
            continue;
        }
        let (service, ends, tasks) = (service.clone(), ends.clone(), connections.clone());
        connections.spawn(async move {
            let member = Arc::clone(&connection.admitted.0);
            let introduced = introduce::<L>(stream, encryption, member, limits, ends.clone());
            let Some((stream, identity)) = introduced.await else {
                return;
            };
            let connection = Connection {
                identity,
                ..connection
            };
            tasks.spawn(connection.serve(stream, service, limits, ends));
        });
    }
    // New connections are refused while the open ones end.
    drop(listener);
    connections.close();
    if timeout(limits.drain, connections.wait()).await.is_err() {
        warn!("some connections did not end in time and are cut");
    }
    ends.aborted.cancel();
}

/// Signals that connections are to end.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// Connections take no new streams, and end with their last one.
    pub shutdown: CancellationToken,
    /// Connections are closed at once.
    pub aborted: CancellationToken,
}

impl Ends {
    /// The part of a connection that waits for these signals.
    async fn closing(self, parts: Parts) -> PartEnd {
        self.shutdown.cancelled().await;
        parts.add(async move {
            self.aborted.cancelled().await;
            PartEnd::Abort
        });
        PartEnd::Closing
    }
}

/// An open connection, and its peer.
struct Connection {
    admitted: Admitted,
    number: u64,
    identity: Identity,
}

impl Connection {
    /// Serves the connection to its end. hyper-util's `GracefulShutdown` could do this, but it
    /// signals connections in random order, and a simulated run must be the same each time.
    ///
    /// The memory of an idle connection is mostly the size of this future.
    fn serve<S, B>(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        service: S,
        limits: Limits,
        ends: Ends,
    ) -> impl Future<Output = ()> + Send
    where
        S: Service<http::Request<Incoming>, Response = http::Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
        B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let Self {
            admitted,
            number: connection,
            identity,
        } = self;
        let member = Arc::clone(&admitted.0);
        let parts = Parts::new(Arc::clone(&member));
        // Timers and signals are parts of the connection, too, so that it needs no other task.
        parts.add(end_when_expired(
            Arc::clone(&member),
            parts.clone(),
            limits.drain,
        ));
        parts.add(ends.closing(parts.clone()));
        let stream = Paced::new(stream, Arc::clone(&member));
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            member.speaks();
            let mut service = service.clone();
            let member = Arc::clone(&member);
            // Boxed, because a stream would otherwise keep the space for this future until it
            // ends.
            Box::pin(async move {
                // Inside the future, because the handle is that of the stream that is being
                // polled.
                let (abort, source) = (stream::abort_handle(), member.source.address);
                request.extensions_mut().insert(Peer {
                    source,
                    identity,
                    connection,
                    abort,
                    member,
                });
                let response = service.call(request).await;
                if let Ok(response) = &response
                    && response.extensions().get::<Endless>().is_none()
                {
                    set_waits_for_peer(limits.taken_within);
                }
                response
            })
        });
        let served = builder(limits, parts.clone()).serve_connection(TokioIo::new(stream), service);
        let driver = ConnectionDriver::new(served, GracefulConnection::graceful_shutdown, parts);
        async move {
            if let Err(error) = driver.await {
                debug!(%error, "a connection ended");
            }
            drop(admitted);
        }
    }
}

/// The part of a connection that ends it when it is evicted, or when its time without a participant
/// is over.
async fn end_when_expired(member: Arc<Member>, parts: Parts, drain: Duration) -> PartEnd {
    match member.expired().await {
        Expiry::Closed => {
            debug!("a connection is closed: it makes room, or has not sent a request");
            PartEnd::Abort
        }
        Expiry::Unjoined => {
            debug!("a connection without a participant is closed");
            // A client that joins at this very moment keeps the connection.
            parts.add(async move {
                sleep(drain).await;
                if member.has_participants() {
                    PartEnd::Done
                } else {
                    PartEnd::Abort
                }
            });
            PartEnd::Closing
        }
    }
}

fn builder(limits: Limits, parts: Parts) -> hyper::server::conn::http2::Builder<Parts> {
    let mut builder = hyper::server::conn::http2::Builder::new(parts);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        .max_send_buf_size(limits.send_buffer)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.headers)
        // A request is at most 16 KiB, so larger windows would only cost memory.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}
