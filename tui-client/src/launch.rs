//! Finds a server: the one that was named, or a local one, which is started if none is running.

mod owner;
mod probe;

use std::{
    ffi::OsString,
    fs::File,
    io,
    net::SocketAddr,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use http::Uri;
use thiserror::Error;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};
use tonic::transport::Channel;

use self::probe::{ProbeFailure, ProbeTarget, ServerOption, find};
use crate::session::{Attempt, ConnectError, Connector, endpoint};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);
/// The interval at which a starting server is probed.
const POLL: Duration = Duration::from_millis(50);
/// How long until a server that found the data folder locked is started again.
const AGAIN: Duration = Duration::from_millis(500);
/// How much of a failed server's output is shown, in bytes.
const LAST_WORDS: usize = 4096;

/// A local server, which the client starts if necessary.
#[derive(Clone, Debug)]
pub struct LocalServer {
    /// The address at which it listens, on this machine.
    pub address: SocketAddr,
    /// The program to run if nothing listens there. It detaches itself from the terminal.
    pub program: PathBuf,
    /// The arguments of the program.
    pub arguments: Vec<OsString>,
    /// The exit status of the program if another process holds its data folder.
    pub locked: u8,
}

/// Why the URL of a server cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ServerUrlError {
    /// It is not a URL.
    #[error("{0:?} is not the URL of a server; give one such as http://host:50051")]
    Invalid(String),
    /// It asks for encryption.
    #[error(
        "https is not supported yet; give a URL such as http://host:50051, through a tunnel if \
         the network is not to be trusted"
    )]
    Https,
    /// It has another scheme.
    #[error("the scheme {0:?} is not supported; give a URL such as http://host:50051")]
    Scheme(String),
    /// It has no port.
    #[error("the URL of a server needs a port, 1 to 65535; try http://{0}:50051")]
    NoPort(String),
    /// It has a path.
    #[error("the URL of a server has no path; try http://{0}")]
    Path(String),
}

/// The URL of a server: `http://host:port`; the scheme is optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl(Uri);

/// A connector for the server with this URL.
pub fn remote(ServerUrl(server): ServerUrl) -> Connector {
    let name = server
        .authority()
        .map_or_else(|| server.to_string(), ToString::to_string);
    let target = ProbeTarget::of_anybody(endpoint(server));
    Connector::new(name.clone(), move |attempt| {
        let (target, name) = (target.clone(), name.clone());
        async move {
            let found = find(&target).await;
            found.map_err(|absent| absent.into_error(&name, &attempt, ServerOption::Server))
        }
    })
}

/// A connector for the local server. Each try starts the server if nothing listens, so that one
/// that ended in between is started again. On Linux, a server that belongs neither to this user nor
/// to root is refused before anything is sent to it.
pub fn local(local: LocalServer) -> Connector {
    let local = Arc::new(local);
    Connector::new(local.address.to_string(), move |attempt| {
        let local = Arc::clone(&local);
        async move { find_or_start(&local, &attempt).await }
    })
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(url: &str) -> Result<Self, ServerUrlError> {
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
        if authority.port_u16().is_none_or(|port| port == 0) {
            return Err(ServerUrlError::NoPort(authority.host().to_owned()));
        }
        Ok(Self(uri))
    }
}

async fn find_or_start(local: &LocalServer, attempt: &Attempt) -> Result<Channel, ConnectError> {
    let name = local.address.to_string();
    let ServerUrl(server) = name
        .parse()
        .map_err(|error: ServerUrlError| ConnectError::Unusable(error.to_string()))?;
    let target = ProbeTarget::own(endpoint(server), local.address);
    match find(&target).await {
        Ok(channel) => Ok(channel),
        Err(ProbeFailure::Refused(_)) => {
            attempt.starting_server();
            start(local, &target, attempt).await
        }
        Err(absent) => Err(absent.into_error(&name, attempt, ServerOption::Local)),
    }
}

/// Starts a server and waits until one answers, which may be one that another client started.
async fn start(
    local: &LocalServer,
    target: &ProbeTarget,
    attempt: &Attempt,
) -> Result<Channel, ConnectError> {
    let mut server = StartingServer::spawn(local)?;
    let give_up = Instant::now() + START;
    loop {
        sleep(POLL).await;
        match find(target).await {
            Ok(channel) => return Ok(channel),
            // While nothing listens, the process either still starts or has given up; only its exit
            // tells.
            Err(ProbeFailure::Refused(_)) => server.check_exit()?,
            Err(ProbeFailure::Unavailable(_) | ProbeFailure::Cut(_) | ProbeFailure::Silent) => {}
            Err(absent @ (ProbeFailure::Foreign(_) | ProbeFailure::NotOwn(_))) => {
                let name = local.address.to_string();
                return Err(absent.into_error(&name, attempt, ServerOption::Local));
            }
        }
        if Instant::now() >= give_up {
            return Err(server.too_slow());
        }
    }
}

/// A server that was started and does not answer yet.
struct StartingServer<'a> {
    local: &'a LocalServer,
    child: Child,
    /// The server's stderr. It is a nameless file rather than a pipe, because the server outlives
    /// this process and must be able to write afterwards.
    stderr: File,
    /// When to start the server again. It ended because another server holds the data folder, and
    /// that one may be about to end.
    again_at: Option<Instant>,
}

impl<'a> StartingServer<'a> {
    fn spawn(local: &'a LocalServer) -> Result<Self, ConnectError> {
        let (child, stderr) =
            run(local).map_err(|error| ConnectError::Unusable(error.to_string()))?;
        Ok(Self {
            local,
            child,
            stderr,
            again_at: None,
        })
    }

    /// Checks whether the process ended, since nothing listens yet.
    fn check_exit(&mut self) -> Result<(), ConnectError> {
        if let Some(again_at) = self.again_at {
            if Instant::now() >= again_at {
                *self = Self::spawn(self.local)?;
            }
            return Ok(());
        }
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) if status.code() == Some(self.local.locked.into()) => {
                self.again_at = Some(Instant::now() + AGAIN);
                Ok(())
            }
            Ok(Some(status)) => Err(ConnectError::Unusable(self.failed(status))),
            Err(error) => Err(ConnectError::Unusable(format!(
                "cannot find out whether the server was started: {error}; run \
                 chitty-server, and name its address with --server"
            ))),
        }
    }

    fn failed(&self, status: ExitStatus) -> String {
        let said = self.last_words();
        if said.is_empty() {
            format!("the server ended while starting ({status}); its log may say why")
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
            format!("the server that was started did not answer on {address} within {seconds} s")
        })
    }

    fn last_words(&self) -> String {
        let mut words = vec![0; LAST_WORDS];
        // A positioned read, because the server shares the file's offset and keeps writing at it.
        let length = self.stderr.read_at(&mut words, 0).unwrap_or(0);
        words.truncate(length);
        let words = String::from_utf8_lossy(&words);
        // The server is this program and prefixes its messages with its name.
        let lines = words.trim().lines().map(|line| {
            let said = line.strip_prefix("chitty-server: ");
            said.or_else(|| line.strip_prefix("chitty: "))
                .unwrap_or(line)
        });
        lines.collect::<Vec<_>>().join("; ")
    }
}

/// Why no server was started.
#[derive(Debug, Error)]
enum StartError {
    #[error(
        "cannot make a temporary file for a server that is started: {0}; set TMPDIR to an existing folder"
    )]
    Words(io::Error),
    #[error(
        "cannot start a server with {}: {source}; run chitty-server, and name its address with \
         --server",
        program.display()
    )]
    Run { program: PathBuf, source: io::Error },
}

/// A file for what a server writes before it serves.
fn words_file() -> io::Result<File> {
    #[cfg(target_os = "linux")]
    if let Ok(memory) = rustix::fs::memfd_create("words", rustix::fs::MemfdFlags::CLOEXEC) {
        return Ok(memory.into());
    }
    tempfile::tempfile()
}

/// Runs the server. It outlives this process, so it inherits nothing of whatever started this
/// process: no open files, such as the lock of `flock` or the pipe of `$(…)`, which it would hold
/// for as long as it runs, and no working folder, which could then not be unmounted. The server
/// leaves the terminal by itself.
fn run(local: &LocalServer) -> Result<(Child, File), StartError> {
    let stderr = words_file().map_err(StartError::Words)?;
    let failed = |source| StartError::Run {
        program: local.program.clone(),
        source,
    };
    let said = stderr.try_clone().map_err(failed)?;
    // Everything but standard input, output and error. This process opens its own files with
    // close-on-exec anyway.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let child = Command::new(&local.program)
        .args(&local.arguments)
        // The arguments decide that; the variable may be meant for another server.
        .env_remove("CHITTY_EPHEMERAL")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(said))
        .current_dir("/")
        .kill_on_drop(false)
        .spawn()
        .map_err(failed)?;
    tracing::info!(pid = child.id(), address = %local.address, "started a server");
    Ok((child, stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers() {
        let authority = |url: &str| url.parse().map(|ServerUrl(uri)| uri.to_string());
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
            authority("http://chat:99999"),
            Err(ServerUrlError::NoPort("chat".into()))
        );
        assert_eq!(
            authority("http://chat:1/x"),
            Err(ServerUrlError::Path("chat:1".into()))
        );
        for url in ["", "http://", "a b", "http://a@b:1", "http://:1"] {
            assert_eq!(
                authority(url),
                Err(ServerUrlError::Invalid(url.to_owned())),
                "{url}"
            );
        }
    }
}
