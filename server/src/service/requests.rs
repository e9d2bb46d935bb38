//! Publish and Leave: a request, a decision of the sequencer, a reply.

use chitty_chat::{
    MessageId, MessageText, Session, SessionHash,
    proto::v1::{LeaveReply, LeaveRequest, PublishReply, PublishRequest},
};
use tonic::Status;

use super::{RefusedCall, ServiceState, refused, status};
use crate::sequencer;
use chitty_room::{Identity, Leave, Publish, Refusal};

impl ServiceState {
    pub(super) async fn publish(
        &self,
        request: PublishRequest,
        identity: Identity,
    ) -> Result<PublishReply, RefusedCall> {
        let lamport = request.lamport;
        self.require_member(identity)
            .map_err(|status| refused(lamport, status))?;
        let publish =
            parse_publish(&request, identity).map_err(|status| refused(lamport, status))?;
        let session = publish.session;
        // A message with an id goes to the room, even if the session is unknown: it may have been
        // published before.
        if publish.id.is_none() {
            let known = self.require_known(&session);
            known.map_err(|status| refused(lamport, status))?;
        }
        match self.chats.lobby().publish(publish).await {
            Ok(receipt) => Ok(PublishReply {
                position: receipt.position.get(),
                lamport: receipt.lamport.get(),
            }),
            Err(error) => {
                let refused = refused(lamport, status::refused(&error));
                Err(if is_of_a_participant(&error) {
                    refused.of(session)
                } else {
                    refused
                })
            }
        }
    }

    pub(super) async fn leave(
        &self,
        request: LeaveRequest,
        identity: Identity,
    ) -> Result<LeaveReply, RefusedCall> {
        let lamport = request.lamport;
        self.require_member(identity)
            .map_err(|status| refused(lamport, status))?;
        let session = parse_session(&request.session).map_err(|status| refused(lamport, status))?;
        let known = self.require_known(&session);
        known.map_err(|status| refused(lamport, status))?;
        let leave = Leave {
            session,
            lamport: lamport.into(),
            identity,
        };
        match self.chats.lobby().leave(leave).await {
            Ok(receipt) => Ok(LeaveReply {
                lamport: receipt.lamport.get(),
                position: receipt.position.get(),
            }),
            Err(error) => Err(refused(lamport, status::refused(&error))),
        }
    }
}

impl ServiceState {
    /// Refuses a stranger to a closed chat before anything of the request is looked at.
    fn require_member(&self, identity: Identity) -> Result<(), Status> {
        let view = self.chats.lobby().view();
        let member = view.room().require_member(identity);
        member.map_err(|refusal| status::refusal(&refusal.into()))
    }

    /// Refuses an unknown session without a turn of the sequencer.
    fn require_known(&self, session: &SessionHash) -> Result<(), Status> {
        // The order matters: a Join that is decided between the two checks is in the view by then.
        if self.joining.contains(session) || self.chats.lobby().view().knows(session) {
            return Ok(());
        }
        Err(status::refusal(&Refusal::UnknownSession))
    }
}

/// Whether a Publish was refused after its session was found to be present. The other refusals come
/// before that check.
const fn is_of_a_participant(error: &sequencer::RequestError) -> bool {
    matches!(
        error,
        sequencer::RequestError::Refusal(
            Refusal::TooFast { .. } | Refusal::SeenAhead { .. } | Refusal::SeenFell { .. }
        )
    )
}

fn parse_publish(request: &PublishRequest, identity: Identity) -> Result<Publish, Status> {
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
        identity,
    })
}

/// Parses a session. A malformed one is refused like an unknown one.
pub(super) fn parse_session(session: &str) -> Result<SessionHash, Status> {
    Session::parse(session)
        .map(|session| session.hash())
        .map_err(|_| Status::unauthenticated("this is no session of a Join; join first"))
}
