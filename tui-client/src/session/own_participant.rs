//! Under which name the client takes part, and as which participation.

use chitty_chat::{
    Event, EventKind, LamportTime, LeftReason, ParticipantName, ParticipantNumber, Position,
    proto::v1,
};

use super::Ended;

/// The name that was asked for, and the participation that a Welcome began.
#[derive(Debug, Default)]
pub(super) struct OwnParticipant {
    /// The name to join under.
    name: Option<ParticipantName>,
    participation: Option<Participation>,
    /// Whether this participation was announced as LOST or CLOSED. Each Welcome ends that.
    announced_gone: bool,
    /// The clock that the last Join carried.
    join_lamport: LamportTime,
}

/// What the last Welcome said about this participant.
#[derive(Debug)]
struct Participation {
    /// The name that was accepted.
    name: ParticipantName,
    number: ParticipantNumber,
    /// Events below this position are history.
    since: Position,
}

impl OwnParticipant {
    /// The name to join under.
    pub(super) fn name(&self) -> Option<&ParticipantName> {
        self.name.as_ref()
    }

    /// Sets the name to join under.
    pub(super) fn choose(&mut self, name: ParticipantName) {
        self.name = Some(name);
    }

    /// Forgets the name: the server refused it, and the user is asked for another one.
    pub(super) fn forget_name(&mut self) {
        self.name = None;
    }

    /// Whether a Welcome has come in the session.
    pub(super) fn was_welcomed(&self) -> bool {
        self.participation.is_some()
    }

    /// Whether the last Welcome was for the name to join under.
    pub(super) fn is_accepted(&self) -> bool {
        let accepted = self.participation.as_ref().map(|before| &before.name);
        accepted.is_some() && accepted == self.name.as_ref()
    }

    /// Takes note of the clock that a Join carries.
    pub(super) fn joins_at(&mut self, lamport: LamportTime) {
        self.join_lamport = lamport;
    }

    /// The clock that the last Join carried.
    pub(super) fn join_lamport(&self) -> LamportTime {
        self.join_lamport
    }

    /// The number of the participation that a Welcome begins or continues. `granted` says that it
    /// grants a resume.
    pub(super) fn number_in(&self, welcome: &v1::Welcome, granted: bool) -> ParticipantNumber {
        match &self.participation {
            // The Welcome to a new participation may have been lost, so the server's number takes
            // precedence.
            _ if welcome.participant != 0 => ParticipantNumber::new(welcome.participant),
            Some(participation) if granted => participation.number,
            // The first Welcome was lost: the stream begins at this participant's own Joined.
            _ if welcome.resumed => ParticipantNumber::from(Position::new(welcome.next)),
            _ => ParticipantNumber::new(welcome.position),
        }
    }

    /// Begins or continues a participation under this name.
    pub(super) fn begin(
        &mut self,
        name: ParticipantName,
        number: ParticipantNumber,
        since: Position,
    ) {
        // It was announced of the participation before this one.
        self.announced_gone = false;
        self.participation = Some(Participation {
            name,
            number,
            since,
        });
    }

    /// Whether this participation was announced as LOST or CLOSED although the client is there.
    pub(super) fn is_announced_gone(&self) -> bool {
        self.announced_gone
    }

    /// Whether an event at this position belongs to this participation. This is the only place that
    /// decides so; everything else goes by [`Notice::Event`](super::Notice::Event).
    pub(super) fn covers(&self, position: Position) -> bool {
        self.participation
            .as_ref()
            .is_none_or(|participation| position >= participation.since)
    }

    /// Whether this event ends the participation for good, without this client asking for it;
    /// `leaves` says that the user wants to leave. After a Left with the reason LOST or CLOSED,
    /// joining again is right.
    pub(super) fn own_end(&mut self, event: &Event, leaves: bool) -> Option<Ended> {
        let number = self.participation.as_ref()?.number;
        match &event.kind {
            EventKind::Left {
                participant,
                reason: LeftReason::Removed,
                ..
            } if *participant == number => Some(Ended::Removed(
                "an operator removed this participant".into(),
            )),
            EventKind::Left {
                participant,
                reason: LeftReason::Left,
                ..
            } if *participant == number && !leaves => Some(Ended::Left),
            EventKind::Left { participant, .. } if *participant == number => {
                self.announced_gone = true;
                None
            }
            _ => None,
        }
    }
}
