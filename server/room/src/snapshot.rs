//! Snapshots: the fold as bytes, for logs whose beginning was dropped.

use std::{sync::Arc, time::SystemTime};

use chitty_chat::{
    LamportClock, LeftReason, MemberEvent, MemberNumber, ParticipantNumber, Position, SessionHash,
    fingerprint::Fingerprint,
    proto::{log_v1, v1},
};
use prost::Message as _;
use thiserror::Error;

use super::{Fold, Invitation, Member, Participant, Receipt};
use crate::record::{Device, PrivatePart, RecordError, SecretHash, key_bytes, parse_key};

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
            key: key_bytes(participant.key),
        });
        let ended = self
            .sessions
            .iter_ended()
            .map(|(session, reason, receipt, key)| Ended {
                session: session.as_bytes().to_vec(),
                reason: v1::left::Reason::from(reason).into(),
                position: receipt.position.get(),
                lamport: receipt.lamport.get(),
                key: key_bytes(key),
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
            members: self.members.iter().map(encode_member).collect(),
            invitations: self.members.invitations().map(encode_invitation).collect(),
            barred: self.members.barred.iter().map(encode_barred).collect(),
            closed: self.members.is_closed,
            at: self.at.map(Into::into),
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
                key: parse_key(&present.key).map_err(key_of_a)?,
                member: MemberNumber::new(known.member),
            });
            fold.sessions.begin(session, number);
        }
        for ended in snapshot.ended {
            let reason = LeftReason::from(ended.reason());
            let receipt = receipt(ended.position, ended.lamport);
            let key = parse_key(&ended.key).map_err(key_of_a)?;
            fold.sessions
                .end(session(&ended.session)?, reason, receipt, key);
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
        fold.at = snapshot.at.and_then(|at| SystemTime::try_from(at).ok());
        fold.members.is_closed = snapshot.closed;
        for barred in snapshot.barred {
            let key = parse_key(&barred.key).map_err(key_of_a)?;
            let key = key.ok_or(SnapshotError::Missing("a barred key"))?;
            fold.members.barred.insert(key, barred.position.into());
        }
        for invitation in snapshot.invitations {
            fold.members
                .insert_invitation(decode_invitation(invitation)?);
        }
        for member in snapshot.members {
            fold.members.insert(decode_member(member)?);
        }
        Ok(fold)
    }
}

fn key_of_a(_: RecordError) -> SnapshotError {
    SnapshotError::Missing("a readable key")
}

fn encode_member(member: &Member) -> log_v1::snapshot::MemberState {
    let event = MemberEvent {
        number: Some(member.number),
        name: Arc::clone(&member.name),
        role: member.role,
        keys: u32::try_from(member.devices.len()).unwrap_or(u32::MAX),
        by: None,
        invitation: member.invitation,
    };
    log_v1::snapshot::MemberState {
        member: Some((&event).into()),
        keys: member.devices.iter().map(Into::into).collect(),
    }
}

fn decode_member(stored: log_v1::snapshot::MemberState) -> Result<Member, SnapshotError> {
    let event = stored.member.ok_or(SnapshotError::Missing("a member"))?;
    let event = MemberEvent::from(event);
    let devices = stored.keys.iter().map(Device::try_from);
    Ok(Member {
        number: event
            .number
            .ok_or(SnapshotError::Missing("a member's number"))?,
        name: event.name,
        role: event.role,
        devices: devices.collect::<Result<_, _>>().map_err(key_of_a)?,
        invitation: event.invitation,
    })
}

fn encode_invitation(invitation: &Invitation) -> log_v1::snapshot::InvitationState {
    let private = &invitation.private;
    let (last, last_at) = invitation.last.clone().unzip();
    log_v1::snapshot::InvitationState {
        invitation: Some((&invitation.event).into()),
        secret: private
            .secret
            .map_or_else(Vec::new, |hash| hash.as_bytes().to_vec()),
        key: key_bytes(private.key),
        name: private.name.to_string(),
        used: invitation.used,
        epoch: private.epoch.to_string(),
        last: last.map_or_else(String::new, |name| name.to_string()),
        last_at: last_at.map(Into::into),
    }
}

fn decode_invitation(
    stored: log_v1::snapshot::InvitationState,
) -> Result<Invitation, SnapshotError> {
    let event = stored
        .invitation
        .ok_or(SnapshotError::Missing("an invitation"))?;
    let last_at = stored.last_at.and_then(|at| SystemTime::try_from(at).ok());
    Ok(Invitation {
        event: event.into(),
        private: PrivatePart {
            secret: SecretHash::from_prefix(&stored.secret),
            key: parse_key(&stored.key).map_err(key_of_a)?,
            name: stored.name.into(),
            epoch: stored.epoch.into(),
            ..PrivatePart::default()
        },
        used: stored.used,
        last: last_at.map(|at| (stored.last.into(), at)),
    })
}

fn encode_barred((key, position): (&Fingerprint, &Position)) -> log_v1::snapshot::Barred {
    log_v1::snapshot::Barred {
        key: key_bytes(Some(*key)),
        position: position.get(),
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
            member: MemberNumber::to_wire(participant.member),
        }
    }
}
