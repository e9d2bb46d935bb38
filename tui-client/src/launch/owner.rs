//! Finds out who owns the server at the other end of a connection.
//!
//! Any user of a machine can listen on one of its ports. The client reveals its user's name and
//! session to a local server, so that server must belong to this user, or to root, who can read
//! everything anyway. The owner is looked up for each connection, after it was made and before
//! anything is sent on it: an earlier check might concern another process.
//!
//! Linux lists the owners of sockets in `/proc/net/tcp` and `tcp6` (proc(5)). Other systems have no
//! such file that every user can read; there a local server is used whoever owns it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use chitty_chat::files;
use http::Uri;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tonic::transport::{self, Channel, Endpoint};
use tower::service_fn;

/// Why a server is not accepted as one's own.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum OwnershipError {
    /// It belongs to another user.
    #[error("it belongs to {0}, another user of this machine")]
    Stranger(String),
    /// Its owner is unknown.
    #[error("nothing shows to which user it belongs: {0}")]
    Unknown(String),
}

/// A TCP socket of this machine.
#[derive(Clone, Copy, Debug)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    listens: bool,
    owner: u32,
    /// Whether a process holds it. A connection that has not been accepted yet may be listed as
    /// root's.
    held: bool,
}

/// Connects to the endpoint, whose address this is, if the server there belongs to this user or
/// root. Every later connection of the channel is checked in the same way.
pub(super) async fn connect_to_own(
    endpoint: &Endpoint,
    address: SocketAddr,
) -> Result<Channel, transport::Error> {
    let connector = service_fn(move |_: Uri| async move {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        check(&stream).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(TokioIo::new(stream))
    });
    endpoint.connect_with_connector(connector).await
}

async fn check(stream: &TcpStream) -> Result<(), OwnershipError> {
    let unknown = |error: io::Error| OwnershipError::Unknown(error.to_string());
    let here = stream.local_addr().map_err(unknown)?;
    let there = stream.peer_addr().map_err(unknown)?;
    // The system lists one line for each socket of the machine, which may take a while to read.
    tokio::task::spawn_blocking(move || {
        let sockets = sockets()?;
        sockets.map_or(Ok(()), |sockets| judge(&sockets, here, there))
    })
    .await
    .map_err(|error| OwnershipError::Unknown(error.to_string()))?
}

/// All TCP sockets of this process's network namespace; `None` on a system without such a list.
#[cfg(target_os = "linux")]
fn sockets() -> Result<Option<Vec<Socket>>, OwnershipError> {
    use procfs::net::{TcpState, tcp, tcp6};

    let mut sockets = tcp().map_err(|error| OwnershipError::Unknown(error.to_string()))?;
    // The file is missing if IPv6 is turned off.
    sockets.extend(tcp6().unwrap_or_default());
    let sockets = sockets.into_iter().map(|socket| Socket {
        local: socket.local_address,
        remote: socket.remote_address,
        listens: socket.state == TcpState::Listen,
        owner: socket.uid,
        held: socket.inode != 0,
    });
    Ok(Some(sockets.collect()))
}

#[cfg(not(target_os = "linux"))]
fn sockets() -> Result<Option<Vec<Socket>>, OwnershipError> {
    Ok(None)
}

/// Checks that the server's end of the connection from `here` to `there` belongs to this user or
/// root.
///
/// A connection that waits to be accepted belongs to nobody yet. In that case every process that
/// listens where the connection may have arrived must be trusted.
fn judge(sockets: &[Socket], here: SocketAddr, there: SocketAddr) -> Result<(), OwnershipError> {
    let is = |a: SocketAddr, b: SocketAddr| {
        a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
    };
    let end = sockets.iter().find(|socket| {
        socket.held && !socket.listens && is(socket.local, there) && is(socket.remote, here)
    });
    // The accepted end of this very connection says it exactly; the listeners below only say who
    // may get it.
    if let Some(end) = end {
        return trust(end.owner);
    }
    let mut listeners = sockets.iter().filter(|socket| {
        let takes = is(socket.local, there) || takes_any(socket.local.ip(), there.ip());
        socket.listens && socket.local.port() == there.port() && takes
    });
    let Some(first) = listeners.next() else {
        let why = format!("this system lists no socket that listens on {there}");
        return Err(OwnershipError::Unknown(why));
    };
    trust(first.owner)?;
    listeners.try_for_each(|listener| trust(listener.owner))
}

/// Whether a listener on this address takes connections to any address of the same kind; `[::]`
/// takes those to IPv4 addresses, too.
fn takes_any(listener: IpAddr, address: IpAddr) -> bool {
    listener.to_canonical().is_unspecified()
        && (listener.is_ipv6() || address.to_canonical().is_ipv4())
}

fn trust(owner: u32) -> Result<(), OwnershipError> {
    if owner == 0 || owner == files::effective_user() {
        Ok(())
    } else {
        Err(OwnershipError::Stranger(files::user_name(owner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(local: &str, remote: &str, owner: u32) -> Socket {
        Socket {
            local: local.parse().expect("an address"),
            remote: remote.parse().expect("an address"),
            listens: false,
            owner,
            held: true,
        }
    }

    fn listener(local: &str, owner: u32) -> Socket {
        Socket {
            listens: true,
            ..socket(local, "0.0.0.0:0", owner)
        }
    }

    fn judged(sockets: &[Socket], here: &str, there: &str) -> Result<(), OwnershipError> {
        let address = |address: &str| address.parse().expect("an address");
        judge(sockets, address(here), address(there))
    }

    const HERE: &str = "127.0.0.1:40000";
    const THERE: &str = "127.0.0.1:50051";

    fn stranger() -> u32 {
        files::effective_user() + 1
    }

    #[test]
    fn the_other_end_decides() {
        let own = files::effective_user();
        // The client's own end, and connections of others, say nothing.
        let others = [
            socket(HERE, THERE, stranger()),
            socket(THERE, "127.0.0.1:40001", stranger()),
            listener(THERE, stranger()),
        ];
        for (owner, trusted) in [(own, true), (0, true), (stranger(), false)] {
            for end in [
                socket(THERE, HERE, owner),
                socket(
                    "[::ffff:127.0.0.1]:50051",
                    "[::ffff:127.0.0.1]:40000",
                    owner,
                ),
            ] {
                let mut sockets = others.to_vec();
                sockets.push(end);
                assert_eq!(judged(&sockets, HERE, THERE).is_ok(), trusted, "{end:?}");
            }
        }
    }

    #[test]
    fn what_is_not_accepted_yet_is_the_listeners() {
        // So Linux lists it before version 6.17: as root's.
        let waiting = Socket {
            held: false,
            ..socket(THERE, HERE, 0)
        };
        let own = files::effective_user();
        for address in [
            THERE,
            "0.0.0.0:50051",
            "[::]:50051",
            "[::ffff:127.0.0.1]:50051",
        ] {
            let sockets = [waiting, listener(address, own)];
            assert_eq!(judged(&sockets, HERE, THERE), Ok(()), "{address}");
            let sockets = [waiting, listener(address, stranger())];
            let judged = judged(&sockets, HERE, THERE);
            assert!(
                matches!(judged, Err(OwnershipError::Stranger(_))),
                "{address}"
            );
        }
        // One of two is enough to be wary.
        let sockets = [listener(THERE, own), listener("0.0.0.0:50051", stranger())];
        assert!(judged(&sockets, HERE, THERE).is_err());
        let elsewhere = [
            listener("127.0.0.2:50051", stranger()),
            listener("127.0.0.1:50052", stranger()),
            listener("[::1]:50051", stranger()),
            listener(THERE, own),
        ];
        assert_eq!(judged(&elsewhere, HERE, THERE), Ok(()));
        let (here, there) = ("[::1]:40000", "[::1]:50051");
        assert!(judged(&[listener("[::]:50051", own)], here, there).is_ok());
        assert!(judged(&[listener("0.0.0.0:50051", own)], here, there).is_err());
    }

    #[test]
    fn what_is_not_listed_is_not_trusted() {
        let judged = judged(&[], HERE, THERE);
        assert!(matches!(judged, Err(OwnershipError::Unknown(_))));
    }
}
