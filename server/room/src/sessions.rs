//! The participation that each session has or had.

use chitty_chat::{LeftReason, ParticipantNumber, Position, SessionHash, fingerprint::Fingerprint};
use imbl::{HashMap, OrdMap};

use super::Receipt;

/// How many ended sessions are remembered, the latest ones. This is enough to recognise a late
/// retry of a Leave, and it bounds the memory of a chat that goes on for years.
pub const REMEMBERED_ENDED: usize = 100_000;

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Its participation goes on.
    Present(ParticipantNumber),
    /// Its last participation ended.
    Ended {
        /// The reason why it ended.
        reason: LeftReason,
        /// Where the Left is.
        receipt: Receipt,
        /// The key of the connection that the participation began on.
        key: Option<Fingerprint>,
    },
}

/// The state of all sessions that are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sessions {
    states: HashMap<SessionHash, SessionState>,
    /// The sessions that ended, by the positions of their Lefts.
    ended: OrdMap<Position, SessionHash>,
}

impl Sessions {
    pub(super) fn get(&self, session: &SessionHash) -> Option<SessionState> {
        self.states.get(session).copied()
    }

    pub(super) fn begin(&mut self, session: SessionHash, participant: ParticipantNumber) {
        // A session that was lost may join again, and is not among the ended ones then.
        if let Some(SessionState::Ended { receipt, .. }) = self
            .states
            .insert(session, SessionState::Present(participant))
        {
            self.ended.remove(&receipt.position);
        }
    }

    pub(super) fn end(
        &mut self,
        session: SessionHash,
        reason: LeftReason,
        receipt: Receipt,
        key: Option<Fingerprint>,
    ) {
        let ended = SessionState::Ended {
            reason,
            receipt,
            key,
        };
        self.states.insert(session, ended);
        self.ended.insert(receipt.position, session);
        if self.ended.len() > REMEMBERED_ENDED
            && let (Some((_, oldest)), rest) = self.ended.without_min_with_key()
        {
            self.states.remove(&oldest);
            self.ended = rest;
        }
    }

    /// The sessions that ended, in the order of their Lefts.
    pub(super) fn iter_ended(
        &self,
    ) -> impl Iterator<Item = (SessionHash, LeftReason, Receipt, Option<Fingerprint>)> {
        self.ended
            .values()
            .filter_map(|session| match self.states.get(session)? {
                SessionState::Ended {
                    reason,
                    receipt,
                    key,
                } => Some((*session, *reason, *receipt, *key)),
                SessionState::Present(_) => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_that_ended_are_remembered_and_the_oldest_is_forgotten() {
        let session = |number: u64| {
            let bytes = u128::from(number).to_le_bytes();
            SessionHash::from_bytes(&bytes).expect("16 bytes")
        };
        let last = REMEMBERED_ENDED as u64;
        let mut sessions = Sessions::default();
        let mut end = |number: u64| {
            let receipt = Receipt {
                position: number.into(),
                lamport: number.into(),
            };
            sessions.end(session(number), LeftReason::Left, receipt, None);
            sessions.clone()
        };
        for number in 1..last {
            end(number);
        }
        let full = end(last);
        assert!(full.get(&session(1)).is_some());
        assert_eq!(full.iter_ended().count(), REMEMBERED_ENDED);
        let over = end(last + 1);
        assert_eq!(over.get(&session(1)), None);
        assert!(over.get(&session(2)).is_some() && over.get(&session(last + 1)).is_some());
        assert_eq!(over.iter_ended().count(), REMEMBERED_ENDED);
    }
}
