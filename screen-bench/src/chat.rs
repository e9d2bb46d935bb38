//! The chats to measure: each client with a server of its kind and an author.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use portable_pty::CommandBuilder;
use tempfile::TempDir;

use crate::{
    author::{Author, CHANNEL},
    edge,
    terminal::BenchTerminal,
};

/// A client to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MeasuredClient {
    Chitty,
    Irssi,
    Weechat,
}

impl MeasuredClient {
    pub(crate) const ALL: [Self; 3] = [Self::Chitty, Self::Irssi, Self::Weechat];
}

/// A server, with folders for its clients. Dropping it ends everything.
pub(crate) struct BenchChat {
    client: MeasuredClient,
    server: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl BenchChat {
    pub(crate) fn open(client: MeasuredClient) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (server, address) = match client {
            MeasuredClient::Chitty => chitty_server(folder.path())?,
            MeasuredClient::Irssi | MeasuredClient::Weechat => ngircd(folder.path())?,
        };
        Ok(Self {
            client,
            server,
            address,
            folder,
        })
    }

    pub(crate) fn author(&self) -> Result<Author> {
        match self.client {
            MeasuredClient::Chitty => Author::on_chitty(&self.url()),
            MeasuredClient::Irssi | MeasuredClient::Weechat => Author::on_irc(self.address),
        }
    }

    /// Starts the client with its log turned on.
    pub(crate) fn start(&self) -> Result<BenchTerminal> {
        let home = self.folder.path();
        let mut command = match self.client {
            MeasuredClient::Chitty => CommandBuilder::new(chitty()?),
            // The paths on Debian.
            MeasuredClient::Irssi => CommandBuilder::new("/usr/bin/irssi"),
            MeasuredClient::Weechat => CommandBuilder::new("/usr/bin/weechat"),
        };
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("TZ", "UTC");
        command.env("HOME", home);
        command.cwd(home);
        match self.client {
            MeasuredClient::Chitty => {
                command.args(["--name", "ada", "--server", &self.url(), "--log-dir"]);
                command.arg(home.join("logs"));
            }
            MeasuredClient::Irssi => {
                fs::write(home.join("config"), self.irssi_config())?;
                command.arg(format!("--home={}", home.display()));
            }
            MeasuredClient::Weechat => {
                command.arg("--dir");
                command.arg(home.join("weechat"));
                command.arg("--run-command");
                command.arg(format!(
                    "/server add test {}/{} -nicks=ada -autojoin={CHANNEL}; /connect test",
                    self.address.ip(),
                    self.address.port()
                ));
            }
        }
        BenchTerminal::start(command)
    }

    /// Starts the client and waits until it has joined and is quiet.
    pub(crate) fn join(&self) -> Result<BenchTerminal> {
        let mut terminal = self.start()?;
        match self.client {
            MeasuredClient::Chitty => terminal.wait_for("Participant ada joined")?,
            MeasuredClient::Irssi => {
                // Its greeting ends like this, because there is no message of the day.
                terminal.wait_for("End of")?;
                terminal.send(&format!("/JOIN {CHANNEL}\r"))?;
                terminal.wait_for("Join to")?;
            }
            MeasuredClient::Weechat => terminal.wait_for(&format!("Channel {CHANNEL}:"))?,
        }
        terminal.quiet(Duration::from_millis(500));
        terminal.look_away();
        Ok(terminal)
    }

    /// The size of all log files of the client, in bytes.
    pub(crate) fn log_size(&self) -> Result<u64> {
        let logs = match self.client {
            MeasuredClient::Chitty | MeasuredClient::Irssi => "logs",
            MeasuredClient::Weechat => "weechat/logs",
        };
        size(&self.folder.path().join(logs))
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn irssi_config(&self) -> String {
        format!(
            "servers = ({{ address = \"{}\"; port = \"{}\"; autoconnect = \"yes\"; }});\n\
             settings = {{\n  core = {{ nick = \"ada\"; user_name = \"ada\"; }};\n  \
             \"fe-common/core\" = {{ autolog = \"yes\"; autolog_path = \"{}/logs/$0.log\"; }};\n}};\n",
            self.address.ip(),
            self.address.port(),
            self.folder.path().display()
        )
    }
}

impl Drop for BenchChat {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn size(folder: &Path) -> Result<u64> {
    let mut all = 0;
    for entry in fs::read_dir(folder)? {
        let metadata = entry?.metadata()?;
        all += if metadata.is_file() {
            metadata.len()
        } else {
            0
        };
    }
    Ok(all)
}

/// The program, which is built beside this one.
fn chitty() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("chitty");
    if !program.exists() {
        bail!(
            "{} is not there; build it in the same profile: cargo build --profile dist -p chitty",
            program.display()
        );
    }
    Ok(program)
}

fn chitty_server(folder: &Path) -> Result<(Child, SocketAddr)> {
    // The client's log is measured alone, so the server has none.
    let mut server = Command::new(chitty()?)
        .args(["serve", "--listen", "127.0.0.1:0", "--publish-rate", "off"])
        .args(["--join-rate", "off", "--grace", "86400", "--log-dir"])
        .arg(folder.join("server-logs"))
        .arg("--data")
        .arg(folder.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .wrap_err("cannot start the server")?;
    let mut line = String::new();
    if let Some(output) = server.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    // "chitty-server listens on ADDRESS"
    let address = line.split_whitespace().last().unwrap_or_default().parse();
    let address = address.wrap_err_with(|| format!("the server did not start: {line:?}"))?;
    Ok((server, address))
}

/// Starts ngircd without a limit on the rate of messages.
fn ngircd(folder: &Path) -> Result<(Child, SocketAddr)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = folder.join("ngircd.conf");
    let port = address.port();
    fs::write(
        &config,
        format!(
            "[Global]\nName = irc.test.invalid\nInfo = x\nListen = 127.0.0.1\nPorts = {port}\n\
             [Limits]\nMaxPenaltyTime = 0\nPingTimeout = 86400\n\
             [Options]\nDNS = no\nIdent = no\nPAM = no\n"
        ),
    )?;
    // The path on Debian, which is not on every user's PATH.
    let mut server = Command::new("/usr/sbin/ngircd")
        .args(["--nodaemon", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .wrap_err("cannot start ngircd; cargo xtask screen-bench installs it")?;
    for _ in 0..500 {
        if let Some(status) = server.try_wait()? {
            return Err(eyre!("ngircd ended: {status}"));
        }
        if TcpStream::connect(address).is_ok() {
            return Ok((server, address));
        }
        edge::sleep(Duration::from_millis(10));
    }
    let _ = server.kill();
    Err(eyre!("ngircd does not listen on {address}"))
}
