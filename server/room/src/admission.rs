//! Who may take part: the gate of a closed chat.

use std::{sync::Arc, time::SystemTime};

use chitty_chat::{
    MemberNumber, ParticipantName, ParticipantNumber, Position, SessionHash,
    fingerprint::Fingerprint,
};

use super::{
    Identity, Invitation, Member, MembershipRefusal as Refusal, Participant, Room, SessionState,
};
use crate::{members::reads_as_a_device, record::SecretHash};

/// Members of a chat at most.
pub const MAX_MEMBERS: usize = 10_000;

/// Devices of a member at most.
pub const MAX_DEVICES: usize = 16;

/// Who takes part, by what was said when the server was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Members only if the log has members or invitations, and everybody otherwise.
    #[default]
    ByLog,
    /// Everybody, whatever the log has.
    Open,
    /// Members only, even if there are none yet.
    Closed,
}

/// As whom somebody takes part.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entrant<'a> {
    /// As anybody, in an open chat.
    Anybody,
    /// As this member.
    Member(&'a Member),
    /// As somebody with an invitation, which makes a member.
    NewMember(&'a Invitation),
    /// As a member with a device that it does not have yet.
    NewDevice(&'a Invitation, &'a Member),
}

impl Entrant<'_> {
    /// The number of the member, if it is one already.
    pub(super) fn member(&self) -> Option<MemberNumber> {
        match self {
            Self::Member(member) | Self::NewDevice(_, member) => Some(member.number),
            Self::Anybody | Self::NewMember(_) => None,
        }
    }
}

/// What somebody may ask of the list of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// The operator: the user that the server runs as, or root.
    Operator,
    /// A member.
    Member(&'a Member),
}

impl Room {
    /// Whether only members take part.
    pub const fn is_closed(&self) -> bool {
        match self.rules.access {
            Access::ByLog => self.fold.members.is_closed(),
            Access::Open => false,
            Access::Closed => true,
        }
    }

    /// The key that a request proves, which a session is bound to.
    pub(super) const fn key_of(identity: Identity) -> Option<Fingerprint> {
        match identity {
            Identity::Key(key) => Some(key),
            Identity::None | Identity::User(_) => None,
        }
    }

    /// The first check of every call by which somebody takes part: in a closed chat, its connection
    /// has the key of a member.
    pub fn require_member(&self, identity: Identity) -> Result<(), Refusal> {
        match self.entrant(identity, None, SystemTime::UNIX_EPOCH)? {
            Entrant::Anybody | Entrant::Member(_) => Ok(()),
            // Not reached without an invitation.
            Entrant::NewMember(_) | Entrant::NewDevice(..) => Err(Refusal::NoKey),
        }
    }

    /// Refuses a session that began on a connection with another key, and in a closed chat one that
    /// began while the chat was open.
    pub(super) fn require_own_session(
        &self,
        session: &SessionHash,
        identity: Identity,
    ) -> Result<(), Refusal> {
        match self.fold.session(session) {
            Some(SessionState::Present(number)) if self.is_strangers(number) => {
                Err(Refusal::SessionOfAnother)
            }
            _ => self.require_same_key(session, identity),
        }
    }

    /// Refuses a session that began on a connection with another key. A session that began on one
    /// without a key is known by its secret alone.
    pub(super) fn require_same_key(
        &self,
        session: &SessionHash,
        identity: Identity,
    ) -> Result<(), Refusal> {
        let key = match self.fold.session(session) {
            Some(SessionState::Present(number)) => self
                .fold
                .participant(number)
                .and_then(|participant| participant.key),
            Some(SessionState::Ended { key, .. }) => key,
            None => None,
        };
        if key.is_some() && key != Self::key_of(identity) {
            return Err(Refusal::SessionOfAnother);
        }
        Ok(())
    }

    /// Whether a participant is present as nobody of the members, in a closed chat: it joined while
    /// the chat was open, also if its key is a member's, since it may have another member's name.
    pub(super) fn is_stranger(&self, participant: &Participant) -> bool {
        let owner = participant
            .key
            .and_then(|key| self.fold.members.by_key(&key));
        self.is_closed() && owner.is_none_or(|member| participant.member != Some(member.number))
    }

    /// Whether this participation is present as nobody of the members, in a closed chat.
    pub(super) fn is_strangers(&self, number: ParticipantNumber) -> bool {
        let participant = self.fold.participant(number);
        participant.is_some_and(|participant| self.is_stranger(participant))
    }

    /// The later of the wall clock and the newest event's time, so that a clock that was set back
    /// opens nothing.
    pub(super) fn later_of_now(&self, wall: SystemTime) -> SystemTime {
        self.fold.at.map_or(wall, |at| at.max(wall))
    }

    /// Whether somebody may come by this invitation now. In a log that was restored from a backup,
    /// none from before is usable, because it may have been used or revoked since the backup.
    pub(super) fn is_usable(&self, invitation: &Invitation, wall: SystemTime) -> bool {
        invitation.is_open()
            && *invitation.private.epoch == *self.epoch
            && self.later_of_now(wall) < invitation.event.until
    }

    /// As whom a connection enters, with or without an invitation.
    pub(super) fn entrant(
        &self,
        identity: Identity,
        secret: Option<&SecretHash>,
        wall: SystemTime,
    ) -> Result<Entrant<'_>, Refusal> {
        if !self.is_closed() {
            return Ok(Entrant::Anybody);
        }
        let key = match identity {
            Identity::Key(key) => key,
            Identity::User(_) => return Err(Refusal::OperatorOnly),
            Identity::None => return Err(Refusal::NoKey),
        };
        let members = &self.fold.members;
        // A link by which somebody is a member already just connects.
        if let Some(member) = members.by_key(&key) {
            return Ok(Entrant::Member(member));
        }
        let barred = members.barred_at(&key);
        let Some(secret) = secret else {
            return Err(match barred {
                Some(_) => Refusal::Removed,
                None => Refusal::NotAMember { key },
            });
        };
        let invitation = self.redeemable(secret, wall)?;
        if barred.is_some_and(|barred| barred > invitation.number()) {
            return Err(Refusal::Removed);
        }
        match invitation.event.member {
            None if members.count() >= MAX_MEMBERS => Err(Refusal::TooManyMembers),
            None => Ok(Entrant::NewMember(invitation)),
            Some(number) => {
                // The only device of a member that lost its others: they are taken already.
                let is_awaited = |member: &&Member| member.is_present() || invitation.event.only;
                let member = members.get(number).filter(is_awaited);
                let member = member.ok_or(Refusal::InvitationRevoked)?;
                if member.devices.len() >= MAX_DEVICES && !invitation.event.only {
                    return Err(Refusal::TooManyDevices);
                }
                Ok(Entrant::NewDevice(invitation, member))
            }
        }
    }

    fn redeemable(&self, secret: &SecretHash, wall: SystemTime) -> Result<&Invitation, Refusal> {
        let invitation = self
            .fold
            .members
            .by_secret(secret)
            .ok_or(Refusal::InvitationUnknown)?;
        // A backup that was restored has another epoch: what was open in it may have been used or
        // revoked since it was made.
        if invitation.event.revoked || *invitation.private.epoch != *self.epoch {
            return Err(Refusal::InvitationRevoked);
        }
        if !invitation.is_open() {
            let (by, at) = invitation
                .last
                .clone()
                .unwrap_or_else(|| ("somebody".into(), invitation.event.until));
            return Err(Refusal::InvitationUsed { by, at });
        }
        if self.later_of_now(wall) >= invitation.event.until {
            let until = invitation.event.until;
            return Err(Refusal::InvitationExpired { until });
        }
        Ok(invitation)
    }

    /// Refuses a name that belongs to somebody else than this entrant.
    pub(super) fn check_own_name(
        &self,
        entrant: Entrant<'_>,
        name: &ParticipantName,
        wall: SystemTime,
    ) -> Result<(), Refusal> {
        let reserved = |member: &Member| Refusal::NameReserved {
            name: name.to_string(),
            owner: Arc::clone(&member.name),
        };
        match entrant {
            Entrant::Anybody => Ok(()),
            Entrant::Member(member) | Entrant::NewDevice(_, member) => {
                if member.may_be_called(name.as_str()) {
                    Ok(())
                } else {
                    let own = Arc::clone(&member.name);
                    Err(Refusal::NotOwnName { own })
                }
            }
            Entrant::NewMember(invitation) => {
                let kept = &invitation.private.name;
                if !kept.is_empty() && **kept != *name.as_str() {
                    let own = Arc::clone(kept);
                    return Err(Refusal::NotOwnName { own });
                }
                if reads_as_a_device(name.as_str()) {
                    return Err(Refusal::NameOfADevice);
                }
                match self.fold.members.by_name(&name.keys()) {
                    Some(member) => Err(reserved(member)),
                    None => self.check_kept(name, invitation.number(), wall),
                }
            }
        }
    }

    /// Refuses a name that a usable invitation, other than `but`, keeps for its guest.
    pub(super) fn check_kept(
        &self,
        name: &ParticipantName,
        but: Position,
        wall: SystemTime,
    ) -> Result<(), Refusal> {
        let keys = name.keys();
        let keeps = |invitation: &&Invitation| {
            invitation.number() != but
                && !invitation.private.name.is_empty()
                && self.is_usable(invitation, wall)
                && chitty_chat::text::NameKey::of(&invitation.private.name)
                    .iter()
                    .any(|key| keys.contains(key))
        };
        match self.fold.members.invitations().find(keeps) {
            Some(invitation) => Err(Refusal::NameReserved {
                name: name.to_string(),
                owner: Arc::clone(&invitation.private.name),
            }),
            None => Ok(()),
        }
    }

    /// What a connection may ask of the list of members.
    pub fn standing(&self, identity: Identity) -> Result<Standing<'_>, Refusal> {
        match identity {
            Identity::User(_) => Ok(Standing::Operator),
            Identity::None if !self.is_closed() => Err(Refusal::NoMembers),
            Identity::None => Err(Refusal::NoKey),
            Identity::Key(key) => match self.fold.members.by_key(&key) {
                Some(member) => Ok(Standing::Member(member)),
                None if self.fold.members.barred_at(&key).is_some() => Err(Refusal::Removed),
                None if !self.is_closed() => Err(Refusal::NoMembers),
                None => Err(Refusal::NotAMember { key }),
            },
        }
    }
}
