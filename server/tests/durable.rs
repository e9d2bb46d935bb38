//! Power loss: what was acknowledged or shown was synced before. kill -9 keeps the kernel's page
//! cache, and so cannot tell; here the order of the server's system calls does.

#![cfg(target_os = "linux")]

use std::{collections::BTreeMap, fs, path::Path};

use chitty_chat::proto::v1::{PublishRequest, chitty_chat_client::ChittyChatClient};
use chitty_testing::server::{
    PATIENCE,
    process::ServerChild,
    raw::{DATA, HEADERS, PREFACE},
    strace::{self, SystemCall},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tonic::transport::Channel;

const SESSION: &str = "0123456789abcdef0123456789abcdef";
const WRITERS: usize = 4;
const LINES: usize = 15;

/// In the log, in requests and in broadcasts.
fn text(writer: usize, line: usize) -> String {
    format!("probe {writer} {line:04}")
}

/// Writes lines, one after the other, each when the one before is acknowledged.
async fn write(url: String, writer: usize) {
    let channel = Channel::from_shared(url).expect("a URL");
    let channel = channel.connect().await.expect("it listens");
    let mut client = ChittyChatClient::new(channel);
    for line in 0..LINES {
        let request = PublishRequest {
            session: SESSION.into(),
            text: text(writer, line),
            id: format!("{writer:08}{line:08}"),
            lamport: 1,
            ..PublishRequest::default()
        };
        client.publish(request).await.expect("acknowledged");
    }
}

/// The trace of a server that acknowledged all lines, and was ended then.
async fn trace(folder: &Path) -> String {
    let path = folder.join("trace");
    let tracer = strace::command(&path.display().to_string());
    let mut server = ServerChild::start_under(folder, "", &tracer);
    let (_client, mut stream, _) = server.join(SESSION).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(server.url.clone(), writer));
    }
    writers.join_all().await;
    // Its Joined, and all lines.
    for _ in 0..=WRITERS * LINES {
        stream.message().await.expect("alive").expect("an event");
    }
    // In order: a call that a kill cuts off may have been done, and is not in the trace.
    let end = format!("{} ", server.id());
    server.signal("TERM");
    server.ended().await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let trace = fs::read_to_string(&path).unwrap_or_default();
        if trace
            .lines()
            .last()
            .is_some_and(|line| line.starts_with(&end) && line.contains("+++ exited"))
        {
            return trace;
        }
        assert!(Instant::now() < deadline, "the trace has no end");
        sleep(PATIENCE / 1000).await;
    }
}

/// One HTTP/2 frame.
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
    /// When the system call with its first byte began.
    begin: usize,
}

/// The frames that went one way through a socket.
fn frames<'a>(calls: impl Iterator<Item = &'a SystemCall>) -> Vec<Frame> {
    let mut bytes = Vec::new();
    for call in calls {
        bytes.extend(call.passed().iter().map(|byte| (*byte, call.begin)));
    }
    let plain = |bytes: &[(u8, usize)]| bytes.iter().map(|(byte, _)| *byte).collect::<Vec<_>>();
    if plain(&bytes).starts_with(PREFACE) {
        bytes.drain(..PREFACE.len());
    }
    let mut frames = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((head, after)) = rest.split_at_checked(9) {
        let begin = head[0].1;
        let head = plain(head);
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        };
        let length = usize::try_from(number(&head[..3])).expect("24 bits");
        let Some((payload, after)) = after.split_at_checked(length) else {
            break;
        };
        frames.push(Frame {
            kind: head[3],
            stream: number(&head[5..]),
            payload: plain(payload),
            begin,
        });
        rest = after;
    }
    frames
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// What went through one socket.
struct Connection {
    requests: Vec<Frame>,
    answers: Vec<Frame>,
}

/// The frames of each connection.
fn connections(calls: &[SystemCall]) -> Vec<Connection> {
    let mut sockets: BTreeMap<&str, Vec<&SystemCall>> = BTreeMap::new();
    for call in calls {
        if call.file.starts_with("socket:") {
            sockets.entry(&call.file).or_default().push(call);
        }
    }
    let is_receipt = |call: &&&SystemCall| matches!(call.name.as_str(), "read" | "recvfrom");
    sockets
        .values()
        .map(|calls| {
            let (received, sent): (Vec<&SystemCall>, Vec<&SystemCall>) =
                calls.iter().partition(|call| is_receipt(call));
            Connection {
                requests: frames(received.into_iter()),
                answers: frames(sent.into_iter()),
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_lies_between_a_line_and_all_that_tell_of_it() {
    let installed = std::process::Command::new("strace").arg("-V").output();
    assert!(
        installed.is_ok(),
        "install strace, as cargo xtask check does"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let calls = strace::parse(&trace(folder.path()).await);
    let connections = connections(&calls);
    let log: Vec<&SystemCall> = calls
        .iter()
        .filter(|call| call.file.ends_with("/chat.db-wal") && call.result >= 0)
        .collect();
    for writer in 0..WRITERS {
        for line in 0..LINES {
            check(&text(writer, line), &log, &connections);
        }
    }
}

/// Fails if an answer that has this text, or acknowledges it, began before the text was synced.
fn check(text: &str, log: &[&SystemCall], connections: &[Connection]) {
    let written = log
        .iter()
        .find(|call| call.name == "pwrite64" && contains(&call.data, text))
        .unwrap_or_else(|| panic!("{text} is not in the log"));
    // SQLite as it is built by default calls fsync(2), which is as safe but dearer.
    let synced = log
        .iter()
        .find(|call| call.name == "fdatasync" && call.begin > written.end)
        .unwrap_or_else(|| panic!("{text} is never synced, or not as .cargo/config.toml asks"));
    let (mut acknowledged, mut shown) = (0, 0);
    for Connection { requests, answers } in connections {
        for answer in answers.iter().filter(|answer| answer.kind == DATA) {
            if contains(&answer.payload, text) {
                assert!(
                    synced.end < answer.begin,
                    "{text} is shown before it is synced"
                );
                shown += 1;
            }
        }
        let asks = |request: &&Frame| request.kind == DATA && contains(&request.payload, text);
        let Some(request) = requests.iter().find(asks) else {
            continue;
        };
        let answer = answers
            .iter()
            .find(|answer| answer.kind == HEADERS && answer.stream == request.stream)
            .unwrap_or_else(|| panic!("{text} is not acknowledged"));
        assert!(
            synced.end < answer.begin,
            "{text} is acknowledged before it is synced"
        );
        acknowledged += 1;
    }
    assert_eq!(acknowledged, 1, "{text}: one reply to its author");
    assert_eq!(shown, 1, "{text}: one broadcast to the reader");
}
