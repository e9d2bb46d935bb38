//! The accept loop: HTTP/2 connections, served by hyper.
//!
//! It is ours, under tonic's router, since tonic's own does not set what a server of many idle
//! streams needs: the size of send buffers, `TCP_NODELAY` on given listeners, and a deadline at
//! the end (<https://github.com/hyperium/hyper/issues/4170>).

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{body::Body, service::Routes};
use tower::ServiceExt as _;
use tracing::{debug, warn};

/// What is configured about connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A silent peer is asked whether it is there, so often.
    pub keepalive_interval: Duration,
    /// It has so long to answer.
    pub keepalive_timeout: Duration,
    /// In bytes, of what waits to be sent on one stream.
    pub send_buffer: usize,
    /// Streams of one connection.
    pub streams: u32,
    /// In bytes, of a request's headers.
    pub headers: u32,
    /// From the order to go down until open connections are cut.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            send_buffer: 32 << 10,
            streams: 64,
            headers: 16 << 10,
            drain: Duration::from_secs(2),
        }
    }
}

/// Where connections come from: a socket, or a simulated network's.
pub trait Listener: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection, and whose it is.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection without TCP_NODELAY");
        }
        Ok((stream, peer))
    }
}

/// Serves until told to end; then waits for open connections as long as `limits.drain`. The
/// streams themselves are ended by whoever feeds them.
pub async fn serve(
    listener: impl Listener,
    routes: Routes,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let routes = routes.prepare();
    let connections = TaskTracker::new();
    let aborted = CancellationToken::new();
    loop {
        let stream = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    pause_after(&error).await;
                    continue;
                }
            },
        };
        let connection = serve_connection(
            stream,
            routes.clone(),
            limits,
            shutdown.clone(),
            aborted.clone(),
        );
        connections.spawn(connection);
    }
    drop(listener);
    connections.close();
    if timeout(limits.drain, connections.wait()).await.is_err() {
        warn!("some connections did not end in time and are cut");
    }
    aborted.cancel();
}

/// Out of file descriptors, or a connection that was gone before it was accepted: the listener
/// itself goes on.
async fn pause_after(error: &io::Error) {
    warn!(%error, "a connection could not be accepted");
    sleep(Duration::from_millis(50)).await;
}

/// Serves one connection to its end. hyper-util's `GracefulShutdown` would do the same, but tells
/// connections in an order of chance, and a simulated run must be the same each time.
async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    routes: Routes,
    limits: Limits,
    shutdown: CancellationToken,
    aborted: CancellationToken,
) {
    let service = TowerToHyperService::new(
        routes.map_request(|request: http::Request<Incoming>| request.map(Body::new)),
    );
    let mut connection = pin!(builder(limits).serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                result = connection => result,
                () = aborted.cancelled() => return,
            }
        }
    };
    if let Err(error) = result {
        debug!(%error, "a connection ended");
    }
}

fn builder(limits: Limits) -> hyper::server::conn::http2::Builder<TokioExecutor> {
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        .max_send_buf_size(limits.send_buffer)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.headers)
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(256 << 10);
    builder
}
