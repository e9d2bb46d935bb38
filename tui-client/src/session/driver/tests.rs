//! What a session waits for, and how long, in paused time.

use std::time::Duration;

use chitty_chat::{MessageId, MessageText, Position, proto::v1};
use futures_util::FutureExt as _;
use tokio::{sync::mpsc, time::Instant};
use tonic::{Status, body::Body, codec::Codec as _, transport::Endpoint};
use tonic_prost::ProstCodec;

use super::super::{
    Ended, Link, Notice, Ticket,
    driver::{Flow, SessionDriver},
    leave::{LeaveOutcome, LeavePhase},
    link::LinkState,
    notice_queue::NoticeQueue,
    properties::driver,
};

const STEP: Duration = Duration::from_millis(200);
const A_MOMENT: Duration = Duration::from_nanos(1);

type Prepare = fn(&mut SessionDriver);

/// In the chat at the end of its log; no server is called.
fn in_chat() -> (SessionDriver, mpsc::Receiver<Notice>) {
    let (mut driver, notices) = driver();
    driver
        .link
        .connected(Endpoint::from_static("http://127.0.0.1:9").connect_lazy());
    driver.link.set_state(following());
    driver.welcomed(&v1::Welcome {
        epoch: "a".into(),
        next: 1,
        participant: 1,
        ..Default::default()
    });
    assert!(driver.link.is_live());
    (driver, notices)
}

fn following() -> LinkState {
    let decoder = ProstCodec::<(), v1::Broadcast>::default().decoder();
    LinkState::Following(Box::new(tonic::Streaming::new_empty(
        decoder,
        Body::empty(),
    )))
}

fn id() -> MessageId {
    MessageId::parse(&"7".repeat(32)).expect("it is printable")
}

fn with_line(driver: &mut SessionDriver) {
    let text = MessageText::parse("hello").expect("it is valid");
    let pushed = driver.lines.push(Ticket(1), text, id());
    assert!(pushed.is_ok());
}

fn in_flight(driver: &mut SessionDriver) {
    driver.lines.send_forever();
}

fn said(kind: v1::broadcast::Kind) -> v1::Broadcast {
    v1::Broadcast { kind: Some(kind) }
}

fn closing(reason: v1::closing::Reason) -> v1::Broadcast {
    said(v1::broadcast::Kind::Closing(v1::Closing {
        reason: reason.into(),
        position: 1,
        detail: "an operator did it".into(),
    }))
}

fn left_event(participant: u64, reason: v1::left::Reason) -> v1::Broadcast {
    said(v1::broadcast::Kind::Event(v1::Event {
        position: 1,
        lamport: 9,
        kind: Some(v1::event::Kind::Left(v1::Left {
            name: "ada".into(),
            reason: reason.into(),
            participant,
        })),
        ..Default::default()
    }))
}

fn goes_on(flow: &Flow) {
    assert!(flow.is_continue(), "{flow:?}");
}

/// The reason and the wait that were reported to the app.
fn reported_lost(driver: &SessionDriver) -> Option<(&str, Duration)> {
    driver
        .out
        .waiting
        .iter()
        .rev()
        .find_map(|notice| match notice {
            Notice::Link(Link::Lost { reason, retry_in }) => Some((reason.as_str(), *retry_in)),
            _ => None,
        })
}

#[tokio::test(start_paused = true)]
async fn leaving_waits_for_what_is_under_way_and_half_a_second_at_most() {
    let cases: [(&str, Prepare, bool); 6] = [
        ("nothing is to be sent", |_| {}, false),
        ("a line is to be sent", with_line, true),
        ("a line is on its way", in_flight, true),
        (
            "a line is to be sent, but it is not at the end of the log",
            |driver| {
                with_line(driver);
                driver.link.set_live(None);
            },
            false,
        ),
        (
            "the only line is in the log",
            |driver| {
                with_line(driver);
                driver
                    .lines
                    .outbox()
                    .accepted(&id(), 9.into(), Position::ZERO);
            },
            false,
        ),
        (
            "it is joining",
            |driver| driver.link.join(Box::pin(std::future::pending())),
            true,
        ),
    ];
    for (what, prepare, waits) in cases {
        let (mut driver, _notices) = in_chat();
        prepare(&mut driver);
        let until = Instant::now() + Duration::from_millis(500);
        driver.begin_to_leave();
        assert!(driver.leaving.waits_for_outcomes(), "{what}");
        assert!(!driver.leaving.is_sent(), "{what}");
        assert_eq!(driver.timer(), Some(until), "{what}");
        goes_on(&driver.go_on_leaving());
        assert_eq!(driver.leaving.is_sent(), !waits, "{what}");
        if waits {
            tokio::time::advance(Duration::from_millis(499)).await;
            goes_on(&driver.go_on_leaving());
            assert!(!driver.leaving.is_sent(), "{what}");
            tokio::time::advance(Duration::from_millis(1)).await;
            goes_on(&driver.go_on_leaving());
        }
        assert!(driver.leaving.is_sent(), "{what}");
        assert!(!driver.leaving.waits_for_outcomes(), "{what}");
        assert_eq!(driver.timer(), None, "{what}: the call has a deadline");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_left_reads_on_while_there_is_a_stream_but_not_for_long() {
    let (mut driver, _notices) = in_chat();
    let until = Instant::now() + STEP;
    driver.leaving = LeavePhase::Done { until };
    assert_eq!(driver.timer(), Some(until));
    goes_on(&driver.go_on_leaving());
    tokio::time::advance(STEP).await;
    assert_eq!(driver.go_on_leaving(), Flow::Break(Ended::Left));

    driver.leaving = LeavePhase::Done {
        until: Instant::now() + STEP,
    };
    goes_on(&driver.go_on_leaving());
    driver.link.stop();
    assert_eq!(driver.go_on_leaving(), Flow::Break(Ended::Left));
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_leave_is_followed_by_a_quarter_of_a_second_of_reading() {
    let (mut driver, _notices) = in_chat();
    let outcome = |reply| LeaveOutcome {
        lamport: 3.into(),
        reply,
    };
    let reply = v1::LeaveReply {
        lamport: 40,
        position: 2,
    };
    goes_on(&driver.left(outcome(Ok(reply))));
    assert_eq!(driver.clock.now().get(), 40);
    let until = Instant::now() + Duration::from_millis(250);
    assert_eq!(driver.timer(), Some(until));
    let refused = driver.left(outcome(Err(Status::unavailable("gone"))));
    assert_eq!(refused, Flow::Break(Ended::Left));
}

#[tokio::test(start_paused = true)]
async fn without_a_server_or_a_name_there_is_nobody_to_tell() {
    let (mut nowhere, _notices) = in_chat();
    nowhere.link.forget_channel();
    let (mut nameless, _other_notices) = in_chat();
    nameless.participant.forget_name();
    for driver in [&mut nowhere, &mut nameless] {
        driver.begin_to_leave();
        assert_eq!(driver.go_on_leaving(), Flow::Break(Ended::Left));
    }
}

/// The user wants to leave, so whatever the server says about the end is no news.
#[tokio::test(start_paused = true)]
async fn while_the_user_leaves_the_server_cannot_remove_anybody() {
    use v1::{closing::Reason, left};

    for news in [
        Ok(Some(closing(Reason::Ended))),
        Err(Status::unauthenticated("over")),
        Ok(Some(left_event(1, left::Reason::Left))),
    ] {
        let (mut stays, _notices) = in_chat();
        let (mut leaves, _other_notices) = in_chat();
        leaves.begin_to_leave();
        let what = format!("{news:?}");
        assert!(stays.broadcast(news.clone()).is_break(), "{what}");
        goes_on(&leaves.broadcast(news));
        assert_eq!(reported_lost(&leaves), None, "{what}");
    }
    // A link that is lost while the user leaves is not tried again.
    let (mut leaves, _notices) = in_chat();
    in_flight(&mut leaves);
    leaves.begin_to_leave();
    goes_on(&leaves.broadcast(Ok(Some(closing(Reason::Shutdown)))));
    assert!(matches!(leaves.link.state(), LinkState::Idle));
    assert!(!leaves.lines.is_in_flight());
    assert_eq!(reported_lost(&leaves), None);
}

#[tokio::test(start_paused = true)]
async fn only_the_own_left_says_that_this_participation_is_given_up() {
    use v1::{closing::Reason, left};

    let (mut driver, _notices) = in_chat();
    goes_on(&driver.broadcast(Ok(Some(left_event(2, left::Reason::Lost)))));
    assert!(!driver.participant.is_announced_gone());
    let removed = Ended::Removed("an operator did it".into());
    assert_eq!(
        driver.broadcast(Ok(Some(closing(Reason::Ended)))),
        Flow::Break(removed)
    );

    let (mut driver, _notices) = in_chat();
    goes_on(&driver.broadcast(Ok(Some(left_event(1, left::Reason::Lost)))));
    assert!(driver.participant.is_announced_gone());
    goes_on(&driver.broadcast(Ok(Some(closing(Reason::Ended)))));
    let lost = reported_lost(&driver).map(|(reason, _)| reason);
    assert_eq!(lost, Some("this participation was given up"));
}

#[tokio::test(start_paused = true)]
async fn every_way_in_which_a_stream_ends_has_its_end() {
    use v1::closing::Reason;

    for (news, ended) in [
        (Ok(Some(closing(Reason::TakenOver))), Ended::TakenOver),
        (Err(Status::aborted("elsewhere")), Ended::TakenOver),
    ] {
        let (mut driver, _notices) = in_chat();
        assert_eq!(driver.broadcast(news), Flow::Break(ended));
    }
    for (news, reason) in [
        (Ok(Some(closing(Reason::Shutdown))), "the server shuts down"),
        (
            Ok(Some(closing(Reason::TooSlow))),
            "this client read too slowly",
        ),
        (Ok(None), "the server ended the stream"),
        (Err(Status::unavailable("gone")), "gone"),
    ] {
        let (mut driver, _notices) = in_chat();
        goes_on(&driver.broadcast(news));
        assert_eq!(
            reported_lost(&driver).map(|(reason, _)| reason),
            Some(reason)
        );
        assert!(matches!(driver.link.state(), LinkState::Waiting { .. }));
    }
    let (mut driver, _notices) = in_chat();
    goes_on(&driver.broadcast(Ok(Some(closing(Reason::Unspecified)))));
    assert_eq!(reported_lost(&driver), None);
    assert!(driver.link.is_following());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_was_live_for_a_second_is_tried_again_as_the_first_time() {
    let wait_after = async |live: Duration| {
        let (mut driver, _notices) = in_chat();
        driver.random = Box::new(|bytes| bytes.fill(0xff));
        for _ in 0..5 {
            driver.link.backoff().next(0);
        }
        tokio::time::advance(live).await;
        driver.lost("the cable".into(), Duration::ZERO);
        reported_lost(&driver).expect("it is told").1
    };
    let second = Duration::from_secs(1);
    assert!(wait_after(Duration::from_millis(999)).await > second);
    assert!(wait_after(second).await < Duration::from_millis(100));
    assert!(wait_after(second * 2).await < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_is_tried_again_after_the_wait_and_sooner_in_a_hurry() {
    let (mut driver, _notices) = in_chat();
    driver.random = Box::new(|bytes| bytes.fill(0xff));
    let now = Instant::now();
    // Not before the time for which the server asks.
    driver.lost("full".into(), STEP);
    let &LinkState::Waiting { until, not_before } = driver.link.state() else {
        panic!("it waits");
    };
    assert_eq!((until, not_before), (now + STEP, now + STEP));
    driver.lost("the cable".into(), A_MOMENT);
    let &LinkState::Waiting { until, not_before } = driver.link.state() else {
        panic!("it waits");
    };
    assert_eq!(until, now + Duration::from_micros(199_999));
    assert_eq!(not_before, now + A_MOMENT);
}

#[tokio::test(start_paused = true)]
async fn a_line_of_unknown_outcome_waits_longer_each_time() {
    let (mut driver, _notices) = in_chat();
    driver.random = Box::new(|bytes| bytes.fill(0xff));
    let now = Instant::now();
    for most in [100, 200, 400] {
        with_line(&mut driver);
        assert_eq!(driver.timer(), driver.lines.outbox().due());
        driver.not_published(&id(), 1.into(), &Status::unavailable("?"));
        let wait = Duration::from_micros(most * 1000 - 1);
        assert_eq!(driver.lines.outbox().due(), Some(now + wait));
        assert_eq!(driver.timer(), Some(now + wait));
        driver.lines.outbox().refused(&id());
    }
    // Any answer ends that.
    driver.not_published(&id(), 1.into(), &Status::invalid_argument("rude"));
    with_line(&mut driver);
    driver.not_published(&id(), 1.into(), &Status::unavailable("?"));
    let wait = Duration::from_micros(99_999);
    assert_eq!(driver.lines.outbox().due(), Some(now + wait));
    // Nothing is due while a line is in flight, or without a link.
    in_flight(&mut driver);
    assert_eq!(driver.timer(), None);
    driver.lines.abandon_call();
    driver.link.set_live(None);
    assert_eq!(driver.timer(), None);
    driver.lines.send_forever();
    assert_eq!(driver.timer(), None);
}

#[tokio::test(start_paused = true)]
async fn a_participation_that_is_over_is_renewed_after_a_wait() {
    let (mut driver, _notices) = in_chat();
    driver.random = Box::new(|bytes| bytes.fill(0xff));
    for most in [100, 200, 5000, 5000] {
        if most == 5000 {
            for _ in 0..9 {
                driver.lines.backoff().next(0);
            }
        }
        driver.link.set_live(Some(Instant::now()));
        driver.link.backoff().reset();
        driver.not_published(&id(), 1.into(), &Status::unauthenticated("over"));
        let wait = Duration::from_micros(most * 1000 - 1);
        assert_eq!(reported_lost(&driver), Some(("over", wait)));
    }
}

#[tokio::test]
async fn the_app_has_taken_most_when_three_quarters_are_free() {
    let (notices_in, mut notices) = mpsc::channel(8);
    let out = NoticeQueue::new(notices_in);
    for _ in 0..8 {
        let sent = out.notices.try_send(Notice::Link(Link::Live));
        assert!(sent.is_ok());
    }
    for read in 0..6 {
        assert_eq!(out.taken().now_or_never(), None, "{read} of 8 are read");
        notices.recv().await;
    }
    assert_eq!(out.taken().now_or_never(), Some(()));
    // An app that does not listen is not waited for either.
    for _ in 0..6 {
        let sent = out.notices.try_send(Notice::Link(Link::Live));
        assert!(sent.is_ok());
    }
    assert_eq!(out.taken().now_or_never(), None);
    drop(notices);
    assert_eq!(out.taken().now_or_never(), Some(()));
}
