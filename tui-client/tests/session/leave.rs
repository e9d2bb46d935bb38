//! Leaving: properly if possible, and soon in any case.

use std::time::Duration;

use chitty::session::{Ended, SessionCommand};
use chitty_chat::proto::v1::{LeaveReply, PublishReply};
use chitty_testing::fake_server::Fake;
use tokio::time::Instant;
use tonic::Status;

use crate::user::User;

/// The meaning of "soon", with some reserve for a busy machine.
const SOON: Duration = Duration::from_millis(2500);

#[tokio::test]
async fn leaving_waits_for_the_line_in_flight() {
    let mut server = Fake::start().await;
    let (user, _stream) = User::in_chat(&mut server, "ada").await;
    user.publish(1, "bye").await;
    let publish = server.publish().await;
    user.ask(SessionCommand::Leave).await;
    server.quiet(Duration::from_millis(150)).await;
    publish.reply(PublishReply {
        position: 2,
        lamport: 7,
    });
    let leave = server.leave().await;
    assert_eq!(leave.request.lamport, 8);
    leave.reply(LeaveReply {
        lamport: 10,
        position: 3,
    });
    assert_eq!(user.ended().await, Ended::Left);
}

#[tokio::test]
async fn all_that_was_typed_goes_out_before() {
    let mut server = Fake::start().await;
    let (user, _stream) = User::in_chat(&mut server, "ada").await;
    for (ticket, text) in [(1, "one"), (2, "two"), (3, "three")] {
        user.publish(ticket, text).await;
    }
    user.ask(SessionCommand::Leave).await;
    for (position, text) in [(2, "one"), (3, "two"), (4, "three")] {
        let publish = server.publish().await;
        assert_eq!(publish.request.text, text);
        publish.reply(PublishReply {
            position,
            lamport: 4 * position,
        });
    }
    server.leave().await.reply(LeaveReply::default());
    assert_eq!(user.ended().await, Ended::Left);
}

#[tokio::test]
async fn the_own_left_is_the_last_that_is_shown() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    user.ask(SessionCommand::Leave).await;
    let leave = server.leave().await;
    assert_eq!(leave.request.lamport, 5);
    stream
        .position(2)
        .time(7)
        .request(5)
        .participant(1)
        .left("ada");
    drop(stream);
    let shown = user.event().await;
    assert_eq!(shown.clock.get(), 8);
    leave.reply(LeaveReply {
        lamport: 7,
        position: 2,
    });
    assert_eq!(user.ended().await, Ended::Left);
}

#[tokio::test]
async fn it_does_not_wait_for_a_silent_server() {
    let mut server = Fake::start().await;
    let (user, _stream) = User::in_chat(&mut server, "ada").await;
    user.publish(1, "bye").await;
    let _publish = server.publish().await;
    let asked = Instant::now();
    user.ask(SessionCommand::Leave).await;
    let _leave = server.leave().await;
    assert_eq!(user.ended().await, Ended::Left);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn it_does_not_wait_for_a_dead_server() {
    let mut server = Fake::start().await;
    let (mut user, _stream) = User::in_chat(&mut server, "ada").await;
    server.down().await;
    user.lost().await;
    let asked = Instant::now();
    user.ask(SessionCommand::Leave).await;
    assert_eq!(user.ended().await, Ended::Left);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn one_who_never_came_leaves_at_once() {
    let mut server = Fake::start().await;
    let user = User::of(&server);
    user.ask(SessionCommand::Leave).await;
    assert_eq!(user.ended().await, Ended::Left);
    server.quiet(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn an_app_that_is_gone_has_left() {
    let mut server = Fake::start().await;
    let (user, _stream) = User::in_chat(&mut server, "ada").await;
    drop((user.0.commands, user.0.notices));
    server.leave().await.reply(LeaveReply::default());
    user.0.task.await.expect("the task ends");
}

#[tokio::test]
async fn what_becomes_of_others_is_not_the_end_and_to_be_removed_is() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    stream.position(2).time(7).request(5).joined("bob");
    stream.position(3).time(8).participant(2).removed("bob");
    stream.position(4).time(11).request(9).joined("eve");
    stream
        .position(5)
        .time(14)
        .request(12)
        .participant(4)
        .left("eve");
    for position in 2..=5 {
        assert_eq!(user.event().await.event.position.get(), position);
    }
    stream.position(6).time(15).participant(1).removed("ada");
    assert!(matches!(user.ended().await, Ended::Removed(_)));
}

#[tokio::test]
async fn who_left_through_another_process_has_left() {
    let mut server = Fake::start().await;
    let (user, stream) = User::in_chat(&mut server, "ada").await;
    stream
        .position(2)
        .time(7)
        .request(5)
        .participant(1)
        .left("ada");
    assert_eq!(user.ended().await, Ended::Left);
}

#[tokio::test]
async fn a_stream_whose_session_is_over_is_the_end() {
    let mut server = Fake::start().await;
    let (user, stream) = User::in_chat(&mut server, "ada").await;
    stream.fail(Status::unauthenticated("given up"));
    assert_eq!(user.ended().await, Ended::Removed("given up".into()));
}
