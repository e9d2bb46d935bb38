//! Invitations for a member's only device, as after a theft.

use super::*;

fn only(identity: Identity, member: &str, secret: &str) -> Invite {
    Invite {
        member: Some(member.into()),
        only: true,
        ..invite(identity, secret)
    }
}

fn kinds(records: &[Record]) -> Vec<&'static str> {
    let kinds = records.iter().map(|record| record.event.kind_str());
    kinds.collect()
}

fn rescued(name: &str, device: u8, secret: &str) -> Join {
    Join {
        session: session(&format!("rescue{device}")),
        ..join_with(name, device, secret)
    }
}

#[test]
fn the_devices_are_taken_when_the_invitation_is_made() {
    let mut room = closed();
    let made = room
        .invite(&only(OPERATOR, "bob", "a"), now(2))
        .expect("may");
    assert_eq!(kinds(&made.records), ["left", "member", "invitation"]);
    assert_eq!(
        refused(room.publish(&say("bob", 2, as_key(2)), now(2))),
        No::Removed
    );
    assert_eq!(
        refused(room.join(&join_with("bob", 2, ""), now(2))),
        No::Removed
    );
    let number = room.fold().members().named("bob").expect("kept").number;
    let decision = room.join(&rescued("bob", 9, "a"), now(3)).expect("invited");
    assert_eq!(kinds(&decision.records), ["member", "joined"]);
    assert_eq!(decision.reply.member, Some((number, Role::Member)));
    let bob = room.fold().members().named("bob").expect("a member");
    assert_eq!(bob.devices.len(), 1);
}

#[test]
fn what_the_stolen_device_invited_is_revoked() {
    let mut room = closed();
    let thief = Invite {
        uses: 5,
        role: Role::Admin,
        ..invite(as_key(1), "thief")
    };
    room.invite(&thief, now(2)).expect("an admin may");
    let device = Invite {
        member: Some("ada".into()),
        ..invite(as_key(1), "device")
    };
    room.invite(&device, now(2)).expect("one's own device");
    room.invite(&only(OPERATOR, "ada", "rescue"), now(2))
        .expect("may");
    for secret in ["thief", "device"] {
        assert_eq!(
            refused(room.join(&join_with("eve", 7, secret), now(3))),
            No::InvitationRevoked
        );
    }
    room.join(&rescued("ada", 9, "rescue"), now(3))
        .expect("invited");
}

#[test]
fn a_member_keeps_the_device_that_it_asks_with_until_the_other_comes() {
    let mut room = closed();
    let phone = Invite {
        member: Some("bob".into()),
        ..invite(as_key(2), "phone")
    };
    room.invite(&phone, now(2)).expect("one's own device");
    room.join(&join_with("bob (phone)", 3, "phone"), now(2))
        .expect("invited");
    let made = room
        .invite(&only(as_key(2), "bob", "a"), now(3))
        .expect("own");
    assert_eq!(kinds(&made.records), ["left", "member", "invitation"]);
    let still = Publish {
        lamport: 4_000.into(),
        ..say("bob", 2, as_key(2))
    };
    room.publish(&still, now(3)).expect("it asked");
    // What it invited in the meantime ends with it.
    let later = Invite {
        member: Some("bob".into()),
        ..invite(as_key(2), "later")
    };
    room.invite(&later, now(3)).expect("one's own device");
    let decision = room
        .join(&rescued("bob (new)", 9, "a"), now(4))
        .expect("invited");
    let expected = ["left", "invitation", "member", "joined"];
    assert_eq!(kinds(&decision.records), expected);
    assert_eq!(
        refused(room.join(&join_with("bob", 2, "later"), now(5))),
        No::InvitationRevoked
    );
}

#[test]
fn a_link_that_ran_out_is_made_anew() {
    let mut room = closed();
    room.invite(&only(OPERATOR, "bob", "a"), now(2))
        .expect("may");
    let late = refused(room.join(&rescued("bob", 9, "a"), now(5_000)));
    assert!(matches!(late, No::InvitationExpired { .. }));
    // Also without --only: there is no other device.
    let plain = Invite {
        member: Some("bob".into()),
        ..invite(as_key(1), "b")
    };
    room.invite(&plain, now(5_000)).expect("may");
    room.join(&rescued("bob", 9, "b"), now(5_001))
        .expect("invited");
}

#[test]
fn a_removal_also_takes_the_link_for_the_only_device() {
    let mut room = closed();
    room.invite(&only(OPERATOR, "bob", "a"), now(2))
        .expect("may");
    let removal = room.remove(&remove(as_key(1), "bob"), now(3)).expect("may");
    assert_eq!(kinds(&removal.records), ["invitation", "member"]);
    assert_eq!(
        refused(room.join(&rescued("bob", 9, "a"), now(4))),
        No::InvitationRevoked
    );
    let again = refused(room.invite(&only(OPERATOR, "bob", "b"), now(4)));
    assert!(matches!(again, No::NoSuchMember { .. }), "a new number");
    assert!(
        room.remove(&remove(as_key(1), "bob"), now(5))
            .expect("a retry")
            .repeated
    );
}

#[test]
fn a_replay_gives_the_same_members() {
    let mut room = closed();
    let mut fold = room.fold().clone();
    let mut records = room
        .invite(&only(OPERATOR, "bob", "a"), now(2))
        .expect("may")
        .records;
    records.extend(
        room.join(&rescued("bob", 9, "a"), now(3))
            .expect("invited")
            .records,
    );
    for record in &records {
        let stored = Record::decode(&record.encode()).expect("a record");
        fold.apply(&stored).expect("it follows");
    }
    assert_eq!(&fold, room.fold());
    let decoded = Fold::decode(&room.fold().encode()).expect("a snapshot");
    assert_eq!(&decoded, room.fold());
}
