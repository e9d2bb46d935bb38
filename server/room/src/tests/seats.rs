//! How many may be present from one source.

use std::{net::IpAddr, time::UNIX_EPOCH};

use chitty_chat::{ParticipantName, ParticipantNumber, Session};

use super::*;

fn at(seconds: u64) -> DecisionTime {
    let mono = Duration::from_secs(seconds);
    DecisionTime {
        wall: UNIX_EPOCH + mono,
        mono,
    }
}

fn room(limit: usize) -> Room {
    let rules = RoomRules {
        max_participants_per_source: limit,
        ..RoomRules::default()
    };
    let first = Position::new(1);
    Room::new(Fold::default(), "epoch".into(), first, rules, at(0))
}

fn join(name: &str, from: &str) -> Join {
    let session = Session::parse(&format!("{name:_<22}")).expect("a session");
    let address: IpAddr = from.parse().expect("an address");
    Join {
        session: session.hash(),
        name: ParticipantName::parse(name),
        lamport: 1.into(),
        resume: None,
        backlog: 0,
        source: Some(crate::source::source(address)),
        identity: crate::Identity::None,
        invitation: None,
    }
}

fn enter(room: &mut Room, name: &str, from: &str) -> Result<ParticipantNumber, Refusal> {
    let decision = room.join(&join(name, from), at(0))?;
    Ok(decision.reply.participant)
}

fn leave(room: &mut Room, name: &str) {
    let session = join(name, "192.0.2.1").session;
    let lamport = 1.into();
    let leave = Leave {
        session,
        lamport,
        identity: crate::Identity::None,
    };
    room.leave(&leave, at(0)).expect("present");
}

#[test]
fn one_source_holds_so_many_seats_and_leaves_the_others() {
    let mut room = room(2);
    let full = Err(Refusal::FullSource { limit: 2 });
    enter(&mut room, "ada", "127.0.0.1").expect("a seat");
    enter(&mut room, "bob", "127.44.0.9").expect("a seat");
    for loopback in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.5"] {
        assert_eq!(enter(&mut room, "eve", loopback), full);
    }
    enter(&mut room, "joe", "192.0.2.1").expect("another source");
    // Whoever is there already is not refused, wherever it comes from now.
    enter(&mut room, "joe", "127.0.0.1").expect("goes on");
    assert_eq!(enter(&mut room, "eve", "127.0.0.1"), full);
    leave(&mut room, "bob");
    enter(&mut room, "eve", "::1").expect("the seat is free");
    assert_eq!(enter(&mut room, "sue", "127.0.0.1"), full);
}

#[test]
fn a_seat_is_counted_until_the_grace_is_over_and_then_no_more() {
    let mut room = room(1);
    let ada = enter(&mut room, "ada", "192.0.2.1").expect("a seat");
    room.detach(ada, 1, at(0));
    assert!(enter(&mut room, "bob", "192.0.2.1").is_err());
    assert_eq!(room.expire(at(10)).len(), 1);
    enter(&mut room, "bob", "192.0.2.1").expect("free after the grace");
}

#[test]
fn subnets_of_one_network_share_twice_as_many() {
    let mut room = room(2);
    for (name, from) in [
        ("ada", "2001:db8:1:1::1"),
        ("bob", "2001:db8:1:1::2"),
        ("eve", "2001:db8:1:2::1"),
        ("joe", "2001:db8:1:3::1"),
    ] {
        enter(&mut room, name, from).expect("a seat");
    }
    assert_eq!(
        enter(&mut room, "sue", "2001:db8:1:1::3"),
        Err(Refusal::FullSource { limit: 2 })
    );
    assert_eq!(
        enter(&mut room, "sue", "2001:db8:1:4::1"),
        Err(Refusal::FullNetwork { limit: 4 })
    );
    enter(&mut room, "sue", "2001:db8:2:4::1").expect("another network");
    leave(&mut room, "eve");
    enter(&mut room, "amy", "2001:db8:1:4::1").expect("free again");
}

#[test]
fn after_a_restart_seats_are_counted_where_they_resume_from() {
    let mut before = room(5);
    for name in ["ada", "bob", "eve"] {
        enter(&mut before, name, "192.0.2.1").expect("a seat");
    }
    let rules = RoomRules {
        max_participants_per_source: 2,
        ..RoomRules::default()
    };
    let fold = before.fold().clone();
    let mut room = Room::new(fold, "epoch".into(), Position::new(1), rules, at(0));
    // All come back, though they are more than may come anew.
    for name in ["ada", "bob", "eve"] {
        enter(&mut room, name, "192.0.2.7").expect("goes on");
    }
    assert!(enter(&mut room, "joe", "192.0.2.7").is_err());
    enter(&mut room, "joe", "192.0.2.1").expect("nobody is counted there");
}

#[test]
fn who_begins_anew_needs_no_second_seat() {
    let mut room = room(1);
    enter(&mut room, "ada", "192.0.2.1").expect("a seat");
    let mut stale = join("ada", "192.0.2.1");
    stale.resume = Some(Resume {
        position: Position::new(1),
        epoch: "another".into(),
        lamport: 3.into(),
        actual: None,
    });
    room.join(&stale, at(0)).expect("its own seat");
    assert_eq!(room.fold().count(), 1);
    assert!(enter(&mut room, "bob", "192.0.2.1").is_err());
}
