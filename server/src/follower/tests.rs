//! Streams that are not read, without a network: HTTP/2 is whoever polls the body.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::UNIX_EPOCH,
};

use chitty_chat::{
    Event, EventKind, ParticipantNumber, Position, SessionHash,
    proto::v1::{Broadcast, Welcome, broadcast::Kind, closing::Reason},
    secret::os_random,
};
use http_body::Body as _;
use imbl::OrdMap;
use prost::Message as _;

use super::{
    subscription::{TICKS, WELCOME_TICKS},
    *,
};
use crate::{log::MemoryLog, net::StreamAbort};
use chitty_room::Participant;

struct Stream {
    hub: Arc<Hub>,
    follower: Follower,
    cut: StreamAbort,
}

const ADA: ParticipantNumber = ParticipantNumber::new(1);

fn stream(hub: &Arc<Hub>, generation: u64) -> Stream {
    stream_among(hub, generation, OrdMap::new())
}

fn stream_among(
    hub: &Arc<Hub>,
    generation: u64,
    participants: OrdMap<ParticipantNumber, Participant>,
) -> Stream {
    let attachment = hub.attach(ADA, generation);
    let cut = StreamAbort::default();
    attachment.set_abort(cut.clone());
    let welcome = Welcome {
        next: 1,
        ..Welcome::default()
    };
    let log = Arc::new(MemoryLog::new(&mut os_random));
    let start = StreamStart {
        welcome,
        participants,
        attachment,
    };
    Stream {
        hub: Arc::clone(hub),
        follower: Follower::new(start, log),
        cut,
    }
}

fn hub() -> Arc<Hub> {
    Arc::new(Hub::new(FollowerLimits::default(), Position::ZERO))
}

fn publish(hub: &Hub) {
    let event = Event {
        position: hub.head().next(),
        lamport: 1.into(),
        at: UNIX_EPOCH,
        request: 1.into(),
        kind: EventKind::Joined {
            name: "bob".into(),
            member: None,
        },
    };
    hub.publish([(&event).into()].iter());
}

impl Stream {
    /// What HTTP/2 gets when it asks; `None` where there is nothing yet.
    fn ask(&mut self) -> Option<http_body::Frame<bytes::Bytes>> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.follower).poll_frame(&mut context) {
            Poll::Ready(Some(Ok(frame))) => Some(frame),
            Poll::Ready(other) => panic!("it ended: {other:?}"),
            Poll::Pending => None,
        }
    }

    fn message(&mut self) -> Option<Kind> {
        let bytes = self.ask()?.into_data().expect("data");
        Broadcast::decode(&bytes[5..]).expect("one message").kind
    }

    fn check_stalls(&self, times: u32) {
        for _ in 0..times {
            self.hub.check_stalls();
        }
    }
}

#[test]
fn who_is_behind_and_does_not_read_is_told_and_then_cut() {
    let mut ada = stream(&hub(), 1);
    publish(&ada.hub);
    assert!(matches!(ada.message(), Some(Kind::Welcome(_))));
    ada.check_stalls(TICKS + 1);
    assert!(!ada.cut.is_aborted());
    ada.check_stalls(1);
    assert!(ada.cut.is_aborted());
}

#[test]
fn who_reads_again_in_time_hears_why_the_stream_ends() {
    let mut ada = stream(&hub(), 1);
    publish(&ada.hub);
    ada.message().expect("a Welcome");
    ada.check_stalls(TICKS + 1);
    let Some(Kind::Closing(closing)) = ada.message() else {
        panic!("a Closing");
    };
    assert_eq!((closing.reason(), closing.position), (Reason::TooSlow, 0));
    let trailers = ada.ask().expect("the end").into_trailers();
    assert_eq!(trailers.expect("trailers")["grpc-status"], "14");
    assert!(!ada.cut.is_aborted());
}

#[test]
fn who_reads_a_little_or_has_nothing_to_read_is_left_alone() {
    let mut ada = stream(&hub(), 1);
    ada.message().expect("a Welcome");
    // Not asked again, but there is nothing to read either.
    ada.check_stalls(5 * TICKS);
    publish(&ada.hub);
    for _ in 0..10 {
        assert!(matches!(ada.message(), Some(Kind::Event(_))));
        publish(&ada.hub);
        ada.check_stalls(TICKS);
    }
    assert!(matches!(ada.message(), Some(Kind::Event(_))));
    assert!(ada.message().is_none());
    // It is we who have nothing.
    ada.check_stalls(5 * TICKS);
    publish(&ada.hub);
    ada.check_stalls(5 * TICKS);
    assert!(matches!(ada.message(), Some(Kind::Event(_))));
    assert!(!ada.cut.is_aborted());
}

#[test]
fn what_is_at_hand_goes_out_before_the_server_goes_down() {
    let mut ada = stream(&hub(), 1);
    ada.message().expect("a Welcome");
    publish(&ada.hub);
    ada.hub.close();
    assert!(matches!(ada.message(), Some(Kind::Event(_))));
    let Some(Kind::Closing(closing)) = ada.message() else {
        panic!("no Closing");
    };
    assert_eq!((closing.reason(), closing.position), (Reason::Shutdown, 1));
}

#[test]
fn who_is_taken_over_and_does_not_read_is_cut() {
    let hub = hub();
    let mut older = stream(&hub, 1);
    older.message().expect("a Welcome");
    let newer = stream(&hub, 2);
    newer.check_stalls(2);
    assert!(older.cut.is_aborted());
    assert!(!newer.cut.is_aborted());
    drop(older);
    assert_eq!(hub.count(), 1);
}

#[test]
fn who_does_not_take_the_welcome_is_cut_soon() {
    let participants = (1..=1000).map(|number| {
        let participant = Participant {
            number: ParticipantNumber::new(number),
            name: format!("participant {number}").into(),
            session: SessionHash::from_bytes(&[7; 16]).expect("16 bytes"),
            seen: Position::ZERO,
            generation: 1,
            key: None,
            member: None,
        };
        (participant.number, participant)
    });
    let participants: OrdMap<_, _> = participants.collect();
    for pieces in 1..3 {
        let mut ada = stream_among(&hub(), 1, participants.clone());
        publish(&ada.hub);
        for _ in 0..pieces {
            ada.ask().expect("a piece");
        }
        ada.check_stalls(WELCOME_TICKS);
        assert!(!ada.cut.is_aborted());
        ada.check_stalls(1);
        assert!(ada.cut.is_aborted());
    }
}

#[test]
fn who_joins_in_a_loop_and_does_not_read_has_two_streams() {
    let hub = hub();
    let streams = [1, 2, 3].map(|generation| stream(&hub, generation));
    assert_eq!(
        streams.each_ref().map(|stream| stream.cut.is_aborted()),
        [true, false, false]
    );
}
