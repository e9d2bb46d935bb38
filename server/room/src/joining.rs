//! The rules of joining. The checks come in the order of their cost, and nothing changes before all
//! of them have passed, so that [`View`](super::View) can refuse what the room would refuse.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chitty_chat::{
    EventKind, LamportTime, LeftReason, ParticipantName, ParticipantNumber, Position,
};
use imbl::OrdMap;

use super::{
    Decision, DecisionTime, Join, JoinGrant, Refusal, Resume, Room, SessionState, presence::Limited,
};

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

/// Shortest retry time for a taken name. When the owner's grace is over, the name is free only once
/// its Left is durable, so that "at once" would be a promise that a slow disk breaks.
const SOONEST: Duration = Duration::from_secs(1);

impl Room {
    /// Decides a Join, like [`Room::publish`].
    pub fn join(&mut self, join: &Join, now: DecisionTime) -> Result<Decision<JoinGrant>, Refusal> {
        let valid = join.resume.as_ref().filter(|resume| self.is_valid(resume));
        let course = self.course(join, valid.is_some(), now.mono)?;
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
                self.jumps = self.check_jump(join.lamport, now.mono)?;
                let ended = instead_of
                    .and_then(|old| self.end(old, LeftReason::Lost, LamportTime::ZERO, now));
                let mut decision = self.begin(join, name, valid, now);
                // The Left of the old participation comes first, so that a session never has two at
                // once.
                decision.records.splice(0..0, ended);
                Ok(decision)
            }
        }
    }

    /// What a Join leads to, depending on whether its resume is valid. Makes all checks but those
    /// for seats and for rates.
    pub(super) fn course<'a>(
        &self,
        join: &'a Join,
        is_valid: bool,
        now: Duration,
    ) -> Result<Course<'a>, Refusal> {
        self.check_time(join.lamport)?;
        let stale = join.resume.is_some() && !is_valid;
        let instead_of = match self.fold.session(&join.session) {
            // Without a resume, or with a valid one, the client continues its participation. With a
            // stale one it has events that this log does not have, so it begins a new
            // participation.
            Some(SessionState::Present(participant)) if !stale => {
                self.check_stream(participant, now)?;
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
        self.check_name(name, instead_of, now)?;
        self.check_end(join.lamport, LamportTime::LAST_ENTRY)?;
        self.check_jump(join.lamport, now)?;
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
        instead_of: Option<ParticipantNumber>,
        now: Duration,
    ) -> Result<(), Refusal> {
        match self.fold.owner(&name.keys(), instead_of) {
            None => Ok(()),
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
        let kind = EventKind::Joined {
            name: name.shared(),
        };
        let record = self.record(kind, join.lamport, Some(join.session), now);
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
        };
        Decision::new(vec![record], granted)
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
