//! Connections without a participant: they have a limited time, and are closed for newcomers.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chitty_chat::{
    proto::v1::{self, SERVICE_NAME},
    secret::os_random,
};
use chitty_server::{app::ServerConfig, log::MemoryLog};
use chitty_testing::server::{
    PATIENCE, TestServer, config,
    raw::{
        DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, frame, headers_to, hello,
        prefixed, read_frame, stay_alive,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

async fn start(change: impl FnOnce(&mut ServerConfig)) -> TestServer {
    let mut config = config();
    change(&mut config);
    TestServer::on(Arc::new(MemoryLog::new(&mut os_random)), config).await
}

/// Frames that watch the health of the chat for ever.
fn watch() -> Vec<u8> {
    let request = HealthCheckRequest {
        service: SERVICE_NAME.into(),
    };
    let headers = headers_to("/grpc.health.v1.Health/Watch");
    [
        hello(65_535),
        frame(HEADERS, END_HEADERS, 1, &headers),
        frame(DATA, END_STREAM, 1, &prefixed(&request)),
    ]
    .concat()
}

/// A connection from this address of the loopback network.
async fn connect(server: &TestServer, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("a loopback address");
    socket.connect(server.address).await.expect("it listens")
}

#[tokio::test]
async fn whoever_holds_watches_keeps_nobody_out() {
    let server = start(|config| {
        let limits = &mut config.connections;
        (limits.connections, limits.unjoined) = (60, 50);
        limits.connections_per_source = 20;
    })
    .await;
    let mut ada = server.join("ada").await;
    ada.event().await;
    let mut watches = JoinSet::new();
    for number in 0..200_u8 {
        let from = [127, 0, 0, 2 + number % 3];
        let mut stream = connect(&server, from).await;
        stream.write_all(&watch()).await.expect("written");
        watches.spawn(stay_alive(stream));
    }
    // Three newcomers get in: one from another source, one from the same, and a probe.
    let mut bob = server.join("bob").await;
    bob.event().await;
    let mut from_there = connect(&server, [127, 0, 0, 2]).await;
    from_there.write_all(&watch()).await.expect("written");
    let mut answer = [0; 9];
    let answered = timeout(PATIENCE, from_there.read_exact(&mut answer)).await;
    answered.expect("in time").expect("it is let in");
    let mut health = HealthClient::new(server.channel().await);
    let check = health.check(HealthCheckRequest::default()).await;
    check.expect("a probe is answered");
    // A participant's connection is never closed for a newcomer.
    ada.publish("still here").await;
    ada.events(2).await;
    bob.event().await;
}

#[tokio::test]
async fn a_connection_has_its_time_to_join_and_a_participant_has_any() {
    let time = Duration::from_millis(500);
    let server = start(|config| config.connections.join_within = time).await;
    let mut ada = server.join("ada").await;
    ada.event().await;
    let began = Instant::now();
    let mut stream = connect(&server, [127, 0, 0, 1]).await;
    stream.write_all(&watch()).await.expect("written");
    let stayed = timeout(PATIENCE, stay_alive(stream)).await;
    stayed.expect("it is closed");
    assert!(began.elapsed() >= time, "it had no time");
    ada.publish("still here").await;
    ada.event().await;
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_reset_and_its_connection_goes_on() {
    let server = start(|config| config.connections.taken_within = Duration::from_millis(300)).await;
    let mut ada = server.join("ada").await;
    ada.event().await;
    // All of its answers need an HTTP/2 window, and this peer grants none.
    let request = HealthCheckRequest::default();
    let mut stream = connect(&server, [127, 0, 0, 1]).await;
    let publish = ada.request("never taken");
    let headers = headers_to(&format!("/{SERVICE_NAME}/Publish"));
    let bytes = [
        hello(0),
        frame(HEADERS, END_HEADERS, 1, &headers),
        frame(DATA, END_STREAM, 1, &prefixed(&publish)),
    ];
    stream.write_all(&bytes.concat()).await.expect("written");
    let reset = timeout(PATIENCE, async {
        loop {
            let received = read_frame(&mut stream).await.expect("alive");
            if received.kind == RST_STREAM {
                return received.payload;
            }
        }
    });
    // CANCEL.
    assert_eq!(reset.await.expect("in time"), [0, 0, 0, 8]);
    let ping = frame(PING, 0, 0, &[1; 8]);
    let headers = headers_to("/grpc.health.v1.Health/Check");
    let again = [
        ping,
        frame(HEADERS, END_HEADERS, 3, &headers),
        frame(DATA, END_STREAM, 3, &prefixed(&request)),
    ];
    stream.write_all(&again.concat()).await.expect("it goes on");
    let more = timeout(PATIENCE, stream.read_u8()).await;
    more.expect("in time").expect("it goes on");
}

/// A client whose stream breaks may still send on the same connection.
#[tokio::test]
async fn a_connection_keeps_its_streams_when_its_participant_has_lost_the_stream() {
    let server = start(|_| {}).await;
    let session = "0123456789abcdefghijklmnop".to_owned();
    let join = v1::JoinRequest {
        name: "bob".into(),
        session: session.clone(),
        lamport: 1,
        ..v1::JoinRequest::default()
    };
    let call = |name: &str| headers_to(&format!("/{SERVICE_NAME}/{name}"));
    let mut stream = connect(&server, [127, 0, 0, 1]).await;
    let begin = [
        hello(65_535),
        frame(HEADERS, END_HEADERS, 1, &call("Join")),
        frame(DATA, END_STREAM, 1, &prefixed(&join)),
    ];
    stream.write_all(&begin.concat()).await.expect("written");
    while next_frame(&mut stream).await != (DATA, 1) {}
    // The stream is reset, and all calls begin before one of them has its body.
    let calls = (1..=32_u32).map(|n| 2 * n + 1);
    let mut bytes = frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    for id in calls.clone() {
        bytes.extend(frame(HEADERS, END_HEADERS, id, &call("Publish")));
    }
    stream.write_all(&bytes).await.expect("written");
    stream
        .write_all(&frame(PING, 0, 0, &[1; 8]))
        .await
        .expect("written");
    loop {
        match next_frame(&mut stream).await {
            (PING, 0) => break,
            (kind, id) => assert!(kind != RST_STREAM || id == 1, "call {id} is reset"),
        }
    }
    let publish = v1::PublishRequest {
        session,
        text: "late".into(),
        lamport: 10,
        ..v1::PublishRequest::default()
    };
    let bodies = calls.flat_map(|id| frame(DATA, END_STREAM, id, &prefixed(&publish)));
    let bodies: Vec<_> = bodies.collect();
    stream.write_all(&bodies).await.expect("written");
    let mut answered = BTreeSet::new();
    while answered.len() < 32 {
        let (kind, id) = next_frame(&mut stream).await;
        assert!(kind != RST_STREAM || id == 1, "call {id} is reset");
        if kind == HEADERS && id > 1 {
            answered.insert(id);
        }
    }
}

/// The kind of the next frame, and its stream.
async fn next_frame(stream: &mut TcpStream) -> (u8, u32) {
    let received = timeout(PATIENCE, read_frame(stream)).await;
    let received = received.expect("in time").expect("alive");
    (received.kind, received.stream)
}
