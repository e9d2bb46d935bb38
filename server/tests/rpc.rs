//! Every call and every status, over real sockets.

mod support;

use chitty_chat::proto::v1::{
    Broadcast, HistoryRequest, JoinRequest, LeaveRequest, Resume, broadcast::Kind, closing,
    event::Kind as EventKind, left,
};
use support::{TestServer, code, sentence};
use tonic::Code;
use tonic_types::StatusExt as _;

fn named(name: &str) -> JoinRequest {
    JoinRequest {
        name: name.into(),
        lamport: 1,
        ..JoinRequest::default()
    }
}

#[tokio::test]
async fn two_participants_get_the_times_of_the_rules() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    assert_eq!(
        (ada.welcome.position, ada.welcome.lamport, ada.welcome.next),
        (1, 3, 1)
    );
    let joined = ada.event().await;
    assert_eq!(
        sentence(&joined),
        "Participant ada joined Chitty-Chat at Lamport time 3"
    );
    // ada's clock is 4 now; bob's first request carries 1.
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
    // Both are at 6: ada sends at 7, so it is broadcast at 9.
    let mut request = ada.request("hello");
    (request.lamport, request.seen) = (7, 2);
    let reply = ada
        .client
        .publish(request)
        .await
        .expect("valid")
        .into_inner();
    assert_eq!((reply.position, reply.lamport), (3, 9));
    for participant in [&mut ada, &mut bob] {
        let event = participant.event().await;
        assert_eq!((event.position, event.lamport, event.request), (3, 9, 7));
        let Some(EventKind::Message(message)) = event.kind else {
            panic!("a message")
        };
        assert_eq!(
            (message.author.as_str(), message.text.as_str()),
            ("ada", "hello")
        );
        assert_eq!((message.participant, message.seen), (1, 2));
    }
    // bob is at 10 and leaves at 11: 13.
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
    assert_eq!((reply.position, reply.lamport), (4, 13));
    let left = ada.event().await;
    assert_eq!(
        sentence(&left),
        "Participant bob left Chitty-Chat at Lamport time 13"
    );
    assert_eq!(bob.event().await, left);
    assert!(bob.next().await.expect("the stream ends OK").is_none());
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
    for name in ["ada", "Ada", "аdа"] {
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
    // Lost, and its grace runs.
    drop(ada);
    let deadline = tokio::time::Instant::now() + support::PATIENCE;
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
    drop(bob);
    ada.events(2).await;
    let left = ada.event().await;
    assert!(matches!(
        &left.kind,
        Some(EventKind::Left(left)) if left.reason() == left::Reason::Lost && left.participant == 2
    ));
    assert_eq!((left.lamport, left.request), (6, 0));
    let request = JoinRequest {
        name: "bob".into(),
        ..request
    };
    let mut back = server.join_with(request).await.expect("welcome back");
    assert!(!back.welcome.resumed);
    // Nothing is missed: its own Left comes first, as history, and does not end the stream.
    assert_eq!((back.welcome.position, back.welcome.next), (4, 3));
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
    let mut again = server.join_with(ada.resume(&first)).await.expect("alive");
    assert!(again.welcome.resumed);
    assert_eq!((again.welcome.position, again.welcome.lamport), (1, 3));
    assert_eq!((again.welcome.next, again.welcome.head), (2, 3));
    assert_eq!(again.welcome.participants, []);
    let positions: Vec<_> = again
        .events(2)
        .await
        .iter()
        .map(|event| event.position)
        .collect();
    assert_eq!(positions, [2, 3]);
    let closing = ada.next().await.expect("a message").expect("a message");
    let Some(Kind::Closing(closing)) = closing.kind else {
        panic!("a Closing")
    };
    assert_eq!(
        (closing.reason(), closing.position),
        (closing::Reason::TakenOver, 3)
    );
    assert_eq!(code(ada.next().await), Code::Aborted);
    drop(ada);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    again.publish("still here").await;
    assert_eq!(again.event().await.position, 4);
    // Of another log: a new participation, and nobody is present twice. The older stream hears
    // that its own is over.
    let mut stale = again.resume(&first);
    stale.name = "ada".into();
    stale.resume = stale.resume.map(|resume| Resume {
        epoch: "another".into(),
        ..resume
    });
    let fresh = server.join_with(stale).await.expect("a new participation");
    assert!(!fresh.welcome.resumed);
    assert_eq!((fresh.welcome.position, fresh.welcome.next), (6, 6));
    assert_eq!(fresh.welcome.participants.len(), 1);
    let left = again.event().await;
    assert!(matches!(left.kind, Some(EventKind::Left(left)) if left.participant == 1));
    let closing = again.next().await.expect("a message").expect("a message");
    let Some(Kind::Closing(closing)) = closing.kind else {
        panic!("a Closing")
    };
    assert_eq!(
        (closing.reason(), closing.position),
        (closing::Reason::Ended, 5)
    );
    assert_eq!(code(again.next().await), Code::Unauthenticated);
}

#[tokio::test]
async fn newcomers_get_as_much_of_the_past_as_they_ask_for() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    for number in 2..=3000 {
        ada.publish(&format!("line {number}")).await;
    }
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

#[tokio::test]
async fn history_is_read_in_pages() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    for number in 2..=400 {
        ada.publish(&format!("line {number}")).await;
    }
    let session = ada.welcome.session.clone();
    let mut page = async |request: HistoryRequest| {
        let request = HistoryRequest {
            session: session.clone(),
            ..request
        };
        let reply = ada
            .client
            .history(request)
            .await
            .expect("valid")
            .into_inner();
        let positions: Vec<_> = reply.events.iter().map(|event| event.position).collect();
        assert!(positions.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        (
            positions.first().copied(),
            positions.last().copied(),
            reply.start,
        )
    };
    let ask = HistoryRequest::default;
    assert_eq!(page(ask()).await, (Some(301), Some(400), false));
    assert_eq!(
        page(HistoryRequest {
            before: 301,
            limit: 10,
            ..ask()
        })
        .await,
        (Some(291), Some(300), false)
    );
    assert_eq!(
        page(HistoryRequest {
            before: 11,
            limit: 10,
            ..ask()
        })
        .await,
        (Some(1), Some(10), true)
    );
    assert_eq!(
        page(HistoryRequest { before: 1, ..ask() }).await,
        (None, None, true)
    );
    assert_eq!(
        page(HistoryRequest {
            before: 9999,
            limit: 1,
            ..ask()
        })
        .await,
        (Some(400), Some(400), false)
    );
    assert_eq!(
        page(HistoryRequest {
            after: 395,
            ..ask()
        })
        .await,
        (Some(396), Some(400), false)
    );
    assert_eq!(
        page(HistoryRequest {
            after: 400,
            ..ask()
        })
        .await,
        (None, None, false)
    );
    assert_eq!(
        page(HistoryRequest {
            limit: 5000,
            ..ask()
        })
        .await,
        (Some(1), Some(400), true)
    );
    // The event at position p has time 2p + 1 here, as each request carries 1.
    assert_eq!(
        page(HistoryRequest {
            at_lamport: 401,
            limit: 11,
            ..ask()
        })
        .await,
        (Some(195), Some(205), false)
    );
    let both = HistoryRequest {
        session: session.clone(),
        before: 1,
        after: 1,
        ..ask()
    };
    assert_eq!(code(ada.client.history(both).await), Code::InvalidArgument);
}

#[tokio::test]
async fn a_page_of_history_is_at_most_256_kib_and_ends_where_it_was_asked_to() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    let text = "🦀".repeat(128);
    for _ in 2..=800 {
        ada.publish(&text).await;
    }
    let session = ada.welcome.session.clone();
    for (request, first, last) in [
        (
            HistoryRequest {
                limit: 1000,
                ..HistoryRequest::default()
            },
            None,
            Some(800),
        ),
        (
            HistoryRequest {
                limit: 1000,
                after: 5,
                ..HistoryRequest::default()
            },
            Some(6),
            None,
        ),
    ] {
        let request = HistoryRequest {
            session: session.clone(),
            ..request
        };
        let reply = ada
            .client
            .history(request)
            .await
            .expect("valid")
            .into_inner();
        let bytes: usize = reply.events.iter().map(prost::Message::encoded_len).sum();
        assert!(bytes <= 256 << 10 && bytes > 250 << 10, "{bytes}");
        let ends = (reply.events.first(), reply.events.last());
        assert!(first.is_none_or(|at| ends.0.is_some_and(|event| event.position == at)));
        assert!(last.is_none_or(|at| ends.1.is_some_and(|event| event.position == at)));
    }
}

#[tokio::test]
async fn going_down_is_said_to_everybody_and_takes_no_longer_than_promised() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    ada.event().await;
    // A peer that never says anything, and one that never reads.
    let _mute = tokio::net::TcpStream::connect(server.address)
        .await
        .expect("it listens");
    let _deaf = server.join("bob").await;
    ada.event().await;
    let began = tokio::time::Instant::now();
    server.stop().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(3));
    let Some(Broadcast {
        kind: Some(Kind::Closing(closing)),
    }) = ada.next().await.expect("one")
    else {
        panic!("a Closing");
    };
    assert_eq!(
        (closing.reason(), closing.position),
        (closing::Reason::Shutdown, 2)
    );
    assert_eq!(code(ada.next().await), Code::Unavailable);
}

#[tokio::test]
async fn behind_the_end_of_the_chat_there_is_no_history() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    for after in [1, 2, 1 << 62, 1 << 63, u64::MAX] {
        let session = ada.welcome.session.clone();
        let request = HistoryRequest {
            session,
            after,
            ..HistoryRequest::default()
        };
        let reply = ada
            .client
            .history(request)
            .await
            .expect("valid")
            .into_inner();
        assert_eq!((reply.events, reply.start), (Vec::new(), false), "{after}");
    }
}
