//! Publishing lines.

use std::time::Duration;

use chitty::session::Ticket;
use chitty_chat::proto::v1::{PublishReply, Welcome};
use chitty_testing::fake_server::{Fake, resumed, welcome};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::user::User;

fn reply(position: u64, lamport: u64) -> PublishReply {
    PublishReply { position, lamport }
}

#[tokio::test]
async fn an_unknown_outcome_is_retried_byte_for_byte() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    // The server is busy: the client repeats the request.
    user.publish(7, "hello").await;
    let first = server.publish().await;
    let request = first.request.clone();
    first.refuse(Status::unavailable("try again"));
    let second = server.publish().await;
    assert_eq!(second.request, request);

    // Its outcome is unknown, too, because the connection is cut; it is not in the log.
    stream.position(2).time(9).message("meanwhile");
    user.event().await;
    server.cut();
    drop(second);
    let call = server.join().await;
    let resume = call.request.resume.clone().expect("there is one");
    let stream = call.accept();
    stream.welcome(resumed(&resume, 3));

    // The line may be in the log, so the client reads on to the head, which is 3, before it sends
    // the line again.
    server.quiet(Duration::from_millis(200)).await;
    stream.position(3).time(11).message("missed");
    let third = server.publish().await;
    assert_eq!(third.request, request);

    // At last it is accepted.
    stream.position(4).time(13).published(&request);
    third.reply(reply(4, 13));
    let own = user.until_own().await;
    assert_eq!(own, (Ticket(7), 4));
}

#[tokio::test]
async fn what_is_found_on_the_way_to_the_head_is_not_sent_again() {
    let mut server = Fake::start().await;
    let (mut user, _stream) = User::in_chat(&mut server, "ada").await;
    user.publish(1, "one").await;
    user.publish(2, "two").await;
    let first = server.publish().await;
    server.cut();

    // The first line is in the log, although its reply was lost.
    let call = server.join().await;
    let resume = call.request.resume.clone().expect("there is one");
    let stream = call.accept();
    stream.welcome(resumed(&resume, 2));
    stream.position(2).time(7).published(&first.request);
    assert_eq!(user.until_own().await, (Ticket(1), 2));

    // So the second one is next.
    let next = server.publish().await;
    assert_eq!(next.request.text, "two");
    assert_eq!(next.request.seen, 2);
}

#[tokio::test]
async fn lines_go_one_at_a_time_in_order_and_a_refused_one_drops_out() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    for (ticket, text) in [(1, "one"), (2, "two"), (3, "three")] {
        user.publish(ticket, text).await;
    }
    let one = server.publish().await;
    assert_eq!(one.request.text, "one");

    // The next line waits for the reply.
    server.quiet(Duration::from_millis(100)).await;
    one.reply(reply(2, 8));
    let two = server.publish().await;
    assert_eq!(two.request.text, "two");

    // A refusal is the end of that line, and not of those after it.
    let details = ErrorDetails::with_bad_request_violation("text", "too rude");
    two.refuse(Status::with_error_details(
        Code::InvalidArgument,
        "invalid",
        details,
    ));
    assert_eq!(user.rejected().await, (Ticket(2), "too rude".into()));
    let three = server.publish().await;
    assert_eq!(three.request.text, "three");
    drop(stream);
}

#[tokio::test]
async fn a_line_that_came_too_fast_waits() {
    let mut server = Fake::start().await;
    let (user, _stream) = User::in_chat(&mut server, "ada").await;
    user.publish(1, "hello").await;
    let call = server.publish().await;
    let request = call.request.clone();
    let wait = Duration::from_millis(300);
    let asked = Instant::now();
    let details = ErrorDetails::with_retry_info(Some(wait));
    call.refuse(Status::with_error_details(
        Code::ResourceExhausted,
        "too fast",
        details,
    ));
    assert_eq!(server.publish().await.request, request);
    assert!(asked.elapsed() >= wait);
}

#[tokio::test]
async fn a_participation_lost_meanwhile_is_renewed_first() {
    let mut server = Fake::start().await;
    let (user, _stream) = User::in_chat(&mut server, "ada").await;
    user.publish(1, "hello").await;
    let call = server.publish().await;
    let request = call.request.clone();
    call.refuse(Status::unauthenticated("ended"));

    // The client joins again, as participant 3, and only then repeats the line.
    let stream = server.join().await.accept();
    stream.welcome(Welcome {
        next: 2,
        ..welcome("ada", 3, 9)
    });
    stream.position(2).time(6).message("missed");
    stream.position(3).time(9).request(6).joined("ada");
    assert_eq!(server.publish().await.request, request);
}

#[tokio::test]
async fn what_was_typed_before_the_welcome_is_sent_after_it() {
    let mut server = Fake::start().await;
    let user = User::of(&server);
    user.publish(1, "early").await;
    user.join("ada").await;
    let _stream = server.join().await.welcome_first();
    let call = server.publish().await;
    assert_eq!(call.request.seen, 1, "her own Joined");
    assert_eq!(call.request.lamport, 5, "after its receipt at 4");
}

#[tokio::test]
async fn in_another_log_lines_are_sent_anew_under_their_ids() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    stream.position(2).time(7).message("two");
    user.event().await;
    user.publish(1, "hello").await;
    let first = server.publish().await;
    assert_eq!(first.request.seen, 2);
    server.cut();

    // The server comes back with another log, in which nothing of the first one has a meaning:
    // the line is sent with what ada has seen of this log, and at a later time.
    let stream = server.join().await.accept();
    stream.welcome(Welcome {
        epoch: "another".into(),
        ..welcome("ada", 1, 12)
    });
    stream.position(1).time(12).request(10).joined("ada");
    let again = server.publish().await;
    assert_eq!(again.request.id, first.request.id);
    assert_eq!(again.request.seen, 1);
    assert!(again.request.lamport > first.request.lamport);

    // The line is in that log already, where this timeline does not show it.
    again.reply(reply(1, 12));
    assert_eq!(user.accepted().await, (Ticket(1), 1.into()));
}

#[tokio::test]
async fn too_many_lines_are_rejected_with_a_reason() {
    let server = Fake::start().await;
    let mut user = User::of(&server);
    for ticket in 0..101 {
        user.publish(ticket, "hello").await;
    }
    let (ticket, reason) = user.rejected().await;
    assert_eq!(ticket, Ticket(100));
    assert!(reason.contains("100 lines wait"), "{reason}");
}

#[tokio::test]
async fn nothing_is_dropped_for_an_app_that_does_not_read() {
    const MANY: u64 = 2000;

    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    for position in 2..=MANY {
        stream
            .position(position)
            .time(position * 2 + 1)
            .message("hello");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Commands are still taken.
    user.publish(1, "mine").await;
    assert_eq!(server.publish().await.request.text, "mine");
    for position in 2..=MANY {
        assert_eq!(user.event().await.event.position.get(), position);
    }
}

impl User {
    async fn until_own(&mut self) -> (Ticket, u64) {
        loop {
            let shown = self.event().await;
            if let Some(ticket) = shown.own {
                return (ticket, shown.event.position.get());
            }
        }
    }
}
