//! The rules of joining. The checks come in the order of their cost, and nothing changes before all
//! of them have passed, so that [`View`](super::View) can refuse what the room would refuse.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chitty_chat::{
    EventKind, LamportTime, LeftReason, MemberNumber, ParticipantName, ParticipantNumber, Position,
    Role,
};
use imbl::OrdMap;

use super::{
    Decision, DecisionTime, Invitation, Join, JoinGrant, Member, MembershipRefusal, Refusal,
    Resume, Room, SessionState, admission::Entrant, membership::loses_devices, presence::Limited,
};
use crate::record::{Device, PrivatePart, Record};

/// What a Join leads to if it is not refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Course<'a> {
    /// The session's participation goes on.
    GoOn(ParticipantNumber),
    /// A new participation begins under this name.
    Begin {
        name: &'a ParticipantName,
        /// The session's old participation, which ends first, because a session never has two. Its
        /// client cannot continue from where it was.
        instead_of: Option<ParticipantNumber>,
    },
}

/// What changes about the members with a Join by an invitation.
struct Enrolment {
    invitation: Position,
    /// The member before; `None` if it becomes one.
    before: Option<Member>,
    name: Arc<str>,
    role: Role,
    devices: Arc<[Device]>,
}

/// What a new device is called: what is in brackets after the member's name, or its place in the
/// list of devices.
fn device_label(name: &ParticipantName, member: &Member) -> String {
    name.as_str()
        .strip_prefix(&*member.name)
        .and_then(|rest| rest.strip_prefix(" (")?.strip_suffix(')'))
        .map_or_else(
            || format!("device {}", member.devices.len() + 1),
            str::to_owned,
        )
}

/// Shortest retry time for a taken name. When the owner's grace is over, the name is free only once
/// its Left is durable, so that "at once" would be a promise that a slow disk breaks.
const SOONEST: Duration = Duration::from_secs(1);

impl Room {
    /// Decides a Join, like [`Room::publish`].
    pub fn join(&mut self, join: &Join, now: DecisionTime) -> Result<Decision<JoinGrant>, Refusal> {
        let valid = join.resume.as_ref().filter(|resume| self.is_valid(resume));
        let course = self.course(join, valid.is_some(), now)?;
        if let Course::Begin { instead_of, .. } = course {
            self.check_seats(join.source, instead_of, 1)?;
        }
        if course.is_arrival(join) {
            self.count_arrival(join, now)?;
        }
        match course {
            Course::GoOn(participant) => {
                self.count_stream(participant, now)?;
                Ok(self.go_on(join, participant, valid))
            }
            Course::Begin { name, instead_of } => {
                let change = self.membership(join, name, now)?;
                self.jumps = self.check_jump(join.lamport, now.mono)?;
                // The Left of the old participation comes first, so that a session never has two at
                // once.
                let mut records: Vec<_> = instead_of
                    .and_then(|old| self.end(old, LeftReason::Lost, LamportTime::ZERO, now))
                    .into_iter()
                    .collect();
                // In the same batch as the Joined: an invitation is used by a Join that is granted,
                // and by nothing else.
                records.extend(
                    change
                        .into_iter()
                        .flat_map(|change| self.enroll(&change, now)),
                );
                let mut decision = self.begin(join, name, valid, now);
                records.append(&mut decision.records);
                Ok(Decision {
                    records,
                    ..decision
                })
            }
        }
    }

    /// What a Join leads to, depending on whether its resume is valid. Makes all checks but those
    /// for seats and for rates.
    pub(super) fn course<'a>(
        &self,
        join: &'a Join,
        is_valid: bool,
        now: DecisionTime,
    ) -> Result<Course<'a>, Refusal> {
        // Before the session is looked at: what a stranger sends says nothing about sessions.
        let entrant = self.entrant(join.identity, join.invitation.as_ref(), now.wall)?;
        self.require_same_key(&join.session, join.identity)?;
        self.check_time(join.lamport)?;
        let stale = join.resume.is_some() && !is_valid;
        let instead_of = match self.fold.session(&join.session) {
            // Without a resume, or with a valid one, the client continues its participation. With a
            // stale one it has events that this log does not have, so it begins a new
            // participation.
            // In a chat that has become closed since, the participation of a stranger does not go on;
            // an invitation begins a new one, and is used by it.
            Some(SessionState::Present(participant))
                if !stale && !self.is_strangers(participant) =>
            {
                self.check_stream(participant, now.mono)?;
                return Ok(Course::GoOn(participant));
            }
            Some(SessionState::Present(participant)) => Some(participant),
            Some(SessionState::Ended {
                reason: LeftReason::Left | LeftReason::Removed,
                ..
            }) => return Err(Refusal::EndedSession),
            Some(SessionState::Ended { .. }) | None => None,
        };
        let name = join.name.as_ref().map_err(Clone::clone)?;
        self.check_own_name(entrant, name, now.wall)?;
        self.check_name(name, entrant.member(), instead_of, now.mono)?;
        self.check_end(join.lamport, LamportTime::LAST_ENTRY)?;
        self.check_jump(join.lamport, now.mono)?;
        Ok(Course::Begin { name, instead_of })
    }

    /// Refuses `count` more participants if there are not enough seats.
    pub(super) fn check_seats(
        &self,
        source: Option<IpAddr>,
        instead_of: Option<ParticipantNumber>,
        count: usize,
    ) -> Result<(), Refusal> {
        let limit = self.rules.max_participants;
        // The old participation gives up its seat.
        let freed = usize::from(instead_of.is_some());
        if self.fold.count() + count > limit.saturating_add(freed) {
            return Err(Refusal::Full { limit });
        }
        let check = |source| {
            self.presence
                .check_seats(source, instead_of, count, &self.rules)
        };
        source.map_or(Ok(()), check)
    }

    fn check_name(
        &self,
        name: &ParticipantName,
        member: Option<MemberNumber>,
        instead_of: Option<ParticipantNumber>,
        now: Duration,
    ) -> Result<(), Refusal> {
        match self.fold.owner(&name.keys(), instead_of) {
            None => Ok(()),
            Some(owner) if member.is_some() && owner.member == member => {
                let own = Arc::clone(&owner.name);
                Err(MembershipRefusal::OwnName { own }.into())
            }
            Some(owner) => Err(Refusal::NameTaken {
                name: name.to_string(),
                owner: Arc::clone(&owner.name),
                retry_in: self
                    .presence
                    .deadline_of(owner.number)
                    .map(|deadline| deadline.saturating_sub(now).max(SOONEST)),
            }),
        }
    }

    /// Refuses a stream if the participant begins streams faster than it may.
    fn check_stream(&self, participant: ParticipantNumber, now: Duration) -> Result<(), Refusal> {
        let Some(rate) = self.rules.stream_rate else {
            return Ok(());
        };
        self.presence
            .check_stream(participant, rate, now)
            .map_err(|retry_in| Refusal::TooManyJoins { retry_in })
    }

    fn count_stream(
        &mut self,
        participant: ParticipantNumber,
        now: DecisionTime,
    ) -> Result<(), Refusal> {
        let Some(rate) = self.rules.stream_rate else {
            return Ok(());
        };
        self.presence
            .count(participant, Limited::Stream, rate, now.mono)
            .map_err(|retry_in| Refusal::TooManyJoins { retry_in })
    }

    fn count_arrival(&mut self, join: &Join, now: DecisionTime) -> Result<(), Refusal> {
        match (self.rules.join_rate, join.source) {
            (Some(rate), Some(source)) => self
                .arrivals
                .take(source, rate, now.mono)
                .map_err(|retry_in| Refusal::TooManyJoins { retry_in }),
            _ => Ok(()),
        }
    }

    /// The change of the members that comes with a Join by an invitation; `None` without one.
    fn membership(
        &self,
        join: &Join,
        name: &ParticipantName,
        now: DecisionTime,
    ) -> Result<Option<Enrolment>, Refusal> {
        let entrant = self.entrant(join.identity, join.invitation.as_ref(), now.wall)?;
        let Some(key) = Self::key_of(join.identity) else {
            return Ok(None);
        };
        let device = |invitation: &Invitation, label: &str| Device {
            key,
            label: label.into(),
            invitation: invitation.number(),
        };
        Ok(match entrant {
            Entrant::Anybody | Entrant::Member(_) => None,
            Entrant::NewMember(invitation) => Some(Enrolment {
                invitation: invitation.number(),
                before: None,
                name: name.shared(),
                role: invitation.event.role,
                devices: [device(invitation, "first")].into(),
            }),
            Entrant::NewDevice(invitation, member) => {
                let kept = member.devices.iter().filter(|_| !invitation.event.only);
                let label = device_label(name, member);
                let devices = kept.cloned().chain([device(invitation, &label)]);
                Some(Enrolment {
                    invitation: invitation.number(),
                    before: Some(member.clone()),
                    name: Arc::clone(&member.name),
                    role: member.role,
                    devices: devices.collect(),
                })
            }
        })
    }

    fn enroll(&mut self, enrolment: &Enrolment, now: DecisionTime) -> Vec<Record> {
        let number = match &enrolment.before {
            Some(member) => member.number,
            None => self.next_member(),
        };
        let after = Member {
            number,
            name: Arc::clone(&enrolment.name),
            role: enrolment.role,
            devices: Arc::clone(&enrolment.devices),
            invitation: enrolment.invitation,
        };
        let mut records = Vec::new();
        if let Some(before) = &enrolment.before {
            records = self.end_devices(before, &after, now);
            // A device that is taken away made invitations, too.
            if loses_devices(before, &after) {
                records.extend(self.revoke_made_by(before, enrolment.invitation, None, now));
            }
        }
        let record = self.record_member(&after, None, enrolment.invitation, LamportTime::ZERO, now);
        records.push(record);
        records
    }

    /// The number that a member gets whose event is the next one.
    fn next_member(&self) -> MemberNumber {
        let position = self.fold.head().next().get();
        MemberNumber::new(position).expect("a position after another is not 0")
    }

    /// Continues a participation on a new stream. This leads to no event.
    fn go_on(
        &mut self,
        join: &Join,
        participant: ParticipantNumber,
        resume: Option<&Resume>,
    ) -> Decision<JoinGrant> {
        // Stream numbers continue from the log's, which survives a restart.
        let known = self.fold.generation(participant);
        let generation = self.presence.attach(participant, known, join.source);
        let head = self.fold.head();
        let granted = match resume {
            Some(resume) => JoinGrant {
                participant,
                generation,
                position: resume.position,
                lamport: resume.lamport,
                participants: OrdMap::new(),
                resumed: true,
                next: resume.position.next(),
                head,
                first: self.first,
                member: self.member_of(join),
            },
            None => JoinGrant {
                participant,
                generation,
                position: head,
                lamport: self.fold.now(),
                participants: self.fold.present.clone(),
                resumed: true,
                // Without a position, the client gets everything since its own Joined again.
                next: Position::new(participant.get()).max(self.first),
                head,
                first: self.first,
                member: self.member_of(join),
            },
        };
        Decision::new(Vec::new(), granted)
    }

    /// Begins a new participation.
    fn begin(
        &mut self,
        join: &Join,
        name: &ParticipantName,
        resume: Option<&Resume>,
        now: DecisionTime,
    ) -> Decision<JoinGrant> {
        let member = self.member_of(join);
        let kind = EventKind::Joined {
            name: name.shared(),
            member: member.map(|(number, _)| number),
        };
        let private = Self::key_of(join.identity).map(|key| PrivatePart {
            key: Some(key),
            ..PrivatePart::default()
        });
        let record = self.append(kind, join.lamport, Some(join.session), private, now);
        let position = record.event.position;
        let participant = ParticipantNumber::from(position);
        let generation = self.presence.attach(participant, 0, join.source);
        // A session that was lost may come back with a valid position, and its stream goes on from
        // there. Any other stream begins with the backlog.
        let next = match resume {
            Some(resume) => resume.position.next(),
            None => Position::new(position.get().saturating_sub(join.backlog.into()))
                .max(self.first)
                .max(Position::new(1)),
        };
        let granted = JoinGrant {
            participant,
            generation,
            position,
            lamport: record.event.lamport,
            participants: self.fold.present.clone(),
            resumed: false,
            next,
            head: position,
            first: self.first,
            member,
        };
        Decision::new(vec![record], granted)
    }

    /// The member whose key the connection of a Join has, in a closed chat.
    fn member_of(&self, join: &Join) -> Option<(MemberNumber, Role)> {
        if !self.is_closed() {
            return None;
        }
        let member = self.fold.members.by_key(&Self::key_of(join.identity)?)?;
        Some((member.number, member.role))
    }

    /// Whether this log has such a position, regardless of its time.
    pub(super) fn is_plausible(&self, resume: &Resume) -> bool {
        *resume.epoch == *self.epoch
            && resume.position <= self.fold.head()
            && resume.position >= self.first.previous()
    }

    fn is_valid(&self, resume: &Resume) -> bool {
        self.is_plausible(resume) && resume.actual == Some(resume.lamport)
    }
}

impl Course<'_> {
    /// Whether it counts against the rate of its source. A Join that continues a participation
    /// without a position does, because its Welcome is as large as a newcomer's.
    pub(super) const fn is_arrival(&self, join: &Join) -> bool {
        match self {
            Self::GoOn(_) => join.resume.is_none(),
            Self::Begin { .. } => true,
        }
    }
}
