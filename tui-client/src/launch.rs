//! Finding a server: the one that was named, or one of one's own on this machine, which is started
//! where there is none.

use std::{
    error::Error,
    ffi::OsString,
    fs::File,
    io,
    net::SocketAddr,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use chitty_chat::proto::v1::SERVICE_NAME;
use http::Uri;
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::session::{Attempt, ConnectError, Connector, endpoint, root_cause};

/// How long a server may take to say that it is one.
const CHECK: Duration = Duration::from_secs(2);
/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);
/// How often a starting server is looked for.
const POLL: Duration = Duration::from_millis(50);
/// How long until a server that lost the data folder is started again.
const AGAIN: Duration = Duration::from_millis(500);
/// `EX_TEMPFAIL` of sysexits.h: another server has the data folder.
const LOCKED: i32 = 75;
/// The length of an HTTP/2 frame's header, in bytes; its fourth is the type.
const FRAME_HEADER: usize = 9;
/// The type of the frame that each side of an HTTP/2 connection sends first.
const SETTINGS: u8 = 4;
/// How much of what a failed server said is shown, in bytes.
const LAST_WORDS: usize = 4096;

/// A server of one's own.
#[derive(Clone, Debug)]
pub struct Local {
    /// Where it listens: an address of this machine.
    pub address: SocketAddr,
    /// What is run where nothing listens there. It detaches itself from the terminal, and ends
    /// with status 75 when another server has its data folder.
    pub program: PathBuf,
    /// The program's arguments.
    pub arguments: Vec<OsString>,
}

/// Why a server's URL cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ServerUrlError {
    /// Not a URL.
    #[error("{0:?} is not the URL of a server; give one such as http://host:50051")]
    Invalid(String),
    /// Encrypted.
    #[error(
        "https is not supported yet; give a URL such as http://host:50051, through a tunnel if \
         the network is not to be trusted"
    )]
    Https,
    /// Another scheme.
    #[error("the scheme {0:?} is not supported; give a URL such as http://host:50051")]
    Scheme(String),
    /// Nowhere to connect to.
    #[error("the URL of a server needs a port; try http://{0}:50051")]
    NoPort(String),
    /// More than a server.
    #[error("the URL of a server has no path; try http://{0}")]
    Path(String),
}

/// Why a server cannot be talked to.
#[derive(Debug)]
enum Absent {
    /// Nothing listens.
    Refused(String),
    /// Not now.
    Unavailable(String),
    /// It ended the connection without an answer that could be read.
    Cut(String),
    /// It took the connection and said nothing.
    Silent,
    /// It is something else.
    Foreign(String),
}

/// Reaches the server with this URL, `http://host:port`.
pub fn remote(url: &str) -> Result<Connector, ServerUrlError> {
    let server = parse(url)?;
    let name = server
        .authority()
        .map_or_else(|| url.to_owned(), ToString::to_string);
    let endpoint = endpoint(server);
    Ok(Connector::new(name.clone(), move |attempt| {
        let (endpoint, name) = (endpoint.clone(), name.clone());
        async move {
            let found = find(&endpoint).await;
            found.map_err(|absent| absent.into_error(&name, &attempt, Choice::Server))
        }
    }))
}

/// Reaches the server of one's own, and starts it where nothing listens: at each try, so that one
/// that ended in between is started again.
pub fn local(local: Local) -> Connector {
    let local = Arc::new(local);
    Connector::new(local.address.to_string(), move |attempt| {
        let local = Arc::clone(&local);
        async move { find_or_start(&local, &attempt).await }
    })
}

fn parse(url: &str) -> Result<Uri, ServerUrlError> {
    let invalid = || ServerUrlError::Invalid(url.to_owned());
    let with_scheme = if url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
    };
    let uri: Uri = with_scheme.parse().map_err(|_| invalid())?;
    let authority = uri.authority().ok_or_else(invalid)?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(ServerUrlError::Https),
        other => return Err(ServerUrlError::Scheme(other.unwrap_or_default().to_owned())),
    }
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(invalid());
    }
    if uri
        .path_and_query()
        .is_some_and(|path| path.as_str() != "/")
    {
        return Err(ServerUrlError::Path(authority.to_string()));
    }
    if authority.port_u16().is_none() {
        return Err(ServerUrlError::NoPort(authority.host().to_owned()));
    }
    Ok(uri)
}

async fn find_or_start(local: &Local, attempt: &Attempt) -> Result<Channel, ConnectError> {
    let name = local.address.to_string();
    let server = parse(&name).map_err(|error| ConnectError::Unusable(error.to_string()))?;
    let endpoint = endpoint(server);
    match find(&endpoint).await {
        Ok(channel) => Ok(channel),
        Err(Absent::Refused(_)) => {
            attempt.starting_server();
            start(local, &endpoint, attempt).await
        }
        Err(absent) => Err(absent.into_error(&name, attempt, Choice::Local)),
    }
}

/// Starts a server and waits until one answers, which may be another client's.
async fn start(
    local: &Local,
    endpoint: &Endpoint,
    attempt: &Attempt,
) -> Result<Channel, ConnectError> {
    let mut server = Starting::spawn(local)?;
    let give_up = Instant::now() + START;
    loop {
        sleep(POLL).await;
        match find(endpoint).await {
            Ok(channel) => return Ok(channel),
            Err(Absent::Refused(_)) => server.look()?,
            Err(Absent::Unavailable(_) | Absent::Cut(_) | Absent::Silent) => {}
            Err(absent @ Absent::Foreign(_)) => {
                let name = local.address.to_string();
                return Err(absent.into_error(&name, attempt, Choice::Local));
            }
        }
        if Instant::now() >= give_up {
            return Err(server.too_slow());
        }
    }
}

/// A server that was started and does not answer yet.
struct Starting<'a> {
    local: &'a Local,
    child: Child,
    /// What it writes to stderr. A file without a name rather than a pipe: the server outlives
    /// this process, and must be able to write there then.
    stderr: File,
    /// It ended, as another server has the data folder; then it is tried again, for that one may
    /// be ending.
    again_at: Option<Instant>,
}

impl<'a> Starting<'a> {
    fn spawn(local: &'a Local) -> Result<Self, ConnectError> {
        let (child, stderr) = run(local).map_err(|error| {
            let program = local.program.display();
            ConnectError::Unusable(format!(
                "cannot start a server by {program}: {error}; start one by chitty-server, and \
                 name it with --server"
            ))
        })?;
        Ok(Self {
            local,
            child,
            stderr,
            again_at: None,
        })
    }

    /// Whether it ended already, as nothing listens.
    fn look(&mut self) -> Result<(), ConnectError> {
        if let Some(again_at) = self.again_at {
            if Instant::now() >= again_at {
                *self = Self::spawn(self.local)?;
            }
            return Ok(());
        }
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) if status.code() == Some(LOCKED) => {
                self.again_at = Some(Instant::now() + AGAIN);
                Ok(())
            }
            Ok(Some(status)) => Err(ConnectError::Unusable(self.failed(status))),
            Err(error) => Err(ConnectError::Unusable(format!(
                "cannot tell whether the server was started: {error}; start one by \
                 chitty-server, and name it with --server"
            ))),
        }
    }

    fn failed(&self, status: ExitStatus) -> String {
        let said = self.last_words();
        if said.is_empty() {
            format!("the server ended while it started ({status}); its log may tell why")
        } else {
            format!("the server could not be started: {said}")
        }
    }

    fn too_slow(&self) -> ConnectError {
        let address = self.local.address;
        let seconds = START.as_secs();
        let said = self.last_words();
        ConnectError::Unreachable(if self.again_at.is_some() {
            format!(
                "the data folder is used by another server, which does not answer on {address}: \
                 {said}"
            )
        } else {
            format!("the server that was started does not answer on {address} for {seconds} s")
        })
    }

    fn last_words(&self) -> String {
        let mut words = vec![0; LAST_WORDS];
        // By position: the server writes on at the offset that it shares with this file.
        let length = self.stderr.read_at(&mut words, 0).unwrap_or(0);
        words.truncate(length);
        String::from_utf8_lossy(&words).trim().to_owned()
    }
}

/// Runs the server, detached from this process's terminal as far as it is done here.
fn run(local: &Local) -> io::Result<(Child, File)> {
    let stderr = tempfile::tempfile()?;
    let child = Command::new(&local.program)
        .args(&local.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(stderr.try_clone()?))
        .kill_on_drop(false)
        .spawn()?;
    tracing::info!(pid = child.id(), address = %local.address, "started a server");
    Ok((child, stderr))
}

/// Which option would choose another server.
#[derive(Clone, Copy)]
enum Choice {
    Local,
    Server,
}

impl Absent {
    fn into_error(self, name: &str, attempt: &Attempt, choice: Choice) -> ConnectError {
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
        }
    }
}

fn foreign(name: &str, cause: &str, choice: Choice) -> ConnectError {
    let what = format!("something that is not a Chitty-Chat server listens on {name} ({cause})");
    ConnectError::Unusable(match choice {
        Choice::Local => format!(
            "{what}; stop it, or choose another address with --local, or another server with \
             --server"
        ),
        Choice::Server => format!("{what}; choose another server with --server"),
    })
}

/// Connects, and asks what is there whether it is a Chitty-Chat.
async fn find(endpoint: &Endpoint) -> Result<Channel, Absent> {
    match check(endpoint).await {
        Err(Absent::Cut(_)) if speaks_otherwise(endpoint.uri()).await => {
            Err(Absent::Foreign("it does not speak HTTP/2".to_owned()))
        }
        found => found,
    }
}

async fn check(endpoint: &Endpoint) -> Result<Channel, Absent> {
    let channel = endpoint.connect().await.map_err(|error| {
        let cause = root_cause(&error);
        if io_kind(&error) == Some(io::ErrorKind::ConnectionRefused) {
            Absent::Refused(cause)
        } else {
            Absent::Unavailable(cause)
        }
    })?;
    let mut health = HealthClient::new(channel.clone());
    let check = health.check(HealthCheckRequest {
        service: SERVICE_NAME.to_owned(),
    });
    let Ok(checked) = timeout(CHECK, check).await else {
        return Err(Absent::Silent);
    };
    match checked.map(|response| response.into_inner().status()) {
        Ok(ServingStatus::Serving) => Ok(channel),
        Ok(ServingStatus::NotServing) => {
            Err(Absent::Unavailable("the server is not ready".to_owned()))
        }
        Ok(_) => Err(Absent::Foreign("it does not know this service".to_owned())),
        Err(status) => Err(absent(&status)),
    }
}

/// What a failed health check tells: a server that is just ending, or something else.
fn absent(status: &Status) -> Absent {
    let cause = status
        .source()
        .map_or_else(|| status.message().to_owned(), root_cause);
    let not_now = matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::ResourceExhausted
    );
    if not_now {
        Absent::Unavailable(cause)
    } else if was_cut(status) {
        Absent::Cut(cause)
    } else {
        Absent::Foreign(cause)
    }
}

/// Whether what listens there answers HTTP/2's first words by something else: what an HTTP/1 or
/// SSH server says is lost to the client where the server ends the connection right behind it.
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

/// The connection ended before there was an answer.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers() {
        let authority = |url| parse(url).map(|uri| uri.to_string());
        assert_eq!(
            authority("http://chat.example:50051").as_deref(),
            Ok("http://chat.example:50051/")
        );
        assert_eq!(
            authority("[::1]:50051").as_deref(),
            Ok("http://[::1]:50051/")
        );
        assert_eq!(authority("https://chat:1"), Err(ServerUrlError::Https));
        assert_eq!(
            authority("ftp://chat:1"),
            Err(ServerUrlError::Scheme("ftp".into()))
        );
        assert_eq!(
            authority("http://chat"),
            Err(ServerUrlError::NoPort("chat".into()))
        );
        assert_eq!(
            authority("http://chat:1/x"),
            Err(ServerUrlError::Path("chat:1".into()))
        );
        for url in ["", "http://", "a b", "http://a@b:1"] {
            assert_eq!(
                authority(url),
                Err(ServerUrlError::Invalid(url.to_owned())),
                "{url}"
            );
        }
    }
}
