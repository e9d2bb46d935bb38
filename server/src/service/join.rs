//! Join: one request, and a stream without end.

use std::sync::Arc;

use bytes::Bytes;
use chitty_chat::{
    ParticipantName, Session,
    logging::CALL,
    proto::v1::{JoinRequest, Welcome},
};
use tonic::Status;
use tower::BoxError;
use tracing::info;

use super::{Chat, Refused, refused, status, wire};
use crate::{
    follower::{Follower, Start},
    log::lamport_at,
    net::Peer,
    room::{Granted, Join, Resume},
    sequencer::Joined,
};

impl Chat {
    pub(super) async fn join(
        &self,
        request: http::Request<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
    ) -> Result<Follower, Refused> {
        let peer = request.extensions().get::<Peer>().cloned();
        let request: JoinRequest = wire::read(request)
            .await
            .map_err(|status| refused(0, status))?;
        let lamport = request.lamport;
        self.enter(request, peer)
            .await
            .map_err(|status| refused(lamport, status))
    }

    async fn enter(&self, request: JoinRequest, peer: Option<Peer>) -> Result<Follower, Status> {
        if !request.room.is_empty() {
            return Err(Status::not_found("there is one room, whose name is empty"));
        }
        let session = if request.session.is_empty() {
            Session::random(&mut { self.random })
        } else {
            Session::parse(&request.session).map_err(|error| status::bad_field("session", error))?
        };
        let join = Join {
            session: session.hash(),
            name: ParticipantName::parse(&request.name),
            lamport: request.lamport.into(),
            resume: self.look_up(request.resume).await?,
            backlog: request.backlog,
            source: peer.as_ref().map(|peer| peer.source),
        };
        let joined = self
            .sequencer
            .join(join)
            .await
            .map_err(|error| status::refused(&error))?;
        if let Some(peer) = peer {
            joined.attachment.cut_by(peer.cut);
        }
        Ok(self.follow(joined, &session))
    }

    /// Where the client says that it is, beside what the log says to that.
    async fn look_up(
        &self,
        resume: Option<chitty_chat::proto::v1::Resume>,
    ) -> Result<Option<Resume>, Status> {
        let Some(resume) = resume else {
            return Ok(None);
        };
        let position = resume.position.into();
        let actual = lamport_at(&**self.sequencer.log(), position)
            .await
            .map_err(|error| status::unreadable(&error))?;
        let lamport = resume.lamport.into();
        Ok(Some(Resume {
            position,
            epoch: resume.epoch,
            lamport,
            actual,
        }))
    }

    fn follow(&self, joined: Joined, session: &Session) -> Follower {
        let Joined {
            granted,
            attachment,
        } = joined;
        info!(
            target: CALL, call = "Stream", step = "opened", position = granted.next.previous().get(),
            participant = granted.participant.get(), generation = granted.generation,
        );
        let log = self.sequencer.log();
        let welcome = welcome(&granted, session, &log.epoch());
        Follower::new(
            Start {
                welcome,
                attachment,
            },
            Arc::clone(log),
        )
    }
}

fn welcome(granted: &Granted, session: &Session, epoch: &str) -> Welcome {
    Welcome {
        session: session.reveal().to_owned(),
        epoch: epoch.to_owned(),
        position: granted.position.get(),
        lamport: granted.lamport.get(),
        participants: granted.participants.values().map(Into::into).collect(),
        resumed: granted.resumed,
        next: granted.next.get(),
        head: granted.head.get(),
        first: granted.first.get(),
        room: String::new(),
        participant: granted.participant.get(),
    }
}
