//! The servers under test, each as a child on a core of its own.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use chitty_load::process;
use chitty_server::key::ServerKey;
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::{net::TcpStream, time::sleep};

use crate::{
    floor,
    text::{Lines, Sign},
    wire,
};

/// The servers that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// This server, with the chat on disk.
    Durable,
    /// The same, over TLS.
    Tls,
    /// This server, with the chat in memory.
    Ephemeral,
    /// Another build of this server, with the chat on disk.
    Build(&'static Path),
    /// Redis, by publish and subscribe.
    Redis,
    /// NATS, without persistence.
    Nats,
    /// The IRC server ngircd.
    Ngircd,
    /// The floor, see [`floor`].
    Floor,
}

static REDIS: Lines = Lines {
    message: Sign::Begins(b"message\r"),
    answers: &[],
};
static NATS: Lines = Lines {
    message: Sign::Begins(b"MSG "),
    answers: &[(Sign::Begins(b"PING"), b"PONG\r\n")],
};
static IRC: Lines = Lines {
    message: Sign::Second(b"PRIVMSG"),
    answers: &[
        (Sign::Begins(b"PING"), b"PONG :x\r\n"),
        // The end of the greeting. Who writes without being in the channel is let in by its mode.
        (Sign::Second(b"376"), b"JOIN #all\r\nMODE #all -n\r\n"),
        (Sign::Second(b"422"), b"JOIN #all\r\nMODE #all -n\r\n"),
    ],
};
static IRC_AUTHOR: Lines = Lines {
    message: Sign::Second(b"PRIVMSG"),
    answers: &[(Sign::Begins(b"PING"), b"PONG :x\r\n")],
};
static FLOOR: Lines = Lines {
    message: Sign::Begins(b"x"),
    answers: &[],
};

impl System {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Durable => "chitty-server",
            Self::Tls => "chitty-server, TLS",
            Self::Ephemeral => "chitty-server --ephemeral",
            Self::Build(_) => "the other build",
            Self::Redis => "Redis pub/sub",
            Self::Nats => "NATS core",
            Self::Ngircd => "ngircd",
            Self::Floor => "the floor",
        }
    }

    /// The line protocol of another server; `None` for this one, which speaks HTTP/2.
    pub(crate) fn lines(self, author: bool) -> Option<&'static Lines> {
        match self {
            Self::Durable | Self::Tls | Self::Ephemeral | Self::Build(_) => None,
            Self::Redis => Some(&REDIS),
            Self::Nats => Some(&NATS),
            Self::Ngircd if author => Some(&IRC_AUTHOR),
            Self::Ngircd => Some(&IRC),
            Self::Floor => Some(&FLOOR),
        }
    }

    /// The bytes that a participant sends first.
    pub(crate) fn put_hello(self, out: &mut Vec<u8>, number: usize, author: bool) {
        match (self, author) {
            (Self::Durable | Self::Tls | Self::Ephemeral | Self::Build(_), _)
            | (Self::Redis, true) => {}
            (Self::Redis, false) => out.extend(b"SUBSCRIBE all\r\n"),
            (Self::Nats, true) => out.extend(b"CONNECT {\"verbose\":false}\r\n"),
            (Self::Nats, false) => out.extend(b"CONNECT {\"verbose\":false}\r\nSUB all 1\r\n"),
            (Self::Ngircd, author) => {
                let role = if author { 'a' } else { 'p' };
                out.extend(format!("NICK {role}{number}\r\nUSER x 0 * :x\r\n").bytes());
            }
            (Self::Floor, true) => out.push(floor::SENDER),
            (Self::Floor, false) => out.push(floor::RECEIVER),
        }
    }

    pub(crate) fn put_message(self, out: &mut Vec<u8>, text: &str) {
        let message = match self {
            Self::Durable | Self::Tls | Self::Ephemeral | Self::Build(_) => return,
            Self::Redis => format!(
                "*3\r\n$7\r\nPUBLISH\r\n$3\r\nall\r\n${}\r\n{text}\r\n",
                text.len()
            ),
            Self::Nats => format!("PUB all {}\r\n{text}\r\n", text.len()),
            Self::Ngircd => format!("PRIVMSG #all :{text}\r\n"),
            Self::Floor => format!("{text}\n"),
        };
        out.extend(message.bytes());
    }
}

/// A running server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    /// How the load connects, if that is by TLS.
    pub(crate) device: Option<Arc<ClientConfig>>,
    folder: TempDir,
}

impl Server {
    /// Starts it, and waits until it listens. `pinned` restricts it to the first core.
    pub(crate) async fn start(system: System, pinned: bool) -> Result<Self> {
        Self::start_in(system, pinned, tempfile::tempdir()?).await
    }

    /// The same, on the chat in this folder.
    pub(crate) async fn start_in(system: System, pinned: bool, folder: TempDir) -> Result<Self> {
        let address = free_address()?;
        let program = command(system, address, &folder)?;
        let mut command = if pinned {
            let mut command = Command::new("taskset");
            command.args(["-c", "0"]).arg(program.0);
            command
        } else {
            Command::new(program.0)
        };
        let process = command
            .args(program.1)
            // Everybody here comes from one address. Not an option: an older build that is
            // measured beside this one would not know it.
            .env("CHITTY_MAX_PARTICIPANTS_PER_ADDRESS", "10000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .wrap_err_with(|| format!("cannot start {}", system.name()))?;
        let mut server = Self {
            process,
            address,
            device: None,
            folder,
        };
        for _ in 0..500 {
            if let Some(status) = server.process.try_wait()? {
                bail!("{} ended: {status}; is it installed?", system.name());
            }
            if system == System::Floor || TcpStream::connect(address).await.is_ok() {
                sleep(Duration::from_millis(200)).await;
                if system == System::Tls {
                    let key = ServerKey::load(&server.folder.path().join("data"))?;
                    let key = key.ok_or_else(|| eyre!("the server has made no key"))?;
                    server.device = Some(wire::device(&key)?);
                }
                return Ok(server);
            }
            sleep(Duration::from_millis(10)).await;
        }
        bail!("{} does not listen on {address}", system.name())
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The CPU time of all its threads so far, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(process::cpu(&self.id().to_string())?)
    }

    /// TCP segments with data that its open connections have sent. This is one for each write as
    /// long as the receivers keep up, whatever system call is used.
    pub(crate) fn sent(&self) -> Result<u64> {
        let port = self.address.port();
        let output = Command::new("ss")
            .args(["-tinHO", "state", "established"])
            .arg(format!("( sport = :{port} )"))
            .output()
            .wrap_err("cannot run ss; is iproute2 installed?")?;
        let sockets = String::from_utf8_lossy(&output.stdout);
        let numbers = sockets
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("data_segs_out:")?.parse::<u64>().ok());
        Ok(numbers.sum())
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> Result<u64> {
        Ok(process::resident(&self.id().to_string())?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The CPU time of this program's own threads.
pub(crate) fn own_cpu() -> Result<Duration> {
    Ok(process::cpu("self")?)
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// The path of the chat's server, which is built beside this program.
fn own_server() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("chitty-server");
    if !program.exists() {
        bail!(
            "{} is not there; build it in the same profile: cargo build --profile dist -p chitty-server",
            program.display()
        );
    }
    Ok(program)
}

fn command(
    system: System,
    address: SocketAddr,
    folder: &TempDir,
) -> Result<(PathBuf, Vec<String>)> {
    let path = folder.path().display();
    let port = address.port();
    let (program, arguments) = match system {
        System::Durable | System::Tls | System::Ephemeral | System::Build(_) => {
            let mut arguments = format!(
                "--listen {address} --data {path}/data --log-dir {path} --publish-rate off \
                 --join-rate off --max-connections-per-address 12000"
            );
            if system == System::Ephemeral {
                arguments.push_str(" --ephemeral");
            }
            let program = match system {
                System::Build(program) => program.to_owned(),
                _ => own_server()?,
            };
            (program, arguments)
        }
        System::Redis => (
            "redis-server".into(),
            format!("--bind 127.0.0.1 --port {port} --appendonly no --dir {path} --save"),
        ),
        System::Nats => (
            // Where Debian has it, which is not on everybody's path.
            "/usr/sbin/nats-server".into(),
            format!("--addr 127.0.0.1 --port {port}"),
        ),
        System::Ngircd => {
            let file = folder.path().join("ngircd.conf");
            fs::write(
                &file,
                format!(
                    "[Global]\nName = irc.test.invalid\nInfo = x\nListen = 127.0.0.1\nPorts = \
                     {port}\n[Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxPenaltyTime \
                     = 0\n[Options]\nDNS = no\nIdent = no\nPAM = no\nSyslogFacility = local1\n"
                ),
            )?;
            (
                "/usr/sbin/ngircd".into(),
                format!("--nodaemon --config {}", file.display()),
            )
        }
        System::Floor => (std::env::current_exe()?, format!("floor {address}")),
    };
    let mut arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
    if system == System::Redis {
        arguments.extend([
            String::new(),
            "--client-output-buffer-limit".to_owned(),
            "pubsub 0 0 0".to_owned(),
        ]);
    }
    Ok((program, arguments))
}
