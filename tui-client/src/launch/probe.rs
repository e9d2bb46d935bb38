//! Distinguishes a Chitty-Chat server from no server and from another program.

use std::{error::Error, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use chitty_chat::{cause::root_cause, proto::v1::SERVICE_NAME};
use http::Uri;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::{
    Code, Status,
    transport::{self, Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{
    dial::{self, DialFailure},
    owner::{OwnershipError, connect_to_own},
};
use crate::{
    session::{Attempt, ConnectError, REPLY},
    trust::{SecureServer, Trust},
};

/// How long a server may take to answer the health check.
const CHECK: Duration = Duration::from_secs(2);
/// The length of an HTTP/2 frame header, in bytes; its fourth byte is the type.
const FRAME_HEADER: usize = 9;
/// The type of the frame that each side of an HTTP/2 connection sends first.
const SETTINGS: u8 = 4;

/// Where to probe for a server.
#[derive(Clone, Debug)]
pub(super) struct ProbeTarget {
    endpoint: Endpoint,
    route: Route,
}

/// How a connection is made, and what is checked before anything is sent on it.
#[derive(Clone, Debug)]
enum Route {
    /// Over TCP, to a server of any user.
    Plain,
    /// Over TCP, to a server of this user or root at this address.
    Own(SocketAddr),
    /// Over TLS, to a server with a key that is known or that a link vouches for.
    Secure(Arc<Trust>, SecureServer),
    /// To the socket in this folder.
    Socket(PathBuf),
}

impl ProbeTarget {
    /// A server of any user, because it was named on purpose.
    pub(super) fn of_anybody(endpoint: Endpoint) -> Self {
        let route = Route::Plain;
        Self { endpoint, route }
    }

    /// A server at this local address, which must belong to this user or root.
    pub(super) fn own(endpoint: Endpoint, address: SocketAddr) -> Self {
        let route = Route::Own(address);
        Self { endpoint, route }
    }

    /// A server that proves its key.
    pub(super) fn secure(trust: Arc<Trust>, server: SecureServer) -> Self {
        let route = Route::Secure(trust, server);
        let endpoint = dial::private_endpoint();
        Self { endpoint, route }
    }

    /// The server of a data folder.
    pub(super) fn socket(folder: PathBuf) -> Self {
        let route = Route::Socket(folder);
        let endpoint = dial::private_endpoint();
        Self { endpoint, route }
    }

    async fn connect(&self) -> Result<Channel, transport::Error> {
        match &self.route {
            Route::Plain => self.endpoint.connect().await,
            Route::Own(address) => connect_to_own(&self.endpoint, *address).await,
            Route::Secure(trust, server) => dial::by_tls(&self.endpoint, trust, server).await,
            Route::Socket(folder) => dial::by_socket(&self.endpoint, folder).await,
        }
    }

    /// The server's URL if it is reached over plain TCP.
    fn plain(&self) -> Option<&Uri> {
        matches!(self.route, Route::Plain | Route::Own(_)).then(|| self.endpoint.uri())
    }
}

/// Why a server cannot be used.
#[derive(Debug)]
pub(super) enum ProbeFailure {
    /// Nothing listens there.
    Refused(String),
    /// It is not available now.
    Unavailable(String),
    /// It closed the connection without a readable answer.
    Cut(String),
    /// It accepted the connection and did not answer.
    Silent,
    /// It is another program.
    Foreign(String),
    /// It belongs to another user.
    NotOwn(OwnershipError),
    /// It is not used for a reason that its text says, with what to do.
    Unusable(String),
}

/// The option by which the user can choose another server.
#[derive(Clone, Copy)]
pub(super) enum ServerOption {
    Local,
    Server,
}

impl ProbeFailure {
    pub(super) fn into_error(
        self,
        name: &str,
        attempt: &Attempt,
        choice: ServerOption,
    ) -> ConnectError {
        match self {
            Self::Refused(cause) => {
                ConnectError::Unreachable(format!("no server listens on {name} ({cause})"))
            }
            Self::Unavailable(cause) | Self::Cut(cause) => ConnectError::Unreachable(cause),
            Self::Silent if attempt.welcomed() => {
                ConnectError::Unreachable(format!("the server on {name} does not answer"))
            }
            Self::Silent => foreign(name, "it does not answer", choice),
            Self::Foreign(cause) => foreign(name, &cause, choice),
            Self::NotOwn(cause) => not_own(name, &cause),
            Self::Unusable(cause) => ConnectError::Unusable(cause),
        }
    }
}

fn foreign(name: &str, cause: &str, choice: ServerOption) -> ConnectError {
    let what = format!("something that is not a Chitty-Chat server listens on {name} ({cause})");
    ConnectError::Unusable(match choice {
        ServerOption::Local => format!(
            "{what}; stop it, or choose another address with --local, or another server with \
             --server"
        ),
        ServerOption::Server => format!("{what}; choose another server with --server"),
    })
}

fn not_own(name: &str, cause: &OwnershipError) -> ConnectError {
    ConnectError::Unusable(format!(
        "the server on {name} is not used: {cause}; give your own server another address with \
         --local, or join this one on purpose with --server http://{name}"
    ))
}

/// Connects and checks that a Chitty-Chat server answers.
pub(super) async fn find(target: &ProbeTarget) -> Result<Channel, ProbeFailure> {
    let found = check(target).await;
    if let (Err(ProbeFailure::Cut(_)), Some(url)) = (&found, target.plain())
        && speaks_otherwise(url).await
    {
        return Err(ProbeFailure::Foreign("it does not speak HTTP/2".to_owned()));
    }
    found
}

async fn check(target: &ProbeTarget) -> Result<Channel, ProbeFailure> {
    let channel = target
        .connect()
        .await
        .map_err(|error| not_connected(target, &error))?;
    let mut health = HealthClient::new(channel.clone()).max_decoding_message_size(REPLY);
    let check = health.check(HealthCheckRequest {
        service: SERVICE_NAME.to_owned(),
    });
    // A server of another protocol may accept the connection and wait for its own first words.
    let Ok(checked) = timeout(CHECK, check).await else {
        return Err(ProbeFailure::Silent);
    };
    match checked.map(|response| response.into_inner().status()) {
        Ok(ServingStatus::Serving) => Ok(channel),
        Ok(ServingStatus::NotServing) => Err(ProbeFailure::Unavailable(
            "the server is not ready".to_owned(),
        )),
        Ok(_) => Err(ProbeFailure::Foreign(
            "it does not know this service".to_owned(),
        )),
        Err(status) => Err(absent(&status)),
    }
}

fn not_connected(target: &ProbeTarget, error: &transport::Error) -> ProbeFailure {
    if let Some(cause) = find_source::<OwnershipError>(Some(error)) {
        return ProbeFailure::NotOwn(cause.clone());
    }
    if let Some(failure) = find_source::<DialFailure>(Some(error)) {
        return match failure.clone() {
            DialFailure::Refused(cause) => ProbeFailure::Refused(cause),
            DialFailure::Unreachable(cause) => ProbeFailure::Unavailable(cause),
            DialFailure::Unusable(cause) => ProbeFailure::Unusable(cause),
        };
    }
    let cause = root_cause(error);
    let server = target.endpoint.uri().authority();
    let server = server.map_or("the server", |server| server.as_str());
    match io_kind(error) {
        Some(io::ErrorKind::ConnectionRefused) => ProbeFailure::Refused(cause),
        Some(io::ErrorKind::TimedOut) => ProbeFailure::Unavailable(dial::silent(server)),
        _ => ProbeFailure::Unavailable(format!("cannot reach {server}: {cause}")),
    }
}

/// What a failed health check means: a server that is ending, or another program.
fn absent(status: &Status) -> ProbeFailure {
    let cause = status
        .source()
        .map_or_else(|| status.message().to_owned(), root_cause);
    let not_now = matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::ResourceExhausted
    );
    if takes_tls_only(status) {
        ProbeFailure::Unusable(format!(
            "the server takes encrypted connections only ({cause}); ask its owner for a link, and \
             enter by `chitty join`"
        ))
    } else if not_now {
        ProbeFailure::Unavailable(cause)
    } else if was_cut(status) {
        ProbeFailure::Cut(cause)
    } else {
        ProbeFailure::Foreign(cause)
    }
}

/// Whether the program that listens there answers the preface of HTTP/2 with something else. If it
/// closes the connection right after its answer, as HTTP/1 and SSH servers do, the HTTP/2 client
/// does not see that answer.
async fn speaks_otherwise(server: &Uri) -> bool {
    let Some((host, port)) = server.host().zip(server.port_u16()) else {
        return false;
    };
    let host = host.trim_matches(['[', ']']);
    let mut header = [0; FRAME_HEADER];
    let ask = async {
        let mut peer = TcpStream::connect((host, port)).await?;
        peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        peer.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await?;
        peer.read_exact(&mut header).await
    };
    matches!(timeout(CHECK, ask).await, Ok(Ok(_))) && header[3] != SETTINGS
}

/// Whether the server refused plain text (RFC 9113, section 7).
fn takes_tls_only(status: &Status) -> bool {
    let error = find_source::<h2::Error>(status.source());
    error.is_some_and(|error| error.reason() == Some(h2::Reason::INADEQUATE_SECURITY))
}

/// Whether the connection ended before there was an answer.
fn was_cut(status: &Status) -> bool {
    if status.source().and_then(io_kind).is_some() {
        return true;
    }
    find_source::<h2::Error>(status.source()).is_some_and(h2::Error::is_io)
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    find_source::<io::Error>(Some(error)).map(io::Error::kind)
}

fn find_source<'a, E: Error + 'static>(
    mut error: Option<&'a (dyn Error + 'static)>,
) -> Option<&'a E> {
    while let Some(each) = error {
        if let Some(found) = each.downcast_ref() {
            return Some(found);
        }
        error = each.source();
    }
    None
}
