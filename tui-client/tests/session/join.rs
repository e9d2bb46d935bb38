//! Joining the chat.

use std::{collections::HashMap, time::Duration};

use chitty::session::{ClockCause, Ended, HistoryPage, Notice, SessionCommand};
use chitty_chat::{LamportTime, ParticipantNumber, proto::v1};
use chitty_testing::fake_server::{Fake, welcome};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::user::User;

#[tokio::test]
async fn the_first_join_has_the_numbers_of_the_design() {
    let mut server = Fake::start().await;
    let mut user = User::of(&server);
    user.join("ada").await;

    let call = server.join().await;
    assert_eq!(call.request.lamport, 1);
    assert_eq!(call.request.name, "ada");
    assert_eq!(call.request.backlog, 20);
    assert_eq!(call.request.resume, None);
    assert!(call.request.session.len() >= 22);
    let stream = call.welcome_first();

    let welcome = user.welcome().await;
    assert_eq!(welcome.clock, LamportTime::new(3));
    assert_eq!(welcome.number, ParticipantNumber::new(1));
    assert_eq!(welcome.server, server.address.to_string());
    let expected = vec![(ParticipantNumber::new(1), "ada".into())];
    assert_eq!(welcome.participants, Some(expected));
    let shown = user.event().await;
    assert_eq!(shown.clock, LamportTime::new(4));
    assert_eq!(
        shown.event.sentence().as_deref(),
        Some("Participant ada joined Chitty-Chat at Lamport time 3")
    );
    user.live().await;

    // bob joins at 5, and eve at 7. Each receipt sets the clock to one more than the event's time.
    stream.position(2).time(5).request(1).joined("bob");
    stream.position(3).time(7).request(1).joined("eve");
    assert_eq!(user.event().await.clock, LamportTime::new(6));
    assert_eq!(user.event().await.clock, LamportTime::new(8));

    // So ada publishes at 9, and the server broadcasts her line at 11.
    user.publish(1, "hello").await;
    let call = server.publish().await;
    assert_eq!(call.request.lamport, 9);
    assert_eq!(call.request.seen, 3);
    stream.position(4).time(11).published(&call.request);
    call.reply(chitty_chat::proto::v1::PublishReply {
        position: 4,
        lamport: 11,
    });
    let shown = user.event().await;
    assert_eq!(shown.clock, LamportTime::new(12));
    assert_eq!(shown.own.map(|ticket| ticket.0), Some(1));

    // She leaves at 13.
    user.ask(SessionCommand::Leave).await;
    assert_eq!(server.leave().await.request.lamport, 13);
}

#[tokio::test]
async fn history_only_raises_the_clock() {
    let mut server = Fake::start().await;
    let mut user = User::of(&server);
    user.join("bob").await;
    let stream = server.join().await.accept();
    // bob joins at position 3, and the two events before him come as history.
    stream.welcome(v1::Welcome {
        next: 1,
        ..welcome("bob", 3, 9)
    });
    stream.position(1).time(3).request(1).joined("ada");
    stream.position(2).time(7).message("hello");
    stream.position(3).time(9).request(1).joined("bob");
    assert_eq!(user.welcome().await.clock, LamportTime::new(9));
    assert_eq!(user.event().await.clock, LamportTime::new(9));
    assert_eq!(user.event().await.clock, LamportTime::new(9));
    // His own Joined is a receipt, for which the clock ticks.
    assert_eq!(user.event().await.clock, LamportTime::new(10));

    // A page of history raises the clock to its latest time, and does not make it tick.
    let before = 1.into();
    let limit = 50;
    user.ask(SessionCommand::History {
        page: HistoryPage::Before(before),
        limit,
    })
    .await;
    let call = server.history().await;
    assert_eq!(call.request.before, 1);
    assert_eq!(call.request.limit, 50);
    let late = chitty_chat::proto::v1::Event {
        position: 1,
        lamport: 20,
        ..Default::default()
    };
    call.reply(chitty_chat::proto::v1::HistoryReply {
        events: vec![late],
        start: true,
    });
    let events = user
        .until(|notice| match notice {
            Notice::History { events, start, .. } => Some((events, start)),
            _ => None,
        })
        .await;
    assert_eq!(events.0.map(|events| events.len()), Ok(1));
    assert!(events.1);
    let clock = user.notice().await;
    let expected = Notice::Clock {
        clock: LamportTime::new(20),
        moved: ClockCause::Observed,
    };
    assert_eq!(clock, expected);
}

#[tokio::test]
async fn a_refused_name_can_be_changed() {
    let mut server = Fake::start().await;
    let mut user = User::of(&server);
    user.join("ada").await;
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(7)));
    let taken = Status::with_error_details(Code::AlreadyExists, "ada is present", details);
    server.join().await.refuse(taken);
    let refusal = user.refused().await;
    assert_eq!(refusal.name, "ada");
    assert_eq!(refusal.reason, "ada is present");
    assert_eq!(refusal.retry_in, Some(Duration::from_secs(7)));

    user.join("bob").await;
    let details = ErrorDetails::with_bad_request_violation("name", "a name like that is reserved");
    let bad = Status::with_error_details(Code::InvalidArgument, "invalid", details);
    server.join().await.refuse(bad);
    assert_eq!(user.refused().await.reason, "a name like that is reserved");

    user.join("eve").await;
    let call = server.join().await;
    assert_eq!(call.request.name, "eve");
    assert_eq!(call.request.lamport, 3, "each is a sending of its own");
    let _stream = call.welcome_first();
    assert_eq!(&*user.welcome().await.name, "eve");
}

#[tokio::test]
async fn a_server_that_is_not_ready_is_tried_again() {
    let mut server = Fake::start().await;
    let mut user = User::of(&server);
    user.join("ada").await;
    server.join().await.refuse(Status::unavailable("idle"));
    assert_eq!(user.lost().await.0, "idle");
    let _stream = server.join().await.welcome_first();
    user.live().await;
}

#[tokio::test]
async fn a_lost_welcome_is_made_up_for() {
    let mut server = Fake::start().await;
    let mut user = User::of(&server);
    user.join("ada").await;
    let call = server.join().await;
    let session = call.request.session.clone();
    // The line was accepted at position 2; then the answer was lost, and another participant wrote.
    call.refuse(Status::unavailable("lost"));
    let call = server.join().await;
    assert_eq!(call.request.session, session);
    assert_eq!(call.request.resume, None);
    let stream = call.accept();
    stream.welcome(v1::Welcome {
        resumed: true,
        position: 3,
        head: 3,
        ..welcome("ada", 2, 11)
    });
    stream.position(2).time(7).request(1).joined("ada");
    stream.position(3).time(11).message("hello");
    let welcome = user.welcome().await;
    assert_eq!(welcome.number, ParticipantNumber::new(2));
    assert!(welcome.participants.is_some());
    assert_eq!(user.event().await.clock, LamportTime::new(11));
    assert_eq!(user.event().await.clock, LamportTime::new(12));
    user.live().await;
}

#[tokio::test]
async fn an_unknown_room_and_another_version_are_no_use() {
    for status in [Status::not_found("room"), Status::unimplemented("v2")] {
        let mut server = Fake::start().await;
        let user = User::of(&server);
        user.join("ada").await;
        server.join().await.refuse(status);
        let ended = user.ended().await;
        assert!(matches!(ended, Ended::Failed(reason) if reason.contains("--server")));
    }
}

#[tokio::test]
async fn a_session_that_was_taken_over_does_not_come_back() {
    use chitty_chat::proto::v1::closing::Reason;

    let mut server = Fake::start().await;
    let (user, stream) = User::in_chat(&mut server, "ada").await;
    stream.close(Reason::TakenOver, "");
    assert_eq!(user.ended().await, Ended::TakenOver);

    let (user, stream) = User::in_chat(&mut server, "ada").await;
    stream.fail(Status::aborted("taken over"));
    assert_eq!(user.ended().await, Ended::TakenOver);
    server.quiet(Duration::from_millis(200)).await;
}

/// Typing and scrolling may request many pages at a time: each gets its turn and one answer.
#[tokio::test]
async fn many_pages_wait_for_their_turn() {
    let mut server = Fake::start().await;
    let (mut user, _stream) = User::in_chat(&mut server, "ada").await;
    let mut pages: Vec<_> = (1..=20_u64)
        .map(|before| HistoryPage::Before(before.into()))
        .collect();
    for page in pages.clone() {
        user.ask(SessionCommand::History { page, limit: 10 }).await;
    }
    for _ in &pages {
        let call = server.history().await;
        call.reply(chitty_chat::proto::v1::HistoryReply::default());
    }
    while !pages.is_empty() {
        if let Notice::History { page, events, .. } = user.notice().await {
            assert_eq!(events, Ok(Vec::new()));
            let index = pages.iter().position(|asked| *asked == page);
            pages.remove(index.expect("it was asked for, and not answered yet"));
        }
    }
}

#[tokio::test]
async fn a_name_is_tried_until_it_is_answered_and_then_kept() {
    let mut server = Fake::start().await;
    let mut user = User::of(&server);
    user.join("ada").await;
    let call = server.join().await;

    // While the server has not answered, no other name is tried.
    user.join("bob").await;
    server.quiet(Duration::from_millis(300)).await;
    let stream = call.accept();
    let mut others = welcome("ada", 2, 5);
    let bob = v1::Participant {
        name: "bob".into(),
        number: 1,
        seen: 0,
        member: 0,
    };
    others.participants.insert(0, bob);
    stream.welcome(others);
    assert_eq!(&*user.welcome().await.name, "ada");

    // Nor is one tried after the first was accepted.
    user.join("eve").await;
    server.quiet(Duration::from_millis(300)).await;
}

fn refused_for(reason: &str, code: Code) -> Status {
    let details = ErrorDetails::with_error_info(reason, "chitty-chat", HashMap::new());
    Status::with_error_details(code, "the server's words", details)
}

/// Somebody who is in the chat on the laptop joins from the desktop.
#[tokio::test]
async fn a_second_device_joins_under_a_name_of_its_own() {
    let mut server = Fake::start().await;
    let url = server.url().parse().expect("a URL");
    let connector = chitty::launch::remote(url).with_device(Some("desktop".into()));
    let mut user = User::new(connector);
    user.join("ada").await;
    let own_name = || refused_for("OWN_NAME", Code::AlreadyExists);
    let join = server.join().await;
    assert_eq!(join.request.name, "ada");
    join.refuse(own_name());
    let join = server.join().await;
    assert_eq!(join.request.name, "ada (desktop)");
    // A third one on the same device has to be named by its user.
    join.refuse(own_name());
    let refused = user.refused().await;
    assert_eq!(refused.name, "ada (desktop)");
    assert!(
        refused.reason.contains("name of this device"),
        "{}",
        refused.reason
    );
}

/// The invitation is shown until the server lets the user in, and never after that.
#[tokio::test]
async fn an_invitation_is_shown_until_it_is_taken() {
    let mut server = Fake::start().await;
    let secret = chitty_chat::link::LinkSecret::random(&mut |bytes| bytes.fill(7));
    let url = server.url().parse().expect("a URL");
    let connector = chitty::launch::remote(url).with_invitation(Some(secret.clone()));
    let mut user = User::new(connector);
    user.join("ada").await;
    // A lost reply does not lose the invitation.
    let join = server.join().await;
    assert_eq!(join.request.invitation, secret.reveal());
    join.refuse(Status::unavailable("later"));
    user.lost().await;
    let join = server.join().await;
    assert_eq!(join.request.invitation, secret.reveal());
    assert!(!format!("{:?}", join.request).contains(&secret.reveal()));
    let stream = join.welcome_first();
    user.live().await;
    stream.fail(Status::unavailable("later"));
    user.lost().await;
    assert_eq!(server.join().await.request.invitation, "");
}

#[tokio::test]
async fn a_closed_chat_says_how_to_get_in() {
    for (reason, part) in [
        ("NOT_A_MEMBER", "`chitty-server invite`"),
        (
            "INVITATION_EXPIRED",
            "the server's words; ask for a new one",
        ),
    ] {
        let mut server = Fake::start().await;
        let user = User::of(&server);
        user.join("ada").await;
        let status = refused_for(reason, Code::PermissionDenied);
        server.join().await.refuse(status);
        let ended = user.ended().await;
        assert!(
            matches!(&ended, Ended::Failed(words) if words.contains(part)),
            "{ended:?}"
        );
    }
}
