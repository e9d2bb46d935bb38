//! Whose stream is attached, and whose grace runs: what only this process knows.

use std::time::Duration;

use chitty_chat::{LeftReason, ParticipantNumber};
use imbl::{OrdMap, OrdSet};

use super::Fold;
use crate::rate::{Bucket, Rate};

/// The connections of those who are present.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    connections: OrdMap<ParticipantNumber, Connection>,
    deadlines: OrdSet<(Duration, ParticipantNumber)>,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    /// Counts the streams of this participation, so that the end of an older one changes nothing.
    generation: u64,
    lost: Option<Lost>,
    /// How much it has published lately.
    published: Bucket,
}

#[derive(Clone, Copy, Debug)]
struct Lost {
    deadline: Duration,
    /// With which reason it will be announced.
    reason: LeftReason,
}

impl Presence {
    /// Everybody has until `deadline` to come back.
    pub(super) fn after_restart(fold: &Fold, deadline: Duration) -> Self {
        let mut presence = Self::default();
        for participant in fold.participants() {
            let lost = Lost {
                deadline,
                reason: LeftReason::Closed,
            };
            let generation = participant.generation;
            presence.connections.insert(
                participant.number,
                Connection {
                    generation,
                    lost: Some(lost),
                    published: Bucket::default(),
                },
            );
            presence.deadlines.insert((deadline, participant.number));
        }
        presence
    }

    /// A stream begins; returns which one it is of this participation.
    pub(super) fn attach(&mut self, participant: ParticipantNumber) -> u64 {
        let older = self.forget(participant);
        let generation = older.map_or(0, |connection| connection.generation) + 1;
        let published = older.map_or_else(Bucket::default, |connection| connection.published);
        self.connections.insert(
            participant,
            Connection {
                generation,
                lost: None,
                published,
            },
        );
        generation
    }

    /// Counts a message, or says in which time it may come.
    pub(super) fn count_message(
        &mut self,
        participant: ParticipantNumber,
        rate: Rate,
        now: Duration,
    ) -> Result<(), Duration> {
        match self.connections.get_mut(&participant) {
            Some(connection) => connection.published.take(rate, now),
            None => Ok(()),
        }
    }

    /// A stream ended. Without meaning where a newer one is attached, or the participant has left.
    pub(super) fn detach(
        &mut self,
        participant: ParticipantNumber,
        generation: u64,
        deadline: Duration,
    ) {
        if let Some(connection) = self.connections.get_mut(&participant)
            && connection.generation == generation
            && connection.lost.is_none()
        {
            connection.lost = Some(Lost {
                deadline,
                reason: LeftReason::Lost,
            });
            self.deadlines.insert((deadline, participant));
        }
    }

    /// The participant has left.
    pub(super) fn remove(&mut self, participant: ParticipantNumber) {
        self.forget(participant);
    }

    /// Forgets the others: they have left.
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
            self.deadlines.remove(&(lost.deadline, participant));
        }
        Some(connection)
    }

    /// Until when a lost participant may come back; `None` where it is not lost.
    pub(super) fn deadline_of(&self, participant: ParticipantNumber) -> Option<Duration> {
        self.connections
            .get(&participant)?
            .lost
            .map(|lost| lost.deadline)
    }

    /// Those whose grace is over, and with which reason they are announced.
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
