//! The source of connections: a TCP socket, or a simulated network.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// Size of the kernel's receive buffer in bytes; Linux doubles it. Without it, the kernel would
/// hold megabytes for a peer that sends too much and is therefore read slowly.
const RECEIVED: usize = 64 << 10;

/// A socket that listens, or its counterpart in a simulated network.
pub trait Listener: Send + 'static {
    /// An accepted connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection, and its peer's address.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Sets the options of a connection's socket. `unsent` is how many bytes may wait in it that
    /// were not sent yet.
    fn prepare(stream: &Self::Stream, unsent: usize) -> io::Result<()>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }

    fn prepare(stream: &TcpStream, unsent: usize) -> io::Result<()> {
        stream.set_nodelay(true)?;
        socket2::SockRef::from(stream).set_recv_buffer_size(RECEIVED)?;
        // Without this, the kernel would hold megabytes for a peer that does not read. Bytes that
        // were sent and are not acknowledged yet do not count, so that long-distance connections
        // are still used fully.
        #[cfg(any(target_os = "android", target_os = "linux"))]
        socket2::SockRef::from(stream)
            .set_tcp_notsent_lowat(u32::try_from(unsent).unwrap_or(u32::MAX))?;
        #[cfg(not(any(target_os = "android", target_os = "linux")))]
        let _ = unsent;
        Ok(())
    }
}
