//! Distinguishes a Chitty-Chat server from no server and from another program.

use std::{error::Error, io, net::SocketAddr, time::Duration};

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

use super::owner::{OwnershipError, connect_to_own};
use crate::session::{Attempt, ConnectError, REPLY};

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
    /// The address to check for ownership, if the server must belong to this user or root.
    own: Option<SocketAddr>,
}

impl ProbeTarget {
    /// A server of any user, because it was named on purpose.
    pub(super) fn of_anybody(endpoint: Endpoint) -> Self {
        let own = None;
        Self { endpoint, own }
    }

    /// A server at this local address, which must belong to this user or root.
    pub(super) fn own(endpoint: Endpoint, address: SocketAddr) -> Self {
        let own = Some(address);
        Self { endpoint, own }
    }

    async fn connect(&self) -> Result<Channel, transport::Error> {
        match self.own {
            Some(address) => connect_to_own(&self.endpoint, address).await,
            None => self.endpoint.connect().await,
        }
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
    match check(target).await {
        Err(ProbeFailure::Cut(_)) if speaks_otherwise(target.endpoint.uri()).await => {
            Err(ProbeFailure::Foreign("it does not speak HTTP/2".to_owned()))
        }
        found => found,
    }
}

async fn check(target: &ProbeTarget) -> Result<Channel, ProbeFailure> {
    let channel = target.connect().await.map_err(|error| {
        if let Some(cause) = find_source::<OwnershipError>(Some(&error)) {
            return ProbeFailure::NotOwn(cause.clone());
        }
        let cause = root_cause(&error);
        if io_kind(&error) == Some(io::ErrorKind::ConnectionRefused) {
            ProbeFailure::Refused(cause)
        } else {
            let server = target.endpoint.uri().authority();
            let server = server.map_or("the server", |server| server.as_str());
            ProbeFailure::Unavailable(format!("cannot reach {server}: {cause}"))
        }
    })?;
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

/// What a failed health check means: a server that is ending, or another program.
fn absent(status: &Status) -> ProbeFailure {
    let cause = status
        .source()
        .map_or_else(|| status.message().to_owned(), root_cause);
    let not_now = matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::ResourceExhausted
    );
    if not_now {
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
