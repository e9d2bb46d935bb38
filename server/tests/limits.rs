//! Limits: a peer that requests too much is refused, and others do not notice.

use std::{sync::Arc, time::Duration};

use chitty_chat::{
    proto::v1::{JoinRequest, SERVICE_NAME, chitty_chat_client::ChittyChatClient},
    secret::os_random,
};
use chitty_room::rate::Rate;
use chitty_server::{
    app::ServerConfig,
    log::{MemoryLog, MemoryStore},
    net,
    sequencer::Sequencer,
    service::ChittyChat,
};
use chitty_testing::server::{PATIENCE, TestServer, config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tonic::{
    Code, Status,
    service::Routes,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;
use tower_service::Service as _;

/// A burst of ten, and then as good as none.
const HOURLY: Rate = Rate {
    burst: 10,
    interval: Duration::from_secs(3600),
};

async fn start(change: impl FnOnce(&mut ServerConfig)) -> TestServer {
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
    // No machine is as slow as this rate, so the count alone decides which line is refused.
    let server = start(|config| config.sequencer.rules.publish_rate = Some(HOURLY)).await;
    let mut ada = server.join("ada").await;
    let mut bob = server.join("bob").await;
    ada.events(2).await;
    bob.event().await;
    for number in 0..13 {
        let mut request = ada.request(&format!("line {number}"));
        request.id = format!("{number:016}");
        let answer = ada.client.publish(request.clone()).await;
        if number < HOURLY.burst {
            answer.expect("a burst");
            // Its retry is no second message, neither in the log nor in what is counted.
            ada.client.publish(request).await.expect("known");
        } else {
            let delay = retry_in(&answer.expect_err("too fast"));
            assert!(delay > Duration::ZERO && delay <= HOURLY.interval);
        }
    }
    bob.publish("not in a hurry").await;
    let events = ada.events(11).await;
    assert_eq!(events.last().map(|event| event.position), Some(13));
}

#[tokio::test]
async fn who_waits_as_told_is_let_through() {
    let rate = Rate {
        burst: 1,
        interval: Duration::from_millis(300),
    };
    let server = start(|config| {
        config.sequencer.rules.publish_rate = Some(rate);
        config.sequencer.rules.join_rate = Some(rate);
    })
    .await;
    for name in ["ada", "bob", "eve"] {
        let mut here = match server.join_with(named(name)).await {
            Err(status) => {
                sleep(retry_in(&status)).await;
                server.join(name).await
            }
            Ok(here) => here,
        };
        for _ in 0..2 {
            let request = here.request("hi");
            if let Err(status) = here.client.publish(request.clone()).await {
                sleep(retry_in(&status)).await;
                here.client.publish(request).await.expect("as told");
            }
        }
    }
}

#[tokio::test]
async fn who_sends_many_to_join_is_told_when_to_go_on() {
    let server = start(|config| config.sequencer.rules.join_rate = Some(HOURLY)).await;
    let mut here = Vec::new();
    for number in 0..HOURLY.burst {
        here.push(server.join(&format!("number {number}")).await);
    }
    let status = server.join_with(named("joe")).await.err().expect("many");
    let delay = retry_in(&status);
    assert!(delay > Duration::ZERO && delay <= HOURLY.interval);
    // A client that resumes is not counted, so that all may come back at once.
    for participant in &mut here {
        let last = participant.event().await;
        let again = participant.resume(&last);
        server.join_with(again).await.expect("goes on");
    }
}

#[tokio::test]
async fn a_live_session_that_joins_in_a_loop_is_slowed_down() {
    for with_resume in [true, false] {
        let server = start(|config| {
            let rules = &mut config.sequencer.rules;
            let rate = if with_resume {
                &mut rules.stream_rate
            } else {
                &mut rules.join_rate
            };
            *rate = Some(HOURLY);
        })
        .await;
        let mut ada = server.join("ada").await;
        let last = ada.event().await;
        let mut again = ada.resume(&last);
        if !with_resume {
            // A repeated Join, as after a Welcome that was lost: each gets the list of everybody.
            again.resume = None;
        }
        let mut streams = Vec::new();
        let status = loop {
            match server.join_with(again.clone()).await {
                Ok(stream) => streams.push(stream),
                Err(status) => break status,
            }
        };
        assert!(retry_in(&status) <= HOURLY.interval);
        let joined = streams.len() + usize::from(!with_resume);
        assert_eq!(joined, HOURLY.burst as usize);
        // The latest stream goes on.
        ada.publish("still here").await;
        let mut latest = streams.pop().expect("some");
        let skip = usize::from(!with_resume);
        assert_eq!(latest.events(1 + skip).await[skip].position, 2);
    }
}

#[tokio::test]
async fn all_loopback_addresses_share_the_seats_of_one() {
    let server = start(|config| config.sequencer.rules.max_participants_per_source = 6).await;
    let mut here = Vec::new();
    for number in 1..=20_u8 {
        let mut client = client_from(&server, [127, 0, number, 1]).await;
        match client.join(named(&format!("number {number}"))).await {
            Ok(stream) if number <= 6 => here.push((client, stream)),
            Err(status) if number > 6 => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert!(status.message().contains("6 participants"), "{status}");
                assert!(status.message().contains("one address"), "{status}");
            }
            other => panic!("number {number}: {:?}", other.map(drop)),
        }
    }
    // A participant that leaves frees its seat.
    drop(here.pop());
    let deadline = Instant::now() + PATIENCE;
    let mut client = client_from(&server, [127, 9, 9, 9]).await;
    while let Err(status) = client.join(named("late")).await {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(Instant::now() < deadline, "no space becomes free");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn client_from(server: &TestServer, from: [u8; 4]) -> ChittyChatClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).expect("a URL");
    let endpoint = endpoint.local_address(Some(from.into()));
    ChittyChatClient::new(endpoint.connect().await.expect("it listens"))
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_others_go_on() {
    let server = start(|config| config.connections.connections_per_source = 5).await;
    let mut ada = server.join("ada").await;
    let mut open = Vec::new();
    for _ in 0..24 {
        open.push(
            TcpStream::connect(server.address)
                .await
                .expect("it listens"),
        );
    }
    // Each newcomer is let in, and closes the one that has been idle for the longest.
    for stream in &mut open[..20] {
        closed(stream).await;
    }
    ada.publish("still here").await;
    drop(open);
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The server has to notice that there is space.
        let channel = Endpoint::from_shared(format!("http://{}", server.address)).expect("a URL");
        if let Ok(channel) = channel.connect().await {
            let mut client = ChittyChatClient::new(channel);
            if client.join(named("bob")).await.is_ok() {
                break;
            }
        }
        assert!(Instant::now() < deadline, "no space becomes free");
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
        let began = Instant::now();
        let mut stream = TcpStream::connect(server.address)
            .await
            .expect("it listens");
        stream.write_all(bytes).await.expect("written");
        closed(&mut stream).await;
        assert!(began.elapsed() >= Duration::from_millis(300), "{bytes:?}");
    }
    ada.publish("still here").await;
}

#[tokio::test(start_paused = true)]
async fn half_a_request_is_not_waited_for_for_ever() {
    let store = Arc::new(MemoryStore::new(&mut os_random));
    let config = config();
    let (_sequencer, chats) = Sequencer::start(store, config.followers, config.sequencer)
        .await
        .expect("an empty log");
    let mut service = ChittyChat::new(chats, os_random, Routes::default());
    for method in ["Join", "Publish", "Leave", "History"] {
        let never = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<http_body::Frame<bytes::Bytes>, Status>,
        >());
        let request = http::Request::post(format!("/{SERVICE_NAME}/{method}"))
            .body(never)
            .expect("a request");
        let began = Instant::now();
        let answer = service.call(request).await.expect("an answer");
        assert_eq!(answer.headers()["grpc-status"], "4", "{method}");
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
