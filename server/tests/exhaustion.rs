//! A server whose files or threads run out.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use chitty_chat::proto::v1::{JoinRequest, chitty_chat_client::ChittyChatClient};
use chitty_testing::server::{PATIENCE, process::ServerChild};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tonic::transport::Channel;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_chitty-server");

const SESSION: &str = "0123456789abcdef0123456789abcdef";

async fn idle(server: &ServerChild, count: usize) -> Vec<TcpStream> {
    let address = server.url.trim_start_matches("http://");
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(TcpStream::connect(address).await.expect("a backlog"));
    }
    open
}

/// Somebody new gets in, in the end.
async fn newcomer(server: &ServerChild) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let joined = async {
            let channel = Channel::from_shared(server.url.clone()).expect("a URL");
            let mut client = ChittyChatClient::new(channel.connect().await.ok()?);
            let request = JoinRequest {
                name: "eve".into(),
                lamport: 1,
                ..JoinRequest::default()
            };
            client.join(request).await.ok()
        };
        if let Ok(Some(_)) = timeout(Duration::from_secs(2), joined).await {
            return;
        }
        assert!(Instant::now() < deadline, "no space becomes free");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn few_files_are_kept_for_the_chat_and_shared_by_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = ServerChild::start(folder.path(), "ulimit -n 60;");
    let (_client, mut stream, _) = server.join(SESSION).await;
    let _idle = idle(&server, 100).await;
    newcomer(&server).await;
    // The participant's own Joined, and then that of the newcomer.
    for _ in 0..2 {
        let event = timeout(PATIENCE, stream.message()).await;
        event.expect("in time").expect("it goes on");
    }
    let log = fs::read_to_string(folder.path().join("logs/server.log")).expect("a log");
    assert!(log.contains("fewer connections than configured"), "{log}");
}

#[tokio::test]
async fn when_files_run_out_idle_connections_are_closed_and_that_is_reported_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = ServerChild::start(folder.path(), "");
    let (_client, mut stream, _) = server.join(SESSION).await;
    let files = fs::read_dir(format!("/proc/{}/fd", server.id())).expect("it runs");
    let limit = files.count() + 5;
    let lowered = Command::new("prlimit")
        .args([
            format!("--pid={}", server.id()),
            format!("--nofile={limit}:{limit}"),
        ])
        .status();
    assert!(lowered.expect("prlimit is there").success());
    let _idle = idle(&server, 50).await;
    newcomer(&server).await;
    for _ in 0..2 {
        let event = timeout(PATIENCE, stream.message()).await;
        event.expect("in time").expect("it goes on");
    }
    let log = fs::read_to_string(folder.path().join("logs/server.log")).expect("a log");
    let found = log.matches("no more connections can be accepted").count();
    assert_eq!(found, 1, "{log}");
}

/// Runs a server as a user who has no other threads. `None` if this is not possible here: the limit
/// does not hold for root, and only root can become another user.
fn with_few_threads(folder: &Path, threads: usize) -> Option<(i32, String)> {
    let program = folder.join("chitty-server");
    if !program.exists() {
        fs::copy(PROGRAM, &program).ok()?;
    }
    let script = format!(
        "chmod 777 {0} && exec timeout 10 setpriv --reuid {2} --regid {2} --clear-groups \
         prlimit --nproc={threads} {1} --listen 127.0.0.1:0 --ephemeral --log-dir {0}/l",
        folder.display(),
        program.display(),
        100_000 + std::process::id(),
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::null())
        .output()
        .ok()?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_possible = !printed.contains("setpriv") && !printed.contains("prlimit");
    is_possible.then(|| (output.status.code().unwrap_or(-1), printed))
}

#[test]
fn a_server_without_its_threads_says_so_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    for threads in [1, 2, 4, 8, 11] {
        let Some((code, printed)) = with_few_threads(folder.path(), threads) else {
            return;
        };
        assert_eq!(code, 1, "{printed}");
        assert!(
            printed.contains("threads, and the system gives it"),
            "{printed}"
        );
        assert!(!printed.contains("panicked"), "{printed}");
    }
}
