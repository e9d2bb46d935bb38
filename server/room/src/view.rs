//! Views: the room as of the last durable batch, for those who read beside the sequencer.
//!
//! A view may be out of date by one batch. So it only refuses early what the room would refuse, and
//! says who may read. Everything that changes something is decided by the room.

use std::{net::IpAddr, time::Duration};

use chitty_chat::{LamportTime, ParticipantNumber, Position, SessionHash};

use super::{
    DecisionTime, Identity, Join, Refusal, Room, RoomRules, SessionState, joining::Course,
};

/// A room that does not change. It lacks the ids of messages, which the room shares only with
/// short-lived clones.
#[derive(Clone, Debug)]
pub struct View(Room);

/// What a Join needs before the room is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The present participation of its session.
    pub participant: Option<ParticipantNumber>,
    /// Whether a new participation begins, which needs a seat.
    pub begins: bool,
    /// Whether it counts against the rate of its source.
    pub is_arrival: bool,
    /// The time at its resume's position.
    pub lamport: Lookup,
}

/// The time that the log has for the position of a resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The time is not needed, or the log has no such position.
    None,
    /// The time is known without reading the log.
    Known(LamportTime),
    /// The time has to be read from the log, at this position.
    InLog(Position),
}

impl Room {
    /// A view of the room. It costs a few reference counts.
    pub fn view(&self) -> View {
        View(Self {
            fold: self.fold.without_published(),
            presence: self.presence.clone(),
            arrivals: self.arrivals.clone(),
            rules: self.rules,
            epoch: self.epoch.clone(),
            first: self.first,
            jumps: self.jumps,
        })
    }
}

impl View {
    /// The participant that may read with this session, if it is present and the connection is its
    /// own.
    pub fn reader(
        &self,
        session: &SessionHash,
        identity: Identity,
    ) -> Result<ParticipantNumber, Refusal> {
        self.0.require_member(identity)?;
        self.0.require_own_session(session, identity)?;
        match self.0.fold.session(session) {
            Some(SessionState::Present(participant)) => Ok(participant),
            Some(SessionState::Ended { .. }) | None => Err(Refusal::UnknownSession),
        }
    }

    /// The room, for questions about its members.
    pub const fn room(&self) -> &Room {
        &self.0
    }

    /// Whether this session is known, present or ended.
    pub fn knows(&self, session: &SessionHash) -> bool {
        self.0.fold.session(session).is_some()
    }

    /// What is configured about the room.
    pub const fn rules(&self) -> &RoomRules {
        &self.0.rules
    }

    /// Refuses a Join that the room would refuse regardless of what the log has at its resume's
    /// position; `Resume::actual` is ignored. Seats and rates are left to [`View::seats`] and
    /// [`View::arrival`].
    ///
    /// A present participation whose resume may be valid is assumed to go on; only the log can
    /// contradict that.
    pub fn outlook(&self, join: &Join, now: DecisionTime) -> Result<Outlook, Refusal> {
        let room = &self.0;
        let plausible = join.resume.as_ref().filter(|r| room.is_plausible(r));
        let course = room.course(join, plausible.is_some(), now)?;
        let lamport = match plausible.map(|resume| resume.position) {
            None => Lookup::None,
            // After a short break most clients resume at the head, which needs no read of the log.
            Some(position) if position == room.fold.head() => Lookup::Known(room.fold.now()),
            Some(position) => Lookup::InLog(position),
        };
        Ok(Outlook {
            participant: match course {
                Course::GoOn(participant) => Some(participant),
                Course::Begin { instead_of, .. } => instead_of,
            },
            begins: matches!(course, Course::Begin { .. }),
            is_arrival: course.is_arrival(join),
            lamport,
        })
    }

    /// Refuses `count` Joins from this source if they need seats and there are not enough.
    pub fn seats(
        &self,
        outlook: Outlook,
        source: Option<IpAddr>,
        count: u32,
    ) -> Result<(), Refusal> {
        if !outlook.begins {
            return Ok(());
        }
        let instead_of = outlook.participant;
        self.0.check_seats(source, instead_of, count as usize)
    }

    /// Checks whether so many newcomers may join from this source now. The error is the time after
    /// which they may.
    pub fn arrival(&self, source: IpAddr, count: u32, now: Duration) -> Result<(), Duration> {
        match self.0.rules.join_rate {
            Some(rate) => self.0.arrivals.check(source, count, rate, now),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
