//! The server under attack: a real process with its default limits.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use chitty_load::process;
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use tempfile::TempDir;

/// A running server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
    folder: TempDir,
}

/// A process's memory in KiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl Server {
    /// Starts it on the chat in this folder. `options` come after those that it needs.
    pub(crate) fn start(program: &Path, folder: TempDir, options: &[&str]) -> Result<Self> {
        let path = folder.path();
        let mut process = Command::new(program)
            .args(["--listen", listen()])
            // The attackers' frames are made by hand, in plain text, from many addresses. Not an
            // option, because older builds that are attacked in turns do not know it.
            .env("CHITTY_INSECURE", "true")
            .env("CHITTY_OPEN", "true")
            .arg("--data")
            .arg(path.join("data"))
            .arg("--log-dir")
            .arg(path.join("logs"))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .wrap_err_with(|| format!("cannot start {}", program.display()))?;
        let mut line = String::new();
        if let Some(output) = &mut process.stdout {
            // "chitty-server listens on ADDRESS".
            BufReader::new(output).read_line(&mut line)?;
        }
        let address = line.trim().rsplit(' ').next().unwrap_or_default();
        let port = address
            .parse::<SocketAddr>()
            .map_err(|_| eyre!("{} does not start: {line:?}", program.display()))?
            .port();
        Ok(Self {
            process,
            port,
            folder,
        })
    }

    /// The server's address for a peer from this address.
    pub(crate) fn address(&self, from: std::net::IpAddr) -> SocketAddr {
        if from.is_ipv4() {
            (Ipv4Addr::LOCALHOST, self.port).into()
        } else {
            (std::net::Ipv6Addr::LOCALHOST, self.port).into()
        }
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    fn id(&self) -> String {
        self.process.id().to_string()
    }

    /// The CPU time of all its threads so far, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(process::cpu(&self.id())?)
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        Ok(Memory {
            resident: process::resident(&self.id())?,
            peak: process::peak(&self.id())?,
        })
    }

    /// Resets the peak, so that it covers only what follows.
    pub(crate) fn forget_peak(&self) {
        // By this number, the high-water mark is set to what is resident. Where it cannot be
        // written, the start of the server is in the peak.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.id()), "5");
    }

    /// Checks that it is still running.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            Some(status) => bail!("the server ended: {status}"),
            None => Ok(()),
        }
    }

    /// Stops it, waits for its end, and returns its folder.
    pub(crate) fn stop(mut self) -> Result<PathBuf> {
        let process = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        self.process.wait()?;
        // Another server goes on in it.
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir()?);
        Ok(folder.keep())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address to listen on: every address in the namespace, otherwise only IPv4 loopback.
fn listen() -> &'static str {
    if crate::namespace::network(0).is_some() {
        "[::]:0"
    } else {
        "127.0.0.1:0"
    }
}

pub(crate) fn beside_this_program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("chitty-server");
    if !program.exists() {
        bail!(
            "{} is not there; build it in the same profile: cargo build --profile dist -p chitty-server",
            program.display()
        );
    }
    Ok(program)
}

/// Raises the limit on open files as far as the system allows, because connections are open files.
pub(crate) fn allow_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What is missing shows when connections are made.
    let _ = setrlimit(Resource::Nofile, limit);
}
