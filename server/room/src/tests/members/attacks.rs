//! What a member with bad intentions, or a clock, could do to the others.

use super::*;

/// A request that carries this time; its number makes it differ from the others.
type Request = fn(&mut Room, LamportTime, usize) -> Result<(), Refusal>;

#[test]
fn ended_invitations_neither_count_nor_keep_names() {
    let mut room = closed();
    let kept = Invite {
        name: Some(name("carl")),
        ..invite(as_key(1), "kept")
    };
    room.invite(&kept, now(2)).expect("may");
    for number in 1..MAX_INVITATIONS {
        room.invite(&invite(as_key(1), &number.to_string()), now(2))
            .expect("not too many");
    }
    let refusal = refused(room.invite(&invite(as_key(1), "more"), now(1_001)));
    assert_eq!(refusal, No::TooManyInvitations);
    // A second later, all of them have ended.
    let kept = Invite {
        name: Some(name("carl")),
        ..invite(as_key(1), "kept again")
    };
    room.invite(&kept, now(1_002))
        .expect("there is space again");
    let early = refused(room.join(&join_with("carl", 7, "kept"), now(1_002)));
    assert!(matches!(early, No::InvitationExpired { .. }));
    room.join(&join_with("carl", 7, "kept again"), now(1_002))
        .expect("his name");
}

#[test]
fn invitations_that_ended_unused_are_forgotten_in_the_end() {
    let mut room = closed();
    let mut latest = String::new();
    for number in 0..2_100_u64 {
        latest = number.to_string();
        let made = room.invite(&invite(as_key(1), &latest), now(2 + 2 * number));
        made.expect("the others end in time");
    }
    let remembered = room.fold().members().invitations().count();
    assert!(remembered <= 2 * MAX_INVITATIONS + 2, "{remembered}");
    room.join(&join_with("carl", 7, &latest), now(4_500))
        .expect("the latest is there");
    let decoded = Fold::decode(&room.fold().encode()).expect("a snapshot");
    assert_eq!(&decoded, room.fold());
}

#[test]
fn an_invitation_from_before_a_restore_keeps_no_name() {
    let mut room = closed();
    let kept = |secret| Invite {
        name: Some(name("carl")),
        ..invite(as_key(1), secret)
    };
    room.invite(&kept("a"), now(2)).expect("may");
    let rules = RoomRules::default();
    let mut room = Room::new(
        room.fold().clone(),
        "another".into(),
        1.into(),
        rules,
        now(3),
    );
    room.invite(&kept("b"), now(3)).expect("the name is free");
}

#[test]
fn a_name_that_was_kept_is_not_given_twice() {
    let mut room = closed();
    let kept = Invite {
        name: Some(name("carl")),
        ..invite(as_key(1), "kept")
    };
    room.invite(&kept, now(2)).expect("may");
    room.invite(&invite(as_key(1), "late"), now(900))
        .expect("may");
    room.join(&join_with("carl", 7, "late"), now(1_500))
        .expect("the kept name became free");
    // The clock is set back, and an event says so.
    room.invite(&invite(as_key(1), "early"), now(3))
        .expect("may");
    let twice = refused(room.join(&join_with("carl", 8, "kept"), now(3)));
    assert!(matches!(twice, No::NameReserved { .. }));
}

#[test]
fn a_clock_that_was_ahead_once_does_not_end_later_invitations() {
    let mut room = closed();
    room.publish(&say("ada", 1, as_key(1)), now(1_000_000_000))
        .expect("here");
    room.invite(&invite(as_key(1), "y"), now(100)).expect("may");
    room.join(&join_with("carl", 7, "y"), now(101))
        .expect("the clock is right again");
}

#[test]
fn a_member_cannot_use_up_the_invitations_of_all() {
    let mut room = closed();
    let own = |number: usize| Invite {
        member: Some("bob".into()),
        ..invite(as_key(2), &format!("own {number}"))
    };
    for number in 0..MAX_DEVICES {
        room.invite(&own(number), now(2)).expect("a few");
    }
    let refusal = refused(room.invite(&own(MAX_DEVICES), now(2)));
    assert_eq!(refusal, No::TooManyOwnInvitations);
    room.invite(&invite(as_key(1), "y"), now(2))
        .expect("an admin");
    room.invite(&own(MAX_DEVICES), now(1_002))
        .expect("the others have ended");
}

#[test]
fn requests_about_members_move_the_clock_as_little_as_messages_do() {
    let ahead = |room: &Room| (room.fold().now().get() + (1 << 32)).into();
    let requests: [Request; 3] = [
        |room, lamport, turn| {
            let bob = room
                .fold()
                .members()
                .by_key(&key(2))
                .expect("bob")
                .name
                .to_string();
            let to = MemberChange::Name(name(&format!("bob{turn}")));
            let change = Change {
                lamport,
                ..change(as_key(2), &bob, to)
            };
            room.change(&change, now(2)).map(|_| ())
        },
        |room, lamport, turn| {
            let invite = Invite {
                lamport,
                ..invite(as_key(1), &turn.to_string())
            };
            room.invite(&invite, now(2)).map(|_| ())
        },
        |room, lamport, turn| {
            room.invite(&invite(as_key(1), &format!("to revoke {turn}")), now(2))?;
            let revoke = Revoke {
                identity: as_key(1),
                number: None,
                lamport,
            };
            room.revoke(&revoke, now(2)).map(|_| ())
        },
    ];
    for request in requests {
        let mut room = closed();
        let results: Vec<_> = (0..5)
            .map(|turn| {
                let lamport = ahead(&room);
                request(&mut room, lamport, turn)
            })
            .collect();
        assert!(results[0].is_ok(), "{results:?}");
        assert!(
            matches!(results[4], Err(Refusal::TimeJump { .. })),
            "{results:?}"
        );
    }
}

#[test]
fn nobody_is_called_like_another_ones_device() {
    for taken in [
        "ada \u{ff08}desktop\u{ff09}",
        "ada [desktop]",
        "\u{430}da(desktop)",
    ] {
        let mut room = closed();
        room.invite(&invite(as_key(1), "y"), now(2)).expect("may");
        let refusal = refused(room.join(&join_with(taken, 7, "y"), now(2)));
        assert_eq!(refusal, No::NameOfADevice, "{taken}");
        let rename = change(as_key(2), "bob", MemberChange::Name(name(taken)));
        assert_eq!(refused(room.change(&rename, now(2))), No::NameOfADevice);
        let kept = Invite {
            name: Some(name(taken)),
            ..invite(as_key(1), "z")
        };
        assert_eq!(refused(room.invite(&kept, now(2))), No::NameOfADevice);
    }
}

#[test]
fn a_revocation_names_who_revoked() {
    for (identity, by) in [
        (OPERATOR, None),
        (as_key(1), chitty_chat::MemberNumber::new(2)),
    ] {
        let mut room = closed();
        let number = room
            .invite(&invite(OPERATOR, "y"), now(2))
            .expect("may")
            .reply
            .number;
        let revoke = Revoke {
            identity,
            number: Some(number),
            lamport: LamportTime::ZERO,
        };
        let decision = room.revoke(&revoke, now(2)).expect("may");
        let [Record { event, .. }] = &decision.records[..] else {
            panic!("{:?}", decision.records)
        };
        assert!(
            matches!(&event.kind, EventKind::Invitation(event) if event.by == by),
            "{event:?}"
        );
    }
}

#[test]
fn what_an_admin_invited_ends_with_its_power() {
    type Deed = fn(&mut Room) -> Result<(), Refusal>;
    let lose_power: [Deed; 2] = [
        |room| {
            let demote = MemberChange::Role(Role::Member);
            room.change(&change(OPERATOR, "bob", demote), now(3))
                .map(|_| ())
        },
        |room| {
            let drop = MemberChange::DropDevice("phone".into());
            room.change(&change(OPERATOR, "bob", drop), now(3))
                .map(|_| ())
        },
    ];
    for lose in lose_power {
        let mut room = closed();
        let promote = MemberChange::Role(Role::Admin);
        room.change(&change(OPERATOR, "bob", promote), now(2))
            .expect("may");
        let phone = Invite {
            member: Some("bob".into()),
            ..invite(as_key(2), "phone")
        };
        room.invite(&phone, now(2)).expect("one's own device");
        room.join(&join_with("bob (phone)", 3, "phone"), now(2))
            .expect("invited");
        let many = Invite {
            uses: 5,
            role: Role::Admin,
            ..invite(as_key(3), "many")
        };
        room.invite(&many, now(2)).expect("an admin may");
        room.join(&join_with("carl", 7, "many"), now(2))
            .expect("invited");
        lose(&mut room).expect("may");
        let refusal = refused(room.join(&join_with("eve", 8, "many"), now(4)));
        assert_eq!(refusal, No::InvitationRevoked);
    }
}
