//! The rules of inviting, revoking, changing and removing (docs/protocol.md, Members).

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chitty_chat::{
    EventKind, InvitationEvent, LamportTime, LeftReason, MemberEvent, MemberNumber,
    ParticipantName, ParticipantNumber, Position, Role, fingerprint::Fingerprint,
};
use thiserror::Error;

use super::{
    Decision, DecisionTime, Identity, Invitation, Member, Receipt, Refusal, Room, Standing,
    admission::MAX_DEVICES, jumps::Jumps,
};
use crate::{
    members::reads_as_a_device,
    record::{Device, PrivatePart, Record, SecretHash},
};

/// Open invitations at most.
pub const MAX_INVITATIONS: usize = 1_000;
/// Uses of an invitation at most.
pub const MAX_USES: u32 = 1_000;
/// How long an invitation lasts at most.
pub const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A request to make an invitation.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Who asks.
    pub identity: Identity,
    /// The hash of the secret, which the caller has drawn.
    pub secret: SecretHash,
    /// The role of whoever comes by it.
    pub role: Role,
    /// How many may come by it.
    pub uses: u32,
    /// For how long.
    pub lifetime: Duration,
    /// The name that is kept for the guest; `None` if the guest chooses.
    pub name: Option<ParticipantName>,
    /// The name of the member who gets a device by it; `None`: it makes a new member.
    pub member: Option<String>,
    /// Whether the device replaces all others.
    pub only: bool,
    /// The sender's Lamport time after its tick; 0 if the sender has no clock.
    pub lamport: LamportTime,
}

/// A request to make invitations useless.
#[derive(Clone, Copy, Debug)]
pub struct Revoke {
    /// Who asks.
    pub identity: Identity,
    /// Which one; `None`: all that are open.
    pub number: Option<Position>,
    /// The sender's Lamport time after its tick; 0 if the sender has no clock.
    pub lamport: LamportTime,
}

/// A request to change a member.
#[derive(Clone, Debug)]
pub struct Change {
    /// Who asks.
    pub identity: Identity,
    /// The name of the member.
    pub member: String,
    /// What changes.
    pub change: MemberChange,
    /// The sender's Lamport time after its tick; 0 if the sender has no clock.
    pub lamport: LamportTime,
}

/// One change of a member.
#[derive(Clone, Debug)]
pub enum MemberChange {
    /// It gets another name.
    Name(ParticipantName),
    /// It gets another role.
    Role(Role),
    /// It loses this device, given by its fingerprint or label, and every device which that let in.
    DropDevice(String),
    /// It was removed, and its name becomes free.
    FreeName,
}

/// A request to end a membership.
#[derive(Clone, Debug)]
pub struct Remove {
    /// Who asks.
    pub identity: Identity,
    /// The name of the member.
    pub member: String,
    /// The sender's Lamport time after its tick; 0 if the sender has no clock.
    pub lamport: LamportTime,
}

/// An invitation that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InviteGrant {
    /// Its number.
    pub number: Position,
    /// Until when somebody may come by it.
    pub until: SystemTime,
    /// The event that made it.
    pub receipt: Receipt,
}

/// The invitations that were revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeGrant {
    /// Their numbers.
    pub numbers: Vec<Position>,
    /// The last event; `None` if nothing was open.
    pub receipt: Option<Receipt>,
}

/// Why somebody may not take part, or not change who does. Nothing changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MembershipRefusal {
    /// The connection shows no key.
    #[error(
        "this chat is for members, and this connection shows no key; use a link of this chat, as \
         the server's operator gets it from chitty-server invite"
    )]
    NoKey,
    /// The connection is the operator's.
    #[error(
        "this chat is for members, and the server's own socket is for commands only; join by a \
         link, which chitty-server invite prints"
    )]
    OperatorOnly,
    /// The key is no member's.
    #[error(
        "this chat is for members, and the key {} is not one of theirs; ask for an invitation, \
         which the server's operator makes by chitty-server invite", key.short()
    )]
    NotAMember {
        /// The key that the connection shows.
        key: Fingerprint,
    },
    /// The key was taken from a member.
    #[error("this device was removed from the chat; ask one of its admins for a new invitation")]
    Removed,
    /// No invitation has this secret.
    #[error(
        "no invitation of this chat has this secret; copy the whole link, or ask for a new one"
    )]
    InvitationUnknown,
    /// Its time is over.
    #[error("this invitation ended {}; ask for a new one", moment(*until))]
    InvitationExpired {
        /// When it ended.
        until: SystemTime,
    },
    /// All its uses are used up.
    #[error(
        "this invitation was used {} by {by:?}; if that was not you, report it to the person who \
         sent the link, and ask for a new one", moment(*at)
    )]
    InvitationUsed {
        /// Who used it last.
        by: Arc<str>,
        /// When.
        at: SystemTime,
    },
    /// It was revoked.
    #[error("this invitation was revoked; ask for a new one")]
    InvitationRevoked,
    /// The chat is open, so nobody can say who belongs to it but the operator.
    #[error(
        "this chat is open to everybody and has no members; chitty-server invite --admin, on the \
         server's machine, makes the first one"
    )]
    NoMembers,
    /// The session began on a connection with another key, or while the chat was open.
    #[error("this session belongs to another device; join with a new one")]
    SessionOfAnother,
    /// The name belongs to a member, or is kept for one.
    #[error("{}", name_reserved(name, owner))]
    NameReserved {
        /// The name that was asked for.
        name: String,
        /// The name that is reserved.
        owner: Arc<str>,
    },
    /// A member takes part under its own name.
    #[error(
        "you are {own} in this chat; join as {own}, or as \"{own} (DEVICE)\" on a second device"
    )]
    NotOwnName {
        /// The member's name.
        own: Arc<str>,
    },
    /// A new member's name has the form that second devices have.
    #[error("a name that ends in brackets belongs to a second device; choose another")]
    NameOfADevice,
    /// The member takes part on another device already.
    #[error("{own} is here already on another device; join as \"{own} (DEVICE)\"")]
    OwnName {
        /// The member's name.
        own: Arc<str>,
    },
    /// Only admins may do this.
    #[error("only an admin of this chat may do this")]
    NotAnAdmin,
    /// Nobody has this name.
    #[error("no member is called {name:?}; see chitty-server members")]
    NoSuchMember {
        /// The name that was asked for.
        name: String,
    },
    /// No invitation has this number.
    #[error("there is no open invitation {number}; see chitty-server invitations")]
    NoSuchInvitation {
        /// The number that was asked for.
        number: Position,
    },
    /// The member has no such device.
    #[error("{member} has no device {device:?}; see chitty-server members")]
    NoSuchDevice {
        /// The member's name.
        member: Arc<str>,
        /// The fingerprint or label that was asked for.
        device: String,
    },
    /// The member would have no device left.
    #[error(
        "this is the last device of {member}; to end the membership, use chitty-server remove {member}"
    )]
    LastDevice {
        /// The member's name.
        member: Arc<str>,
    },
    /// The name of a present member cannot be freed.
    #[error("{member} is a member; the name becomes free only after chitty-server remove")]
    StillMember {
        /// The member's name.
        member: Arc<str>,
    },
    /// Another invitation has this secret.
    #[error("an invitation with this secret exists already; draw a new secret")]
    SecretTaken,
    /// There are as many members as a chat may have.
    #[error("this chat has {MAX} members, which is the limit", MAX = super::admission::MAX_MEMBERS)]
    TooManyMembers,
    /// The member has as many devices as it may.
    #[error("this member has {MAX_DEVICES} devices, which is the limit; remove one first")]
    TooManyDevices,
    /// There are as many open invitations as a chat may have.
    #[error("{MAX_INVITATIONS} invitations are open, which is the limit; revoke some first")]
    TooManyInvitations,
    /// The member has as many open invitations as it may, which are for its own devices.
    #[error("{MAX_DEVICES} of your invitations are open, which is the limit; revoke some first")]
    TooManyOwnInvitations,
    /// The number of uses is not valid.
    #[error("an invitation is for 1 to {MAX_USES} people")]
    Uses,
    /// The lifetime is not valid.
    #[error("an invitation lasts for at most 30 days")]
    Lifetime,
    /// An invitation for a device names a member, and nothing else.
    #[error(
        "an invitation for a device is for one member; it has no role, no new name, and one use"
    )]
    DeviceAlone,
}

/// A moment for people, in UTC, since the server does not know where its reader is.
fn moment(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(
        |_| "long ago".to_owned(),
        |at| at.strftime("on %Y-%m-%d at %H:%M UTC").to_string(),
    )
}

fn name_reserved(name: &str, owner: &str) -> String {
    let whose = if name == owner {
        format!("the name {name} belongs to a member")
    } else {
        format!("the name {name} is too like {owner}, which belongs to a member")
    };
    format!(
        "{whose}; choose another. If you are that member, ask for a link for \
         another device (chitty-server invite --for {owner}), and open it here"
    )
}

impl Room {
    /// Decides an Invite, like [`Room::publish`].
    pub fn invite(
        &mut self,
        invite: &Invite,
        now: DecisionTime,
    ) -> Result<Decision<InviteGrant>, Refusal> {
        let jumps = self.check_optional_time(invite.lamport, now)?;
        let standing = self.standing(invite.identity)?;
        let by = number_of(standing);
        if let Some(known) = self.fold.members.by_secret(&invite.secret) {
            return self.invited_before(known, by, invite.identity);
        }
        let member = self.invited_member(invite)?;
        if require_admin(standing).is_err() {
            self.check_own_device(member.as_ref(), by, now.wall)?;
        }
        self.check_invitation(invite, now.wall)?;
        self.jumps = jumps;
        let was_closed = self.is_closed();
        // Whoever has a lost device has it until its keys are taken, so they are taken now and not
        // when somebody comes.
        let mut records = match &member {
            Some(member) if invite.only => self.take_devices(member, invite, by, now),
            _ => Vec::new(),
        };
        let event = InvitationEvent {
            number: Position::ZERO,
            by,
            role: member.as_ref().map_or(invite.role, |member| member.role),
            uses: invite.uses,
            until: now.wall + invite.lifetime,
            member: member.as_ref().map(|member| member.number),
            only: invite.only || member.is_some_and(|member| !member.is_present()),
            revoked: false,
        };
        let until = event.until;
        let private = PrivatePart {
            secret: Some(invite.secret),
            key: Self::key_of(invite.identity),
            name: invite
                .name
                .as_ref()
                .map_or_else(|| "".into(), ParticipantName::shared),
            epoch: Arc::clone(&self.epoch),
            ..PrivatePart::default()
        };
        let kind = EventKind::Invitation(event);
        let record = self.record_private(kind, invite.lamport, private, now);
        let receipt = Receipt::of(&record.event);
        let grant = InviteGrant {
            number: receipt.position,
            until,
            receipt,
        };
        records.push(record);
        if !was_closed {
            records.extend(self.end_strangers(now));
        }
        Ok(Decision::new(records, grant))
    }

    /// Ends the participations of everybody who is no member, in a chat that has become closed.
    fn end_strangers(&mut self, now: DecisionTime) -> Vec<Record> {
        self.strangers()
            .into_iter()
            .filter_map(|number| self.end(number, LeftReason::Closed, LamportTime::ZERO, now))
            .collect()
    }

    /// Takes all devices from a member that gets an only one, but for the one that it asks with.
    fn take_devices(
        &mut self,
        member: &Member,
        invite: &Invite,
        by: Option<MemberNumber>,
        now: DecisionTime,
    ) -> Vec<Record> {
        let own = Self::key_of(invite.identity).filter(|_| by == Some(member.number));
        let kept = member.devices.iter();
        let kept = kept.filter(|device| Some(device.key) == own).cloned();
        let after = Member {
            devices: kept.collect(),
            ..member.clone()
        };
        let mut records = self.end_devices(member, &after, now);
        records.extend(self.revoke_made_by(member, Position::ZERO, by, now));
        if loses_devices(member, &after) {
            records.push(self.record_member(&after, by, Position::ZERO, LamportTime::ZERO, now));
        }
        records
    }

    /// What a member may invite who is no admin: a few devices of its own.
    fn check_own_device(
        &self,
        member: Option<&Member>,
        by: Option<MemberNumber>,
        wall: SystemTime,
    ) -> Result<(), MembershipRefusal> {
        if member.is_none_or(|member| Some(member.number) != by) {
            return Err(MembershipRefusal::NotAnAdmin);
        }
        let own = self
            .usable_invitations(wall)
            .filter(|open| open.event.by == by);
        if own.count() >= MAX_DEVICES {
            return Err(MembershipRefusal::TooManyOwnInvitations);
        }
        Ok(())
    }

    /// A repeated Invite gets the first reply again, so that a lost reply costs nothing.
    fn invited_before(
        &self,
        known: &Invitation,
        by: Option<MemberNumber>,
        identity: Identity,
    ) -> Result<Decision<InviteGrant>, Refusal> {
        if known.event.by != by || known.private.key != Self::key_of(identity) {
            return Err(MembershipRefusal::SecretTaken.into());
        }
        let number = known.number();
        Ok(Decision::repeat(InviteGrant {
            number,
            until: known.event.until,
            // The time of the event is not remembered; the chat's own is at least that.
            receipt: Receipt {
                position: number,
                lamport: self.fold.now(),
            },
        }))
    }

    /// The member who gets a device.
    fn invited_member(&self, invite: &Invite) -> Result<Option<Member>, MembershipRefusal> {
        let Some(name) = &invite.member else {
            return if invite.only {
                Err(MembershipRefusal::DeviceAlone)
            } else {
                Ok(None)
            };
        };
        if invite.name.is_some() || invite.uses != 1 || invite.role != Role::Member {
            return Err(MembershipRefusal::DeviceAlone);
        }
        let member = self.some_member(name)?;
        if !member.is_present() && !self.is_awaited(member) {
            return Err(MembershipRefusal::NoSuchMember { name: name.clone() });
        }
        Ok(Some(member.clone()))
    }

    /// Whether a member without devices was not removed, but has not come by the link yet that was
    /// made for its only device.
    fn is_awaited(&self, member: &Member) -> bool {
        self.fold.members.invitations().any(|invitation| {
            invitation.event.only
                && invitation.event.member == Some(member.number)
                && invitation.is_open()
        })
    }

    fn check_invitation(&self, invite: &Invite, wall: SystemTime) -> Result<(), MembershipRefusal> {
        if !(1..=MAX_USES).contains(&invite.uses) {
            return Err(MembershipRefusal::Uses);
        }
        if invite.lifetime > MAX_LIFETIME || invite.lifetime.is_zero() {
            return Err(MembershipRefusal::Lifetime);
        }
        if self.usable_invitations(wall).count() >= MAX_INVITATIONS {
            return Err(MembershipRefusal::TooManyInvitations);
        }
        let Some(name) = &invite.name else {
            return Ok(());
        };
        if invite.uses != 1 {
            return Err(MembershipRefusal::Uses);
        }
        if reads_as_a_device(name.as_str()) {
            return Err(MembershipRefusal::NameOfADevice);
        }
        if let Some(owner) = self.fold.members.by_name(&name.keys()) {
            return Err(MembershipRefusal::NameReserved {
                name: name.to_string(),
                owner: Arc::clone(&owner.name),
            });
        }
        self.check_kept(name, Position::ZERO, wall)
    }

    /// The invitations by which somebody may come now.
    pub fn usable_invitations(&self, wall: SystemTime) -> impl Iterator<Item = &Invitation> {
        self.open_invitations()
            .filter(move |invitation| self.is_usable(invitation, wall))
    }

    /// The invitations by which somebody may come, but for the time: those of this epoch.
    pub fn open_invitations(&self) -> impl Iterator<Item = &Invitation> {
        self.fold
            .members
            .invitations()
            .filter(|invitation| invitation.is_open() && *invitation.private.epoch == *self.epoch)
    }

    /// Decides a Revoke, like [`Room::publish`].
    pub fn revoke(
        &mut self,
        revoke: &Revoke,
        now: DecisionTime,
    ) -> Result<Decision<RevokeGrant>, Refusal> {
        let jumps = self.check_optional_time(revoke.lamport, now)?;
        let standing = self.standing(revoke.identity)?;
        let by = number_of(standing);
        let is_admin = require_admin(standing).is_ok();
        let numbers: Vec<_> = self
            .open_invitations()
            .filter(|open| revoke.number.is_none_or(|number| number == open.number()))
            // A member may take back its own.
            .filter(|open| is_admin || (by.is_some() && open.event.by == by))
            .map(Invitation::number)
            .collect();
        if let (Some(number), []) = (revoke.number, numbers.as_slice()) {
            let known = self.fold.members.invitation(number);
            return match known {
                // A repeated Revoke has nothing left to do.
                Some(known) if known.event.revoked => Ok(Decision::repeat(RevokeGrant {
                    numbers,
                    receipt: None,
                })),
                Some(known) if known.is_open() && !is_admin => {
                    Err(MembershipRefusal::NotAnAdmin.into())
                }
                _ => Err(MembershipRefusal::NoSuchInvitation { number }.into()),
            };
        }
        self.jumps = jumps;
        let records = self.revoke_all(&numbers, by, revoke.lamport, now);
        let receipt = records.last().map(|record| Receipt::of(&record.event));
        Ok(Decision::new(records, RevokeGrant { numbers, receipt }))
    }

    fn revoke_all(
        &mut self,
        numbers: &[Position],
        by: Option<MemberNumber>,
        request: LamportTime,
        now: DecisionTime,
    ) -> Vec<Record> {
        let mut records = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let Some(known) = self.fold.members.invitation(number) else {
                continue;
            };
            let event = InvitationEvent {
                by,
                revoked: true,
                ..known.event.clone()
            };
            let kind = EventKind::Invitation(event);
            records.push(self.record(kind, request, None, now));
        }
        records
    }

    /// Decides a Change, like [`Room::publish`].
    pub fn change(
        &mut self,
        change: &Change,
        now: DecisionTime,
    ) -> Result<Decision<Receipt>, Refusal> {
        let jumps = self.check_optional_time(change.lamport, now)?;
        let standing = self.standing(change.identity)?;
        let by = number_of(standing);
        let member = self.some_member(&change.member)?;
        let is_own = Some(member.number) == by;
        match &change.change {
            MemberChange::Name(_) | MemberChange::DropDevice(_) if is_own => {}
            _ => require_admin(standing)?,
        }
        let mut after = member.clone();
        match &change.change {
            MemberChange::Name(name) => after.name = self.new_name(member, name, now.wall)?,
            MemberChange::Role(role) => {
                self.present_member(&change.member)?;
                after.role = *role;
            }
            MemberChange::DropDevice(device) => {
                self.present_member(&change.member)?;
                after.devices = self.devices_without(member, device)?;
            }
            MemberChange::FreeName if member.is_present() => {
                let member = Arc::clone(&member.name);
                return Err(MembershipRefusal::StillMember { member }.into());
            }
            MemberChange::FreeName => after.name = "".into(),
        }
        if after == *member {
            let position = Position::new(member.number.get());
            let lamport = self.fold.now();
            return Ok(Decision::repeat(Receipt { position, lamport }));
        }
        // Who was let in by what is taken away now is not let in by what is still open.
        let revokes = loses_devices(member, &after)
            || after.role < member.role
            || matches!(change.change, MemberChange::FreeName);
        let before = member.clone();
        self.jumps = jumps;
        let mut records = self.end_devices(&before, &after, now);
        if revokes {
            records.extend(self.revoke_made_by(&before, Position::ZERO, by, now));
        }
        let record = self.record_member(&after, by, Position::ZERO, change.lamport, now);
        let receipt = Receipt::of(&record.event);
        records.push(record);
        Ok(Decision::new(records, receipt))
    }

    /// Decides a Remove, like [`Room::publish`].
    pub fn remove(
        &mut self,
        remove: &Remove,
        now: DecisionTime,
    ) -> Result<Decision<Receipt>, Refusal> {
        let jumps = self.check_optional_time(remove.lamport, now)?;
        let standing = self.standing(remove.identity)?;
        let by = number_of(standing);
        let member = self.some_member(&remove.member)?.clone();
        if Some(member.number) != by {
            require_admin(standing)?;
        }
        if !member.is_present() && !self.is_awaited(&member) {
            let position = Position::new(member.number.get());
            let lamport = self.fold.now();
            return Ok(Decision::repeat(Receipt { position, lamport }));
        }
        self.jumps = jumps;
        let after = Member {
            devices: Arc::default(),
            ..member.clone()
        };
        let mut records = self.end_devices(&member, &after, now);
        records.extend(self.revoke_made_by(&member, Position::ZERO, by, now));
        let record = self.record_member(&after, by, Position::ZERO, remove.lamport, now);
        let receipt = Receipt::of(&record.event);
        records.push(record);
        Ok(Decision::new(records, receipt))
    }

    /// Ends the participations of the devices that a member loses.
    pub(super) fn end_devices(
        &mut self,
        before: &Member,
        after: &Member,
        now: DecisionTime,
    ) -> Vec<Record> {
        let kept: HashSet<_> = after.devices.iter().map(|device| device.key).collect();
        let lost = |key: &Fingerprint| {
            !kept.contains(key) && before.devices.iter().any(|device| device.key == *key)
        };
        let ended: Vec<ParticipantNumber> = self
            .fold
            .participants()
            .filter(|participant| participant.key.as_ref().is_some_and(lost))
            .map(|participant| participant.number)
            .collect();
        ended
            .into_iter()
            .filter_map(|number| self.end(number, LeftReason::Removed, LamportTime::ZERO, now))
            .collect()
    }

    /// Revokes the open invitations that this member made, that are for its devices, or by which it
    /// came, other than `but`.
    pub(super) fn revoke_made_by(
        &mut self,
        member: &Member,
        but: Position,
        by: Option<MemberNumber>,
        now: DecisionTime,
    ) -> Vec<Record> {
        let came_by = |number: Position| {
            number == member.invitation
                || member
                    .devices
                    .iter()
                    .any(|device| device.invitation == number)
        };
        let numbers: Vec<_> = self
            .fold
            .members
            .invitations()
            .filter(|invitation| invitation.is_open())
            .filter(|open| open.number() != but)
            .filter(|open| {
                open.event.by == Some(member.number)
                    || open.event.member == Some(member.number)
                    || came_by(open.number())
            })
            .map(Invitation::number)
            .collect();
        self.revoke_all(&numbers, by, LamportTime::ZERO, now)
    }

    pub(super) fn record_member(
        &mut self,
        member: &Member,
        by: Option<MemberNumber>,
        invitation: Position,
        request: LamportTime,
        now: DecisionTime,
    ) -> Record {
        // The number of a new member is the position of this event, and written as none.
        let is_new = self.fold.members.get(member.number).is_none();
        let event = MemberEvent {
            number: (!is_new).then_some(member.number),
            name: Arc::clone(&member.name),
            role: member.role,
            keys: u32::try_from(member.devices.len()).unwrap_or(u32::MAX),
            by,
            invitation,
        };
        let private = PrivatePart {
            devices: Arc::clone(&member.devices),
            ..PrivatePart::default()
        };
        self.record_private(EventKind::Member(event), request, private, now)
    }

    fn new_name(
        &self,
        member: &Member,
        name: &ParticipantName,
        wall: SystemTime,
    ) -> Result<Arc<str>, Refusal> {
        if reads_as_a_device(name.as_str()) {
            return Err(MembershipRefusal::NameOfADevice.into());
        }
        let owner = self.fold.members.by_name(&name.keys());
        if let Some(owner) = owner.filter(|owner| owner.number != member.number) {
            return Err(MembershipRefusal::NameReserved {
                name: name.to_string(),
                owner: Arc::clone(&owner.name),
            }
            .into());
        }
        self.check_kept(name, Position::ZERO, wall)?;
        Ok(name.shared())
    }

    /// The devices that are left without this one, and without those that it let in.
    fn devices_without(
        &self,
        member: &Member,
        device: &str,
    ) -> Result<Arc<[Device]>, MembershipRefusal> {
        let is_meant = |known: &&Device| {
            *known.label == *device
                || known.key.to_string() == device
                || (device.len() >= 8 && known.key.short() == device)
        };
        let mut dropped: HashSet<Fingerprint> = member
            .devices
            .iter()
            .filter(is_meant)
            .map(|known| known.key)
            .collect();
        if dropped.is_empty() {
            return Err(MembershipRefusal::NoSuchDevice {
                member: Arc::clone(&member.name),
                device: device.to_owned(),
            });
        }
        // A device that was let in by one that is dropped may have let in others.
        loop {
            let let_in: Vec<_> = member
                .devices
                .iter()
                .filter(|known| !dropped.contains(&known.key))
                .filter(|known| {
                    self.fold
                        .members
                        .invitation(known.invitation)
                        .and_then(|invitation| invitation.private.key)
                        .is_some_and(|maker| dropped.contains(&maker))
                })
                .map(|known| known.key)
                .collect();
            if let_in.is_empty() {
                break;
            }
            dropped.extend(let_in);
        }
        let kept: Arc<[Device]> = member
            .devices
            .iter()
            .filter(|known| !dropped.contains(&known.key))
            .cloned()
            .collect();
        if kept.is_empty() {
            let member = Arc::clone(&member.name);
            return Err(MembershipRefusal::LastDevice { member });
        }
        Ok(kept)
    }

    fn some_member(&self, name: &str) -> Result<&Member, MembershipRefusal> {
        self.fold
            .members
            .named(name)
            .ok_or_else(|| MembershipRefusal::NoSuchMember { name: name.into() })
    }

    fn present_member(&self, name: &str) -> Result<&Member, MembershipRefusal> {
        let member = self.some_member(name)?;
        if member.is_present() {
            Ok(member)
        } else {
            Err(MembershipRefusal::NoSuchMember { name: name.into() })
        }
    }

    /// The jump budget after a request that tools may send without a clock.
    fn check_optional_time(
        &self,
        lamport: LamportTime,
        now: DecisionTime,
    ) -> Result<Jumps, Refusal> {
        if lamport == LamportTime::ZERO {
            self.check_end(lamport, LamportTime::LAST_ENTRY)?;
            return Ok(self.jumps);
        }
        self.check_time(lamport)?;
        self.check_end(lamport, LamportTime::LAST_ENTRY)?;
        self.check_jump(lamport, now.mono)
    }
}

/// Whether a change takes devices from a member.
pub(super) fn loses_devices(before: &Member, after: &Member) -> bool {
    let kept: HashSet<_> = after.devices.iter().map(|device| device.key).collect();
    before
        .devices
        .iter()
        .any(|device| !kept.contains(&device.key))
}

fn number_of(standing: Standing<'_>) -> Option<MemberNumber> {
    match standing {
        Standing::Operator => None,
        Standing::Member(member) => Some(member.number),
    }
}

fn require_admin(standing: Standing<'_>) -> Result<(), MembershipRefusal> {
    match standing {
        Standing::Operator => Ok(()),
        Standing::Member(member) if member.role == Role::Admin => Ok(()),
        Standing::Member(_) => Err(MembershipRefusal::NotAnAdmin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_and_a_time() {
        for (seconds, text) in [
            (0, "on 1970-01-01 at 00:00 UTC"),
            (1_795_791_600, "on 2026-11-27 at 15:00 UTC"),
        ] {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(moment(at), text);
        }
    }
}
