//! The source of connections: a TCP socket, all sockets of a server, or a simulated network.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
};

use chitty_room::Identity;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use super::tls::Tls;

/// Size of the kernel's receive buffer in bytes; Linux doubles it. Without it, the kernel would
/// hold megabytes for a peer that sends too much and is therefore read slowly.
const RECEIVED: usize = 64 << 10;

/// A socket that listens, or its counterpart in a simulated network.
pub trait Listener: Send + 'static {
    /// The stream of an accepted connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Arrival<Self::Stream>>> + Send;

    /// Sets the options of a connection's socket. `unsent` is how many bytes may wait in it that
    /// were not sent yet.
    fn prepare(stream: &Self::Stream, unsent: usize) -> io::Result<()>;

    /// The first byte that waits to be read, which stays there; `None` at the end of the input.
    fn poll_first_byte(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<u8>>>;
}

/// A connection that was accepted.
pub struct Arrival<S> {
    /// Its bytes.
    pub stream: S,
    /// The address of the peer, or [`THIS_MACHINE`] for a Unix socket.
    pub address: IpAddr,
    /// What the socket that accepted it asks for.
    pub encryption: Encryption,
    /// What the socket proves about the peer.
    pub identity: Identity,
}

/// The address that stands for the users of this machine who come over a Unix socket. No peer of a
/// TCP connection has it (RFC 1122, section 3.2.1.3).
pub const THIS_MACHINE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Whether the connections of a socket are encrypted. It is the socket's, and never depends on the
/// peer's address: whatever comes through a tunnel or a proxy has a loopback address.
#[derive(Clone, Debug)]
pub enum Encryption {
    /// They are plain text.
    Never,
    /// The peer chooses, by its first byte.
    Offered(Tls),
    /// Plain text is refused.
    Required(Tls),
}

/// A connection in plain text whose peer proves nothing.
impl<S> From<(S, SocketAddr)> for Arrival<S> {
    fn from((stream, address): (S, SocketAddr)) -> Self {
        Self {
            stream,
            address: address.ip(),
            encryption: Encryption::Never,
            identity: Identity::None,
        }
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<Arrival<TcpStream>> {
        Self::accept(self).await.map(Arrival::from)
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

    fn poll_first_byte(
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<u8>>> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        stream
            .poll_peek(cx, &mut buffer)
            .map_ok(|_| buffer.filled().first().copied())
    }
}
