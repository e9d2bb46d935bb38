//! The memory that peers cost which request much and take nothing, or send half a request.
#![cfg(target_os = "linux")]

use std::{fs, time::Duration};

use chitty_chat::proto::v1::{
    HistoryRequest, JoinRequest, PublishRequest, chitty_chat_client::ChittyChatClient,
};
use chitty_testing::server::{
    PATIENCE,
    process::ServerChild,
    raw::{
        DATA, END_HEADERS, END_STREAM, HEADERS, PING, WINDOW_UPDATE, frame, headers, headers_to,
        hello, prefixed, stay_alive,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::transport::Channel;

const SESSION: &str = "0123456789abcdef0123456789abcdef";

/// The server's memory in KiB, without files and shared memory.
fn memory(server: &ServerChild) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.expect("a number").parse().expect("a number")
}

/// The most memory, in KiB, that the server takes during this time, beyond what it had `before`.
async fn most(server: &ServerChild, before: u64, time: Duration) -> u64 {
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

async fn connect(server: &ServerChild) -> TcpStream {
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

/// Sends these frames on each of so many connections, which stay open and take nothing.
async fn stalled(server: &ServerChild, connections: usize, bytes: &[u8]) -> JoinSet<()> {
    let mut open = JoinSet::new();
    for _ in 0..connections {
        let mut stream = connect(server).await;
        stream.write_all(bytes).await.expect("written");
        open.spawn(stay_alive(stream));
    }
    open
}

/// Publishes lines of the greatest length, enough for the largest page of history.
async fn fill(client: &ChittyChatClient<Channel>) {
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
}

/// Each of these participants requests so many pages and takes none. There are several, because
/// one of them gets no more than a share of the budget.
async fn ask_for_pages(server: &ServerChild, participants: usize, pages: u32) -> JoinSet<()> {
    let mut attack = JoinSet::new();
    for number in 0..participants {
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
        let mut stream = connect(server).await;
        stream.write_all(&bytes).await.expect("written");
        sleep(Duration::from_millis(20)).await;
        for call in 1..=pages {
            let id = 2 * call + 1;
            let bytes = [
                frame(HEADERS, END_HEADERS, id, &headers("History")),
                frame(DATA, END_STREAM, id, &prefixed(&page)),
            ];
            stream.write_all(&bytes.concat()).await.expect("written");
        }
        attack.spawn(stay_alive(stream));
    }
    attack
}

/// Opens so many connections in all, on which requests are begun and not ended.
async fn begin_requests(server: &ServerChild, connections: usize) -> Vec<JoinSet<()>> {
    let paths = [
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/chitty.v1.ChittyChat/Publish",
        "/nothing.at/All",
    ];
    let mut attacks = Vec::new();
    for path in paths {
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
        attacks.push(stalled(server, connections / paths.len(), &bytes).await);
    }
    attacks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_nobody_takes_stay_within_the_budget() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = ServerChild::start(
        folder.path(),
        "CHITTY_JOIN_RATE=off CHITTY_REPLY_BUDGET=8MiB",
    );
    let (mut client, _stream, _) = server.join(SESSION).await;
    fill(&client).await;
    let before = memory(&server);
    let _attack = ask_for_pages(&server, 30, 59).await;
    // The budget, 30 participants, and what the log's readers and the allocator take.
    let taken = most(&server, before, Duration::from_secs(4)).await;
    assert!(taken < (8 + 24) << 10, "{taken} KiB");
    publish(&mut client, "served all the same").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_requests_of_who_has_not_joined_stay_within_the_budget() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = ServerChild::start(folder.path(), "CHITTY_JOIN_RATE=off");
    let (mut client, _stream, _) = server.join(SESSION).await;
    let before = memory(&server);
    let _attacks = begin_requests(&server, 200).await;
    let taken = most(&server, before, Duration::from_secs(3)).await;
    assert!(taken < 200 * 320, "{taken} KiB for 200 connections");
    publish(&mut client, "served all the same").await;
    // A whole request is answered, although others send halves.
    let channel = Channel::from_shared(server.url.clone()).expect("a URL");
    let channel = channel.connect().await.expect("it listens");
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let check = health.check(tonic_health::pb::HealthCheckRequest::default());
    let answer = timeout(PATIENCE, check).await;
    answer.expect("in time").expect("served");
}

/// Writes this again and again, and reads what comes, until the connection ends.
async fn flood(mut stream: TcpStream, first: Vec<u8>, again: Vec<u8>) {
    let mut buffer = vec![0; 16 << 10];
    if stream.write_all(&first).await.is_err() {
        return;
    }
    loop {
        let (mut read, mut write) = stream.split();
        tokio::select! {
            count = read.read(&mut buffer) => match count {
                Ok(1..) => {}
                _ => return,
            },
            written = write.write_all(&again) => if written.is_err() {
                return;
            },
        }
    }
}

/// Participants that read nothing of their streams, so that their sockets are full soon.
async fn follow_deafly(server: &ServerChild, participants: usize) -> Vec<TcpStream> {
    let address = server.url.trim_start_matches("http://").parse();
    let address = address.expect("an address");
    let mut deaf = Vec::new();
    for number in 0..participants {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("small");
        let mut stream = socket.connect(address).await.expect("it listens");
        let join = JoinRequest {
            name: format!("deaf {number}"),
            lamport: 1,
            ..JoinRequest::default()
        };
        let bytes = [
            hello(0x7fff_ffff),
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0, 0]),
            frame(HEADERS, END_HEADERS, 1, &headers("Join")),
            frame(DATA, END_STREAM, 1, &prefixed(&join)),
        ];
        stream.write_all(&bytes.concat()).await.expect("written");
        deaf.push(stream);
    }
    deaf
}

/// The most memory, in KiB, that was ever resident, files included.
fn peak(server: &ServerChild) -> u64 {
    chitty_load::process::peak(&server.id().to_string()).expect("it runs")
}

/// docs/protocol.md, "Memory": what the server takes at most is worked out there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_attacks_at_once_stay_below_what_is_promised() {
    const PARTICIPANTS: u64 = 340;
    const UNJOINED: usize = 100;
    let options = format!(
        "CHITTY_JOIN_RATE=off CHITTY_MAX_PARTICIPANTS={PARTICIPANTS} \
         CHITTY_MAX_PARTICIPANTS_PER_ADDRESS={PARTICIPANTS} CHITTY_MAX_UNJOINED={UNJOINED} \
         CHITTY_REPLY_BUDGET=8MiB"
    );
    let promised = chitty_load::process::promised(PARTICIPANTS, UNJOINED as u64, 8);
    let folder = tempfile::tempdir().expect("a folder");
    let server = ServerChild::start(folder.path(), &options);
    let (mut client, _stream, _) = server.join(SESSION).await;
    fill(&client).await;
    let before = peak(&server);
    let _pages = ask_for_pages(&server, 300, 59).await;
    let _deaf = follow_deafly(&server, 30).await;
    let _halves = begin_requests(&server, 2 * UNJOINED).await;
    let mut floods = JoinSet::new();
    let unknown = prefixed(&PublishRequest {
        session: "nobody's".into(),
        ..PublishRequest::default()
    });
    for _ in 0..4 {
        let pings = frame(PING, 0, 0, &[7; 8]).repeat(1000);
        floods.spawn(flood(connect(&server).await, hello(65_535), pings));
        let calls = [
            frame(HEADERS, END_HEADERS, 1, &headers("Publish")),
            frame(DATA, END_STREAM, 1, &unknown),
        ];
        floods.spawn(flood(connect(&server).await, hello(0), calls.concat()));
    }
    // Meanwhile a participant publishes lines, which go to all the others.
    let end = Instant::now() + Duration::from_secs(4);
    let long = "🦀".repeat(128);
    while Instant::now() < end {
        publish(&mut client, &long).await;
    }
    let taken = peak(&server) - before;
    println!("{before} KiB, and at most {taken} KiB more; promised: {promised}");
    assert!(taken < promised, "{taken} KiB, and not {promised}");
    // Less would mean that the attacks had not worked.
    assert!(taken > 8 << 10, "{taken} KiB");
}
