//! The events of a chat, as every part of the program uses them.

use std::{
    fmt,
    num::NonZeroU64,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    lamport::LamportTime,
    proto::v1::{self, event::Kind, left::Reason},
};

/// An event's number in the log: 1, 2, 3 and so on, without gaps. 0 stands for the place before the
/// first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position before the first event.
    pub const ZERO: Self = Self(0);

    /// The position with this number.
    pub const fn new(position: u64) -> Self {
        Self(position)
    }

    /// The number, as it goes over the wire.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The position before this one; before the first it stays 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl From<u64> for Position {
    fn from(position: u64) -> Self {
        Self(position)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a participation: the position of its Joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantNumber(u64);

impl ParticipantNumber {
    /// The participation with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, as it goes over the wire.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<Position> for ParticipantNumber {
    fn from(joined: Position) -> Self {
        Self(joined.get())
    }
}

impl fmt::Display for ParticipantNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a member: the position of the event that made it one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberNumber(NonZeroU64);

impl MemberNumber {
    /// The member with this number; `None` for 0, which stands for nobody on the wire.
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number, as it goes over the wire.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The number on the wire; 0 for nobody.
    pub fn to_wire(member: Option<Self>) -> u64 {
        member.map_or(0, Self::get)
    }
}

impl fmt::Display for MemberNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a member may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes part.
    #[default]
    Member,
    /// Takes part; invites, removes and changes others.
    Admin,
}

impl Role {
    /// One word for logs and screens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    const fn with_article(self) -> &'static str {
        match self {
            Self::Member => "a member",
            Self::Admin => "an admin",
        }
    }
}

impl From<v1::member::Role> for Role {
    /// A role that this version does not know may do the least.
    fn from(role: v1::member::Role) -> Self {
        match role {
            v1::member::Role::Unspecified | v1::member::Role::Member => Self::Member,
            v1::member::Role::Admin => Self::Admin,
        }
    }
}

impl From<Role> for v1::member::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Member => Self::Member,
            Role::Admin => Self::Admin,
        }
    }
}

/// What is public about a member after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberEvent {
    /// The member; `None` in the event that makes it one, whose position is its number.
    pub number: Option<MemberNumber>,
    /// Its name.
    pub name: Arc<str>,
    /// Its role.
    pub role: Role,
    /// How many devices it has; 0: it is no member any more.
    pub keys: u32,
    /// Who changed it; `None`: the operator, or itself with an invitation.
    pub by: Option<MemberNumber>,
    /// The invitation by which it, or its newest device, came; 0: none.
    pub invitation: Position,
}

/// What is public about an invitation after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationEvent {
    /// The position of the event that made it; 0 in that event itself.
    pub number: Position,
    /// Who made it; `None`: the operator.
    pub by: Option<MemberNumber>,
    /// The role of whoever comes by it.
    pub role: Role,
    /// How many may come by it.
    pub uses: u32,
    /// Until when.
    pub until: SystemTime,
    /// The member who gets another device by it; `None`: it makes a new member.
    pub member: Option<MemberNumber>,
    /// Whether the new device replaces all others of the member.
    pub only: bool,
    /// Whether nobody comes by it any more.
    pub revoked: bool,
}

impl MemberEvent {
    /// The number of the member, if the event is at this position.
    pub fn number_at(&self, position: Position) -> Option<MemberNumber> {
        self.number.or(MemberNumber::new(position.get()))
    }

    /// What happened, in a sentence for people.
    pub fn sentence(&self) -> String {
        let Self {
            name, role, keys, ..
        } = self;
        if *keys == 0 {
            format!("{name} is no longer a member")
        } else if self.number.is_none() {
            match role {
                Role::Member => format!("{name} is a member now"),
                Role::Admin => format!("{name} is a member now, and an admin"),
            }
        } else if self.invitation != Position::ZERO {
            format!("{name} has a new device")
        } else {
            let devices = if *keys == 1 { "device" } else { "devices" };
            format!(
                "{name} is {} with {keys} {devices} now",
                role.with_article()
            )
        }
    }
}

impl InvitationEvent {
    /// The number of the invitation, if the event is at this position.
    pub fn number_at(&self, position: Position) -> Position {
        if self.number == Position::ZERO {
            position
        } else {
            self.number
        }
    }

    /// What happened, in a sentence for people.
    pub fn sentence(&self) -> String {
        if self.revoked {
            return format!("invitation {} was revoked", self.number);
        }
        let people = if self.uses == 1 {
            "one person".to_owned()
        } else {
            format!("{} people", self.uses)
        };
        match (self.member, self.role) {
            (Some(_), _) => "another device of a member was invited".to_owned(),
            (None, Role::Member) => format!("{people} may become a member"),
            (None, Role::Admin) => format!("{people} may become an admin"),
        }
    }
}

/// One entry of the chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its position in the log.
    pub position: Position,
    /// The Lamport time of its broadcast: the one time that every log and screen shows for it.
    pub lamport: LamportTime,
    /// The server's wall clock, for people only: events are ordered by position.
    pub at: SystemTime,
    /// The Lamport time of the request that led to it; 0 if no request did.
    pub request: LamportTime,
    /// What happened, and to whom.
    pub kind: EventKind,
}

/// What happened. Texts are as they were received; code that shows them makes them safe first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A participant joined; its number is the event's position.
    Joined {
        /// The name of the participant.
        name: Arc<str>,
        /// The member who joined; `None` in an open chat.
        member: Option<MemberNumber>,
    },
    /// The participation of a participant ended.
    Left {
        /// The name of the participant.
        name: Arc<str>,
        /// The reason why it ended.
        reason: LeftReason,
        /// The participation that ended.
        participant: ParticipantNumber,
    },
    /// A participant published a message.
    Message {
        /// The name of the participant.
        author: Arc<str>,
        /// The text of the message.
        text: Arc<str>,
        /// The id that the client picked; empty if it picked none.
        id: Arc<str>,
        /// The last position that the author had been shown when it sent the message; 0 if the
        /// client did not say.
        seen: Position,
        /// The participation of the author.
        participant: ParticipantNumber,
        /// The member who wrote it; `None` in an open chat.
        member: Option<MemberNumber>,
    },
    /// Somebody became a member, was changed, or was removed.
    Member(MemberEvent),
    /// Somebody may become a member by a link, or no longer.
    Invitation(InvitationEvent),
    /// An event of a kind that this version does not know. It has a position and a time, and no
    /// effect.
    Unknown,
}

/// Why a participant left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftReason {
    /// No reason, or one that this version does not know.
    Unspecified,
    /// The participant sent Leave.
    Left,
    /// The stream ended, and the participant was not back within the grace.
    Lost,
    /// The participant was present when the server stopped, and was not back in time after the
    /// restart.
    Closed,
    /// An operator removed the participant.
    Removed,
}

impl LeftReason {
    /// One word for logs and screens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Closed => "closed",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for LeftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Reason> for LeftReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::Left => Self::Left,
            Reason::Lost => Self::Lost,
            Reason::Closed => Self::Closed,
            Reason::Removed => Self::Removed,
        }
    }
}

impl From<LeftReason> for Reason {
    fn from(reason: LeftReason) -> Self {
        match reason {
            LeftReason::Unspecified => Self::Unspecified,
            LeftReason::Left => Self::Left,
            LeftReason::Lost => Self::Lost,
            LeftReason::Closed => Self::Closed,
            LeftReason::Removed => Self::Removed,
        }
    }
}

impl Event {
    /// The sentence that announces a Joined or a Left, with the event's own time; `None` for other
    /// events.
    pub fn sentence(&self) -> Option<String> {
        match &self.kind {
            EventKind::Joined { name, .. } => Some(joined_sentence(name, self.lamport)),
            EventKind::Left { name, .. } => Some(left_sentence(name, self.lamport)),
            EventKind::Message { .. }
            | EventKind::Member(_)
            | EventKind::Invitation(_)
            | EventKind::Unknown => None,
        }
    }

    /// What happened, in a sentence for people; `None` for messages, and for events of a kind that
    /// this version does not know. Names in it are as they were received.
    pub fn announcement(&self) -> Option<String> {
        match &self.kind {
            EventKind::Member(member) => Some(member.sentence()),
            EventKind::Invitation(invitation) => Some(invitation.sentence()),
            EventKind::Joined { .. }
            | EventKind::Left { .. }
            | EventKind::Message { .. }
            | EventKind::Unknown => self.sentence(),
        }
    }

    /// The participant that the event is about: who joined, left or wrote. `None` if the event is
    /// about a member or an invitation, or of a kind that this version does not know.
    pub const fn participant(&self) -> Option<ParticipantNumber> {
        match self.kind {
            // A participation's number is the position of its Joined.
            EventKind::Joined { .. } => Some(ParticipantNumber(self.position.0)),
            EventKind::Left { participant, .. } | EventKind::Message { participant, .. } => {
                Some(participant)
            }
            EventKind::Member(_) | EventKind::Invitation(_) | EventKind::Unknown => None,
        }
    }

    /// One word for what happened, as in logs.
    pub const fn kind_str(&self) -> &'static str {
        match self.kind {
            EventKind::Joined { .. } => "joined",
            EventKind::Left { .. } => "left",
            EventKind::Message { .. } => "message",
            EventKind::Member(_) => "member",
            EventKind::Invitation(_) => "invitation",
            EventKind::Unknown => "unknown",
        }
    }
}

/// "Participant X joined Chitty-Chat at Lamport time L".
pub fn joined_sentence(name: &str, lamport: LamportTime) -> String {
    format!("Participant {name} joined Chitty-Chat at Lamport time {lamport}")
}

/// "Participant X left Chitty-Chat at Lamport time L".
pub fn left_sentence(name: &str, lamport: LamportTime) -> String {
    format!("Participant {name} left Chitty-Chat at Lamport time {lamport}")
}

impl From<v1::Event> for Event {
    fn from(event: v1::Event) -> Self {
        let kind = match event.kind {
            Some(Kind::Joined(joined)) => EventKind::Joined {
                name: joined.name.into(),
                member: MemberNumber::new(joined.member),
            },
            Some(Kind::Left(left)) => EventKind::Left {
                reason: left.reason().into(),
                name: left.name.into(),
                participant: ParticipantNumber(left.participant),
            },
            Some(Kind::Message(message)) => EventKind::Message {
                author: message.author.into(),
                text: message.text.into(),
                id: message.id.into(),
                seen: Position(message.seen),
                participant: ParticipantNumber(message.participant),
                member: MemberNumber::new(message.member),
            },
            Some(Kind::Member(member)) => EventKind::Member(member.into()),
            Some(Kind::Invitation(invitation)) => EventKind::Invitation(invitation.into()),
            None => EventKind::Unknown,
        };
        Self {
            position: Position(event.position),
            lamport: event.lamport.into(),
            // The wall clock is only shown, so a missing or impossible time is no reason to refuse
            // the event.
            at: event.at.map_or(UNIX_EPOCH, system_time),
            request: event.request.into(),
            kind,
        }
    }
}

impl From<&Event> for v1::Event {
    fn from(event: &Event) -> Self {
        let kind = match &event.kind {
            EventKind::Joined { name, member } => Some(Kind::Joined(v1::Joined {
                name: name.to_string(),
                member: MemberNumber::to_wire(*member),
            })),
            EventKind::Left {
                name,
                reason,
                participant,
            } => Some(Kind::Left(v1::Left {
                name: name.to_string(),
                reason: Reason::from(*reason).into(),
                participant: participant.get(),
            })),
            EventKind::Message {
                author,
                text,
                id,
                seen,
                participant,
                member,
            } => Some(Kind::Message(v1::Message {
                author: author.to_string(),
                text: text.to_string(),
                id: id.to_string(),
                seen: seen.get(),
                participant: participant.get(),
                member: MemberNumber::to_wire(*member),
            })),
            EventKind::Member(member) => Some(Kind::Member(member.into())),
            EventKind::Invitation(invitation) => Some(Kind::Invitation(invitation.into())),
            EventKind::Unknown => None,
        };
        Self {
            position: event.position.get(),
            lamport: event.lamport.get(),
            at: Some(event.at.into()),
            kind,
            request: event.request.get(),
        }
    }
}

impl From<v1::Member> for MemberEvent {
    fn from(member: v1::Member) -> Self {
        Self {
            number: MemberNumber::new(member.number),
            role: member.role().into(),
            name: member.name.into(),
            keys: member.keys,
            by: MemberNumber::new(member.by),
            invitation: Position(member.invitation),
        }
    }
}

impl From<&MemberEvent> for v1::Member {
    fn from(member: &MemberEvent) -> Self {
        Self {
            number: MemberNumber::to_wire(member.number),
            name: member.name.to_string(),
            role: v1::member::Role::from(member.role).into(),
            keys: member.keys,
            by: MemberNumber::to_wire(member.by),
            invitation: member.invitation.get(),
        }
    }
}

impl From<v1::Invitation> for InvitationEvent {
    fn from(invitation: v1::Invitation) -> Self {
        Self {
            number: Position(invitation.number),
            by: MemberNumber::new(invitation.by),
            role: invitation.role().into(),
            uses: invitation.uses,
            // An invitation without a time ended long ago.
            until: invitation.until.map_or(UNIX_EPOCH, system_time),
            member: MemberNumber::new(invitation.member),
            only: invitation.only,
            revoked: invitation.revoked,
        }
    }
}

impl From<&InvitationEvent> for v1::Invitation {
    fn from(invitation: &InvitationEvent) -> Self {
        Self {
            number: invitation.number.get(),
            by: MemberNumber::to_wire(invitation.by),
            role: v1::member::Role::from(invitation.role).into(),
            uses: invitation.uses,
            until: Some(invitation.until.into()),
            member: MemberNumber::to_wire(invitation.member),
            only: invitation.only,
            revoked: invitation.revoked,
        }
    }
}

/// A wall-clock time from the wire. One that [`SystemTime`] cannot hold becomes the Unix epoch.
fn system_time(at: prost_types::Timestamp) -> SystemTime {
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(at.seconds), u32::try_from(at.nanos)) else {
        return UNIX_EPOCH;
    };
    if nanos >= 1_000_000_000 {
        return UNIX_EPOCH;
    }
    UNIX_EPOCH
        .checked_add(Duration::new(seconds, nanos))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sentences_are_the_fixed_ones() {
        assert_eq!(
            joined_sentence("ada", LamportTime::new(3)),
            "Participant ada joined Chitty-Chat at Lamport time 3"
        );
        assert_eq!(
            left_sentence("ada", LamportTime::new(19)),
            "Participant ada left Chitty-Chat at Lamport time 19"
        );
    }

    /// What a program from before there were members sends and stores.
    #[test]
    fn an_open_chats_bytes_are_what_they_always_were() {
        use prost::Message as _;
        let event = |kind| {
            v1::Event::from(&Event {
                position: Position(7),
                lamport: LamportTime::new(15),
                at: UNIX_EPOCH,
                request: LamportTime::new(13),
                kind,
            })
            .encode_to_vec()
        };
        let joined = EventKind::Joined {
            name: "ada".into(),
            member: None,
        };
        assert_eq!(
            event(joined),
            b"\x08\x07\x10\x0f\x1a\0\x22\x05\x0a\x03ada\x38\x0d"
        );
        let message = EventKind::Message {
            author: "ada".into(),
            text: "hi".into(),
            id: "".into(),
            seen: Position(6),
            participant: ParticipantNumber(1),
            member: None,
        };
        let expected =
            b"\x08\x07\x10\x0f\x1a\0\x32\x0d\x0a\x03ada\x12\x02hi\x20\x06\x28\x01\x38\x0d";
        assert_eq!(event(message), expected);
    }

    #[test]
    fn an_unknown_reason_is_no_error() {
        let left = v1::Event {
            kind: Some(Kind::Left(v1::Left {
                reason: 77,
                ..Default::default()
            })),
            ..Default::default()
        };
        assert!(matches!(
            Event::from(left).kind,
            EventKind::Left {
                reason: LeftReason::Unspecified,
                ..
            }
        ));
    }

    proptest! {
            #[test]
            fn any_timestamp_is_survived(seconds: i64, nanos: i32) {
                let event = v1::Event {
                    at: Some(prost_types::Timestamp { seconds, nanos }),
                    ..Default::default()
                };
                let _ = v1::Event::from(&Event::from(event));
            }

            #[test]
            fn members_and_invitations_round_trip(
                number: u64, name: String, admin: bool, keys: u32, by: u64, position: u64,
                uses: u32, seconds in 0..=4_000_000_000_u64, only: bool, revoked: bool,
            ) {
                let role = if admin { Role::Admin } else { Role::Member };
                let member = MemberEvent {
                    number: MemberNumber::new(number),
                    name: name.into(),
                    role,
                    keys,
                    by: MemberNumber::new(by),
                    invitation: position.into(),
                };
                prop_assert_eq!(MemberEvent::from(v1::Member::from(&member)), member);
                let invitation = InvitationEvent {
                    number: position.into(),
                    by: MemberNumber::new(by),
                    role,
                    uses,
                    until: UNIX_EPOCH + Duration::from_secs(seconds),
                    member: MemberNumber::new(number),
                    only,
                    revoked,
                };
                prop_assert_eq!(InvitationEvent::from(v1::Invitation::from(&invitation)), invitation);
            }

            #[test]
            fn the_wire_form_round_trips(
                position: u64, lamport: u64, request: u64, seconds in 0..=4_000_000_000_u64,
                author: String, text: String, id: String, seen: u64, participant: u64,
            ) {
                let event = Event {
                    position: position.into(),
                    lamport: lamport.into(),
                    at: UNIX_EPOCH + Duration::from_secs(seconds),
                    request: request.into(),
                    kind: EventKind::Message {
                        author: author.into(),
                        text: text.into(),
                        id: id.into(),
                        seen: seen.into(),
                        participant: ParticipantNumber(participant),
    member: None,
    },
                };
                prop_assert_eq!(Event::from(v1::Event::from(&event)), event);
            }
        }
}
