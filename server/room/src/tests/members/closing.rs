//! A chat that becomes closed, in its middle or at a start.

use super::*;

fn open_again(room: &Room, seconds: u64) -> Room {
    let rules = RoomRules {
        access: Access::Open,
        ..RoomRules::default()
    };
    Room::new(
        room.fold().clone(),
        EPOCH.into(),
        1.into(),
        rules,
        now(seconds),
    )
}

fn started(room: &Room, seconds: u64) -> Room {
    let rules = RoomRules::default();
    Room::new(
        room.fold().clone(),
        EPOCH.into(),
        1.into(),
        rules,
        now(seconds),
    )
}

fn kinds(records: &[Record]) -> Vec<&'static str> {
    let kinds = records.iter().map(|record| record.event.kind_str());
    kinds.collect()
}

#[test]
fn the_invitation_that_closes_a_chat_ends_everybody_who_is_here() {
    let mut room = room();
    room.join(&join("joe", 1), now(0)).expect("open");
    room.join(&join_with("eve", 5, ""), now(0)).expect("open");
    let decision = room
        .invite(&invite(OPERATOR, "x"), now(1))
        .expect("the operator may");
    assert_eq!(kinds(&decision.records), ["invitation", "left", "left"]);
    assert_eq!(decision.reply.receipt.position, Position::new(3));
    for left in &decision.records[1..] {
        assert_eq!(left.event.request, LamportTime::ZERO);
        assert!(matches!(
            left.event.kind,
            EventKind::Left {
                reason: LeftReason::Closed,
                ..
            }
        ));
    }
    assert_eq!(room.fold().count(), 0);
    // The second one finds nobody to end, and those who came by the first stay.
    room.join(&join_with("ada", 1, "x"), now(2))
        .expect("invited");
    let decision = room.invite(&invite(OPERATOR, "y"), now(3)).expect("may");
    assert_eq!(kinds(&decision.records), ["invitation"]);
}

#[test]
fn a_session_from_before_does_not_go_on_without_using_the_invitation() {
    let mut room = room();
    room.join(&join_with("joe", 5, ""), now(0)).expect("open");
    room.invite(&invite(OPERATOR, "x"), now(0)).expect("may");
    let decision = room
        .join(&join_with("joe", 5, "x"), now(0))
        .expect("invited");
    assert_eq!(kinds(&decision.records), ["member", "joined"]);
    assert!(!decision.reply.resumed && decision.reply.member.is_some());
}

#[test]
fn nobody_keeps_a_members_name_from_an_open_time() {
    let mut room = closed();
    let leave = Leave {
        session: session_on("ada", 1),
        lamport: 3_000.into(),
        identity: as_key(1),
    };
    room.leave(&leave, now(2)).expect("here");
    // While the chat is open, every name is free, and bob takes that of ada.
    let mut room = open_again(&room, 3);
    let as_ada = Join {
        session: session("posing"),
        ..join_with("ada", 2, "")
    };
    room.join(&as_ada, now(3)).expect("open");
    // Closed again: neither before nor after the first graces end does bob go on as ada.
    let mut room = started(&room, 4);
    let says = Publish {
        session: session("posing"),
        identity: as_key(2),
        ..publish("x", "hi", 9_000)
    };
    let mut early = room.clone();
    assert_eq!(refused(early.publish(&says, now(4))), No::SessionOfAnother);
    assert_eq!(
        refused(early.view().reader(&session("posing"), as_key(2))),
        No::SessionOfAnother
    );
    assert!(matches!(
        refused(early.join(&as_ada, now(4))),
        No::NotOwnName { own } if &*own == "bob"
    ));
    assert!(!room.expire(now(4)).is_empty());
    assert!(matches!(
        refused(room.join(&as_ada, now(4))),
        No::NotOwnName { own } if &*own == "bob"
    ));
    let ada = Join {
        session: session("again"),
        ..join_with("ada", 1, "")
    };
    room.join(&ada, now(4)).expect("her own name");
}

#[test]
fn an_open_chat_says_that_it_has_no_members() {
    let mut room = room();
    for nobody in [Identity::None, as_key(7)] {
        assert_eq!(
            refused(room.invite(&invite(nobody, "y"), now(2))),
            No::NoMembers
        );
    }
    // A chat that is started open keeps its members, who may still invite.
    let mut room = open_again(&closed(), 3);
    assert_eq!(
        refused(room.invite(&invite(as_key(7), "y"), now(3))),
        No::NoMembers
    );
    room.invite(&invite(as_key(1), "y"), now(3))
        .expect("an admin");
}
