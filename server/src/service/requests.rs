//! Publish and Leave.

use chitty_chat::{
    MessageId, MessageText, Session, SessionHash,
    proto::v1::{LeaveReply, LeaveRequest, PublishReply, PublishRequest},
};
use tonic::Status;

use super::{Chat, refused, status};
use crate::room::{Leave, Publish, Refusal};

impl Chat {
    pub(super) async fn publish(&self, request: PublishRequest) -> Result<PublishReply, Status> {
        let lamport = request.lamport;
        let answer = async {
            let publish = parse_publish(&request)?;
            // Of what has an id only the room knows whether it was published before, by whom
            // ever.
            if publish.id.is_none() {
                self.require_known(&publish.session)?;
            }
            self.sequencer
                .publish(publish)
                .await
                .map_err(|error| status::refused(&error))
        };
        match answer.await {
            Ok(receipt) => Ok(PublishReply {
                position: receipt.position.get(),
                lamport: receipt.lamport.get(),
            }),
            Err(status) => Err(refused("Publish", lamport, status)),
        }
    }

    pub(super) async fn leave(&self, request: LeaveRequest) -> Result<LeaveReply, Status> {
        let lamport = request.lamport;
        let answer = async {
            let session = parse_session(&request.session)?;
            self.require_known(&session)?;
            let leave = Leave {
                session,
                lamport: lamport.into(),
            };
            self.sequencer
                .leave(leave)
                .await
                .map_err(|error| status::refused(&error))
        };
        match answer.await {
            Ok(receipt) => Ok(LeaveReply {
                lamport: receipt.lamport.get(),
                position: receipt.position.get(),
            }),
            Err(status) => Err(refused("Leave", lamport, status)),
        }
    }
}

impl Chat {
    /// Refuses, without a turn of the sequencer, a session of which nothing is known.
    fn require_known(&self, session: &SessionHash) -> Result<(), Status> {
        // In this order: a Join that ends in between is published by then.
        if self.joining.contains(session) || self.sequencer.view().knows(session) {
            return Ok(());
        }
        Err(status::refusal(&Refusal::UnknownSession))
    }
}

fn parse_publish(request: &PublishRequest) -> Result<Publish, Status> {
    let id = match request.id.as_str() {
        "" => None,
        id => Some(MessageId::parse(id).map_err(|error| status::bad_field("id", error))?),
    };
    let text =
        MessageText::parse(&request.text).map_err(|error| status::bad_field("text", error))?;
    Ok(Publish {
        session: parse_session(&request.session)?,
        text,
        id,
        seen: request.seen.into(),
        lamport: request.lamport.into(),
    })
}

/// What is no session at all is an unknown one.
pub(super) fn parse_session(session: &str) -> Result<SessionHash, Status> {
    Session::parse(session)
        .map(|session| session.hash())
        .map_err(|_| Status::unauthenticated("this is no session of a Join; join first"))
}
