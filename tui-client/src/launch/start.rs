//! Starts a local server, and waits until it answers.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};
use tonic::transport::Channel;

use super::{
    LINK, LocalPlace, LocalServer,
    probe::{ProbeFailure, ProbeTarget, ServerOption, find},
};
use crate::session::{Attempt, ConnectError};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);
/// The interval at which a starting server is probed.
const POLL: Duration = Duration::from_millis(50);
/// How long until a server that found the data folder locked is started again.
const AGAIN: Duration = Duration::from_millis(500);
/// How much of a failed server's output is shown, in bytes.
const LAST_WORDS: usize = 4096;
/// How much of a lock is read, in bytes.
const LOCK: usize = 512;

/// Starts a server and waits until one answers, which may be one that another client started.
pub(super) async fn start(
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
            Err(ProbeFailure::Refused(_)) => {
                server.check_exit()?;
                if let Some(older) = server.older() {
                    return use_older(older, attempt).await;
                }
            }
            Err(ProbeFailure::Unavailable(_) | ProbeFailure::Cut(_) | ProbeFailure::Silent) => {}
            Err(
                absent @ (ProbeFailure::Foreign(_)
                | ProbeFailure::NotOwn(_)
                | ProbeFailure::Unusable(_)),
            ) => {
                return Err(absent.into_error(&local.name(), attempt, ServerOption::Local));
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

    /// The folder, if a server has it that is too old for a socket. A newer one writes a second line
    /// into its lock.
    fn older(&self) -> Option<&Path> {
        let LocalPlace::Socket(folder) = &self.local.place else {
            return None;
        };
        let lock = File::open(folder.join("lock")).ok()?;
        let mut text = [0; LOCK];
        let length = lock.read_at(&mut text, 0).ok()?;
        let lines = text[..length]
            .split_inclusive(|byte| *byte == b'\n')
            .count();
        (self.again_at.is_some() && lines == 1).then_some(folder)
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
        let place = self.local.name();
        let seconds = START.as_secs();
        let said = self.last_words();
        ConnectError::Unreachable(if self.again_at.is_some() {
            format!(
                "the data folder is used by another server, which does not answer on {place}: \
                 {said}"
            )
        } else {
            format!("the server that was started did not answer on {place} within {seconds} s")
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

/// Uses a server that has this folder and is too old for a socket, if it listens where those listen
/// by default.
async fn use_older(folder: &Path, attempt: &Attempt) -> Result<Channel, ConnectError> {
    let older = LocalServer::at_default_address();
    let target = older.target()?;
    find(&target).await.map_err(|absent| match absent {
        ProbeFailure::NotOwn(_) => absent.into_error(&older.name(), attempt, ServerOption::Local),
        _ => ConnectError::Unusable(format!(
            "an older server has the chat in {}, which listens on no socket, and not on {}; stop \
             it, or name its address with --server",
            folder.display(),
            older.name()
        )),
    })
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
        .env_remove(LINK)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(said))
        .current_dir("/")
        .kill_on_drop(false)
        .spawn()
        .map_err(failed)?;
    tracing::info!(pid = child.id(), place = local.name(), "started a server");
    Ok((child, stderr))
}
