//! How many lines of the server's log a stranger, or one participant, can cause.

mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant as WallInstant},
};

use chitty_chat::proto::v1::{LeaveRequest, chitty_chat_client::ChittyChatClient};
use support::process::Server;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tonic::transport::Channel;

/// Connections that hammer, and calls under way on each.
const CONNECTIONS: usize = 3;
const CALLS: usize = 16;

async fn hammer(url: String, time: Duration) -> u64 {
    let end = Instant::now() + time;
    let mut all = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let channel = Channel::from_shared(url.clone()).expect("a URL");
        let channel = channel.connect().await.expect("it listens");
        for _ in 0..CALLS {
            let mut client = ChittyChatClient::new(channel.clone());
            all.spawn(async move {
                let mut calls = 0;
                while Instant::now() < end {
                    let request = LeaveRequest {
                        session: "an-unknown-session-of-nobody".into(),
                        lamport: 1,
                    };
                    client.leave(request).await.expect_err("unknown");
                    calls += 1;
                }
                calls
            });
        }
    }
    all.join_all().await.into_iter().sum()
}

fn lines(folder: &Path) -> (usize, usize) {
    let mut found = (0, 0);
    for entry in fs::read_dir(folder.join("logs")).expect("a folder") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("text");
        found.0 += text.lines().count();
        found.1 += text.len();
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn lines_of_hammering_strangers() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path(), "");
    #[expect(clippy::disallowed_methods, reason = "a test is an edge")]
    let start = WallInstant::now();
    let calls = hammer(server.url.clone(), Duration::from_secs(10)).await;
    let seconds = start.elapsed().as_secs_f64();
    server.signal("TERM");
    server.ended().await;
    sleep(Duration::from_millis(10)).await;
    let (lines, bytes) = lines(folder.path());
    println!("{calls} calls in {seconds:.1} s: {lines} lines, {bytes} bytes");
}
