//! Snapshots: the fold as bytes, for logs whose beginning was dropped.

use chitty_chat::{
    LamportClock, LeftReason, ParticipantNumber, SessionHash,
    proto::{log_v1, v1},
};
use prost::Message as _;
use thiserror::Error;

use super::{Fold, Participant, Receipt};

/// Why bytes are not a snapshot.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Not the encoding of a snapshot.
    #[error("not a snapshot of the log: {0}")]
    Encoding(#[from] prost::DecodeError),
    /// A required field is missing.
    #[error("a snapshot of the log without {0}")]
    Missing(&'static str),
}

impl Fold {
    /// Encodes the fold as `chitty.log.v1.Snapshot`.
    pub fn encode(&self) -> Vec<u8> {
        use log_v1::snapshot::{Ended, Present, Published};
        let present = self.participants().map(|participant| Present {
            participant: Some(participant.into()),
            session: participant.session.as_bytes().to_vec(),
            generation: participant.generation,
        });
        let ended = self
            .sessions
            .iter_ended()
            .map(|(session, reason, receipt)| Ended {
                session: session.as_bytes().to_vec(),
                reason: v1::left::Reason::from(reason).into(),
                position: receipt.position.get(),
                lamport: receipt.lamport.get(),
            });
        let published = self.published.iter().map(|(id, receipt, text)| Published {
            id: id.to_string(),
            position: receipt.position.get(),
            lamport: receipt.lamport.get(),
            text: text.to_vec(),
        });
        log_v1::Snapshot {
            position: self.head.get(),
            lamport: self.now().get(),
            present: present.collect(),
            ended: ended.collect(),
            published: published.collect(),
        }
        .encode_to_vec()
    }

    /// Decodes a fold from `chitty.log.v1.Snapshot`.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let snapshot = log_v1::Snapshot::decode(bytes)?;
        let mut fold = Self {
            head: snapshot.position.into(),
            clock: LamportClock::starting_at(snapshot.lamport.into()),
            ..Self::default()
        };
        for present in snapshot.present {
            let known = present
                .participant
                .ok_or(SnapshotError::Missing("a participant"))?;
            let session = session(&present.session)?;
            let number = ParticipantNumber::new(known.number);
            fold.insert_present(Participant {
                number,
                name: known.name.into(),
                session,
                seen: known.seen.into(),
                generation: present.generation,
            });
            fold.sessions.begin(session, number);
        }
        for ended in snapshot.ended {
            let reason = LeftReason::from(ended.reason());
            let receipt = receipt(ended.position, ended.lamport);
            fold.sessions.end(session(&ended.session)?, reason, receipt);
        }
        for published in snapshot.published {
            let text = published
                .text
                .as_slice()
                .try_into()
                .map_err(|_| SnapshotError::Missing("a text's digest"))?;
            let receipt = receipt(published.position, published.lamport);
            fold.published.insert(published.id.into(), receipt, text);
        }
        fold.published.forget(fold.head);
        Ok(fold)
    }
}

fn session(bytes: &[u8]) -> Result<SessionHash, SnapshotError> {
    SessionHash::from_bytes(bytes).ok_or(SnapshotError::Missing("a session"))
}

fn receipt(position: u64, lamport: u64) -> Receipt {
    Receipt {
        position: position.into(),
        lamport: lamport.into(),
    }
}

impl From<&Participant> for v1::Participant {
    fn from(participant: &Participant) -> Self {
        Self {
            name: participant.name.to_string(),
            number: participant.number.get(),
            seen: participant.seen.get(),
        }
    }
}
