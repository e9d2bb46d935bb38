//! What is refused to whoever asks for too much, and that others do not notice.

mod support;

use std::{sync::Arc, time::Duration};

use chitty_chat::{
    proto::v1::{JoinRequest, SERVICE_NAME},
    secret::os_random,
};
use chitty_server::{
    app::Config, log::MemoryLog, net, rate::Rate, sequencer::Sequencer, service::ChittyChat,
};
use support::{PATIENCE, TestServer, config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt as _;
use tower_service::Service as _;

async fn start(change: impl FnOnce(&mut Config)) -> TestServer {
    let mut config = config();
    change(&mut config);
    TestServer::on(Arc::new(MemoryLog::new(&mut os_random)), config).await
}

fn retry_in(status: &Status) -> Duration {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let details = status.get_error_details();
    let retry = details.retry_info().expect("RetryInfo");
    retry.retry_delay.expect("a delay")
}

fn named(name: &str) -> JoinRequest {
    JoinRequest {
        name: name.into(),
        lamport: 1,
        ..JoinRequest::default()
    }
}

/// Returns when the server has closed this connection.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("it is closed");
}

#[tokio::test]
async fn who_publishes_too_fast_is_told_when_to_go_on_and_loses_nothing() {
    let server = start(|config| {
        config.sequencer.rules.publish_rate = Some(Rate::per_second(5, 10));
    })
    .await;
    let mut ada = server.join("ada").await;
    let mut bob = server.join("bob").await;
    ada.events(2).await;
    bob.event().await;
    let mut waited = 0;
    for number in 0..13 {
        let mut request = ada.request(&format!("line {number}"));
        request.id = format!("{number:016}");
        while let Err(status) = ada.client.publish(request.clone()).await {
            assert!(number >= 10, "{status}");
            let delay = retry_in(&status);
            assert!(delay <= Duration::from_millis(200));
            waited += 1;
            sleep(delay).await;
        }
        // Its retry is no second message, neither in the log nor in what is counted.
        ada.client.publish(request).await.expect("known");
    }
    assert!(waited >= 3);
    bob.publish("not in a hurry").await;
    let events = ada.events(14).await;
    assert_eq!(events.last().map(|event| event.position), Some(16));
}

#[tokio::test]
async fn who_sends_many_to_join_is_told_when_to_go_on() {
    let server = start(|config| {
        config.sequencer.rules.join_rate = Some(Rate::per_second(2, 3));
    })
    .await;
    let mut here = Vec::new();
    for name in ["ada", "bob", "eve"] {
        here.push(server.join(name).await);
    }
    let status = server.join_with(named("joe")).await.err().expect("many");
    let delay = retry_in(&status);
    assert!(delay <= Duration::from_millis(500));
    // Whoever goes on is not counted.
    for participant in &here {
        let again = JoinRequest {
            session: participant.welcome.session.clone(),
            ..named("anything")
        };
        server.join_with(again).await.expect("goes on");
    }
    sleep(delay).await;
    server.join("joe").await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_others_go_on() {
    let server = start(|config| config.connections.connections_per_source = 5).await;
    let mut ada = server.join("ada").await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(
            TcpStream::connect(server.address)
                .await
                .expect("it listens"),
        );
    }
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address)
            .await
            .expect("it listens");
        closed(&mut stream).await;
    }
    ada.publish("still here").await;
    drop(open);
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The server has to notice that there is room.
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address))
            .expect("a URL");
        if let Ok(channel) = channel.connect().await {
            let mut client =
                chitty_chat::proto::v1::chitty_chat_client::ChittyChatClient::new(channel);
            if client.join(named("bob")).await.is_ok() {
                break;
            }
        }
        assert!(Instant::now() < deadline, "there is no room");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_does_not_ask_for_anything_is_cut_and_who_does_is_not() {
    let server = start(|config| {
        config.connections = net::Limits {
            first_request: Duration::from_millis(300),
            ..config.connections
        };
    })
    .await;
    let mut ada = server.join("ada").await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // No frame, no headers, or settings and nothing more.
    for bytes in [
        &b""[..],
        &preface[..9],
        preface,
        &[&preface[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat(),
    ] {
        let mut stream = TcpStream::connect(server.address)
            .await
            .expect("it listens");
        stream.write_all(bytes).await.expect("written");
        let began = Instant::now();
        closed(&mut stream).await;
        assert!(began.elapsed() >= Duration::from_millis(200), "{bytes:?}");
    }
    ada.publish("still here").await;
}

#[tokio::test(start_paused = true)]
async fn half_a_request_is_not_waited_for_for_ever() {
    let log = Arc::new(MemoryLog::new(&mut os_random));
    let config = config();
    let (_sequencer, handle) = Sequencer::start(log, config.followers, config.sequencer)
        .await
        .expect("an empty log");
    let mut service = ChittyChat::new(handle, os_random);
    for method in ["Join", "Publish", "Leave", "History"] {
        let never = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<http_body::Frame<bytes::Bytes>, Status>,
        >());
        let request = http::Request::post(format!("/{SERVICE_NAME}/{method}"))
            .body(Body::new(never))
            .expect("a request");
        let began = Instant::now();
        let answer = service.call(request).await.expect("an answer");
        assert_eq!(answer.headers()["grpc-status"], "4", "{method}");
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
