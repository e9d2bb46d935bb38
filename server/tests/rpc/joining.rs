//! Coming in, vanishing, coming back.

use chitty_chat::proto::v1::{
    HistoryRequest, JoinRequest, LeaveRequest, Resume, broadcast::Kind, closing,
    event::Kind as EventKind, left,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::named;
use chitty_testing::server::{PATIENCE, TestServer, code};

#[tokio::test]
async fn without_a_session_there_is_no_way_in() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    for session in ["", "short", "0123456789abcdef0123456789abcdef"] {
        let mut request = ada.request("hi");
        request.session = session.into();
        assert_eq!(
            code(ada.client.publish(request).await),
            Code::Unauthenticated
        );
        let leave = LeaveRequest {
            session: session.into(),
            lamport: 1,
        };
        assert_eq!(code(ada.client.leave(leave).await), Code::Unauthenticated);
        let history = HistoryRequest {
            session: session.into(),
            ..HistoryRequest::default()
        };
        assert_eq!(
            code(ada.client.history(history).await),
            Code::Unauthenticated
        );
    }
    let session = ada.welcome.session.clone();
    let leave = LeaveRequest {
        session: session.clone(),
        lamport: 1,
    };
    ada.client.leave(leave).await.expect("present");
    assert_eq!(
        code(ada.client.publish(ada.request("hi")).await),
        Code::Unauthenticated
    );
    let again = JoinRequest {
        session,
        ..named("ada")
    };
    assert_eq!(
        server.join_with(again).await.err().expect("left").code(),
        Code::Unauthenticated
    );
}

#[tokio::test]
async fn joins_are_refused_with_reasons() {
    let server = TestServer::start().await;
    let ada = server.join("ada").await;
    for name in [
        "",
        " ada",
        "a  b",
        "server",
        "SYSTEM",
        "tab\there",
        "s e r v e r",
        "i\u{307}da",
        "a\u{301}\u{301}",
        "ada\u{13441}",
        "Participant bob left Chitty-Chat",
        &"x".repeat(33),
    ] {
        let status = server
            .join_with(named(name))
            .await
            .err()
            .expect("not a name");
        assert_eq!(status.code(), Code::InvalidArgument, "{name:?}");
        let details = status.get_error_details();
        assert_eq!(
            details.bad_request().expect("details").field_violations[0].field,
            "name"
        );
    }
    let _joiner = server.join("ශ්\u{200D}රී").await;
    let _doubled = server.join("q\u{301}").await;
    for name in ["ada", "Ada", "аdа", "ශ්රී", "q\u{301}\u{301}"] {
        let status = server.join_with(named(name)).await.err().expect("taken");
        assert_eq!(status.code(), Code::AlreadyExists, "{name:?}");
        assert!(status.get_error_details().retry_info().is_none());
    }
    let room = JoinRequest {
        room: "elsewhere".into(),
        ..named("bob")
    };
    assert_eq!(
        server.join_with(room).await.err().expect("none").code(),
        Code::NotFound
    );
    let session = JoinRequest {
        session: "tooshort".into(),
        ..named("bob")
    };
    let status = server.join_with(session).await.err().expect("short");
    assert_eq!(status.code(), Code::InvalidArgument);
    // ada's connection is lost. Her name stays taken until the grace is over.
    drop(ada);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match server.join_with(named("ada")).await {
            Err(status) if tokio::time::Instant::now() < deadline => {
                assert_eq!(status.code(), Code::AlreadyExists);
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            joined => break drop(joined.expect("free after the grace")),
        }
    }
}

#[tokio::test]
async fn who_vanishes_is_announced_once_and_can_come_back_as_new() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    let mut bob = server.join("bob").await;
    let seen = bob.events(1).await.pop().expect("one");
    let request = bob.resume(&seen);

    // bob's connection is lost. After the grace, ada receives his Left, after both Joined.
    drop(bob);
    ada.events(2).await;
    let left = ada.event().await;
    assert!(matches!(
        &left.kind,
        Some(EventKind::Left(left)) if left.reason() == left::Reason::Lost && left.participant == 2
    ));
    assert_eq!(left.lamport, 6, "one after bob's Joined at 5");
    assert_eq!(left.request, 0, "no request led to it");

    // He comes back: his participation is over, so he gets a new one.
    let request = JoinRequest {
        name: "bob".into(),
        ..request
    };
    let mut back = server.join_with(request).await.expect("welcome back");
    assert!(!back.welcome.resumed);
    // Nothing is missed: his own Left comes first, as history, and does not end the stream.
    assert_eq!(back.welcome.position, 4, "of his new Joined");
    assert_eq!(back.welcome.next, 3, "of his Left");
    let events = back.events(2).await;
    assert_eq!(events[0], left);
    assert_eq!(events[1], ada.event().await);
}

#[tokio::test]
async fn a_resumed_stream_goes_on_and_the_older_one_is_taken_over() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    let first = ada.event().await;
    ada.publish("one").await;
    ada.publish("two").await;
    ada.events(2).await;

    // A second stream resumes after the Joined, although the first one has everything.
    let mut again = server.join_with(ada.resume(&first)).await.expect("alive");
    assert!(again.welcome.resumed);
    assert_eq!(again.welcome.position, 1);
    assert_eq!(again.welcome.lamport, 3, "the time of that event");
    assert_eq!(again.welcome.next, 2, "the first event that comes");
    assert_eq!(again.welcome.head, 3, "the last event there is");
    assert_eq!(again.welcome.participants, [], "as the client knows them");
    let positions: Vec<_> = again
        .events(2)
        .await
        .iter()
        .map(|event| event.position)
        .collect();
    assert_eq!(positions, [2, 3]);

    // The first stream ends after the last event that it has sent.
    let closing = ada.next().await.expect("a message").expect("a message");
    let Some(Kind::Closing(closing)) = closing.kind else {
        panic!("a Closing")
    };
    assert_eq!(closing.reason(), closing::Reason::TakenOver);
    assert_eq!(closing.position, 3);
    assert_eq!(code(ada.next().await), Code::Aborted);

    // The end of its connection is no loss of the participation, not even after the grace.
    drop(ada);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    again.publish("still here").await;
    assert_eq!(again.event().await.position, 4);

    // A resume after an event of another log begins a new participation. Nobody is present twice,
    // so the old participation ends, and its stream reports that.
    let mut stale = again.resume(&first);
    stale.name = "ada".into();
    stale.resume = stale.resume.map(|resume| Resume {
        epoch: "another".into(),
        ..resume
    });
    let fresh = server.join_with(stale).await.expect("a new participation");
    assert!(!fresh.welcome.resumed);
    assert_eq!(fresh.welcome.position, 6, "after the Left at 5");
    assert_eq!(fresh.welcome.next, 6, "nothing of before is sent");
    assert_eq!(fresh.welcome.participants.len(), 1);
    let left = again.event().await;
    assert!(matches!(left.kind, Some(EventKind::Left(left)) if left.participant == 1));
    let closing = again.next().await.expect("a message").expect("a message");
    let Some(Kind::Closing(closing)) = closing.kind else {
        panic!("a Closing")
    };
    assert_eq!(closing.reason(), closing::Reason::Ended);
    assert_eq!(closing.position, 5);
    assert_eq!(code(again.next().await), Code::Unauthenticated);
}

#[tokio::test]
async fn newcomers_get_as_much_of_the_past_as_they_ask_for() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    for number in 2..=3000 {
        ada.publish(&format!("line {number}")).await;
    }
    // Earlier newcomers have added events, so the place that a backlog reaches moves on.
    for (backlog, first) in [(0, 3001), (10, 2991), (3000, 1), (u32::MAX, 1)] {
        let name = format!("bob{backlog}");
        let request = JoinRequest {
            backlog,
            ..named(&name)
        };
        let mut bob = server.join_with(request).await.expect("free");
        let own = bob.welcome.position;
        assert_eq!(
            bob.welcome.next,
            first.max(own.saturating_sub(backlog.into())).min(own)
        );
        let events = bob
            .events(usize::try_from(own - bob.welcome.next + 1).expect("few"))
            .await;
        assert!(
            events
                .windows(2)
                .all(|pair| pair[0].position + 1 == pair[1].position)
        );
        assert_eq!(events.last().map(|event| event.position), Some(own));
    }
}
