//! Messages, and the Lamport times that they get.

use chitty_chat::proto::v1::{LeaveRequest, event::Kind as EventKind};
use tonic::Code;
use tonic_types::StatusExt as _;

use chitty_testing::server::{TestServer, code, sentence};

/// The first numbers of the design, with each participant's clock spelled out. A clock ticks before
/// it sends. The server's clock receives the request, which is one step, and ticks for the event,
/// which is another: the event's time is two after the larger one of the log's and the request's.
#[tokio::test]
async fn two_participants_get_the_times_of_the_rules() {
    let server = TestServer::start().await;

    // ada's clock begins at 0: her Join carries 1, and is broadcast at 3.
    let mut ada = server.join("ada").await;
    let welcome = &ada.welcome;
    assert_eq!((welcome.position, welcome.next), (1, 1));
    assert_eq!(welcome.lamport, 3);
    let joined = ada.event().await;
    assert_eq!(
        sentence(&joined),
        "Participant ada joined Chitty-Chat at Lamport time 3"
    );

    // ada's clock is 4 now. bob's first request carries 1; the log is at 3, so he joins at 5.
    let mut bob = server.join("bob").await;
    let names: Vec<_> = bob
        .welcome
        .participants
        .iter()
        .map(|known| known.name.as_str())
        .collect();
    assert_eq!(names, ["ada", "bob"]);
    let joined = ada.event().await;
    assert_eq!(
        sentence(&joined),
        "Participant bob joined Chitty-Chat at Lamport time 5"
    );
    assert_eq!(bob.event().await, joined);

    // Both clocks are at 6. ada sends at 7, so her message is broadcast at 9.
    let mut request = ada.request("hello");
    (request.lamport, request.seen) = (7, 2);
    let reply = ada
        .client
        .publish(request)
        .await
        .expect("valid")
        .into_inner();
    assert_eq!(reply.position, 3);
    assert_eq!(reply.lamport, 9);
    for participant in [&mut ada, &mut bob] {
        let event = participant.event().await;
        assert_eq!(event.position, 3);
        assert_eq!(event.lamport, 9);
        assert_eq!(event.request, 7, "the time that ada sent at");
        let Some(EventKind::Message(message)) = event.kind else {
            panic!("a message")
        };
        assert_eq!(message.author, "ada");
        assert_eq!(message.text, "hello");
        assert_eq!(message.participant, 1, "the position of ada's Joined");
        assert_eq!(message.seen, 2, "the last event that ada had received");
    }

    // bob's clock is at 10. He sends his Leave at 11, so he leaves at 13.
    let request = LeaveRequest {
        session: bob.welcome.session.clone(),
        lamport: 11,
    };
    let reply = bob
        .client
        .leave(request.clone())
        .await
        .expect("present")
        .into_inner();
    assert_eq!(reply.position, 4);
    assert_eq!(reply.lamport, 13);
    let left = ada.event().await;
    assert_eq!(
        sentence(&left),
        "Participant bob left Chitty-Chat at Lamport time 13"
    );
    assert_eq!(bob.event().await, left);
    assert!(bob.next().await.expect("the stream ends OK").is_none());

    // A repeated Leave gets the first reply.
    let again = bob
        .client
        .leave(request)
        .await
        .expect("the first reply")
        .into_inner();
    assert_eq!(again, reply);
    server.stop().await;
}

#[tokio::test]
async fn order_is_the_same_for_all() {
    let server = TestServer::start().await;
    let mut everybody = Vec::new();
    for name in ["ada", "bob", "eve", "joe"] {
        everybody.push(server.join(name).await);
    }
    let writers: Vec<_> = everybody
        .iter()
        .map(|participant| {
            let (mut client, request) = (participant.client.clone(), participant.request("hi"));
            tokio::spawn(async move {
                for _ in 0..50 {
                    client.publish(request.clone()).await.expect("valid");
                }
            })
        })
        .collect();
    let mut logs = Vec::new();
    for (index, participant) in everybody.iter_mut().enumerate() {
        // Each has seen those who joined after it join.
        logs.push(participant.events(4 - index + 200).await);
    }
    for writer in writers {
        writer.await.expect("it ran");
    }
    for log in &logs {
        assert!(
            log.windows(2)
                .all(|pair| pair[0].position + 1 == pair[1].position)
        );
        assert!(log.windows(2).all(|pair| pair[0].lamport < pair[1].lamport));
        assert!(logs[0].ends_with(log));
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_its_field() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    let long = "x".repeat(129);
    for text in ["", "   ", "\n\t", &long, "bell \u{7}", "esc \u{1b}[31m"] {
        let status = ada
            .client
            .publish(ada.request(text))
            .await
            .expect_err("not a message");
        assert_eq!(status.code(), Code::InvalidArgument, "{text:?}");
        let details = status.get_error_details();
        let violations = details
            .bad_request()
            .expect("details")
            .field_violations
            .clone();
        assert_eq!(violations[0].field, "text");
    }
    for text in [
        "x".repeat(128),
        "Æ".repeat(128),
        "🦀".repeat(128),
        "two\nlines\tand a tab".into(),
    ] {
        ada.client
            .publish(ada.request(&text))
            .await
            .expect("a message");
    }
    let mut request = ada.request("hi");
    request.id = "short".into();
    assert_eq!(
        code(ada.client.publish(request).await),
        Code::InvalidArgument
    );
    let mut request = ada.request("hi");
    request.seen = 1000;
    assert_eq!(
        code(ada.client.publish(request).await),
        Code::InvalidArgument
    );
    for lamport in [0, 1 << 40, u64::MAX] {
        let mut request = ada.request("hi");
        request.lamport = lamport;
        let status = ada.client.publish(request).await.expect_err("not a time");
        assert_eq!(status.code(), Code::InvalidArgument, "{lamport}");
        let details = status.get_error_details();
        assert_eq!(
            details.bad_request().expect("details").field_violations[0].field,
            "lamport"
        );
    }
}

#[tokio::test]
async fn an_id_is_one_event() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    let mut request = ada.request("once");
    request.id = "0123456789abcdef".into();
    let first = ada
        .client
        .publish(request.clone())
        .await
        .expect("new")
        .into_inner();
    let second = ada
        .client
        .publish(request.clone())
        .await
        .expect("a retry")
        .into_inner();
    assert_eq!(first, second);
    request.text = "something else".into();
    assert_eq!(code(ada.client.publish(request).await), Code::AlreadyExists);
    ada.publish("next").await;
    let texts: Vec<_> = ada
        .events(3)
        .await
        .into_iter()
        .map(|event| event.position)
        .collect();
    assert_eq!(texts, [1, 2, 3]);
}

#[tokio::test]
async fn who_brings_the_clock_far_forward_again_and_again_is_told_to_wait() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    let mut clock = ada.welcome.lamport;
    let mut refused = None;
    for _ in 0..9 {
        let mut request = ada.request("far");
        request.lamport = clock + (1 << 32);
        match ada.client.publish(request).await {
            Ok(reply) => clock = reply.into_inner().lamport,
            Err(status) => refused = Some(status),
        }
    }
    let refused = refused.expect("too far");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let details = refused.get_error_details();
    let wait = details.retry_info().and_then(|info| info.retry_delay);
    assert!(wait.is_some_and(|wait| wait.as_secs() <= 60), "{wait:?}");
    // Others notice nothing.
    let mut bob = server.join("bob").await;
    bob.publish("hi").await;
}
