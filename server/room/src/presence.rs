//! Presence: whose stream is attached, and whose grace runs. Only this process knows it.

use std::{net::IpAddr, time::Duration};

use chitty_chat::{LeftReason, ParticipantNumber};
use imbl::{OrdMap, OrdSet};

use super::{Fold, Refusal, RoomRules, seats::Seats};
use crate::rate::{Bucket, Rate};

/// The streams of the participants that are present, and the graces of those that are lost.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    connections: OrdMap<ParticipantNumber, Connection>,
    deadlines: OrdSet<(Duration, ParticipantNumber)>,
    seats: Seats,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    /// The number of the participation's latest stream. The end of an older one changes nothing.
    generation: u64,
    /// The source that the participant joined from or, after a restart, first resumed from.
    source: Option<IpAddr>,
    lost: Option<GraceDeadline>,
    /// The rate limit on its messages.
    published: Bucket,
    /// The rate limit on its streams.
    begun: Bucket,
}

#[derive(Clone, Copy, Debug)]
struct GraceDeadline {
    deadline: Duration,
    /// The reason of the Left if it does not come back.
    reason: LeftReason,
}

/// What a participant may do at a limited rate only.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limited {
    /// Beginning a stream.
    Stream,
    /// Publishing a message.
    Message,
}

impl Connection {
    /// The connection of a participation that has had this many streams.
    fn new(generation: u64) -> Self {
        Self {
            generation,
            source: None,
            lost: None,
            published: Bucket::default(),
            begun: Bucket::default(),
        }
    }

    const fn bucket(&mut self, limited: Limited) -> &mut Bucket {
        match limited {
            Limited::Stream => &mut self.begun,
            Limited::Message => &mut self.published,
        }
    }
}

impl Presence {
    /// The presence after a restart: all participants have until `deadline` to come back.
    pub(super) fn after_restart(fold: &Fold, deadline: Duration) -> Self {
        let mut presence = Self::default();
        for participant in fold.participants() {
            let lost = GraceDeadline {
                deadline,
                reason: LeftReason::Closed,
            };
            let connection = Connection {
                lost: Some(lost),
                ..Connection::new(participant.generation)
            };
            presence.connections.insert(participant.number, connection);
            presence.deadlines.insert((deadline, participant.number));
        }
        presence
    }

    /// Gives a participant that is not attached until `deadline` to come back.
    pub(super) fn lose_at(
        &mut self,
        participant: ParticipantNumber,
        deadline: Duration,
        reason: LeftReason,
    ) {
        let Some(connection) = self.connections.get_mut(&participant) else {
            return;
        };
        if let Some(earlier) = connection.lost.replace(GraceDeadline { deadline, reason }) {
            self.deadlines.remove(&(earlier.deadline, participant));
        }
        self.deadlines.insert((deadline, participant));
    }

    /// Attaches a new stream, and returns its number within the participation. The number is higher
    /// than `known`, the last one that the log knows of.
    pub(super) fn attach(
        &mut self,
        participant: ParticipantNumber,
        known: u64,
        source: Option<IpAddr>,
    ) -> u64 {
        let older = self.forget(participant);
        let mut connection = older.unwrap_or_else(|| Connection::new(known));
        connection.generation = connection.generation.max(known) + 1;
        // A participant keeps the seat of the source that it joined from, wherever it resumes from.
        connection.source = connection.source.or(source);
        connection.lost = None;
        if let Some(source) = connection.source {
            self.seats.take(source);
        }
        self.connections.insert(participant, connection);
        connection.generation
    }

    /// The number of the participation's latest stream; `None` if it is not present.
    pub(super) fn generation(&self, participant: ParticipantNumber) -> Option<u64> {
        let connection = self.connections.get(&participant)?;
        Some(connection.generation)
    }

    /// Refuses `count` more participants from this source if it may not have that many. The
    /// participant `but` does not count, because it leaves for them.
    pub(super) fn check_seats(
        &self,
        source: IpAddr,
        but: Option<ParticipantNumber>,
        count: usize,
        rules: &RoomRules,
    ) -> Result<(), Refusal> {
        let leaving = but.and_then(|number| self.connections.get(&number)?.source);
        self.seats.check(source, leaving, count, rules)
    }

    /// Checks whether a stream may begin now, without counting it. The error is the time after
    /// which it may.
    pub(super) fn check_stream(
        &self,
        participant: ParticipantNumber,
        rate: Rate,
        now: Duration,
    ) -> Result<(), Duration> {
        match self.connections.get(&participant) {
            Some(connection) => connection.begun.check(1, rate, now),
            None => Ok(()),
        }
    }

    /// Counts a stream or a message that is about to begin. The error is the time after which it
    /// may.
    pub(super) fn count(
        &mut self,
        participant: ParticipantNumber,
        limited: Limited,
        rate: Rate,
        now: Duration,
    ) -> Result<(), Duration> {
        match self.connections.get_mut(&participant) {
            Some(connection) => connection.bucket(limited).take(rate, now),
            None => Ok(()),
        }
    }

    /// Detaches a stream that ended. Does nothing if a newer one is attached, or the participant
    /// has left.
    pub(super) fn detach(
        &mut self,
        participant: ParticipantNumber,
        generation: u64,
        deadline: Duration,
    ) {
        if let Some(connection) = self.connections.get_mut(&participant)
            // The end of a stream that was taken over starts no grace.
            && connection.generation == generation
            && connection.lost.is_none()
        {
            connection.lost = Some(GraceDeadline {
                deadline,
                reason: LeftReason::Lost,
            });
            self.deadlines.insert((deadline, participant));
        }
    }

    /// Removes a participant that has left.
    pub(super) fn remove(&mut self, participant: ParticipantNumber) {
        self.forget(participant);
    }

    /// Removes all participants that have left.
    pub(super) fn keep_only(&mut self, is_present: impl Fn(ParticipantNumber) -> bool) {
        let gone: Vec<_> = self
            .connections
            .keys()
            .copied()
            .filter(|number| !is_present(*number))
            .collect();
        for participant in gone {
            self.forget(participant);
        }
    }

    fn forget(&mut self, participant: ParticipantNumber) -> Option<Connection> {
        let connection = self.connections.remove(&participant)?;
        if let Some(lost) = connection.lost {
            // `deadlines` is an index of those that are lost, and always agrees with `connections`.
            self.deadlines.remove(&(lost.deadline, participant));
        }
        if let Some(source) = connection.source {
            self.seats.free(source);
        }
        Some(connection)
    }

    /// Until when a lost participant may come back; `None` if it is not lost.
    pub(super) fn deadline_of(&self, participant: ParticipantNumber) -> Option<Duration> {
        self.connections
            .get(&participant)?
            .lost
            .map(|lost| lost.deadline)
    }

    /// The participants whose grace is over, with the reasons of their Lefts.
    pub(super) fn expired(&self, now: Duration) -> Vec<(ParticipantNumber, LeftReason)> {
        self.deadlines
            .iter()
            .take_while(|(deadline, _)| *deadline <= now)
            .filter_map(|(_, participant)| {
                let lost = self.connections.get(participant)?.lost?;
                Some((*participant, lost.reason))
            })
            .collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.get_min().map(|(deadline, _)| *deadline)
    }
}
