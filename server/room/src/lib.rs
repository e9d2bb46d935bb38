//! The chat itself, as a pure state machine: requests and the time go in, decisions come out.
//!
//! [`Fold`] is the state that follows from the log, and nothing else: the same log gives the same
//! fold everywhere. [`Presence`] is what only this process knows: whose stream is attached, and
//! whose grace runs. A [`Room`] has both, and decides. A [`View`] of it is for those who only read.
//!
//! Deliberately absent: tasks, sockets, files, the time of day. All parts are persistent maps or
//! shared between clones, so that a clone is cheap: a batch is decided on one, which is dropped if
//! the append fails.

pub mod rate;
pub mod record;
pub mod source;

mod admission;
mod command;
mod decide;
mod fold;
mod identity;
mod joining;
mod jumps;
mod members;
mod membership;
mod presence;
mod published;
mod seats;
mod sessions;
mod snapshot;
mod view;

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use admission::{Access, MAX_DEVICES, MAX_MEMBERS, Standing};
pub use command::{Decision, Join, JoinGrant, Leave, Publish, Refusal, Resume};
pub use fold::{Fold, FoldError, Participant, check_time, time_after};
pub use identity::Identity;
pub use members::{Invitation, Member, Members, owner_of_name};
pub use membership::{
    Change, Invite, InviteGrant, MAX_INVITATIONS, MAX_LIFETIME, MAX_USES, MemberChange,
    MembershipRefusal, Remove, Revoke, RevokeGrant,
};
pub use presence::Presence;
pub use published::{REMEMBERED_POSITIONS, Receipt};
pub use sessions::{REMEMBERED_ENDED, SessionState};
pub use snapshot::SnapshotError;
pub use view::{Lookup, Outlook, View};

use chitty_chat::{LeftReason, ParticipantNumber, Position};

use self::jumps::Jumps;
use crate::rate::{Rate, Sources};

/// The moment at which something is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecisionTime {
    /// The wall clock, for people.
    pub wall: SystemTime,
    /// The time since the process began; it never goes back. Graces are measured by it.
    pub mono: Duration,
}

/// What is configured about a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomRules {
    /// How long a participant whose stream ended may come back before it is announced as lost.
    pub grace: Duration,
    /// How long those who were present when the server died may come back after its restart.
    pub restart_grace: Duration,
    /// How many may be present at once.
    pub max_participants: usize,
    /// How many of them may have come from one source ([`source`](mod@crate::source)), so that
    /// nobody can take all the seats; an IPv6 /48 network may have
    /// [`NETWORK_SHARE`](crate::source::NETWORK_SHARE) times as many.
    pub max_participants_per_source: usize,
    /// How often a participant may publish; `None`: without limit. What is refused, or is a retry
    /// of what was published, does not count.
    pub publish_rate: Option<Rate>,
    /// How often a newcomer may join from one address; `None`: without limit. A client that resumes
    /// from a position does not count, so that all may come back at once after a restart. One that
    /// resumes without a position does, because its Welcome is as large as a newcomer's.
    pub join_rate: Option<Rate>,
    /// How often a participant may begin a new stream; `None`: without limit.
    pub stream_rate: Option<Rate>,
    /// Who takes part.
    pub access: Access,
}

impl Default for RoomRules {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            restart_grace: Duration::from_secs(30),
            max_participants: 10_000,
            max_participants_per_source: 1_000,
            publish_rate: None,
            join_rate: None,
            stream_rate: None,
            access: Access::ByLog,
        }
    }
}

/// A chat that is going on. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Room {
    fold: Fold,
    presence: Presence,
    /// How many newcomers have joined lately, by source.
    arrivals: Sources,
    /// How far the log's clock was moved ahead lately.
    jumps: Jumps,
    rules: RoomRules,
    epoch: Arc<str>,
    first: Position,
}

impl Room {
    /// A room for the state of the log. All participants that are present in it have the restart
    /// grace to come back.
    ///
    /// `epoch` is the life of the log, `first` the oldest position that it keeps.
    pub fn new(
        fold: Fold,
        epoch: Arc<str>,
        first: Position,
        rules: RoomRules,
        now: DecisionTime,
    ) -> Self {
        let presence = Presence::after_restart(&fold, now.mono + rules.restart_grace);
        let mut room = Self {
            fold,
            presence,
            arrivals: Sources::default(),
            jumps: Jumps::default(),
            rules,
            epoch,
            first,
        };
        room.close_to_strangers(now.mono);
        room
    }

    /// Whoever is present without being a member when a chat starts closed has no grace.
    fn close_to_strangers(&mut self, now: Duration) {
        for number in self.strangers() {
            self.presence.lose_at(number, now, LeftReason::Closed);
        }
    }

    fn strangers(&self) -> Vec<ParticipantNumber> {
        self.fold
            .participants()
            .filter(|participant| self.is_stranger(participant))
            .map(|participant| participant.number)
            .collect()
    }

    /// The state that follows from the log.
    pub const fn fold(&self) -> &Fold {
        &self.fold
    }

    /// The epoch of the log.
    pub fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    /// Records that the log keeps nothing before this position any more.
    pub fn set_first(&mut self, first: Position) {
        self.first = first;
    }

    /// Replaces the fold after another writer has appended to the log.
    pub fn advance(&mut self, fold: Fold) {
        self.presence
            // Participants that left through another server are not waited for any more.
            .keep_only(|participant| fold.participant(participant).is_some());
        self.fold = fold;
        self.fold.settle();
    }

    /// Replaces the room by the clone on which a batch was decided, once that is durable.
    pub fn adopt(&mut self, decided: Self) {
        *self = decided;
        self.fold.settle();
    }

    /// When [`Room::expire`] next has something to do, on the clock of [`DecisionTime::mono`].
    pub fn next_deadline(&self) -> Option<Duration> {
        self.presence.next_deadline()
    }
}
