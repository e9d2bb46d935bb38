//! What is refused and answered beside the sequencer.

use std::{net::IpAddr, time::UNIX_EPOCH};

use chitty_chat::{LamportTime, ParticipantName, Session};

use crate::*;

fn at(seconds: u64) -> DecisionTime {
    let mono = Duration::from_secs(seconds);
    DecisionTime {
        wall: UNIX_EPOCH + mono,
        mono,
    }
}

fn join(owner: &str, name: &str) -> Join {
    let session = Session::parse(&format!("{owner:_<22}")).expect("a session");
    Join {
        session: session.hash(),
        name: ParticipantName::parse(name),
        lamport: 1.into(),
        resume: None,
        backlog: 0,
        source: Some(IpAddr::from([192, 0, 2, 1])),
        identity: crate::Identity::None,
        invitation: None,
    }
}

fn resume(position: u64) -> Resume {
    Resume {
        position: position.into(),
        epoch: "epoch".into(),
        lamport: (1 + 2 * position).into(),
        actual: None,
    }
}

/// Ada, Bob and Eve are here, at the positions 1 to 3; Joe was, and has left at 5.
fn room(rules: RoomRules) -> Room {
    let first = Position::new(1);
    let mut room = Room::new(Fold::default(), "epoch".into(), first, rules, at(0));
    for name in ["ada", "bob", "eve", "joe"] {
        let join = join(name, name);
        room.join(&join, at(0)).expect("free");
    }
    let leave = Leave {
        session: join("joe", "joe").session,
        lamport: 1.into(),
        identity: crate::Identity::None,
    };
    room.leave(&leave, at(0)).expect("present");
    room
}

#[test]
fn who_is_refused_anyway_costs_no_look_at_the_log() {
    let rules = RoomRules {
        max_participants: 4,
        ..RoomRules::default()
    };
    let mut full = room(rules);
    let last = join("amy", "amy");
    full.join(&last, at(0)).expect("a seat");
    let full = full.view();
    let view = room(RoomRules::default()).view();
    let outlook = |view: &View, owner: &str, name: &str, lamport: u64| {
        let join = Join {
            resume: Some(resume(2)),
            lamport: lamport.into(),
            ..join(owner, name)
        };
        view.outlook(&join, at(0))
    };
    assert!(matches!(
        outlook(&view, "sue", " sue", 1),
        Err(Refusal::Name(_))
    ));
    assert!(matches!(
        outlook(&view, "sue", "Ada", 1),
        Err(Refusal::NameTaken { .. })
    ));
    assert_eq!(outlook(&view, "sue", "sue", 0), Err(Refusal::NoTime));
    assert_eq!(outlook(&view, "joe", "joe", 1), Err(Refusal::EndedSession));
    let late = outlook(&full, "sue", "sue", 1).expect("but for a seat");
    let seats = full.seats(late, None, 1);
    assert_eq!(seats, Err(Refusal::Full { limit: 4 }));
    let new = outlook(&view, "sue", "sue", 1).expect("free");
    assert_eq!(new.lamport, Lookup::InLog(Position::new(2)));
    assert_eq!((new.participant, new.is_arrival), (None, true));
    // A live participation goes on, whatever it is called.
    let live = outlook(&full, "ada", " ", 1).expect("alive");
    assert_eq!(live.participant, Some(Position::new(1).into()));
    assert!(!live.is_arrival);
    assert_eq!(full.seats(live, None, 1), Ok(()));
}

#[test]
fn the_log_is_not_asked_for_what_is_known() {
    let view = room(RoomRules::default()).view();
    let lookup = |resume| {
        let join = Join {
            resume,
            ..join("sue", "sue")
        };
        view.outlook(&join, at(0)).expect("free").lamport
    };
    assert_eq!(lookup(None), Lookup::None);
    assert_eq!(lookup(Some(resume(5))), Lookup::Known(LamportTime::new(11)));
    assert_eq!(lookup(Some(resume(4))), Lookup::InLog(Position::new(4)));
    assert_eq!(lookup(Some(resume(6))), Lookup::None);
    let elsewhere = Resume {
        epoch: "another".into(),
        ..resume(2)
    };
    assert_eq!(lookup(Some(elsewhere)), Lookup::None);
}

#[test]
fn streams_that_begin_too_often_are_refused_without_the_room() {
    let mut room = room(RoomRules {
        stream_rate: Some(Rate::per_second(1, 2)),
        ..RoomRules::default()
    });
    let mut again = join("ada", "ada");
    let resume = resume(1);
    again.resume = Some(Resume {
        actual: Some(resume.lamport),
        ..resume
    });
    for _ in 0..2 {
        let ask = |room: &Room| room.view().outlook(&again, at(0));
        assert!(ask(&room).is_ok() && ask(&room).is_ok(), "asking is free");
        room.join(&again, at(0)).expect("a burst");
    }
    let retry_in = Duration::from_secs(1);
    let refused = room.view().outlook(&again, at(0));
    assert_eq!(refused, Err(Refusal::TooManyJoins { retry_in }));
    assert!(
        room.view()
            .outlook(
                &again,
                DecisionTime {
                    mono: retry_in,
                    ..at(0)
                }
            )
            .is_ok()
    );
}

#[test]
fn readers_are_those_who_are_present() {
    let view = room(RoomRules::default()).view();
    let reader = |owner: &str| view.reader(&join(owner, owner).session, Identity::None);
    assert_eq!(reader("bob"), Ok(Position::new(2).into()));
    for owner in ["joe", "nobody"] {
        assert_eq!(reader(owner), Err(Refusal::UnknownSession));
    }
    let knows = |owner: &str| view.knows(&join(owner, owner).session);
    assert!(knows("joe") && !knows("nobody"));
}

#[test]
fn what_is_configured_is_known() {
    let rules = RoomRules {
        max_participants: 7,
        ..RoomRules::default()
    };
    assert_eq!(*room(rules).view().rules(), rules);
}

#[test]
fn it_is_known_whether_more_may_come_from_a_source() {
    let home = IpAddr::from([192, 0, 2, 1]);
    let limited = room(RoomRules {
        join_rate: Some(Rate::per_second(1, 5)),
        ..RoomRules::default()
    });
    let arrival = |source, count| limited.view().arrival(source, count, Duration::ZERO);
    // Four have come.
    assert_eq!(arrival(home, 1), Ok(()));
    assert_eq!(arrival(home, 3), Err(Duration::from_secs(2)));
    assert_eq!(arrival(IpAddr::from([192, 0, 2, 2]), 5), Ok(()));
    let view = room(RoomRules::default()).view();
    assert_eq!(view.arrival(home, 9, Duration::ZERO), Ok(()));
}
