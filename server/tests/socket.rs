//! The real binary and its socket in the data folder: who gets in, and that it stays there.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use chitty_chat::{
    local::{DialError, SOCKET},
    proto::v1::JoinRequest,
};
use chitty_server::local;
use chitty_testing::server::{PATIENCE, join_over, process::ServerChild};
use tokio::time::{Instant, sleep};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_chitty-server");

fn run(command: &mut Command) -> Output {
    command
        .env_remove("CHITTY_LISTEN")
        .env_remove("CHITTY_DATA")
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn health(data: &Path) -> Output {
    run(Command::new(PROGRAM).arg("health").arg("--data").arg(data))
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

#[tokio::test]
async fn the_chat_is_there_without_a_port() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = ServerChild::without_port(folder.path());
    let data = data(folder.path());
    let asked = health(&data);
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    assert_eq!(
        text(&asked.stdout),
        format!("{} serves\n", data.join(SOCKET).display())
    );
    let channel = local::channel(&data).await.expect("it listens");
    let request = JoinRequest {
        name: "ada".into(),
        lamport: 1,
        ..JoinRequest::default()
    };
    let mut ada = join_over(channel, request).await.expect("free");
    assert_eq!(ada.event().await.position, 1);
    assert_eq!(ada.publish("hello").await.position, 2);
    // Without a port, no key is needed.
    assert!(!data.join("server.key").exists());
    let ports = Command::new("ss")
        .args(["-Hltnp"])
        .output()
        .map(|output| text(&output.stdout));
    if let Ok(ports) = ports {
        let own = format!("pid={},", server.id());
        assert!(!ports.contains(&own), "{ports}");
    }
    assert!(server.end().await.success());
    assert!(!data.join(SOCKET).exists(), "it is removed at the end");
    let gone = local::channel(&data).await.expect_err("it has ended");
    assert!(matches!(gone, DialError::NoSocket { .. }), "{gone}");
}

#[tokio::test]
async fn a_server_that_was_killed_leaves_a_socket_that_the_next_one_replaces() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = ServerChild::without_port(folder.path());
    server.kill().await;
    let data = data(folder.path());
    assert!(data.join(SOCKET).exists());
    let gone = local::channel(&data).await.expect_err("it was killed");
    assert!(matches!(gone, DialError::NobodyListens { .. }), "{gone}");
    let asked = run(Command::new(PROGRAM)
        .args(["health", "--listen", "none", "--data"])
        .arg(&data));
    assert_eq!(asked.status.code(), Some(1));
    assert!(
        text(&asked.stderr).contains("does not serve: no server listens"),
        "{}",
        text(&asked.stderr)
    );
    let _next = ServerChild::without_port(folder.path());
    local::channel(&data).await.expect("it listens");
}

#[tokio::test]
async fn a_socket_that_is_removed_comes_back_within_five_seconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let _server = ServerChild::start(folder.path(), "");
    let data = data(folder.path());
    // Somebody who is in stays in.
    let channel = local::channel(&data).await.expect("it listens");
    let request = JoinRequest {
        name: "ada".into(),
        lamport: 1,
        ..JoinRequest::default()
    };
    let mut ada = join_over(channel, request).await.expect("free");
    fs::remove_file(data.join(SOCKET)).expect("ours");
    let began = Instant::now();
    while local::channel(&data).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "it does not come back");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(7));
    assert_eq!(ada.publish("still here").await.position, 2);
}

#[test]
fn a_server_that_nobody_could_reach_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let started = run(Command::new(PROGRAM)
        .args(["--listen", "none", "--ephemeral", "--log-dir"])
        .arg(folder.path()));
    assert_eq!(started.status.code(), Some(1));
    let reason = text(&started.stderr);
    assert!(reason.contains("leave one of them out"), "{reason}");
}

#[test]
fn the_key_is_printed_for_those_who_ask_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = |more: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("key").arg("--data").arg(data(folder.path()));
        run(command.args(more))
    };
    let none = key(&[]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("when it first listens on a port"));
    let server = ServerChild::start(folder.path(), "");
    let fingerprint = text(&key(&[]).stdout);
    assert!(fingerprint.starts_with("SHA256:"), "{fingerprint}");
    assert_eq!(fingerprint.trim().len(), "SHA256:".len() + 43);
    let certificate = text(&key(&["--pem"]).stdout);
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(!certificate.contains("PRIVATE"));
    drop(server);
    // The key outlives the server, and so do the pins of its clients.
    let _again = ServerChild::start(folder.path(), "");
    assert_eq!(text(&key(&[]).stdout), fingerprint);
    assert_eq!(text(&key(&["--pem"]).stdout), certificate);
}

/// Runs the program as `nobody`, who can read it in a folder of its own. `None` if this user may
/// not become `nobody`.
fn as_nobody(folder: &Path, arguments: &[&str]) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tried: only root can become nobody");
        return None;
    }
    // The folder of the build may be closed to others.
    let program = folder.join("chitty-server");
    fs::copy(PROGRAM, &program).expect("copied");
    chmod(&program, 0o755);
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .args(arguments);
    Some(run(&mut command))
}

#[tokio::test]
async fn another_user_gets_nowhere_at_the_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    chmod(folder.path(), 0o755);
    let _server = ServerChild::without_port(folder.path());
    let data = data(folder.path());
    let path = data.display().to_string();
    let ask = ["health", "--listen", "none", "--data", &path];
    let Some(closed) = as_nobody(folder.path(), &ask) else {
        return;
    };
    assert_eq!(closed.status.code(), Some(1));
    let reason = text(&closed.stderr);
    assert!(reason.contains("Permission denied"), "{reason}");
    // The modes are opened by hand, as a mistake or another program would: the user counts.
    chmod(&data, 0o755);
    chmod(&data.join(SOCKET), 0o666);
    let refused = as_nobody(folder.path(), &ask).expect("root");
    assert_eq!(refused.status.code(), Some(1));
    let reason = text(&refused.stderr);
    assert!(!reason.contains("Permission denied"), "{reason}");
    let log = fs::read_to_string(folder.path().join("logs/server.log")).expect("readable");
    assert!(
        log.contains("other users of this machine are refused"),
        "{log}"
    );
    let own = health(&data);
    assert!(own.status.success(), "{}", text(&own.stderr));
}

#[tokio::test]
async fn a_false_server_of_another_user_is_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let trap = folder.path().join("trap");
    fs::create_dir(&trap).expect("made");
    // Everybody can write there, so that another user can put a socket in the place.
    chmod(folder.path(), 0o755);
    chmod(&trap, 0o777);
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tried: only root can become another user");
        return;
    }
    let listen = format!(
        "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('{}'); s.listen(); \
         print('ready', flush=True); time.sleep(60)",
        trap.join(SOCKET).display()
    );
    let mut false_server = Command::new("setpriv")
        .args(["--reuid", "12345", "--regid", "12345", "--clear-groups"])
        .args(["/usr/bin/python3", "-c", &listen])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let output = false_server.stdout.as_mut().expect("piped");
    let mut ready = [0; 5];
    std::io::Read::read_exact(output, &mut ready).expect("it listens");
    let refused = local::channel(&trap).await.expect_err("not ours");
    let _ = false_server.kill();
    let _ = false_server.wait();
    assert!(matches!(refused, DialError::Foreign { .. }), "{refused}");
    assert!(
        refused.to_string().contains("belongs to user 12345"),
        "{refused}"
    );
}
