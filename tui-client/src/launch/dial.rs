//! Connections to servers: over TCP, TLS or a Unix socket, with everything checked before anything
//! is said.

use std::{io, path::Path, sync::Arc, time::Duration};

use chitty_chat::{
    address::ServerAddress,
    fingerprint::Fingerprint,
    local::{self, DialError},
};
use http::Uri;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use tonic::transport::{self, Channel, Endpoint};
use tower::service_fn;

use super::tls::{HandshakeError, handshake};
use crate::{
    session::endpoint,
    trust::{Expected, KnownServer, Refusal, SecureServer, Trust, since_words},
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Longer than both together, because tonic's own limit has no words for what is slow.
const BOTH: Duration = Duration::from_secs(10);
/// The origin of calls over connections that tonic does not make. It is not looked up.
const ORIGIN: &str = "http://localhost";

/// Why there is no connection.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum DialFailure {
    /// Nothing listens there.
    #[error("{0}")]
    Refused(String),
    /// It may work later.
    #[error("{0}")]
    Unreachable(String),
    /// It will not work before the user does something. The text says what.
    #[error("{0}")]
    Unusable(String),
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// The endpoint of a server that is not reached by tonic's own connections.
pub(super) fn private_endpoint() -> Endpoint {
    endpoint(Uri::from_static(ORIGIN)).connect_timeout(BOTH)
}

/// Connects by TLS. Each later connection of the channel is checked in the same way.
pub(super) async fn by_tls(
    endpoint: &Endpoint,
    trust: &Arc<Trust>,
    server: &SecureServer,
) -> Result<Channel, transport::Error> {
    let (trust, server) = (Arc::clone(trust), server.clone());
    let connector = service_fn(move |_: Uri| {
        let (trust, server) = (Arc::clone(&trust), server.clone());
        async move { Ok::<_, Boxed>(TokioIo::new(secure(&trust, &server).await?)) }
    });
    endpoint.connect_with_connector(connector).await
}

/// Connects to the socket in a data folder, if the process that listens there may be trusted.
pub(super) async fn by_socket(
    endpoint: &Endpoint,
    folder: &Path,
) -> Result<Channel, transport::Error> {
    let folder = folder.to_owned();
    let connector = service_fn(move |_: Uri| {
        let stream = unix(&folder);
        async move { Ok::<_, Boxed>(TokioIo::new(stream?)) }
    });
    endpoint.connect_with_connector(connector).await
}

/// Which known server listens at an address that is not known: the server shows its key and proves
/// it, and learns nothing about this device. `None` if it is none of them, or does not answer.
pub async fn recognise(trust: &Trust, address: &ServerAddress) -> Option<KnownServer> {
    let known = trust.known().ok()?;
    let keys: Vec<_> = known.all().map(|server| server.fingerprint).collect();
    if keys.is_empty() {
        return None;
    }
    let stream = tcp(address).await.ok()?;
    let shaken = handshake(stream, Expected::AnyOf(keys), None);
    let (_, shown) = timeout(HANDSHAKE, shaken).await.ok()?.ok()?;
    let found = known.all().find(|server| server.fingerprint == shown);
    found.cloned()
}

fn unix(folder: &Path) -> Result<UnixStream, DialFailure> {
    let unusable = |error: io::Error| DialFailure::Unusable(error.to_string());
    match local::dial(folder) {
        Ok(stream) => UnixStream::from_std(stream).map_err(unusable),
        Err(error @ (DialError::NoSocket { .. } | DialError::NobodyListens { .. })) => {
            Err(DialFailure::Refused(error.to_string()))
        }
        // More clients connect at this moment than the system lets wait.
        Err(DialError::Refused { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {
            Err(DialFailure::Unreachable("the server is busy".to_owned()))
        }
        Err(error) => Err(DialFailure::Unusable(error.to_string())),
    }
}

async fn tcp(address: &ServerAddress) -> Result<TcpStream, DialFailure> {
    let connecting = TcpStream::connect((address.host(), address.port()));
    match timeout(CONNECT, connecting).await {
        Ok(Ok(stream)) => {
            let nodelay = stream.set_nodelay(true);
            nodelay.map_err(|error| DialFailure::Unreachable(error.to_string()))?;
            Ok(stream)
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(DialFailure::Refused(error.to_string()))
        }
        Ok(Err(error)) => Err(DialFailure::Unreachable(format!(
            "cannot reach {address}: {error}"
        ))),
        Err(_) => Err(DialFailure::Unreachable(silent(&address.with_port()))),
    }
}

/// Nothing answers, not even with a refusal.
pub(super) fn silent(server: &str) -> String {
    format!(
        "{server} does not answer within {} s; if it runs, this network may block the port: ask \
         its owner for port 443, or go through ssh -L",
        CONNECT.as_secs()
    )
}

/// Connects, and remembers the server before anything is said to it.
async fn secure(trust: &Trust, server: &SecureServer) -> Result<TlsStream<TcpStream>, DialFailure> {
    let address = &server.address;
    let terms = trust.terms(server).map_err(refused)?;
    let stream = tcp(address).await?;
    let shaken = handshake(stream, terms.expected.clone(), Some(&terms.device));
    let shaken = timeout(HANDSHAKE, shaken).await.map_err(|_| {
        DialFailure::Unreachable(format!(
            "{address} does not answer within {} s",
            HANDSHAKE.as_secs()
        ))
    })?;
    let (stream, shown) = shaken.map_err(|error| match error {
        HandshakeError::OtherKey(shown) => {
            DialFailure::Unusable(other_key(address, &terms.expected, shown))
        }
        HandshakeError::NotItsKey => DialFailure::Unusable(format!(
            "{address} is not used: {error}; somebody may sit between you and the server"
        )),
        HandshakeError::Foreign(cause) => DialFailure::Unusable(format!(
            "{address} does not speak TLS as a Chitty-Chat server does ({cause}); update the \
             server, or, if nobody can listen on the way, name it with --server http://{}",
            address.with_port()
        )),
        HandshakeError::Broken(cause) => {
            DialFailure::Unreachable(format!("cannot reach {address}: {cause}"))
        }
    })?;
    trust.confirm(server, &terms, shown).map_err(refused)?;
    Ok(stream)
}

fn refused(refusal: Refusal) -> DialFailure {
    match refusal {
        Refusal::Raced => DialFailure::Unreachable(refusal.to_string()),
        refusal => DialFailure::Unusable(refusal.to_string()),
    }
}

/// The warning about a key that is not the expected one. The new fingerprint is not in a command
/// that could be run without asking anybody.
fn other_key(address: &ServerAddress, expected: &Expected, shown: Fingerprint) -> String {
    match expected {
        Expected::Known { fingerprint, since } => {
            let known = format!("known{}:", since_words(*since));
            format!(
                "WARNING: THE KEY OF {} HAS CHANGED. Nothing was sent to it.\n  \
                 Somebody may sit between you and the server; or its key was made anew.\n    \
                 {known}  {fingerprint}\n    \
                 {now:width$}  {shown}\n  \
                 Ask its owner, not in this chat, for a new link, or for what `chitty-server key` \
                 prints.\n  \
                 Then run `chitty trust {address}`, and paste what the owner gives you.",
                address.with_port(),
                now = "shown now:",
                width = known.len(),
            )
        }
        Expected::Pin(_) | Expected::AnyOf(_) => format!(
            "WARNING: {} HAS ANOTHER KEY THAN THE LINK VOUCHES FOR. Nothing was sent to it.\n  \
             Somebody may sit between you and the server; or its key was made anew since the link \
             was made.\n    \
             shown now:  {shown}\n  \
             Ask whoever sent the link, in another way than the last time, for a new one.",
            address.with_port(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_has_no_command_with_the_new_key() {
        let address = "chat.example.org".parse().expect("an address");
        let (old, new) = (
            Fingerprint::of_public_key(b"old"),
            Fingerprint::of_public_key(b"new"),
        );
        let known = Expected::Known {
            fingerprint: old,
            since: Some(jiff::civil::date(2026, 11, 2)),
        };
        let warning = other_key(&address, &known, new);
        assert!(warning.contains("known since 2026-11-02:"), "{warning}");
        assert!(
            warning.contains("THE KEY OF chat.example.org:50051 HAS CHANGED"),
            "{warning}"
        );
        for key in [old, new] {
            assert!(warning.contains(&key.to_string()), "{warning}");
        }
        let command = warning.lines().find(|line| line.contains("`chitty trust"));
        assert!(
            command.is_some_and(|line| !line.contains("SHA256:")),
            "{warning}"
        );
        let warning = other_key(&address, &Expected::Pin(old.pin()), new);
        assert!(warning.contains("ANOTHER KEY THAN THE LINK"), "{warning}");
        assert!(!warning.contains("chitty trust"), "{warning}");
    }
}
