//! The real binary when its log's disk is full, hangs, or is not its own. strace plays the disk:
//! it makes the writes to one file fail, or wait.

#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use chitty_chat::proto::v1::{PublishRequest, chitty_chat_client::ChittyChatClient};
use chitty_testing::server::{PATIENCE, process::ServerChild};
use chitty_trace::{chat::TraceIndex, check::check, cli::write_report, read::Trace};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::transport::Channel;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_chitty-server");

const SESSION: &str = "0123456789abcdef0123456789abcdef";

/// A server whose writes to its log are tampered with like this. What it says on standard error is
/// in a file.
fn start(folder: &Path, inject: &str) -> ServerChild {
    let log = folder.join("logs/server.log");
    fs::create_dir_all(folder.join("logs")).expect("made");
    fs::write(&log, "").expect("made");
    let (trace, log) = (folder.join("trace"), log.display());
    let strace = format!(
        "strace -D -f -q -o {} -P {log} -e trace=write -e inject=write:{inject}",
        trace.display()
    );
    let redirect = format!("exec 2>{}/stderr;", folder.display());
    ServerChild::start_under(folder, &redirect, &strace)
}

fn said(folder: &Path) -> String {
    fs::read_to_string(folder.join("stderr")).unwrap_or_default()
}

async fn publish(client: &mut ChittyChatClient<Channel>, text: &str) {
    let request = PublishRequest {
        session: SESSION.into(),
        text: text.into(),
        lamport: 1,
        ..PublishRequest::default()
    };
    let reply = timeout(PATIENCE, client.publish(request)).await;
    reply.expect("in time").expect("accepted");
}

/// Publishes so many lines of some length at once.
async fn publish_many(client: &ChittyChatClient<Channel>, count: usize) {
    let mut all = JoinSet::new();
    for author in 0..8 {
        let mut client = client.clone();
        all.spawn(async move {
            for number in (author..count).step_by(8) {
                publish(&mut client, &format!("{number:<100}|")).await;
            }
        });
    }
    all.join_all().await;
}

/// Waits for the end of a server one of whose threads strace holds: what is left of it then is that
/// thread, which ends with the tracer.
async fn ended_but_for_the_tracer(server: &mut ServerChild) -> bool {
    let status = format!("/proc/{}/status", server.id());
    let deadline = Instant::now() + PATIENCE;
    let tracer = loop {
        let status = fs::read_to_string(&status).expect("it is there");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        if field("State:").starts_with('Z') {
            break field("TracerPid:");
        }
        assert!(Instant::now() < deadline, "it goes on");
        sleep(Duration::from_millis(10)).await;
    };
    let killed = Command::new("kill").args(["-9", &tracer]).status();
    assert!(killed.expect("kill is there").success());
    server.ended().await.success()
}

/// The report of `chitty trace` about the logs, which must not have a violation.
fn checked(folder: &Path) -> String {
    let trace = Trace::read(&[folder.join("logs")]).expect("readable");
    let index = TraceIndex::of(&trace);
    let report = check(&index);
    let mut said = Vec::new();
    write_report(&index, &report, &mut said).expect("memory");
    let said = String::from_utf8(said).expect("text");
    assert!(report.violations.is_empty(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_the_log_says_where_lines_are_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start(folder.path(), "error=ENOSPC:when=5..3000");
    let (mut client, mut stream, _) = server.join(SESSION).await;
    // A stream that is not read lags, which does not matter here.
    let reader = tokio::spawn(async move { while let Ok(Some(_)) = stream.message().await {} });
    let deadline = Instant::now() + 3 * PATIENCE;
    while !said(folder.path()).contains("is written again") {
        assert!(Instant::now() < deadline, "{}", said(folder.path()));
        publish_many(&client, 400).await;
    }
    publish(&mut client, "afterwards").await;
    server.signal("TERM");
    assert!(server.ended().await.success());
    reader.abort();
    let said = said(folder.path());
    let [fails, works] = said.lines().collect::<Vec<_>>()[..] else {
        panic!("once when it begins, and once when it is over:\n{said}");
    };
    assert!(
        fails.starts_with("chitty-server: cannot write the log file")
            && fails.contains("No space left on device"),
        "{fails}"
    );
    let log = fs::read_to_string(folder.path().join("logs/server.log")).expect("a log");
    let holes: Vec<_> = log
        .lines()
        .filter(|line| line.contains(" dropped="))
        .collect();
    let [hole] = holes[..] else {
        panic!("one hole: {holes:?}");
    };
    let dropped = hole.split(" dropped=").nth(1).expect("it is there");
    let dropped = dropped.split(' ').next().expect("a number");
    assert!(
        works.ends_with(&format!("; {dropped} lines are missing from it")),
        "{works} {hole}"
    );
    assert!(log.contains("text=afterwards"));
    let report = checked(folder.path());
    let missing = format!("{dropped} lines are missing");
    assert!(report.contains(&missing), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_neither_stops_the_chat_nor_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start(folder.path(), "delay_enter=300000000:when=4+");
    let (client, mut stream, _) = server.join(SESSION).await;
    let reader = tokio::spawn(async move { while let Ok(Some(_)) = stream.message().await {} });
    // Three lines each: far more than there is space for on their way to the disk.
    publish_many(&client, 4000).await;
    let deadline = Instant::now() + PATIENCE;
    while !said(folder.path()).contains("the file system does not answer") {
        assert!(Instant::now() < deadline, "{}", said(folder.path()));
        sleep(Duration::from_millis(50)).await;
    }
    server.signal("TERM");
    // Long before the disk answers, and not by the deadline that ends a process that hangs.
    assert!(ended_but_for_the_tracer(&mut server).await);
    let said = said(folder.path());
    assert!(!said.contains("ended without waiting"), "{said}");
    reader.abort();
    checked(folder.path());
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    // With a HOME of its own, so that it does not find the configuration of a user.
    Command::new("timeout")
        .args(["20", PROGRAM, "--listen", "127.0.0.1:0", "--ephemeral"])
        .args(["--idle-exit", "0.1"])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder.join("home"))
        .env_remove("XDG_STATE_HOME")
        .env_remove("CHITTY_LOG_DIR")
        .output()
        .expect("it runs")
}

#[test]
fn a_server_does_not_start_without_its_log_and_says_whose_the_file_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = folder.path().join("logs");
    let log = logs.join("server.log");
    fs::create_dir(&logs).expect("made");
    symlink(folder.path().join("victim"), &log).expect("made");
    let arguments = ["--log-dir", "logs"];
    let output = run(folder.path(), &arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("it is a symbolic link"), "{said}");
    assert!(!folder.path().join("victim").exists());
    fs::remove_file(&log).expect("removed");

    // Readable by all, as somebody may have made it beforehand.
    fs::write(&log, "").expect("made");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).expect("ours");
    assert!(run(folder.path(), &arguments).status.success());
    let mode = fs::metadata(&log).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    fs::set_permissions(&logs, fs::Permissions::from_mode(0o777)).expect("ours");
    let output = run(folder.path(), &arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("others can write to it"), "{said}");

    if chown(&log, Some(65534), None).is_ok() {
        fs::set_permissions(&logs, fs::Permissions::from_mode(0o700)).expect("ours");
        let output = run(folder.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let owner = chitty_chat::files::user_name(65534);
        assert!(said.contains(&format!("belongs to {owner}")), "{said}");
    }
}

#[test]
fn a_local_folder_that_others_can_write_to_is_passed_over_and_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("logs")).expect("made");
    fs::create_dir(folder.path().join("home")).expect("made");
    let local = folder.path().join("logs");
    fs::set_permissions(&local, fs::Permissions::from_mode(0o777)).expect("ours");
    let output = run(folder.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("./logs is not used: others can write to it"),
        "{said}"
    );
    let state = folder.path().join("home/.local/state/chitty-chat");
    assert!(said.contains(&state.display().to_string()), "{said}");
    assert!(state.join("server.log").exists());
    assert_eq!(fs::read_dir(&local).expect("readable").count(), 0);

    fs::set_permissions(&local, fs::Permissions::from_mode(0o755)).expect("ours");
    let output = run(folder.path(), &[]);
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(local.join("server.log").exists());
}
