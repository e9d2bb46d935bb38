//! The memory that participants cost: those that are idle, and those that do not read, in plain text
//! and over TLS.
#![cfg(target_os = "linux")]

use std::{fs, net::SocketAddr, time::Duration};

use chitty_chat::{
    fingerprint::Fingerprint,
    proto::v1::{JoinRequest, PublishRequest, broadcast::Kind},
};
use chitty_server::key::ServerKey;
use chitty_testing::server::{
    process::ServerChild,
    raw::{
        DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, WINDOW_UPDATE, frame, headers,
    },
    tls::{Device, client_config, connect_over},
};
use prost::Message as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpSocket,
    sync::watch,
    task::JoinSet,
    time::sleep,
};

const READERS: u64 = 100;
const LINES: u64 = 4000;
const SESSION: &str = "0123456789abcdef0123456789abcdef";

/// Joins with windows that hold all there is, so that only the socket is in the way, and reads
/// as long as `reads` is true. With a `key`, it connects by TLS, as a device.
async fn reader(
    server: SocketAddr,
    key: Option<Fingerprint>,
    name: String,
    reads: watch::Receiver<bool>,
) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("small");
    let stream = socket.connect(server).await.expect("it listens");
    match key {
        None => read(stream, name, reads).await,
        Some(key) => {
            let config = client_config(key, Some(&Device::new()));
            let stream = connect_over(stream, config).await.expect("TLS");
            read(stream, name, reads).await;
        }
    }
}

async fn read(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    name: String,
    mut reads: watch::Receiver<bool>,
) {
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

/// The key of the server, for those who connect by TLS.
fn key(folder: &std::path::Path, over_tls: bool) -> Option<Fingerprint> {
    let key = ServerKey::load(&folder.join("data")).expect("readable");
    over_tls.then(|| key.expect("made").fingerprint())
}

fn address(server: &ServerChild) -> SocketAddr {
    let address = server.url.trim_start_matches("http://").parse();
    address.expect("an address")
}

#[tokio::test]
async fn a_hundred_stalled_readers_hold_at_most_64_kib_each() {
    let each = stalled(false, 64).await;
    assert!(each <= 64, "{each} KiB each");
}

/// TLS adds what is encrypted and not sent, and its own state.
#[tokio::test]
async fn over_tls_they_hold_at_most_96_kib_each() {
    let each = stalled(true, 96).await;
    assert!(each <= 96, "{each} KiB each");
}

#[tokio::test]
async fn an_idle_participant_costs_at_most_12_kib_more_over_tls() {
    let (plain, over_tls) = (idle(false).await, idle(true).await);
    println!("an idle participant: {plain} bytes in plain text, {over_tls} over TLS");
    assert!(
        over_tls <= plain + (12 << 10),
        "{plain} and {over_tls} bytes"
    );
}

/// The bytes that an idle participant costs.
async fn idle(over_tls: bool) -> u64 {
    const PARTICIPANTS: u64 = 400;
    let folder = tempfile::tempdir().expect("a folder");
    let server = ServerChild::start(folder.path(), "CHITTY_JOIN_RATE=off");
    let (_client, mut stream, _) = server.join(SESSION).await;
    let key = key(folder.path(), over_tls);
    let (_reads, reading) = watch::channel(true);
    let mut readers = JoinSet::new();
    let mut join = async |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let name = format!("reader {number}");
            readers.spawn(reader(address(&server), key, name, reading.clone()));
            // One after the other, so that what many handshakes at once need is not counted.
            while let Ok(Some(message)) = stream.message().await {
                if matches!(message.kind, Some(Kind::Event(event)) if event.position > number + 1) {
                    break;
                }
            }
        }
    };
    // The first ones bring what the server needs once for all.
    join(0..PARTICIPANTS / 4).await;
    let before = memory(&server);
    join(PARTICIPANTS / 4..PARTICIPANTS).await;
    sleep(Duration::from_secs(1)).await;
    let after = memory(&server);
    (after.saturating_sub(before) << 10) / (PARTICIPANTS - PARTICIPANTS / 4)
}

/// The KiB that each of a hundred stalled readers holds, measured until there are few enough.
async fn stalled(over_tls: bool, few_enough: u64) -> u64 {
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
    let (address, key) = (address(&server), key(folder.path(), over_tls));
    let (reads, reading) = watch::channel(true);
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        readers.spawn(reader(
            address,
            key,
            format!("reader {number}"),
            reading.clone(),
        ));
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
        if each <= few_enough {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(readers.try_join_next().is_none(), "all are there still");
    each
}
