//! Reconnecting after the link was lost.

use std::time::Duration;

use chitty::session::{
    Attempt, ConnectError, Connector, Ended, Link, Notice, SessionCommand, endpoint,
};
use chitty_chat::{
    LamportTime, ParticipantNumber,
    proto::v1::{self, closing::Reason},
};
use chitty_testing::fake_server::{Fake, resumed, welcome};
use http::Uri;
use tokio::{sync::mpsc, time::Instant};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::user::User;

/// What a client sends to resume after this event of the first log.
fn resume(position: u64, lamport: u64) -> v1::Resume {
    v1::Resume {
        position,
        epoch: "epoch".into(),
        lamport,
    }
}

#[tokio::test]
async fn after_a_cut_the_chat_goes_on_where_it_was() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    stream.position(2).time(7).message("one");
    assert_eq!(user.event().await.clock, LamportTime::new(8));
    server.cut();
    user.lost().await;

    // The client resumes after the last event that it has. Two have come since.
    let call = server.join().await;
    assert_eq!(call.request.resume, Some(resume(2, 7)));
    assert_eq!(call.request.lamport, 9);
    let stream = call.accept();
    stream.welcome(resumed(&resume(2, 7), 4));
    stream.position(3).time(12).message("two");
    stream.position(4).time(15).message("three");
    let welcome = user.welcome().await;
    assert!(welcome.resumed);
    assert_eq!(welcome.participants, None);
    assert_eq!(welcome.number, ParticipantNumber::new(1));

    // It catches up, and only then is live.
    assert_eq!(
        user.notice().await,
        Notice::Link(Link::CatchingUp { remaining: 2 })
    );
    // Events that are replayed on a granted resume are receipts like any other.
    let (two, three) = (user.event().await, user.event().await);
    assert_eq!(two.event.position.get(), 3);
    assert_eq!(two.clock, LamportTime::new(13));
    assert_eq!(three.clock, LamportTime::new(16));
    user.live().await;
}

/// If a session was welcomed by a server, one that does not answer there now is not another
/// program.
#[tokio::test]
async fn who_connects_is_told_whether_it_was_welcomed_there_before() {
    let mut server = Fake::start().await;
    let (attempts, mut tries) = mpsc::unbounded_channel();
    let url: Uri = server.url().parse().expect("the URL is valid");
    let connector = Connector::new("here", move |attempt: Attempt| {
        let _ = attempts.send(attempt.welcomed());
        let connecting = endpoint(url.clone());
        async move {
            let unreachable = |error: tonic::transport::Error| error.to_string();
            let channel = connecting.connect().await.map_err(unreachable);
            channel.map_err(ConnectError::Unreachable)
        }
    });
    let mut user = User::new(connector);
    user.join("ada").await;
    // The first attempt is welcomed, the second one connects again.
    let _stream = server.join().await.welcome_first();
    user.welcome().await;
    server.cut();
    server.join().await;
    assert_eq!(tries.recv().await, Some(false));
    assert_eq!(tries.recv().await, Some(true));
}

/// The server began a new participation after the old one was lost, but its Welcome did not arrive:
/// the next Join resumes the new participation from the client's position.
#[tokio::test]
async fn a_participation_whose_welcome_was_lost_is_known_by_the_next_one() {
    let mut server = Fake::start().await;
    let (mut user, _stream) = User::in_chat(&mut server, "ada").await;
    server.cut();
    let call = server.join().await;
    let stream = call.accept();
    stream.welcome(v1::Welcome {
        participant: 3,
        ..resumed(&resume(1, 3), 3)
    });
    assert_eq!(user.welcome().await.number, ParticipantNumber::new(3));
}

#[tokio::test]
async fn the_session_stays_the_same_and_a_dead_server_is_waited_for() {
    let mut server = Fake::start().await;
    let mut user = User::of(&server);
    user.join("ada").await;
    let call = server.join().await;
    let session = call.request.session.clone();
    let _stream = call.welcome_first();
    user.live().await;

    // Each attempt fails and is reported, until the server is back.
    server.down().await;
    user.lost().await;
    let (reason, _) = user.lost().await;
    assert!(reason.contains("no server listens"), "{reason}");
    server.up().await;
    let call = server.join().await;
    assert_eq!(call.request.session, session);
    assert_eq!(call.request.resume, Some(resume(1, 3)));
}

#[tokio::test]
async fn a_gap_makes_it_join_again_and_repeats_are_dropped() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    // The stream repeats events 2 and 1, and leaves out 3.
    stream.position(2).time(5).message("two");
    stream.position(2).time(5).message("two");
    stream.position(1).time(3).message("one");
    stream.position(4).time(9).message("four");
    assert_eq!(user.event().await.event.position.get(), 2);
    let (reason, _) = user.lost().await;
    assert!(reason.contains("left out"), "{reason}");

    // So the client joins again, from the last event before the gap.
    let call = server.join().await;
    assert_eq!(call.request.resume, Some(resume(2, 5)));
    let stream = call.accept();
    stream.welcome(resumed(&resume(2, 5), 4));
    stream.position(3).time(7).message("three");
    stream.position(4).time(9).message("four");
    assert_eq!(user.event().await.event.position.get(), 3);
    assert_eq!(user.event().await.event.position.get(), 4);
}

#[tokio::test]
async fn a_new_participation_goes_on_without_a_gap() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    stream.fail(Status::unavailable("down"));
    user.lost().await;

    // The server has given up the old participation. The new one begins at position 3, and the
    // stream at 2, after the last event that the client has.
    let stream = server.join().await.accept();
    stream.welcome(v1::Welcome {
        next: 2,
        ..welcome("ada", 3, 9)
    });
    stream.position(2).time(6).message("missed");
    stream.position(3).time(9).request(6).joined("ada");
    let welcome = user.welcome().await;
    assert!(!welcome.another_log);
    assert_eq!(welcome.next.get(), 2);
    assert_eq!(welcome.number, ParticipantNumber::new(3));
    assert!(welcome.participants.is_some());
    assert_eq!(welcome.clock, LamportTime::new(9));
    // Below the Welcome's position it is history.
    let (history, own) = (user.event().await, user.event().await);
    assert_eq!(history.clock, LamportTime::new(9));
    assert_eq!(own.clock, LamportTime::new(10));
    assert_eq!((history.live, own.live), (false, true));
}

#[tokio::test]
async fn another_log_starts_a_fresh_timeline() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    stream.fail(Status::unavailable("down"));
    let stream = server.join().await.accept();
    stream.welcome(v1::Welcome {
        epoch: "another".into(),
        ..welcome("ada", 1, 7)
    });
    stream.position(1).time(7).request(5).joined("ada");
    let welcome = user.welcome().await;
    assert!(welcome.another_log);
    assert_eq!(user.event().await.event.position.get(), 1);
}

#[tokio::test]
async fn the_own_name_held_by_a_lost_one_is_waited_for() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    stream.fail(Status::unavailable("down"));
    user.lost().await;
    let call = server.join().await;
    let wait = Duration::from_millis(300);
    let details = ErrorDetails::with_retry_info(Some(wait));
    call.refuse(Status::with_error_details(
        Code::AlreadyExists,
        "ada is present",
        details,
    ));
    let (_, retry_in) = user.lost().await;
    assert!(retry_in >= wait);
    assert_eq!(server.join().await.request.name, "ada");
}

#[tokio::test]
async fn a_user_in_a_hurry_is_not_kept_waiting_but_by_the_server() {
    let mut server = Fake::start().await;
    // The longest waits of the backoff.
    let mut user = User::with_random(&server, |bytes| bytes.fill(0xff));
    user.join("ada").await;
    // Six attempts fail, which makes the next wait of the backoff a long one.
    for _ in 0..6 {
        user.ask(SessionCommand::Hurry).await;
        let call = server.join().await;
        call.refuse(Status::unavailable("not yet"));
        user.lost().await;
    }

    // The user does not have to wait for it.
    let asked = Instant::now();
    user.ask(SessionCommand::Hurry).await;
    let call = server.join().await;
    assert!(asked.elapsed() < Duration::from_secs(3));

    // A wait that the server asks for is kept in any case.
    let wait = Duration::from_millis(300);
    let details = ErrorDetails::with_retry_info(Some(wait));
    let asked = Instant::now();
    let code = Code::ResourceExhausted;
    call.refuse(Status::with_error_details(code, "full", details));
    user.lost().await;
    user.ask(SessionCommand::Hurry).await;
    server.join().await;
    assert!(asked.elapsed() >= wait);
}

#[tokio::test]
async fn a_server_that_shuts_down_is_come_back_to_and_one_that_ends_the_session_is_not() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    // A server that shuts down will be back.
    stream.close(Reason::Shutdown, "");
    assert_eq!(user.lost().await.0, "the server shuts down");
    let call = server.join().await;
    assert_eq!(call.request.resume, Some(resume(1, 3)));
    let stream = call.accept();
    stream.welcome(resumed(&resume(1, 3), 1));
    user.live().await;

    // A stream that was closed because it lagged is resumed, too.
    stream.close(Reason::TooSlow, "");
    let stream = server.join().await.accept();
    stream.welcome(resumed(&resume(1, 3), 1));

    // A session that has ended is over.
    stream.close(Reason::Ended, "removed by an operator");
    let ended = Ended::Removed("removed by an operator".into());
    assert_eq!(user.ended().await, ended);
}

#[tokio::test]
async fn an_ended_session_is_not_revived() {
    let mut server = Fake::start().await;
    let (user, stream) = User::in_chat(&mut server, "ada").await;
    stream.fail(Status::unavailable("down"));
    let call = server.join().await;
    call.refuse(Status::unauthenticated("removed by an operator"));
    let ended = Ended::Removed("removed by an operator".into());
    assert_eq!(user.ended().await, ended);
}

/// A client that sees its own Left learns that the server has given it up, maybe by mistake: it
/// joins again and misses nothing.
#[tokio::test]
async fn who_was_announced_as_lost_comes_back() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    // No request led to ada's own Left.
    stream.position(2).time(4).participant(1).lost("ada");
    stream.close(Reason::Ended, "");
    stream.fail(Status::unauthenticated("this participation is over"));
    assert_eq!(user.event().await.event.position.get(), 2);
    user.lost().await;

    // She joins again from there, as participant 3.
    let call = server.join().await;
    assert_eq!(call.request.resume, Some(resume(2, 4)));
    let stream = call.accept();
    stream.welcome(welcome("ada", 3, 8));
    stream.position(3).time(8).request(6).joined("ada");
    assert_eq!(user.welcome().await.number, ParticipantNumber::new(3));
    assert_eq!(user.event().await.event.position.get(), 3);
    user.live().await;
}

#[tokio::test]
async fn another_name_is_told_when_it_is_accepted() {
    let mut server = Fake::start().await;
    let (names, mut accepted) = tokio::sync::mpsc::unbounded_channel();
    let on_accepted = move |name: &str| drop(names.send(name.to_owned()));
    let mut user = User::reporting_names(&server, Box::new(on_accepted));
    user.join("ada").await;
    let stream = server.join().await.welcome_first();
    user.live().await;

    // The same name again is no news.
    stream.fail(Status::unavailable("down"));
    let stream = server.join().await.accept();
    stream.welcome(resumed(&resume(1, 3), 1));
    user.live().await;

    // ada is announced as lost, and her name is taken meanwhile: she comes back as eve.
    stream.position(2).time(4).participant(1).lost("ada");
    stream.close(Reason::Ended, "");
    let call = server.join().await;
    call.refuse(Status::already_exists("the name ada is taken"));
    user.refused().await;
    user.join("eve").await;
    let stream = server.join().await.accept();
    stream.welcome(welcome("eve", 3, 8));
    user.welcome().await;
    assert_eq!(accepted.recv().await.as_deref(), Some("ada"));
    assert_eq!(accepted.recv().await.as_deref(), Some("eve"));
    assert!(accepted.try_recv().is_err());
}

#[tokio::test]
async fn how_long_is_waited_comes_by_chance() {
    // The first wait is up to 100 ms, in proportion to the random number.
    let most: (fn(&mut [u8]), _) = (|bytes| bytes.fill(0xff), Duration::from_micros(99_999));
    let least: (fn(&mut [u8]), _) = (|bytes| bytes.fill(0), Duration::ZERO);
    for (random, wait) in [most, least] {
        let mut server = Fake::start().await;
        let mut user = User::with_random(&server, random);
        user.join("ada").await;
        let _stream = server.join().await.welcome_first();
        user.live().await;
        server.cut();
        assert_eq!(user.lost().await.1, wait);
    }
}
