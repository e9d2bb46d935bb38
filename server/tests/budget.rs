//! What peers cost who ask for much and take nothing, or send half of what they should.
#![cfg(target_os = "linux")]

mod support;

use std::{fs, time::Duration};

use chitty_chat::proto::v1::{
    HistoryRequest, JoinRequest, PublishRequest, chitty_chat_client::ChittyChatClient,
};
use support::{
    process::Server,
    raw::{
        DATA, END_HEADERS, END_STREAM, HEADERS, frame, headers, headers_to, hello, prefixed,
        stay_alive,
    },
};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::transport::Channel;

const SESSION: &str = "0123456789abcdef0123456789abcdef";

/// In KiB, without files and what is shared.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.expect("a number").parse().expect("a number")
}

/// In KiB, the most that the server takes in so long beyond what it had.
async fn most(server: &Server, before: u64, time: Duration) -> u64 {
    let end = Instant::now() + time;
    let mut most = 0;
    while Instant::now() < end {
        most = most.max(memory(server).saturating_sub(before));
        sleep(Duration::from_millis(50)).await;
    }
    let now = memory(server).saturating_sub(before);
    println!("{before} KiB, at most {most} KiB more, {now} KiB more now");
    most
}

async fn connect(server: &Server) -> TcpStream {
    let address = server.url.trim_start_matches("http://");
    TcpStream::connect(address).await.expect("it listens")
}

async fn publish(client: &mut ChittyChatClient<Channel>, text: &str) {
    let request = PublishRequest {
        session: SESSION.into(),
        text: text.into(),
        lamport: 1,
        ..PublishRequest::default()
    };
    client.publish(request).await.expect("accepted");
}

/// These frames on each of so many connections, which stay open and take nothing.
async fn stalled(server: &Server, connections: usize, bytes: &[u8]) -> JoinSet<()> {
    let mut open = JoinSet::new();
    for _ in 0..connections {
        let mut stream = connect(server).await;
        stream.write_all(bytes).await.expect("written");
        open.spawn(stay_alive(stream));
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_nobody_takes_stay_within_the_budget() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(
        folder.path(),
        "CHITTY_JOIN_RATE=off CHITTY_REPLY_BUDGET=8MiB",
    );
    let (mut client, _stream, _) = server.join(SESSION).await;
    let long = "🦀".repeat(128);
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let (mut client, long) = (client.clone(), long.clone());
        writers.spawn(async move {
            for _ in 0..64 {
                publish(&mut client, &long).await;
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.expect("it ran");
    }
    // Many participants, since one has a share only.
    let mut attack = JoinSet::new();
    let before = memory(&server);
    for number in 0..30 {
        let session = format!("{number:032}");
        let join = JoinRequest {
            name: format!("number {number}"),
            session: session.clone(),
            lamport: 1,
            ..JoinRequest::default()
        };
        let page = HistoryRequest {
            session,
            limit: 1000,
            ..HistoryRequest::default()
        };
        let mut bytes = hello(0);
        bytes.extend(frame(HEADERS, END_HEADERS, 1, &headers("Join")));
        bytes.extend(frame(DATA, END_STREAM, 1, &prefixed(&join)));
        attack.spawn(stay_alive({
            let mut stream = connect(&server).await;
            stream.write_all(&bytes).await.expect("written");
            sleep(Duration::from_millis(20)).await;
            for call in 1..60_u32 {
                let id = 2 * call + 1;
                let bytes = [
                    frame(HEADERS, END_HEADERS, id, &headers("History")),
                    frame(DATA, END_STREAM, id, &prefixed(&page)),
                ];
                stream.write_all(&bytes.concat()).await.expect("written");
            }
            stream
        }));
    }
    // The budget, 30 participants, and what the log's readers and the allocator take.
    let taken = most(&server, before, Duration::from_secs(4)).await;
    assert!(taken < (8 + 24) << 10, "{taken} KiB");
    publish(&mut client, "served all the same").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_requests_of_who_has_not_joined_stay_within_the_budget() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), "CHITTY_JOIN_RATE=off");
    let (mut client, _stream, _) = server.join(SESSION).await;
    let before = memory(&server);
    let mut attacks = Vec::new();
    for path in [
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/chitty.v1.ChittyChat/Publish",
        "/nothing.at/All",
    ] {
        let mut bytes = hello(0);
        // Half of the largest request there may be, or of one that is too large.
        let half = [&[0, 0, 0, 0x3f, 0xff][..], &[b'x'; 8000]].concat();
        let mut block = headers_to(path);
        block.extend([0x00, 1, b'x', 1, b'y'].repeat(200));
        for call in 0..64_u32 {
            let id = 2 * call + 1;
            bytes.extend(frame(HEADERS, END_HEADERS, id, &block));
        }
        for call in 0..7_u32 {
            bytes.extend(frame(DATA, 0, 2 * call + 1, &half));
        }
        attacks.push(stalled(&server, 50, &bytes).await);
    }
    let taken = most(&server, before, Duration::from_secs(3)).await;
    assert!(taken < 200 * 320, "{taken} KiB for 200 connections");
    publish(&mut client, "served all the same").await;
    // Who asks in one piece is answered, whoever sends halves.
    let channel = Channel::from_shared(server.url.clone()).expect("a URL");
    let channel = channel.connect().await.expect("it listens");
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let check = health.check(tonic_health::pb::HealthCheckRequest::default());
    let answer = timeout(Duration::from_secs(5), check).await;
    answer.expect("in time").expect("served");
}
