//! A participant whose connection lives, and who does not read.

use std::{sync::Arc, time::Duration};

use chitty_chat::{
    proto::v1::{
        JoinRequest, Resume, broadcast::Kind, chitty_chat_client::ChittyChatClient,
        event::Kind as EventKind, left,
    },
    secret::os_random,
};
use chitty_server::{follower, log::MemoryLog};
use chitty_testing::server::{PATIENCE, TestServer, config};
use tokio::time::timeout;
use tonic::{Code, transport::Endpoint};

#[tokio::test]
async fn a_stalled_stream_is_ended_and_announced_and_misses_nothing() {
    let mut config = config();
    config.followers = follower::FollowerLimits {
        stall: Duration::from_millis(300),
        ..config.followers
    };
    let server = TestServer::on(Arc::new(MemoryLog::new(&mut os_random)), config).await;
    let mut ada = server.join("ada").await;
    // One connection with two streams: only one of them is not read.
    let channel = Endpoint::from_shared(format!("http://{}", server.address))
        .expect("a URL")
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(1 << 20)
        .connect()
        .await
        .expect("it listens");
    let mut client = ChittyChatClient::new(channel);
    let named = |name: &str| JoinRequest {
        name: name.into(),
        lamport: 1,
        ..JoinRequest::default()
    };
    let mut bob = client.join(named("bob")).await.expect("free").into_inner();
    let mut eve = client.join(named("eve")).await.expect("free").into_inner();
    ada.events(3).await;
    eve.message().await.expect("alive").expect("a Welcome");
    eve.message().await.expect("alive").expect("its Joined");
    let mut announced = None;
    let mut head = 3;
    while announced.is_none() {
        ada.publish(&"x".repeat(128)).await;
        loop {
            let event = ada.event().await;
            head += 1;
            assert_eq!(event.position, head);
            assert!(eve.message().await.expect("alive").is_some());
            match event.kind {
                Some(EventKind::Left(left)) => announced = Some(left),
                _ => break,
            }
        }
        assert!(head < 100_000, "the stalled stream is never ended");
    }
    let left = announced.expect("announced");
    assert_eq!(
        (left.name.as_str(), left.reason()),
        ("bob", left::Reason::Lost)
    );

    let Some(Kind::Welcome(welcome)) = bob
        .message()
        .await
        .expect("what was on the way")
        .and_then(|m| m.kind)
    else {
        panic!("a Welcome");
    };
    let mut last = None;
    let status = loop {
        match timeout(PATIENCE, bob.message()).await.expect("in time") {
            Ok(Some(message)) => {
                let Some(Kind::Event(event)) = message.kind else {
                    panic!("an event, not {message:?}");
                };
                assert_eq!(event.position, last.map_or(2, |(position, _)| position + 1));
                last = Some((event.position, event.lamport));
            }
            Ok(None) => panic!("it is no orderly end"),
            Err(status) => break status,
        }
    };
    // It never asked for the Closing: HTTP/2 resets the stream.
    assert_eq!(status.code(), Code::Cancelled, "{status}");
    let (position, lamport) = last.expect("some arrived");
    assert!(position < head);
    let resume = Resume {
        position,
        lamport,
        epoch: welcome.epoch,
    };
    let back = JoinRequest {
        session: welcome.session,
        resume: Some(resume),
        ..named("bob")
    };
    let mut bob = server.join_with(back).await.expect("welcome back");
    assert_eq!(
        (bob.welcome.resumed, bob.welcome.next),
        (false, position + 1)
    );
    for expected in position + 1..=bob.welcome.position {
        assert_eq!(bob.event().await.position, expected);
    }
}
