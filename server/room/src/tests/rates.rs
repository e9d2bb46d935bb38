//! How often somebody may publish and join, and that who is refused changes nothing.

use std::{net::IpAddr, time::Duration};

use chitty_chat::{
    MessageId, MessageText, ParticipantName, ParticipantNumber, Position, Session, SessionHash,
};

use super::*;
use crate::rate::Rate;

fn session(name: &str) -> SessionHash {
    Session::parse(&format!("{name:_<22}"))
        .expect("a session")
        .hash()
}

fn at(millis: u64) -> DecisionTime {
    let mono = Duration::from_millis(millis);
    DecisionTime {
        wall: std::time::UNIX_EPOCH + mono,
        mono,
    }
}

fn room(rules: RoomRules) -> Room {
    Room::new(
        Fold::default(),
        "epoch".into(),
        Position::new(1),
        rules,
        at(0),
    )
}

fn join(owner: &str, name: &str, from: [u8; 4]) -> Join {
    Join {
        session: session(owner),
        name: ParticipantName::parse(name),
        lamport: 1.into(),
        resume: None,
        backlog: 0,
        source: Some(IpAddr::from(from)),
        identity: crate::Identity::None,
        invitation: None,
    }
}

fn publish(name: &str, id: usize) -> Publish {
    Publish {
        session: session(name),
        text: MessageText::parse(&format!("line {id}")).expect("a text"),
        id: Some(MessageId::parse(&format!("{id:016}")).expect("an id")),
        seen: Position::ZERO,
        lamport: 1.into(),
        identity: crate::Identity::None,
    }
}

/// Goes on from its own Joined, where all before it joined at time 1.
fn resume(name: &str, position: u64) -> Join {
    let mut join = join(name, name, HOME);
    let lamport = (1 + 2 * position).into();
    join.resume = Some(Resume {
        position: position.into(),
        epoch: "epoch".into(),
        lamport,
        actual: Some(lamport),
    });
    join
}

const HOME: [u8; 4] = [192, 0, 2, 1];

#[test]
fn messages_come_in_bursts_and_then_steadily_and_retries_are_free() {
    let mut room = room(RoomRules {
        publish_rate: Some(Rate::per_second(5, 10)),
        ..RoomRules::default()
    });
    room.join(&join("ada", "ada", HOME), at(0)).expect("free");
    room.join(&join("bob", "bob", HOME), at(0)).expect("free");
    for id in 0..10 {
        room.publish(&publish("ada", id), at(0)).expect("a burst");
    }
    let head = room.fold().head();
    let refused = room.publish(&publish("ada", 10), at(0)).expect_err("fast");
    let retry_in = Duration::from_millis(200);
    assert_eq!(refused, Refusal::TooFast { retry_in });
    assert_eq!(room.fold().head(), head);
    // A retry finds its first, and costs nothing.
    for _ in 0..100 {
        let retry = room.publish(&publish("ada", 3), at(0)).expect("known");
        assert!(retry.repeated);
    }
    // Everybody has a bucket of their own, which a new stream does not fill.
    room.publish(&publish("bob", 100), at(0))
        .expect("another's");
    room.join(&join("ada", "ada", HOME), at(0))
        .expect("goes on");
    assert!(room.publish(&publish("ada", 10), at(199)).is_err());
    room.publish(&publish("ada", 10), at(200)).expect("as told");
    assert!(room.publish(&publish("ada", 11), at(200)).is_err());
}

#[test]
fn newcomers_are_counted_by_address_and_who_resumes_is_not() {
    let mut room = room(RoomRules {
        join_rate: Some(Rate::per_second(1, 3)),
        ..RoomRules::default()
    });
    for name in ["ada", "bob", "eve"] {
        room.join(&join(name, name, HOME), at(0)).expect("free");
    }
    let refused = room.join(&join("joe", "joe", HOME), at(400));
    let retry_in = Duration::from_millis(600);
    assert_eq!(refused.err(), Some(Refusal::TooManyJoins { retry_in }));
    for (number, name) in [(1, "ada"), (2, "bob"), (3, "eve")] {
        room.join(&resume(name, number), at(400)).expect("goes on");
        // To be told of everybody again costs as much as coming anew.
        let again = room.join(&join(name, name, HOME), at(400));
        assert_eq!(again.err(), Some(Refusal::TooManyJoins { retry_in }));
    }
    room.join(&join("sue", "sue", [192, 0, 2, 2]), at(400))
        .expect("elsewhere");
    room.join(&join("joe", "joe", HOME), at(1000))
        .expect("as told");
}

#[test]
fn who_is_refused_a_new_participation_keeps_the_old_one() {
    let mut room = room(RoomRules::default());
    room.join(&join("ada", "ada", HOME), at(0)).expect("free");
    room.join(&join("bob", "bob", HOME), at(0)).expect("free");
    let mut stale = join("ada", "bob", HOME);
    stale.resume = Some(Resume {
        position: Position::new(1),
        epoch: "another".into(),
        lamport: 3.into(),
        actual: None,
    });
    let before = room.fold().clone();
    let refused = room.join(&stale, at(0));
    assert!(matches!(refused, Err(Refusal::NameTaken { .. })));
    // Nothing was logged, so nothing may have changed.
    assert_eq!(room.fold(), &before);
    room.publish(&publish("ada", 1), at(0)).expect("still here");
}

#[test]
fn a_stream_in_a_loop_is_slowed_down_and_nobody_else() {
    let mut room = room(RoomRules {
        stream_rate: Some(Rate::per_second(1, 3)),
        ..RoomRules::default()
    });
    room.join(&join("ada", "ada", HOME), at(0)).expect("free");
    room.join(&join("bob", "bob", HOME), at(0)).expect("free");
    for again in [join("ada", "ada", HOME), resume("ada", 1), resume("ada", 1)] {
        room.join(&again, at(0)).expect("a burst");
    }
    for again in [join("ada", "ada", HOME), resume("ada", 1)] {
        let retry_in = Duration::from_secs(1);
        let refused = room.join(&again, at(0));
        assert_eq!(refused.err(), Some(Refusal::TooManyJoins { retry_in }));
    }
    room.join(&resume("bob", 2), at(0)).expect("another's");
    // The latest stream goes on: its end is heeded.
    room.detach(ParticipantNumber::new(1), 4, at(0));
    assert!(room.next_deadline().is_some());
    room.join(&resume("ada", 1), at(1000)).expect("as told");
    assert!(room.next_deadline().is_none());
}

#[test]
fn streams_are_counted_on_by_what_the_log_has() {
    let rules = RoomRules::default();
    let mut room = room(rules);
    let mut log = Vec::new();
    let join_in = |room: &mut Room, log: &mut Vec<_>, join: &Join| {
        let decision = room.join(join, at(0)).expect("accepted");
        log.extend(decision.records);
        decision.reply.generation
    };
    let publish_in = |room: &mut Room, log: &mut Vec<_>, id| {
        let decision = room.publish(&publish("ada", id), at(0)).expect("accepted");
        log.extend(decision.records);
    };
    assert_eq!(join_in(&mut room, &mut log, &join("ada", "ada", HOME)), 1);
    publish_in(&mut room, &mut log, 1);
    assert_eq!(join_in(&mut room, &mut log, &resume("ada", 1)), 2);
    assert_eq!(join_in(&mut room, &mut log, &resume("ada", 1)), 3);
    publish_in(&mut room, &mut log, 2);
    // Another process goes on with what the log says, or with a snapshot of it.
    let snapshot = Fold::decode(&room.fold().encode()).expect("whole");
    assert_eq!(&snapshot, room.fold());
    let mut room = Room::new(snapshot, "epoch".into(), 1.into(), rules, at(0));
    assert_eq!(join_in(&mut room, &mut log, &resume("ada", 1)), 4);
    let leave = Leave {
        session: session("ada"),
        lamport: 1.into(),
        identity: crate::Identity::None,
    };
    let decision = room.leave(&leave, at(0)).expect("accepted");
    log.extend(decision.records);
    let generations: Vec<_> = log.iter().map(|record| record.generation).collect();
    assert_eq!(generations, [1, 1, 3, 4]);
}
