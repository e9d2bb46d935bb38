//! Who takes part in a closed chat, and who decides that.

mod attacks;
mod closing;
mod naive;
mod only;

use std::time::{Duration, SystemTime};

use chitty_chat::{Role, fingerprint::Fingerprint};

use super::*;
use crate::{MembershipRefusal as No, record::SecretHash};

const OPERATOR: Identity = Identity::User(1000);

fn key(number: u8) -> Fingerprint {
    Fingerprint::from_bytes([number; 32])
}

const fn as_key(number: u8) -> Identity {
    Identity::Key(Fingerprint::from_bytes([number; 32]))
}

fn invite(identity: Identity, secret: &str) -> Invite {
    Invite {
        identity,
        secret: SecretHash::of(secret),
        role: Role::Member,
        uses: 1,
        lifetime: Duration::from_secs(1_000),
        name: None,
        member: None,
        only: false,
        lamport: LamportTime::ZERO,
    }
}

/// The session of this name on this device; a session is printable ASCII.
fn session_on(name: &str, device: u8) -> chitty_chat::SessionHash {
    let ascii = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    session(&format!("{ascii}{device}"))
}

fn join_with(name: &str, device: u8, secret: &str) -> Join {
    Join {
        session: session_on(name, device),
        identity: as_key(device),
        invitation: (!secret.is_empty()).then(|| SecretHash::of(secret)),
        name: ParticipantName::parse(name),
        ..join("x", 1_000)
    }
}

fn say(name: &str, device: u8, identity: Identity) -> Publish {
    Publish {
        session: session_on(name, device),
        identity,
        ..publish("x", "hi", 2_000)
    }
}

fn remove(identity: Identity, member: &str) -> Remove {
    Remove {
        identity,
        member: member.into(),
        lamport: LamportTime::ZERO,
    }
}

fn change(identity: Identity, member: &str, change: MemberChange) -> Change {
    Change {
        identity,
        member: member.into(),
        change,
        lamport: LamportTime::ZERO,
    }
}

fn name(name: &str) -> ParticipantName {
    ParticipantName::parse(name).expect("a name")
}

/// Ada, by device 1, is an admin; bob, by device 2, is a member. Both are here.
fn closed() -> Room {
    let mut room = room();
    let admin = Invite {
        role: Role::Admin,
        ..invite(OPERATOR, "for ada")
    };
    room.invite(&admin, now(0)).expect("the operator may");
    room.join(&join_with("ada", 1, "for ada"), now(1))
        .expect("invited");
    room.invite(&invite(as_key(1), "for bob"), now(1))
        .expect("an admin may");
    room.join(&join_with("bob", 2, "for bob"), now(1))
        .expect("invited");
    room
}

fn refused<T>(result: Result<T, Refusal>) -> MembershipRefusal {
    match result.err().expect("refused") {
        Refusal::Membership(refusal) => refusal,
        other => panic!("refused for another reason: {other}"),
    }
}

/// The same log, folded again.
fn replayed(records: &[Record]) -> Fold {
    let mut fold = Fold::default();
    for record in records {
        let stored = Record::decode(&record.encode()).expect("a record");
        fold.apply(&stored).expect("it follows");
    }
    fold
}

#[test]
fn the_first_invitation_closes_the_chat() {
    let mut room = room();
    assert!(!room.is_closed());
    room.join(&join("joe", 1), now(0)).expect("open");
    room.invite(&invite(OPERATOR, "x"), now(0))
        .expect("the operator may");
    assert!(room.is_closed());
    assert_eq!(refused(room.join(&join("eve", 1), now(0))), No::NoKey);
    assert_eq!(
        refused(room.publish(&publish("joe", "hi", 9), now(0))),
        No::NoKey
    );
    let refusal = refused(room.join(&join_with("eve", 7, ""), now(0)));
    assert_eq!(refusal, No::NotAMember { key: key(7) });
    let operator = Join {
        identity: OPERATOR,
        ..join("eve", 1)
    };
    assert_eq!(refused(room.join(&operator, now(0))), No::OperatorOnly);
}

#[test]
fn a_closed_chat_without_members_lets_nobody_in() {
    let rules = RoomRules {
        access: Access::Closed,
        ..RoomRules::default()
    };
    let mut room = Room::new(Fold::default(), EPOCH.into(), 1.into(), rules, now(0));
    assert_eq!(refused(room.join(&join("eve", 1), now(0))), No::NoKey);
    let refusal = refused(room.join(&join_with("eve", 7, ""), now(0)));
    assert_eq!(refusal, No::NotAMember { key: key(7) });
}

#[test]
fn an_open_start_opens_a_chat_with_members() {
    let fold = closed().fold().clone();
    let rules = RoomRules {
        access: Access::Open,
        ..RoomRules::default()
    };
    let mut room = Room::new(fold, EPOCH.into(), 1.into(), rules, now(9));
    room.join(&join("joe", 1), now(9)).expect("open");
}

#[test]
fn whoever_is_no_member_when_a_chat_starts_closed_leaves_at_once() {
    let start = |fold: &Fold, access, seconds| {
        let rules = RoomRules {
            access,
            ..RoomRules::default()
        };
        Room::new(fold.clone(), EPOCH.into(), 1.into(), rules, now(seconds))
    };
    let mut room = start(closed().fold(), Access::Open, 8);
    room.join(&join("joe", 5_000), now(8)).expect("open");
    let mut room = start(room.fold(), Access::ByLog, 9);
    let ended = room.expire(now(9));
    let names = ended.iter().map(|record| match &record.event.kind {
        EventKind::Left { name, reason, .. } => (&**name, *reason),
        other => panic!("{other:?}"),
    });
    assert!(names.eq([("joe", LeftReason::Closed)]));
    assert_eq!(room.fold().count(), 2, "ada and bob have their grace");
}

#[test]
fn a_join_by_an_invitation_is_one_batch_and_uses_it_once() {
    let mut room = room();
    let invited = room.invite(&invite(OPERATOR, "x"), now(0)).expect("may");
    assert_eq!(invited.reply.number, Position::new(1));
    let decision = room
        .join(&join_with("ada", 1, "x"), now(0))
        .expect("invited");
    let [member, joined] = &decision.records[..] else {
        panic!("{:?}", decision.records)
    };
    assert!(matches!(&member.event.kind, EventKind::Member(event) if event.number.is_none()));
    assert_eq!(member.event.request, LamportTime::ZERO);
    let number = chitty_chat::MemberNumber::new(2);
    assert!(matches!(joined.event.kind, EventKind::Joined { member, .. } if member == number));
    assert_eq!(
        decision.reply.member,
        number.map(|number| (number, Role::Member))
    );
    let shown = joined.private.as_ref().and_then(|private| private.key);
    assert_eq!(shown, Some(key(1)));
    // A repeated Join, as after a lost Welcome, goes on and uses nothing.
    let again = room
        .join(&join_with("ada", 1, "x"), now(0))
        .expect("goes on");
    assert!(again.records.is_empty() && again.reply.resumed);
    let other = refused(room.join(&join_with("eve", 7, "x"), now(0)));
    assert!(matches!(other, No::InvitationUsed { by, .. } if &*by == "ada"));
}

#[test]
fn a_refusal_burns_no_invitation() {
    let mut room = closed();
    room.invite(&invite(as_key(1), "x"), now(2)).expect("may");
    let taken = refused(room.join(&join_with("bob", 7, "x"), now(2)));
    assert!(matches!(taken, No::NameReserved { .. }));
    // Full, for a moment.
    let rules = RoomRules {
        max_participants: 2,
        ..RoomRules::default()
    };
    let mut full = Room::new(room.fold().clone(), EPOCH.into(), 1.into(), rules, now(2));
    let refusal = full
        .join(&join_with("eve", 7, "x"), now(2))
        .expect_err("full");
    assert!(matches!(refusal, Refusal::Full { .. }));
    room.join(&join_with("eve", 7, "x"), now(2))
        .expect("it is still good");
}

#[test]
fn an_invitation_says_why_it_is_worth_nothing() {
    let mut room = closed();
    let unknown = refused(room.join(&join_with("eve", 7, "y"), now(2)));
    assert_eq!(unknown, No::InvitationUnknown);
    let invited = room
        .invite(&invite(as_key(1), "y"), now(2))
        .expect("may")
        .reply;
    let until = invited.until;
    let late = refused(room.join(&join_with("eve", 7, "y"), now(1_002)));
    assert_eq!(late, No::InvitationExpired { until });
    let revoke = Revoke {
        identity: as_key(1),
        number: Some(invited.number),
        lamport: LamportTime::ZERO,
    };
    assert_eq!(
        room.revoke(&revoke, now(3)).expect("may").reply.numbers,
        [invited.number]
    );
    let revoked = refused(room.join(&join_with("eve", 7, "y"), now(3)));
    assert_eq!(revoked, No::InvitationRevoked);
    assert!(room.revoke(&revoke, now(3)).expect("a retry").repeated);
}

#[test]
fn a_clock_that_was_set_back_opens_nothing() {
    let mut room = closed();
    room.invite(&invite(as_key(1), "y"), now(2)).expect("may");
    room.publish(&say("ada", 1, as_key(1)), now(1_500))
        .expect("here");
    let late = refused(room.join(&join_with("eve", 7, "y"), now(3)));
    assert!(matches!(late, No::InvitationExpired { .. }));
}

#[test]
fn a_restored_backup_lets_nobody_in_by_an_old_link() {
    let mut room = closed();
    room.invite(&invite(as_key(1), "y"), now(2)).expect("may");
    let fold = room.fold().clone();
    let rules = RoomRules::default();
    let mut restored = Room::new(fold, "another".into(), 1.into(), rules, now(3));
    let old = refused(restored.join(&join_with("eve", 7, "y"), now(3)));
    assert_eq!(old, No::InvitationRevoked);
    assert_eq!(restored.open_invitations().count(), 0);
    // Members are members still.
    restored
        .join(&join_with("bob", 2, ""), now(3))
        .expect("a member");
}

#[test]
fn a_session_belongs_to_its_key() {
    let mut room = closed();
    let session = session("bob2");
    for other in [as_key(1), as_key(7), Identity::None, OPERATOR] {
        let stolen = Join {
            session,
            ..Join {
                identity: other,
                ..join_with("bob", 2, "")
            }
        };
        let leave = Leave {
            session,
            lamport: 3_000.into(),
            identity: other,
        };
        for refusal in [
            refused(room.join(&stolen, now(2))),
            refused(room.publish(&say("bob", 2, other), now(2))),
            refused(room.leave(&leave, now(2))),
            refused(room.view().reader(&session, other)),
        ] {
            let expected = match other {
                Identity::Key(known) if known == key(1) => No::SessionOfAnother,
                Identity::Key(key) => No::NotAMember { key },
                Identity::None => No::NoKey,
                Identity::User(_) => No::OperatorOnly,
            };
            assert_eq!(refusal, expected, "{other:?}");
        }
    }
    room.publish(&say("bob", 2, as_key(2)), now(2))
        .expect("its own");
}

#[test]
fn a_session_belongs_to_its_key_in_an_open_chat_too() {
    let mut room = room();
    room.join(&join_with("joe", 5, ""), now(0)).expect("open");
    assert!(!room.is_closed());
    let stolen = refused(room.publish(&say("joe", 5, Identity::None), now(0)));
    assert_eq!(stolen, No::SessionOfAnother);
    let stolen = refused(room.publish(&say("joe", 5, as_key(6)), now(0)));
    assert_eq!(stolen, No::SessionOfAnother);
    room.publish(&say("joe", 5, as_key(5)), now(0))
        .expect("its own");
    let leave = Leave {
        session: session("joe5"),
        lamport: 3_000.into(),
        identity: as_key(5),
    };
    room.leave(&leave, now(0)).expect("its own");
    // The retry of a Leave by somebody else learns nothing.
    let stolen = Leave {
        identity: as_key(6),
        ..leave
    };
    assert_eq!(refused(room.leave(&stolen, now(0))), No::SessionOfAnother);
}

#[test]
fn a_name_belongs_to_its_member() {
    let mut room = closed();
    let own = refused(room.join(&join_with("carl", 2, ""), now(2)));
    assert!(matches!(own, No::NotOwnName { own } if &*own == "bob"));
    // Another session of the same device, under the name that is present.
    let twice = Join {
        session: session("second"),
        ..join_with("bob", 2, "")
    };
    assert!(matches!(
        refused(room.join(&twice, now(2))),
        No::OwnName { .. }
    ));
    let second = Join {
        name: ParticipantName::parse("bob (desktop)"),
        ..twice
    };
    room.join(&second, now(2)).expect("a second window");
    // While bob is away, nobody takes its name, or one that looks like it.
    let leave = Leave {
        session: session("bob2"),
        lamport: 3_000.into(),
        identity: as_key(2),
    };
    room.leave(&leave, now(2)).expect("here");
    room.invite(&invite(as_key(1), "y"), now(2)).expect("may");
    for taken in ["bob", "BOB", "b\u{43e}b"] {
        let refusal = refused(room.join(&join_with(taken, 7, "y"), now(2)));
        assert!(matches!(refusal, No::NameReserved { .. }), "{taken}");
    }
    let device = refused(room.join(&join_with("bob (phone)", 7, "y"), now(2)));
    assert_eq!(device, No::NameOfADevice);
}

#[test]
fn an_invitation_keeps_a_name_for_its_guest() {
    let mut room = closed();
    let for_eve = Invite {
        name: Some(name("eve")),
        ..invite(as_key(1), "for eve")
    };
    room.invite(&for_eve, now(2)).expect("may");
    room.invite(&invite(as_key(1), "y"), now(2)).expect("may");
    let taken = refused(room.join(&join_with("eve", 7, "y"), now(2)));
    assert!(matches!(taken, No::NameReserved { .. }));
    let other = refused(room.join(&join_with("carl", 8, "for eve"), now(2)));
    assert!(matches!(other, No::NotOwnName { .. }));
    room.join(&join_with("eve", 8, "for eve"), now(2))
        .expect("her name");
}

#[test]
fn only_admins_and_the_operator_decide() {
    let mut room = closed();
    let not_bob = [
        refused(room.invite(&invite(as_key(2), "y"), now(2))),
        refused(room.remove(&remove(as_key(2), "ada"), now(2))),
        refused(room.change(
            &change(as_key(2), "bob", MemberChange::Role(Role::Admin)),
            now(2),
        )),
        refused(room.change(
            &change(as_key(2), "ada", MemberChange::Name(name("x"))),
            now(2),
        )),
    ];
    assert_eq!(not_bob, [(); 4].map(|()| No::NotAnAdmin));
    for (nobody, expected) in [
        (Identity::None, No::NoKey),
        (as_key(7), No::NotAMember { key: key(7) }),
    ] {
        assert_eq!(refused(room.invite(&invite(nobody, "y"), now(2))), expected);
        assert_eq!(
            refused(room.remove(&remove(nobody, "bob"), now(2))),
            expected
        );
    }
    for identity in [as_key(1), OPERATOR] {
        let secret = format!("{identity:?}");
        room.invite(&invite(identity, &secret), now(2))
            .expect("may");
    }
    room.change(
        &change(as_key(2), "bob", MemberChange::Name(name("bobby"))),
        now(2),
    )
    .expect("one's own name");
}

#[test]
fn a_removal_ends_everything_in_one_batch() {
    let mut room = closed();
    room.change(
        &change(OPERATOR, "bob", MemberChange::Role(Role::Admin)),
        now(2),
    )
    .expect("may");
    room.invite(&invite(as_key(2), "by bob"), now(2))
        .expect("an admin may");
    let removal = Remove {
        lamport: 5_000.into(),
        ..remove(as_key(1), "bob")
    };
    let decision = room.remove(&removal, now(2)).expect("an admin may");
    let kinds: Vec<_> = decision
        .records
        .iter()
        .map(|record| record.event.kind_str())
        .collect();
    assert_eq!(kinds, ["left", "invitation", "member"]);
    let requests: Vec<_> = decision
        .records
        .iter()
        .map(|r| r.event.request.get())
        .collect();
    assert_eq!(requests, [0, 0, 5_000]);
    assert_eq!(
        refused(room.publish(&say("bob", 2, as_key(2)), now(2))),
        No::Removed
    );
    assert_eq!(
        refused(room.join(&join_with("bob", 2, ""), now(2))),
        No::Removed
    );
    assert_eq!(
        refused(room.join(&join_with("eve", 7, "by bob"), now(2))),
        No::InvitationRevoked
    );
    // The link by which bob came was used; one that was made before the removal is worth nothing to
    // its device, and one that is made afterwards is.
    room.invite(&invite(as_key(1), "later"), now(2))
        .expect("may");
    let again = Join {
        session: session("again"),
        ..join_with("bob", 2, "later")
    };
    let taken = refused(room.join(&again, now(2)));
    assert!(matches!(taken, No::NameReserved { .. }), "the name is kept");
    room.join(&join_with("robert", 2, "later"), now(2))
        .expect("invited again");
    assert!(room.remove(&removal, now(2)).expect("a retry").repeated);
}

#[test]
fn an_old_link_for_many_does_not_bring_back_who_was_removed() {
    let mut room = closed();
    let for_many = Invite {
        uses: 5,
        ..invite(as_key(1), "many")
    };
    room.invite(&for_many, now(2)).expect("may");
    room.remove(&remove(as_key(1), "bob"), now(2)).expect("may");
    let refusal = refused(room.join(&join_with("robert", 2, "many"), now(2)));
    assert_eq!(refusal, No::Removed);
    room.join(&join_with("eve", 7, "many"), now(2))
        .expect("others may");
}

#[test]
fn a_freed_name_is_anybodys() {
    let mut room = closed();
    let free = change(as_key(1), "bob", MemberChange::FreeName);
    assert!(matches!(
        refused(room.change(&free, now(2))),
        No::StillMember { .. }
    ));
    room.remove(&remove(as_key(1), "bob"), now(2)).expect("may");
    room.change(&free, now(2)).expect("may");
    room.invite(&invite(as_key(1), "y"), now(2)).expect("may");
    room.join(&join_with("bob", 7, "y"), now(2)).expect("free");
    assert_eq!(
        refused(room.join(&join_with("bob", 2, ""), now(2))),
        No::Removed
    );
}

#[test]
fn a_device_comes_and_goes_with_those_that_it_let_in() {
    let mut room = closed();
    let device = |by: u8, secret: &str| Invite {
        member: Some("bob".into()),
        ..invite(as_key(by), secret)
    };
    room.invite(&device(2, "a"), now(2))
        .expect("one's own device");
    let decision = room
        .join(&join_with("bob (phone)", 3, "a"), now(2))
        .expect("invited");
    let kinds: Vec<_> = decision
        .records
        .iter()
        .map(|record| record.event.kind_str())
        .collect();
    assert_eq!(kinds, ["member", "joined"]);
    room.invite(&device(3, "b"), now(2))
        .expect("one's own device");
    room.join(&join_with("bob (desk)", 4, "b"), now(2))
        .expect("invited");
    let labels = |room: &Room| -> Vec<String> {
        let member = room.fold().members().named("bob").expect("a member");
        member
            .devices
            .iter()
            .map(|device| device.label.to_string())
            .collect()
    };
    assert_eq!(labels(&room), ["first", "phone", "desk"]);
    let drop_phone = change(as_key(2), "bob", MemberChange::DropDevice("phone".into()));
    let decision = room.change(&drop_phone, now(2)).expect("one's own");
    let kinds: Vec<_> = decision
        .records
        .iter()
        .map(|record| record.event.kind_str())
        .collect();
    assert_eq!(kinds, ["left", "left", "member"]);
    assert_eq!(labels(&room), ["first"]);
    assert_eq!(
        refused(room.join(&join_with("bob (desk)", 4, ""), now(2))),
        No::Removed
    );
    let last = change(as_key(2), "bob", MemberChange::DropDevice("first".into()));
    assert!(matches!(
        refused(room.change(&last, now(2))),
        No::LastDevice { .. }
    ));
}

#[test]
fn what_members_did_survives_a_snapshot_and_a_replay() {
    let mut room = room();
    let mut log = Vec::new();
    let admin = Invite {
        role: Role::Admin,
        ..invite(OPERATOR, "x")
    };
    log.extend(room.invite(&admin, now(0)).expect("may").records);
    log.extend(
        room.join(&join_with("ada", 1, "x"), now(1))
            .expect("invited")
            .records,
    );
    for (secret, device) in [("y", 2), ("z", 3)] {
        log.extend(
            room.invite(&invite(as_key(1), secret), now(1))
                .expect("may")
                .records,
        );
        let name = format!("guest{device}");
        log.extend(
            room.join(&join_with(&name, device, secret), now(1))
                .expect("invited")
                .records,
        );
    }
    log.extend(
        room.invite(&invite(as_key(1), "open"), now(1))
            .expect("may")
            .records,
    );
    log.extend(
        room.remove(&remove(as_key(1), "guest2"), now(2))
            .expect("may")
            .records,
    );
    assert_eq!(&replayed(&log), room.fold());
    let decoded = Fold::decode(&room.fold().encode()).expect("a snapshot");
    assert_eq!(&decoded, room.fold());
}

#[test]
fn limits_hold() {
    let mut room = closed();
    let bad = [
        (
            Invite {
                uses: 0,
                ..invite(as_key(1), "a")
            },
            No::Uses,
        ),
        (
            Invite {
                uses: MAX_USES + 1,
                ..invite(as_key(1), "a")
            },
            No::Uses,
        ),
        (
            Invite {
                lifetime: MAX_LIFETIME + Duration::from_secs(1),
                ..invite(as_key(1), "a")
            },
            No::Lifetime,
        ),
        (
            Invite {
                lifetime: Duration::ZERO,
                ..invite(as_key(1), "a")
            },
            No::Lifetime,
        ),
        (
            Invite {
                only: true,
                ..invite(as_key(1), "a")
            },
            No::DeviceAlone,
        ),
    ];
    for (invite, expected) in bad {
        assert_eq!(refused(room.invite(&invite, now(2))), expected);
    }
    for number in 0..MAX_INVITATIONS {
        let secret = number.to_string();
        room.invite(&invite(as_key(1), &secret), now(2))
            .expect("not too many");
    }
    let refusal = refused(room.invite(&invite(as_key(1), "one more"), now(2)));
    assert_eq!(refusal, No::TooManyInvitations);
    let all = Revoke {
        identity: as_key(1),
        number: None,
        lamport: LamportTime::ZERO,
    };
    let revoked = room.revoke(&all, now(2)).expect("may").reply;
    assert_eq!(revoked.numbers.len(), MAX_INVITATIONS);
    room.invite(&invite(as_key(1), "one more"), now(2))
        .expect("there is space again");
    let remembered = room.fold().members().invitations().count();
    assert!(remembered <= MAX_INVITATIONS + 2, "{remembered}");
}

#[test]
fn a_device_too_many_is_refused() {
    let mut room = closed();
    for number in 2..=u8::try_from(MAX_DEVICES).expect("few") + 1 {
        let secret = format!("device {number}");
        let device = Invite {
            member: Some("bob".into()),
            ..invite(as_key(1), &secret)
        };
        room.invite(&device, now(2)).expect("may");
        let join = join_with(&format!("bob ({number})"), 100 + number, &secret);
        let joined = room.join(&join, now(2));
        if usize::from(number) <= MAX_DEVICES {
            joined.expect("not too many");
        } else {
            assert_eq!(refused(joined), No::TooManyDevices);
        }
    }
}

#[test]
fn a_repeated_invite_gets_its_reply_again() {
    let mut room = closed();
    let first = room.invite(&invite(as_key(1), "a"), now(2)).expect("may");
    let again = room
        .invite(&invite(as_key(1), "a"), now(3))
        .expect("a retry");
    assert!(again.repeated && again.records.is_empty());
    assert_eq!(
        (again.reply.number, again.reply.until),
        (first.reply.number, first.reply.until)
    );
    assert_eq!(
        refused(room.invite(&invite(OPERATOR, "a"), now(3))),
        No::SecretTaken
    );
}

#[test]
fn a_moment_later_than_everything_is_no_panic() {
    let mut room = closed();
    let far = DecisionTime {
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40),
        mono: Duration::from_secs(5),
    };
    room.invite(&invite(as_key(1), "a"), far).expect("may");
}
