//! The room as it was after the last batch that is durable, for whoever reads beside the
//! sequencer.
//!
//! What it says may be out of date by a batch. So it refuses early what the room would refuse, and
//! says who may read; everything that changes something is decided by the room.

use std::{net::IpAddr, time::Duration};

use chitty_chat::{LamportTime, ParticipantNumber, Position, SessionHash};

use super::{Join, Refusal, Room, RoomRules, SessionState, joining::Course};

/// A room that does not change, without the ids of what was published: these are shared by no two
/// rooms for long ([`Fold`](super::Fold)).
#[derive(Clone, Debug)]
pub struct View(Room);

/// What a Join needs before the room is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The live participation of its session.
    pub participant: Option<ParticipantNumber>,
    /// A new participation begins, which needs a seat.
    pub begins: bool,
    /// It counts against the rate of its source.
    pub is_arrival: bool,
    /// The time at its resume's position.
    pub lamport: Lookup,
}

/// The time that the log has for the position of a resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Nobody asks, or there is no such position.
    None,
    /// It is known without reading the log.
    Known(LamportTime),
    /// It is in the log.
    InLog(Position),
}

impl Room {
    /// What others may know of it. Costs a few reference counts.
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
    /// Who may read under this session: whoever is present.
    pub fn reader(&self, session: &SessionHash) -> Result<ParticipantNumber, Refusal> {
        match self.0.fold.session(session) {
            Some(SessionState::Present(participant)) => Ok(participant),
            Some(SessionState::Ended { .. }) | None => Err(Refusal::UnknownSession),
        }
    }

    /// Whether anything is known of this session.
    pub fn knows(&self, session: &SessionHash) -> bool {
        self.0.fold.session(session).is_some()
    }

    /// What is configured about the room.
    pub const fn rules(&self) -> &RoomRules {
        &self.0.rules
    }

    /// Refuses a Join that the room would refuse whatever the log has at the position from which
    /// it resumes; its `actual` is not looked at. Whether there is a seat, and whether too many
    /// come, is left to [`View::seats`] and [`View::arrival`].
    ///
    /// A live participation whose resume may be valid is taken to go on: only the log can tell
    /// otherwise.
    pub fn outlook(&self, join: &Join, now: Duration) -> Result<Outlook, Refusal> {
        let room = &self.0;
        let plausible = join.resume.as_ref().filter(|r| room.is_plausible(r));
        let course = room.course(join, plausible.is_some(), now)?;
        let lamport = match plausible.map(|resume| resume.position) {
            None => Lookup::None,
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

    /// Refuses so many Joins from this source if they need seats that there are not.
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

    /// Whether so many may arrive from this source now, or in which time they may.
    pub fn arrival(&self, source: IpAddr, count: u32, now: Duration) -> Result<(), Duration> {
        match self.0.rules.join_rate {
            Some(rate) => self.0.arrivals.check(source, count, rate, now),
            None => Ok(()),
        }
    }
}
