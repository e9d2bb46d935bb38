//! The real binary and its ports: what each of them takes, and what is printed about it.

use std::{
    fs::{self, Permissions},
    io::Read as _,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use chitty_chat::{fingerprint::Fingerprint, link::ChatLink, proto::v1::JoinRequest};
use chitty_server::key::ServerKey;
use chitty_testing::server::{join_over, tls};
use tonic::transport::Channel;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_chitty-server");

/// A server on this address, with what it prints at its start.
struct Server {
    process: Child,
    printed: String,
    port: u16,
}

fn command(folder: &Path, listen: &str, options: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["--listen", listen])
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--log-dir")
        .arg(folder.join("logs"))
        .args(options)
        .env_remove("CHITTY_INSECURE")
        // These tests are about the ports, and not about who may join.
        .env("CHITTY_OPEN", "true")
        .stdin(Stdio::null());
    command
}

impl Server {
    fn start(folder: &Path, listen: &str, options: &[&str]) -> Self {
        let process = command(folder, listen, options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut process = process.expect("it runs");
        let output = process.stdout.as_mut().expect("piped");
        let mut printed = Vec::new();
        let mut byte = [0];
        // The line with the log is the last one.
        while !(printed.ends_with(b"\n") && contains(&printed, "its log:")) {
            let read = output.read(&mut byte).expect("readable");
            assert_eq!(read, 1, "{}", String::from_utf8_lossy(&printed));
            printed.push(byte[0]);
        }
        let printed = String::from_utf8(printed).expect("text");
        let first = printed.lines().next().expect("a line");
        let address = first.rsplit(' ').next().expect("an address");
        let port = address.parse::<SocketAddr>().expect("an address").port();
        Self {
            process,
            printed,
            port,
        }
    }

    fn here(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The pin in the link that it prints.
    fn pin(&self) -> chitty_chat::fingerprint::Pin {
        let link = ChatLink::find(&self.printed).expect("a link");
        assert!(link.secret.is_none());
        link.pin
    }

    async fn plain(&self) -> Result<Channel, tonic::transport::Error> {
        let endpoint = Channel::from_shared(format!("http://{}", self.here()));
        endpoint.expect("a URL").connect().await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn ada() -> JoinRequest {
    JoinRequest {
        name: "ada".into(),
        lamport: 1,
        ..JoinRequest::default()
    }
}

fn fingerprint(folder: &Path) -> Fingerprint {
    let key = ServerKey::load(&folder.join("data")).expect("readable");
    key.expect("made").fingerprint()
}

#[tokio::test]
async fn a_port_for_others_takes_tls_only_even_from_this_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), "0.0.0.0:0", &[]);
    let key = fingerprint(folder.path());
    assert_eq!(server.pin(), key.pin(), "{}", server.printed);
    assert!(server.printed.contains(&key.to_string()));
    assert!(!server.printed.contains("http://"), "{}", server.printed);
    if let Ok(channel) = server.plain().await {
        let refused = join_over(channel, ada()).await.err().expect("refused");
        let reason = format!("{refused:?}");
        assert!(
            reason.contains("InsufficientSecurity") || reason.contains("INADEQUATE"),
            "{reason}"
        );
    }
    let channel = tls::channel(server.here(), key, None).await.expect("TLS");
    let mut participant = join_over(channel, ada()).await.expect("free");
    assert_eq!(participant.event().await.position, 1);
}

#[tokio::test]
async fn insecure_is_said_at_every_start_and_takes_both() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..2 {
        let server = Server::start(folder.path(), "0.0.0.0:0", &["--insecure"]);
        let warning = "WARNING:  --insecure: everybody on the way can read";
        assert!(server.printed.contains(warning), "{}", server.printed);
        let channel = server.plain().await.expect("plain text");
        let name = format!("ada {round}");
        let request = JoinRequest { name, ..ada() };
        let mut participant = join_over(channel, request).await.expect("free");
        participant.event().await;
        let key = fingerprint(folder.path());
        let channel = tls::channel(server.here(), key, None).await.expect("TLS");
        let mut eve = join_over(
            channel,
            JoinRequest {
                name: format!("eve {round}"),
                ..ada()
            },
        )
        .await
        .expect("free");
        eve.event().await;
    }
}

#[tokio::test]
async fn a_loopback_port_takes_both_and_asks_for_neither() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), "127.0.0.1:0", &["--insecure"]);
    assert!(!server.printed.contains("WARNING"), "{}", server.printed);
    let way = format!("chitty --server http://127.0.0.1:{}\n", server.port);
    assert!(server.printed.contains(&way), "{}", server.printed);
    server.plain().await.expect("plain text");
    let key = fingerprint(folder.path());
    tls::channel(server.here(), key, None).await.expect("TLS");
}

#[tokio::test]
async fn a_chat_in_memory_has_a_key_for_one_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let pins: Vec<_> = (0..2)
        .map(|_| Server::start(folder.path(), "0.0.0.0:0", &["--ephemeral"]).pin())
        .collect();
    assert_ne!(pins[0], pins[1]);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn links_have_the_place_that_the_user_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ["--advertise", "chat.example.org:443"];
    let server = Server::start(folder.path(), "0.0.0.0:0", &options);
    let link = "chitty 'chitty://chat.example.org:443/#";
    assert!(server.printed.contains(link), "{}", server.printed);
}

/// What a server says that does not start.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(folder: &Path) -> Output {
    let mut under = Command::new("timeout");
    let command = command(folder, "127.0.0.1:0", &[]);
    under.arg("20").arg(command.get_program());
    under.args(command.get_args()).output().expect("it runs")
}

#[test]
fn a_key_that_is_not_safe_ends_the_start_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(Server::start(folder.path(), "127.0.0.1:0", &[]));
    let file = folder.path().join("data/server.key");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("ours");
    let reason = refused(&run(folder.path()));
    assert!(
        reason.contains("server.key") && reason.contains("chmod 600"),
        "{reason}"
    );
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("ours");
    fs::write(&file, "half a k").expect("ours");
    let reason = refused(&run(folder.path()));
    assert!(reason.contains("put a copy of it back"), "{reason}");
    assert_eq!(fs::read(&file).expect("there"), b"half a k");
}

#[test]
fn a_disk_that_is_full_leaves_no_half_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let unfinished = data.join("server.key.new");
    fs::create_dir(&data).expect("made");
    fs::set_permissions(&data, Permissions::from_mode(0o700)).expect("ours");
    for (call, error) in [("write", "ENOSPC"), ("fsync", "EIO")] {
        // A path that is traced has to be there. This one is what a crash left.
        fs::write(&unfinished, "hal").expect("ours");
        let injected = Command::new("strace")
            .args(["-f", "-q", "-o", "/dev/null"])
            .args(["-P", &unfinished.display().to_string()])
            .args(["-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:error={error}")])
            .args([
                "timeout",
                "20",
                PROGRAM,
                "--listen",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(&data)
            .arg("--log-dir")
            .arg(folder.path().join("logs"))
            .output()
            .expect("strace is there");
        let reason = refused(&injected);
        assert!(
            reason.contains("cannot write") && reason.contains("server.key"),
            "{call}: {reason}"
        );
        assert!(!unfinished.exists(), "{call}: half a key is left");
        assert!(!data.join("server.key").exists(), "{call}");
    }
    // With space again, it starts.
    drop(Server::start(folder.path(), "127.0.0.1:0", &[]));
    assert!(data.join("server.key").exists());
}
