//! Where connections come from.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// In bytes, what the system keeps of what was not read yet, twice. Else it keeps megabytes of a
/// peer that is read slowly since it sends too much.
const RECEIVED: usize = 64 << 10;

/// A socket that listens, or a simulated network's.
pub trait Listener: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection, and whose it is.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Sets what a connection's socket should be told; `unsent` is how many bytes may wait in it
    /// that were not sent yet.
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
        // Else the system keeps megabytes for who does not read. What was sent, but not
        // acknowledged, does not count, so that long lines are filled all the same.
        #[cfg(any(target_os = "android", target_os = "linux"))]
        socket2::SockRef::from(stream)
            .set_tcp_notsent_lowat(u32::try_from(unsent).unwrap_or(u32::MAX))?;
        #[cfg(not(any(target_os = "android", target_os = "linux")))]
        let _ = unsent;
        Ok(())
    }
}
