//! How often somebody may publish and join, and that who is refused changes nothing.

use std::{net::IpAddr, time::Duration};

use chitty_chat::{MessageId, MessageText, ParticipantName, Position, Session, SessionHash};

use super::*;
use crate::rate::Rate;

fn session(name: &str) -> SessionHash {
    Session::parse(&format!("{name:_<22}"))
        .expect("a session")
        .hash()
}

fn at(millis: u64) -> Now {
    let mono = Duration::from_millis(millis);
    Now {
        wall: std::time::UNIX_EPOCH + mono,
        mono,
    }
}

fn room(rules: Rules) -> Room {
    Room::new(
        Fold::default(),
        "epoch".into(),
        Position::new(1),
        rules,
        at(0),
    )
}

fn join(owner: &str, name: &str, from: [u8; 4]) -> Command {
    Command::Join(Join {
        session: session(owner),
        name: ParticipantName::parse(name),
        lamport: 1.into(),
        resume: None,
        backlog: 0,
        source: Some(IpAddr::from(from)),
    })
}

fn publish(name: &str, id: usize) -> Command {
    Command::Publish(Publish {
        session: session(name),
        text: MessageText::parse(&format!("line {id}")).expect("a text"),
        id: Some(MessageId::parse(&format!("{id:016}")).expect("an id")),
        seen: Position::ZERO,
        lamport: 1.into(),
    })
}

const HOME: [u8; 4] = [192, 0, 2, 1];

#[test]
fn messages_come_in_bursts_and_then_steadily_and_retries_are_free() {
    let mut room = room(Rules {
        publish_rate: Some(Rate::per_second(5, 10)),
        ..Rules::default()
    });
    room.decide(&join("ada", "ada", HOME), at(0)).expect("free");
    room.decide(&join("bob", "bob", HOME), at(0)).expect("free");
    for id in 0..10 {
        room.decide(&publish("ada", id), at(0)).expect("a burst");
    }
    let head = room.fold().head();
    let refused = room.decide(&publish("ada", 10), at(0)).expect_err("fast");
    let retry_in = Duration::from_millis(200);
    assert_eq!(refused, Refusal::TooFast { retry_in });
    assert_eq!(room.fold().head(), head);
    // A retry finds its first, and costs nothing.
    for _ in 0..100 {
        let retry = room.decide(&publish("ada", 3), at(0)).expect("known");
        assert!(matches!(
            retry.accepted,
            Accepted::Published {
                duplicate: true,
                ..
            }
        ));
    }
    // Everybody has a bucket of their own, which a new stream does not fill.
    room.decide(&publish("bob", 100), at(0)).expect("another's");
    room.decide(&join("ada", "ada", HOME), at(0))
        .expect("goes on");
    assert!(room.decide(&publish("ada", 10), at(199)).is_err());
    room.decide(&publish("ada", 10), at(200)).expect("as told");
    assert!(room.decide(&publish("ada", 11), at(200)).is_err());
}

#[test]
fn newcomers_are_counted_by_address_and_going_on_is_free() {
    let mut room = room(Rules {
        join_rate: Some(Rate::per_second(1, 3)),
        ..Rules::default()
    });
    for name in ["ada", "bob", "eve"] {
        room.decide(&join(name, name, HOME), at(0)).expect("free");
    }
    let refused = room.decide(&join("joe", "joe", HOME), at(400));
    let retry_in = Duration::from_millis(600);
    assert_eq!(refused.err(), Some(Refusal::TooManyJoins { retry_in }));
    for name in ["ada", "bob", "eve"] {
        room.decide(&join(name, name, HOME), at(400))
            .expect("goes on");
    }
    room.decide(&join("sue", "sue", [192, 0, 2, 2]), at(400))
        .expect("elsewhere");
    room.decide(&join("joe", "joe", HOME), at(1000))
        .expect("as told");
}

#[test]
fn who_is_refused_a_new_participation_keeps_the_old_one() {
    let mut room = room(Rules::default());
    room.decide(&join("ada", "ada", HOME), at(0)).expect("free");
    room.decide(&join("bob", "bob", HOME), at(0)).expect("free");
    let Command::Join(mut stale) = join("ada", "bob", HOME) else {
        unreachable!()
    };
    stale.resume = Some(Resume {
        position: Position::new(1),
        epoch: "another".into(),
        lamport: 3.into(),
        actual: None,
    });
    let before = room.fold().clone();
    let refused = room.decide(&Command::Join(stale), at(0));
    assert!(matches!(refused, Err(Refusal::NameTaken { .. })));
    // Nothing was logged, so nothing may have changed.
    assert_eq!(room.fold(), &before);
    room.decide(&publish("ada", 1), at(0)).expect("still here");
}
