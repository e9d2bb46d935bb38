//! The memory that participants cost that do not read.
#![cfg(target_os = "linux")]

use std::{fs, net::SocketAddr, time::Duration};

use chitty_chat::proto::v1::{JoinRequest, PublishRequest, broadcast::Kind};
use chitty_testing::server::{
    process::ServerChild,
    raw::{
        DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, WINDOW_UPDATE, frame, headers,
    },
};
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
    sync::watch,
    task::JoinSet,
    time::sleep,
};

const READERS: u64 = 100;
const LINES: u64 = 4000;
const SESSION: &str = "0123456789abcdef0123456789abcdef";

/// Joins with windows that hold all there is, so that only the socket is in the way, and reads
/// as long as `reads` is true.
async fn reader(server: SocketAddr, name: String, mut reads: watch::Receiver<bool>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("small");
    let mut stream = socket.connect(server).await.expect("it listens");
    let join = JoinRequest {
        name,
        lamport: 1,
        ..JoinRequest::default()
    };
    let mut message = vec![0; 5];
    message[4] = u8::try_from(join.encoded_len()).expect("short");
    join.encode(&mut message).expect("space");
    let wide = [0, 4, 0x7f, 0xff, 0xff, 0xff];
    let hello = [
        PREFACE,
        &frame(SETTINGS, 0, 0, &wide),
        &frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0, 0]),
        &frame(HEADERS, END_HEADERS, 1, &headers("Join")),
        &frame(DATA, END_STREAM, 1, &message),
    ];
    stream.write_all(&hello.concat()).await.expect("written");
    let mut buffer = vec![0; 4096];
    while *reads.borrow_and_update() {
        tokio::select! {
            count = stream.read(&mut buffer) => assert!(count.expect("alive") > 0, "it ended"),
            changed = reads.changed() => changed.expect("told"),
        }
    }
    // Open, and in silence.
    std::future::pending::<()>().await;
}

/// The server's memory in KiB, without files and shared memory.
fn memory(server: &ServerChild) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.expect("a number").parse().expect("a number")
}

#[tokio::test]
async fn a_hundred_stalled_readers_hold_at_most_64_kib_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = ServerChild::start(folder.path(), "CHITTY_JOIN_RATE=off");
    let (client, mut stream, _) = server.join(SESSION).await;
    // The last position that somebody who reads has come to.
    let (reached, mut head) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok(Some(message)) = stream.message().await {
            if let Some(Kind::Event(event)) = message.kind {
                reached.send_replace(event.position);
            }
        }
    });
    let publish = async |count: u64, text: &str| {
        let mut writers = JoinSet::new();
        for _ in 0..8 {
            let (mut client, text) = (client.clone(), text.to_owned());
            writers.spawn(async move {
                for _ in 0..count / 8 {
                    let request = PublishRequest {
                        session: SESSION.into(),
                        text: text.clone(),
                        lamport: 1,
                        ..PublishRequest::default()
                    };
                    client.publish(request).await.expect("accepted");
                }
            });
        }
        while let Some(done) = writers.join_next().await {
            done.expect("it ran");
        }
    };

    // Fill what the server keeps once for all: the ring, and SQLite's pages.
    let long = "🦀".repeat(128);
    publish(LINES, &long).await;
    let address = server.url.trim_start_matches("http://").parse();
    let address = address.expect("an address");
    let (reads, reading) = watch::channel(true);
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        readers.spawn(reader(address, format!("reader {number}"), reading.clone()));
    }
    let everybody = 1 + LINES + READERS;
    let all_join = head.wait_for(|head| *head == everybody);
    let _ = all_join.await.expect("it reads");
    let idle = memory(&server);
    reads.send(false).expect("they listen");
    publish(LINES, &long).await;
    let all_said = head.wait_for(|head| *head == everybody + LINES);
    let _ = all_said.await.expect("it reads");
    // The least of many readings: memory that was taken for a moment is given back, and what
    // the readers cost is not.
    let mut each = u64::MAX;
    for _ in 0..100 {
        let stalled = memory(&server);
        each = each.min(stalled.saturating_sub(idle) / READERS);
        println!("{idle} KiB with idle readers, {stalled} KiB with stalled ones: {each} KiB each");
        if each <= 64 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(each <= 64, "{each} KiB each");
    assert!(readers.try_join_next().is_none(), "all are there still");
}
