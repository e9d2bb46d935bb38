//! Invitations and members against a model that is as simple as the rules.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// An admin makes an invitation for so many uses and seconds.
    Invite {
        uses: u32,
        seconds: u64,
    },
    /// A device opens the link of an invitation.
    Redeem {
        device: u8,
        invitation: usize,
    },
    /// A device joins without a link.
    Return {
        device: u8,
    },
    Revoke {
        invitation: usize,
    },
    /// The member that a device belongs to is removed.
    Remove {
        device: u8,
    },
    Wait {
        seconds: u64,
    },
    /// The server is killed and replays its log.
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..4_u32, 1..50_u64).prop_map(|(uses, seconds)| Step::Invite { uses, seconds }),
        4 => (10..16_u8, 0..6_usize)
            .prop_map(|(device, invitation)| Step::Redeem { device, invitation }),
        1 => (10..16_u8).prop_map(|device| Step::Return { device }),
        1 => (0..6_usize).prop_map(|invitation| Step::Revoke { invitation }),
        1 => (10..16_u8).prop_map(|device| Step::Remove { device }),
        1 => (1..20_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Restart),
    ]
}

struct NaiveInvitation {
    number: Position,
    left: u32,
    until: u64,
    revoked: bool,
    made: usize,
}

#[derive(Default)]
struct Naive {
    invitations: Vec<NaiveInvitation>,
    /// Which devices are members', with the invitation by which each came; and when others were
    /// removed, in steps.
    members: BTreeMap<u8, usize>,
    removed: BTreeMap<u8, usize>,
}

impl Naive {
    fn lets_in(&self, device: u8, invitation: usize, time: u64) -> bool {
        let Some(invitation) = self.invitations.get(invitation) else {
            return false;
        };
        invitation.left > 0
            && !invitation.revoked
            && time < invitation.until
            && self
                .removed
                .get(&device)
                .is_none_or(|removed| *removed < invitation.made)
    }
}

fn guest(device: u8, round: usize, secret: &str) -> Join {
    Join {
        session: session(&format!("g{device}r{round}")),
        ..join_with(&format!("guest {device} {round}"), device, secret)
    }
}

proptest! {
    #[test]
    fn whoever_is_in_was_invited(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut room = room();
        let mut log = Vec::new();
        let admin = Invite { role: Role::Admin, ..invite(OPERATOR, "x") };
        log.extend(room.invite(&admin, now(0)).expect("may").records);
        log.extend(room.join(&join_with("ada", 1, "x"), now(0)).expect("invited").records);
        let mut naive = Naive::default();
        let mut names = BTreeMap::new();
        let mut time = 0;
        for (round, step) in steps.into_iter().enumerate() {
            match step {
                Step::Invite { uses, seconds } => {
                    let secret = naive.invitations.len().to_string();
                    let request = Invite {
                        uses,
                        lifetime: Duration::from_secs(seconds),
                        ..invite(as_key(1), &secret)
                    };
                    let decision = room.invite(&request, now(time)).expect("may");
                    naive.invitations.push(NaiveInvitation {
                        number: decision.reply.number,
                        left: uses,
                        until: time + seconds,
                        revoked: false,
                        made: round,
                    });
                    log.extend(decision.records);
                }
                Step::Redeem { device, invitation } => {
                    let join = guest(device, round, &invitation.to_string());
                    let expected = !naive.members.contains_key(&device)
                        && naive.lets_in(device, invitation, time);
                    let result = room.join(&join, now(time));
                    if naive.members.contains_key(&device) {
                        // A member just connects, under its own name only.
                        let refusal = refused(result);
                        prop_assert!(matches!(refusal, No::NotOwnName { .. }), "{refusal}");
                        continue;
                    }
                    prop_assert_eq!(result.is_ok(), expected, "{:?}", result.err());
                    if let Ok(decision) = result {
                        log.extend(decision.records);
                        naive.invitations[invitation].left -= 1;
                        naive.members.insert(device, invitation);
                        naive.removed.remove(&device);
                        names.insert(device, format!("guest {device} {round}"));
                    }
                }
                Step::Return { device } => {
                    let name = names.get(&device).cloned().unwrap_or_else(|| "nobody".into());
                    let join = Join {
                        name: ParticipantName::parse(&format!("{name} ({round})")),
                        ..guest(device, round, "")
                    };
                    let result = room.join(&join, now(time));
                    prop_assert_eq!(result.is_ok(), naive.members.contains_key(&device));
                    log.extend(result.map_or_else(|_| Vec::new(), |decision| decision.records));
                }
                Step::Revoke { invitation } => {
                    let Some(known) = naive.invitations.get_mut(invitation) else { continue };
                    let revoke = Revoke {
                        identity: as_key(1),
                        number: Some(known.number),
                        lamport: LamportTime::ZERO,
                    };
                    let result = room.revoke(&revoke, now(time));
                    prop_assert_eq!(result.is_ok(), known.revoked || known.left > 0);
                    if let Ok(decision) = result {
                        known.revoked = true;
                        log.extend(decision.records);
                    }
                }
                Step::Remove { device } => {
                    let Some(name) = names.get(&device) else { continue };
                    let result = room.remove(&remove(as_key(1), name), now(time));
                    log.extend(result.expect("an admin may").records);
                    if let Some(invitation) = naive.members.remove(&device) {
                        naive.removed.insert(device, round);
                        // A link for several, by which somebody came who is not wanted, may be
                        // with others of the kind.
                        let known = &mut naive.invitations[invitation];
                        known.revoked |= known.left > 0;
                    }
                }
                Step::Wait { seconds } => time += seconds,
                Step::Restart => {
                    let fold = replayed(&log);
                    prop_assert_eq!(&fold, room.fold());
                    let rules = RoomRules::default();
                    room = Room::new(fold, EPOCH.into(), 1.into(), rules, now(time));
                }
            }
            let members = room.fold().members().count();
            prop_assert_eq!(members, naive.members.len() + 1);
        }
        let decoded = Fold::decode(&room.fold().encode()).expect("a snapshot");
        prop_assert_eq!(&decoded, room.fold());
    }
}
