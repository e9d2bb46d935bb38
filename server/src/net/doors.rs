//! All sockets of a server, as one listener: TCP ports, and the Unix socket.

use std::{
    future::poll_fn,
    io,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::either::Either;

use super::{Arrival, Encryption, Listener, UnixDoor};

/// Bytes that the kernel holds for a peer of the Unix socket that does not read; Linux doubles it.
const SENT: usize = 64 << 10;

/// All sockets that a server listens on.
#[derive(Debug)]
pub struct Doors {
    ports: Vec<(TcpListener, Encryption)>,
    unix: Option<UnixDoor>,
    /// Counts the accepts: each begins with another socket, so that none of them starves.
    turn: AtomicUsize,
}

impl Doors {
    /// These ports, each with what it asks for, and this Unix socket.
    pub const fn new(ports: Vec<(TcpListener, Encryption)>, unix: Option<UnixDoor>) -> Self {
        Self {
            ports,
            unix,
            turn: AtomicUsize::new(0),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Arrival<Stream>>> {
        let count = self.ports.len() + usize::from(self.unix.is_some());
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for number in 0..count {
            let accepted = self.poll_one(turn.wrapping_add(number) % count, cx);
            if accepted.is_ready() {
                return accepted;
            }
        }
        Poll::Pending
    }

    /// Polls the port of this number, or the Unix socket, which comes after all ports.
    fn poll_one(&self, index: usize, cx: &mut Context<'_>) -> Poll<io::Result<Arrival<Stream>>> {
        if let Some((port, encryption)) = self.ports.get(index) {
            let accepted = port.poll_accept(cx);
            return accepted.map_ok(|(stream, address)| Arrival {
                encryption: encryption.clone(),
                ..Arrival::from((Either::Left(stream), address))
            });
        }
        match &self.unix {
            Some(unix) => unix.poll_accept(cx).map_ok(|arrival| Arrival {
                stream: Either::Right(arrival.stream),
                address: arrival.address,
                encryption: arrival.encryption,
                identity: arrival.identity,
            }),
            None => Poll::Pending,
        }
    }
}

impl Listener for Doors {
    type Stream = Stream;

    async fn accept(&self) -> io::Result<Arrival<Stream>> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn prepare(stream: &Stream, unsent: usize) -> io::Result<()> {
        match stream {
            Either::Left(stream) => <TcpListener as Listener>::prepare(stream, unsent),
            Either::Right(stream) => socket2::SockRef::from(stream).set_send_buffer_size(SENT),
        }
    }

    fn poll_first_byte(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<Option<u8>>> {
        match stream {
            Either::Left(stream) => <TcpListener as Listener>::poll_first_byte(stream, cx),
            // Its connections are never encrypted, so nobody asks.
            Either::Right(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }
}

/// A connection of one of these sockets: over a port, or over the Unix socket.
pub type Stream = Either<TcpStream, UnixStream>;

#[cfg(test)]
mod tests {
    use chitty_chat::local;
    use chitty_room::Identity;

    use super::*;

    #[tokio::test]
    async fn each_of_several_sockets_is_served() {
        let data = tempfile::tempdir().expect("a folder");
        let mut ports = Vec::new();
        let mut addresses = Vec::new();
        for _ in 0..3 {
            let port = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            addresses.push(port.local_addr().expect("bound"));
            ports.push((port, Encryption::Never));
        }
        let unix = UnixDoor::bind(data.path()).expect("bound");
        let doors = Doors {
            turn: AtomicUsize::new(usize::MAX - 1),
            ..Doors::new(ports, Some(unix))
        };
        // Those who come to the first do not keep those out who come to the last.
        let mut peers = Vec::new();
        for address in [addresses[0], addresses[0], addresses[2]] {
            peers.push(TcpStream::connect(address).await.expect("it listens"));
        }
        let _local = local::dial(data.path()).expect("it listens");
        let (mut over_ports, mut over_unix) = (Vec::new(), 0);
        for _ in 0..=peers.len() {
            let arrival = doors.accept().await.expect("it comes");
            match arrival.stream {
                Either::Left(stream) => {
                    assert_eq!(arrival.identity, Identity::None);
                    let ends = (stream.peer_addr(), stream.local_addr());
                    over_ports.push((ends.0.expect("connected"), ends.1.expect("connected")));
                }
                Either::Right(_) => {
                    assert!(matches!(arrival.identity, Identity::User(_)));
                    over_unix += 1;
                }
            }
        }
        assert_eq!(over_unix, 1);
        for (peer, address) in peers.iter().zip([0, 0, 2]) {
            let from = peer.local_addr().expect("connected");
            assert!(over_ports.contains(&(from, addresses[address])));
        }
    }
}
