//! The real binary and its files: others' files, files that change under it, files that do not
//! belong together, and files that are not all there.

mod changes;
mod chats;
mod fails;
mod missing;
mod others;
mod recover;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use chitty_chat::proto::v1::{
    Broadcast, HistoryRequest, PublishRequest, chitty_chat_client::ChittyChatClient,
};
use chitty_testing::server::process::ServerChild;
use tonic::{Streaming, transport::Channel};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_chitty-server");

const SESSION: &str = "0123456789abcdef0123456789abcdef";

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("it runs")
}

/// The output of the program, which has to succeed.
fn succeeds(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Something in a folder, as a text for the command line.
fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// Copies the chat in this folder to `backup.db` there.
fn backup(folder: &Path) {
    let (data, to) = (path(folder, "data"), path(folder, "backup.db"));
    succeeds(&["backup", "--data", &data, &to]);
}

/// Runs this in the folder.
fn shell(folder: &Path, script: &str) {
    let status = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder)
        .status();
    assert!(status.expect("there is a shell").success(), "{script}");
}

/// What the server of [`start`] has printed on standard error so far.
fn said(folder: &Path) -> String {
    fs::read_to_string(folder.join("stderr")).expect("readable")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a server prints on standard error that refuses to start. `timeout` ends one that starts.
fn refused(folder: &Path) -> String {
    let path = |name| path(folder, name);
    let output = Command::new("timeout")
        .args(["20", PROGRAM, "--listen", "127.0.0.1:0"])
        .args(["--data", &path("data"), "--log-dir", &path("logs")])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    stderr(&output)
}

/// A server whose standard error is kept, and a participant.
async fn start(folder: &Path) -> (ServerChild, Participant, String) {
    let redirect = format!("exec 2>{}/stderr;", folder.display());
    let server = ServerChild::start(folder, &redirect);
    let (client, stream, welcome) = server.join(SESSION).await;
    let participant = Participant {
        client,
        _stream: stream,
    };
    (server, participant, welcome.epoch)
}

struct Participant {
    client: ChittyChatClient<Channel>,
    /// Held, because a participant without a stream is announced as LOST after the grace.
    _stream: Streaming<Broadcast>,
}

async fn publish(participant: &mut Participant, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let request = PublishRequest {
            session: SESSION.into(),
            text: format!("line {number}"),
            id: format!("{number:016}"),
            lamport: 1,
            ..PublishRequest::default()
        };
        let reply = participant.client.publish(request).await;
        reply.expect("acknowledged");
    }
}

/// The messages that are in the chat.
async fn lines(participant: &mut Participant) -> Vec<String> {
    use chitty_chat::proto::v1::event::Kind;
    let request = HistoryRequest {
        session: SESSION.into(),
        limit: 1000,
        ..HistoryRequest::default()
    };
    let page = participant.client.history(request).await.expect("readable");
    let events = page.into_inner().events.into_iter();
    events
        .filter_map(|event| match event.kind {
            Some(Kind::Message(message)) => Some(message.text),
            _ => None,
        })
        .collect()
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("line {number}")).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    names.sort();
    names
}

/// A chat of three lines, whose server was killed: its write-ahead log is there.
async fn killed(folder: &Path) -> (PathBuf, String) {
    let (mut server, mut client, epoch) = start(folder).await;
    publish(&mut client, 0..3).await;
    server.kill().await;
    (folder.join("data/chat.db"), epoch)
}
