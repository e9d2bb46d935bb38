//! How many lines of the server's log a stranger, or one participant, can cause.

use std::{fs, path::Path, time::Duration};

use chitty_chat::proto::v1::{
    HistoryRequest, JoinRequest, LeaveRequest, PublishRequest, chitty_chat_client::ChittyChatClient,
};
use chitty_testing::server::{PATIENCE, process::ServerChild};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tonic::transport::Channel;

const SESSION: &str = "0123456789abcdef0123456789abcdef";
/// Connections that hammer, and calls under way on each.
const CONNECTIONS: usize = 3;
const CALLS: usize = 2;

async fn connect(url: &str) -> ChittyChatClient<Channel> {
    let channel = Channel::from_shared(url.to_owned()).expect("a URL");
    ChittyChatClient::new(channel.connect().await.expect("it listens"))
}

/// Calls again and again for this time; how often, and how long it took.
async fn hammer<F>(
    url: &str,
    time: Duration,
    call: impl Fn(ChittyChatClient<Channel>, u64) -> F + Copy + Send + 'static,
) -> (u64, Duration)
where
    F: Future<Output = ()> + Send + 'static,
{
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = connect(url).await;
        for _ in 0..CALLS {
            let client = client.clone();
            all.spawn(async move {
                let mut calls = 0;
                while begun.elapsed() < time {
                    call(client.clone(), calls).await;
                    calls += 1;
                }
                calls
            });
        }
    }
    (all.join_all().await.into_iter().sum(), begun.elapsed())
}

async fn leave_unknown(mut client: ChittyChatClient<Channel>, _: u64) {
    let request = LeaveRequest {
        session: "an-unknown-session-of-nobody".into(),
        lamport: 1,
    };
    client.leave(request).await.expect_err("unknown");
}

/// The contents of all log files.
fn log(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder.join("logs")).expect("a folder") {
        all += &fs::read_to_string(entry.expect("an entry").path()).expect("text");
    }
    all
}

/// How many lines have these words.
fn count(log: &str, words: &str) -> u64 {
    log.lines().filter(|line| line.contains(words)).count() as u64
}

/// The sum of this field of all `Log suppressed` lines, and how many of these there are.
fn suppressed(log: &str, field: &str) -> (u64, u64) {
    let lines = log.lines().filter(|line| line.contains(" Log suppressed "));
    let numbers: Vec<u64> = lines
        .filter_map(|line| {
            let value = line.split(&format!(" {field}=")).nth(1)?;
            value.split(' ').next()?.parse().ok()
        })
        .collect();
    (numbers.iter().sum(), numbers.len() as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_make_few_lines_and_the_others_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = ServerChild::start(folder.path(), "");
    let leave = |client, number| leave_unknown(client, number);
    let (left, took) = hammer(&server.url, Duration::from_millis(2500), leave).await;
    // Other calls of theirs share the limit.
    let other = |mut client: ChittyChatClient<Channel>, number: u64| async move {
        match number % 4 {
            0 => {
                let request = JoinRequest::default();
                client.join(request).await.map(drop).expect_err("no name");
            }
            1 => {
                let request = PublishRequest {
                    session: SESSION.into(),
                    text: "x".repeat(2000),
                    ..PublishRequest::default()
                };
                client.publish(request).await.expect_err("too long");
            }
            2 => {
                let request = HistoryRequest {
                    session: SESSION.into(),
                    ..HistoryRequest::default()
                };
                client.history(request).await.expect_err("unknown");
            }
            _ => {
                // The reason quotes an id that is malformed.
                let request = PublishRequest {
                    session: SESSION.into(),
                    text: "hi".into(),
                    id: "y".repeat(5000),
                    lamport: 1,
                    ..PublishRequest::default()
                };
                client.publish(request).await.expect_err("bad id");
            }
        }
    };
    let (others, more) = hammer(&server.url, Duration::from_millis(500), other).await;
    sleep(Duration::from_millis(1500)).await;
    // A participant is heard all the same.
    let (mut client, _stream, _) = server.join(SESSION).await;
    let request = PublishRequest {
        session: SESSION.into(),
        text: "hello".into(),
        lamport: 1,
        ..PublishRequest::default()
    };
    client.publish(request).await.expect("accepted");
    server.signal("TERM");
    assert!(server.ended().await.success());
    let log = log(folder.path());
    let refused = count(&log, " refused ");
    let most = 100 + 10 * (took + more).as_secs() + 20;
    assert!((100..=most).contains(&refused), "{refused} of {left} calls");
    let (sum, lines) = suppressed(&log, "strangers");
    assert_eq!(sum + refused, left + others);
    assert!(lines <= took.as_secs() + 4, "{lines}");
    assert!(log.lines().all(|line| line.len() < 1000), "long reasons");
    assert_eq!(count(&log, "text=hello"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_makes_few_lines_beside_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = ServerChild::start(folder.path(), "");
    let (mut client, _stream, _) = server.join(SESSION).await;
    let publish = PublishRequest {
        session: SESSION.into(),
        text: "hello".into(),
        id: "0123456789abcdef".into(),
        lamport: 1,
        ..PublishRequest::default()
    };
    client.publish(publish).await.expect("accepted");
    let history = |mut client: ChittyChatClient<Channel>, _| async move {
        let request = HistoryRequest {
            session: SESSION.into(),
            ..HistoryRequest::default()
        };
        client.history(request).await.expect("readable");
    };
    let (read, took) = hammer(&server.url, Duration::from_secs(1), history).await;
    let again = |mut client: ChittyChatClient<Channel>, _| async move {
        let request = PublishRequest {
            session: SESSION.into(),
            text: "hello".into(),
            id: "0123456789abcdef".into(),
            lamport: 1,
            ..PublishRequest::default()
        };
        client.publish(request).await.expect("the first answer");
    };
    let (repeated, more) = hammer(&server.url, Duration::from_secs(1), again).await;
    let ahead = |mut client: ChittyChatClient<Channel>, _| async move {
        let request = PublishRequest {
            session: SESSION.into(),
            text: "hello".into(),
            seen: 1000,
            lamport: 1,
            ..PublishRequest::default()
        };
        client.publish(request).await.expect_err("nobody saw that");
    };
    let (refused, most) = hammer(&server.url, Duration::from_secs(1), ahead).await;
    sleep(Duration::from_millis(1500)).await;
    server.signal("TERM");
    assert!(server.ended().await.success());
    let log = log(folder.path());
    let seconds = (took + more + most).as_secs() + 2;
    let (reads, refusals) = (
        count(&log, "History replied"),
        count(&log, "Publish refused"),
    );
    assert_eq!(reads, count(&log, "History received"));
    let calls = reads + refusals;
    assert!((200..=200 + 20 * seconds).contains(&calls), "{calls}");
    let (sum, _) = suppressed(&log, "participants");
    assert_eq!(calls + sum, read + refused);
    let repeats = count(&log, "repeated=true");
    assert!((500..=500 + 50 * seconds).contains(&repeats), "{repeats}");
    let (sum, _) = suppressed(&log, "repeats");
    assert_eq!(repeats + sum, repeated);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn lines_of_hammering_strangers() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = ServerChild::start(folder.path(), "");
    let leave = |client, number| leave_unknown(client, number);
    let (calls, took) = hammer(&server.url, Duration::from_secs(10), leave).await;
    server.signal("TERM");
    server.ended().await;
    let log = log(folder.path());
    println!(
        "{calls} calls in {:.1} s: {} lines, {} bytes",
        took.as_secs_f64(),
        log.lines().count(),
        log.len()
    );
    assert!(took < PATIENCE);
}
