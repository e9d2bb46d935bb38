//! Calls to the server of a data folder, as its operator: over the Unix socket, which only the
//! server's own user and root can use.

use std::{io, path::Path};

use chitty_chat::local::{DialError, SOCKET, dial};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

/// The authority that requests over a Unix socket have. HTTP/2 needs one.
const ORIGIN: &str = "http://localhost";

/// Connects to the server that has this data folder open. Its requests come with the identity of
/// this user.
pub async fn channel(data: &Path) -> Result<Channel, DialError> {
    let refused = |source| DialError::Refused {
        path: data.join(SOCKET),
        source,
    };
    let stream = dial(data)?;
    let mut stream = Some(UnixStream::from_std(stream).map_err(refused)?);
    // One connection only: a command that loses its server has failed.
    let connect = tower::service_fn(move |_| {
        let stream = stream.take().map(TokioIo::new);
        async { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    let endpoint = Endpoint::from_static(ORIGIN);
    let connected = endpoint.connect_with_connector(connect).await;
    connected.map_err(|error| refused(io::Error::other(error)))
}
