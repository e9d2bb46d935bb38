//! Members and invitations, as they follow from the log.
//!
//! A member is a name that belongs to one or more keys. A key is a device. Whoever was removed stays
//! in the list without keys, so that nobody else can take the name and speak in its place, until an
//! admin frees the name.

use std::{sync::Arc, time::SystemTime};

use chitty_chat::{
    InvitationEvent, MemberEvent, MemberNumber, Position, Role, fingerprint::Fingerprint,
    text::NameKey,
};
use imbl::{HashMap, OrdMap};

use crate::{
    membership::MAX_INVITATIONS,
    record::{Device, PrivatePart, SecretHash},
};

/// How many invitations that are not open any more are remembered, the latest ones, so that a
/// guest who comes too late gets the reason.
const REMEMBERED_CLOSED: usize = 1_000;

/// How many invitations that nobody used or revoked are remembered. At most [`MAX_INVITATIONS`] of
/// them have not ended, so that only ended ones are forgotten.
const REMEMBERED_OPEN: usize = 2 * MAX_INVITATIONS;

/// The members and invitations of a chat. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    by_number: OrdMap<MemberNumber, Member>,
    /// The names of members and of those who were removed.
    names: HashMap<NameKey, MemberNumber>,
    keys: HashMap<Fingerprint, MemberNumber>,
    pub(super) invitations: OrdMap<Position, Invitation>,
    secrets: HashMap<SecretHash, Position>,
    /// Keys that were taken from members, with the position at which they were. They are admitted
    /// only by a later invitation.
    pub(super) barred: OrdMap<Fingerprint, Position>,
    /// Whether the log has or had an event about a member or an invitation.
    pub(super) is_closed: bool,
}

/// Somebody who belongs to the chat, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The position of the event that made it a member.
    pub number: MemberNumber,
    /// Its name.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// Its devices; none if it was removed.
    pub devices: Arc<[Device]>,
    /// The invitation by which it came; 0: none.
    pub invitation: Position,
}

/// An invitation, open or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// What is public about it; its number is set.
    pub event: InvitationEvent,
    /// What is not.
    pub private: PrivatePart,
    /// How many came by it.
    pub used: u32,
    /// Who came by it last, and when.
    pub last: Option<(Arc<str>, SystemTime)>,
}

impl Member {
    /// Whether it was not removed.
    pub fn is_present(&self) -> bool {
        !self.devices.is_empty()
    }

    /// Whether a participant of this member may have this name: the member's own or, for a second
    /// device, the member's own with something in brackets after it.
    pub fn may_be_called(&self, name: &str) -> bool {
        owner_of_name(name) == &*self.name || name == &*self.name
    }
}

/// The name of the member to which a name of the form `NAME (…)` belongs; the name itself if it has
/// another form.
pub fn owner_of_name(name: &str) -> &str {
    match name
        .strip_suffix(')')
        .and_then(|rest| rest.split_once(" ("))
    {
        Some((owner, device)) if !owner.is_empty() && !device.is_empty() => owner,
        _ => name,
    }
}

/// Whether a name reads like the name of somebody's second device, also if its brackets only look
/// like those that [`owner_of_name`] knows.
pub(super) fn reads_as_a_device(name: &str) -> bool {
    NameKey::of(name).iter().any(NameKey::ends_in_brackets)
}

impl Invitation {
    /// Its number: the position of the event that made it.
    pub fn number(&self) -> Position {
        self.event.number
    }

    /// Whether somebody may still come by it, but for the time.
    pub fn is_open(&self) -> bool {
        !self.event.revoked && self.used < self.event.uses
    }
}

impl Members {
    /// Whether only members take part: the log has, or had, a member or an invitation.
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// All members, and those who were removed and whose names are kept, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_number.values()
    }

    /// How many members there are.
    pub fn count(&self) -> usize {
        self.iter().filter(|member| member.is_present()).count()
    }

    /// The member with this number, also if it was removed.
    pub fn get(&self, number: MemberNumber) -> Option<&Member> {
        self.by_number.get(&number)
    }

    /// The member that has this key.
    pub fn by_key(&self, key: &Fingerprint) -> Option<&Member> {
        self.by_number.get(self.keys.get(key)?)
    }

    /// The member, present or removed, whose name is one of these, or looks like it.
    pub fn by_name(&self, keys: &[NameKey]) -> Option<&Member> {
        keys.iter()
            .find_map(|key| self.by_number.get(self.names.get(key)?))
    }

    /// The member with exactly this name.
    pub fn named(&self, name: &str) -> Option<&Member> {
        self.by_name(&NameKey::of(name))
            .filter(|member| *member.name == *name)
    }

    /// All invitations that are remembered, by number.
    pub fn invitations(&self) -> impl Iterator<Item = &Invitation> {
        self.invitations.values()
    }

    /// The invitation with this number.
    pub fn invitation(&self, number: Position) -> Option<&Invitation> {
        self.invitations.get(&number)
    }

    /// The invitation with this secret.
    pub fn by_secret(&self, secret: &SecretHash) -> Option<&Invitation> {
        self.invitations.get(self.secrets.get(secret)?)
    }

    /// Where this key was taken from a member; `None` if it was not, or was admitted again.
    pub fn barred_at(&self, key: &Fingerprint) -> Option<Position> {
        self.barred.get(key).copied()
    }

    pub(super) fn apply_member(
        &mut self,
        position: Position,
        at: SystemTime,
        event: &MemberEvent,
        private: &PrivatePart,
    ) {
        self.is_closed = true;
        let Some(number) = event.number_at(position) else {
            return;
        };
        let old = self.by_number.remove(&number);
        for device in old.iter().flat_map(|old| &*old.devices) {
            self.keys.remove(&device.key);
            self.barred.insert(device.key, position);
        }
        for key in old.iter().flat_map(|old| NameKey::of(&old.name)) {
            if self.names.get(&key) == Some(&number) {
                self.names.remove(&key);
            }
        }
        if event.invitation != Position::ZERO {
            self.use_invitation(event, at);
        }
        // Without a name and keys, its name is free again.
        if event.name.is_empty() && private.devices.is_empty() {
            return;
        }
        self.insert(Member {
            number,
            name: Arc::clone(&event.name),
            role: event.role,
            devices: Arc::clone(&private.devices),
            invitation: old.map_or(event.invitation, |old| old.invitation),
        });
    }

    pub(super) fn insert(&mut self, member: Member) {
        for device in &*member.devices {
            self.barred.remove(&device.key);
            self.keys.insert(device.key, member.number);
        }
        for key in NameKey::of(&member.name) {
            self.names.insert(key, member.number);
        }
        self.by_number.insert(member.number, member);
    }

    fn use_invitation(&mut self, event: &MemberEvent, at: SystemTime) {
        if let Some(invitation) = self.invitations.get_mut(&event.invitation) {
            invitation.used = invitation.used.saturating_add(1);
            invitation.last = Some((Arc::clone(&event.name), at));
        }
        self.forget_invitations();
    }

    pub(super) fn apply_invitation(
        &mut self,
        position: Position,
        event: &InvitationEvent,
        private: &PrivatePart,
    ) {
        self.is_closed = true;
        let number = event.number_at(position);
        let event = InvitationEvent {
            number,
            ..event.clone()
        };
        if let Some(known) = self.invitations.get_mut(&number) {
            known.event = event;
        } else {
            self.insert_invitation(Invitation {
                event,
                private: private.clone(),
                used: 0,
                last: None,
            });
        }
        self.forget_invitations();
    }

    pub(super) fn insert_invitation(&mut self, invitation: Invitation) {
        if let Some(secret) = invitation.private.secret {
            self.secrets.insert(secret, invitation.number());
        }
        self.invitations.insert(invitation.number(), invitation);
    }

    /// Forgets the oldest invitations that are not open, and of those that nobody used or revoked
    /// the ones that end first. Both are counted, and never compared with the wall clock, so that
    /// every replay forgets the same ones.
    fn forget_invitations(&mut self) {
        if self.invitations.len() <= REMEMBERED_CLOSED {
            return;
        }
        let excess = |is_open: bool, remembered: usize| {
            let mut some: Vec<_> = self
                .invitations()
                .filter(|invitation| invitation.is_open() == is_open)
                .map(|invitation| {
                    (
                        is_open.then_some(invitation.event.until),
                        invitation.number(),
                    )
                })
                .collect();
            let excess = some.len().saturating_sub(remembered);
            some.sort_unstable();
            some.truncate(excess);
            some
        };
        let mut forgotten = excess(false, REMEMBERED_CLOSED);
        forgotten.append(&mut excess(true, REMEMBERED_OPEN));
        for (_, number) in forgotten {
            let forgotten = self.invitations.remove(&number);
            if let Some(secret) = forgotten.and_then(|forgotten| forgotten.private.secret) {
                self.secrets.remove(&secret);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_of_every_form_read_as_a_device() {
        for name in [
            "ada (desktop)",
            "ada(desktop)",
            "ada [desktop]",
            "ada {desktop}",
            "ada <desktop>",
            "ada \u{ff08}desktop\u{ff09}",
            "ada (desktop\u{ff09}",
            "ada \u{2768}desktop\u{2769}",
            "ada \u{fe59}desktop\u{fe5a}",
            "ada \u{207d}desktop\u{207e}",
            "ada \u{3014}desktop\u{3015}",
            "ada \u{fd3e}desktop\u{fd3f}",
        ] {
            assert!(reads_as_a_device(name), "{name}");
        }
        for name in ["ada", "joe :)", "(ada", "ada (the first) of her name"] {
            assert!(!reads_as_a_device(name), "{name}");
        }
    }

    #[test]
    fn a_name_with_brackets_belongs_to_the_name_before_them() {
        for (name, owner) in [
            ("ada", "ada"),
            ("ada (desktop)", "ada"),
            ("ada lovelace (x (y))", "ada lovelace"),
            ("ada ()", "ada ()"),
            ("(x)", "(x)"),
            ("ada(x)", "ada(x)"),
        ] {
            assert_eq!(owner_of_name(name), owner, "{name}");
        }
    }
}
