//! The program `chitty-server`, as a child process.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use chitty_chat::proto::v1::{
    Broadcast, JoinRequest, Welcome, broadcast::Kind, chitty_chat_client::ChittyChatClient,
};
use chitty_trace::{chat::TraceIndex, check::check, cli::write_report, read::Trace};
use tokio::time::{Instant, sleep};
use tonic::{Streaming, transport::Channel};

use super::PATIENCE;

/// The program `chitty-server`. Newer versions of Cargo name it to tests. Otherwise it is beside
/// the folder of this program.
fn program() -> PathBuf {
    std::env::var_os("CARGO_BIN_EXE_chitty-server").map_or_else(
        || {
            let own = std::env::current_exe().expect("this program has a path");
            let folder = own.ancestors().nth(2).expect("it is in target/*/*");
            folder.join("chitty-server")
        },
        PathBuf::from,
    )
}

/// A server of this folder, which ends with the test.
pub struct ServerChild {
    process: Child,
    logs: PathBuf,
    /// Its address as clients take it, `http://…`; the path of its socket if it has no port.
    pub url: String,
}

impl ServerChild {
    /// `ulimit` is what `sh` runs before it becomes the server.
    pub fn start(folder: &Path, ulimit: &str) -> Self {
        Self::start_under(folder, ulimit, "")
    }

    /// `runner` is another program, with its arguments, that becomes the server.
    pub fn start_under(folder: &Path, ulimit: &str, runner: &str) -> Self {
        let mut server = Self::listening(folder, ulimit, runner, "127.0.0.1:0");
        server.url.insert_str(0, "http://");
        server
    }

    /// A server without a port, which is reached over its socket in the data folder.
    pub fn without_port(folder: &Path) -> Self {
        Self::listening(folder, "", "", "none")
    }

    fn listening(folder: &Path, ulimit: &str, runner: &str, listen: &str) -> Self {
        let script = format!(
            "{ulimit} exec {runner} {1} --listen {listen} --publish-rate off --grace 0.2 \
             --restart-grace 60 --data {0}/data --log-dir {0}/logs",
            folder.display(),
            program().display()
        );
        let mut process = Command::new("sh")
            .args(["-c", &script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().expect("piped"))
            .read_line(&mut line)
            .expect("it speaks");
        let address = line.trim().rsplit(' ').next().unwrap_or_default();
        let is_place = address.contains(':') || address.starts_with('/');
        assert!(is_place, "it does not start: {line}");
        Self {
            url: address.to_owned(),
            logs: folder.join("logs"),
            process,
        }
    }

    /// Joins as `ada` with this session, and takes the Welcome.
    pub async fn join(
        &self,
        session: &str,
    ) -> (ChittyChatClient<Channel>, Streaming<Broadcast>, Welcome) {
        let channel = Channel::from_shared(self.url.clone())
            .expect("a URL")
            .connect()
            .await
            .expect("it listens");
        let mut client = ChittyChatClient::new(channel);
        let request = JoinRequest {
            name: "ada".into(),
            lamport: 1,
            session: session.into(),
            ..JoinRequest::default()
        };
        let mut stream = client.join(request).await.expect("free").into_inner();
        let first = stream.message().await.expect("alive").and_then(|m| m.kind);
        let Some(Kind::Welcome(welcome)) = first else {
            panic!("a Welcome, not {first:?}");
        };
        (client, stream, welcome)
    }

    /// Kills it, and waits for its end.
    pub async fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.ended().await;
    }

    /// Ends it by SIGTERM, and waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Sends it a signal; the name is one of `kill -l`, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status();
        assert!(status.expect("kill is there").success(), "{name}");
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it goes on");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for ServerChild {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !thread::panicking() {
            assert_clean(&self.logs);
        }
    }
}

/// Whatever happened, the log keeps every rule of logical time.
fn assert_clean(logs: &Path) {
    let trace = Trace::read(&[logs.to_owned()]).expect("readable logs");
    let index = TraceIndex::of(&trace);
    let report = check(&index);
    let mut said = Vec::new();
    write_report(&index, &report, &mut said).expect("memory can be written");
    assert!(
        report.violations.is_empty(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}
