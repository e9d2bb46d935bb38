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

use super::{Chat, refused, status, wire};
use crate::{
    follower::{Follower, Start},
    log::lamport_at,
    net::{self, Peer},
    room::{Granted, Join, Resume},
    sequencer::Joined,
};

impl Chat {
    pub(super) async fn join(
        &self,
        request: http::Request<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
    ) -> Result<Follower, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let request: JoinRequest = wire::read(request)
            .await
            .map_err(|status| refused("Join", 0, status))?;
        net::is_asked();
        let entered = peer.as_ref().map(Peer::enter);
        let lamport = request.lamport;
        let mut follower = self
            .enter(request, peer)
            .await
            .map_err(|status| refused("Join", lamport, status))?;
        follower.keep(entered);
        Ok(follower)
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
                participants: granted.participants,
                attachment,
            },
            Arc::clone(log),
        )
    }
}

/// All but the participants, who are encoded when there is room for them.
fn welcome(granted: &Granted, session: &Session, epoch: &str) -> Welcome {
    Welcome {
        session: session.reveal().to_owned(),
        epoch: epoch.to_owned(),
        position: granted.position.get(),
        lamport: granted.lamport.get(),
        participants: Vec::new(),
        resumed: granted.resumed,
        next: granted.next.get(),
        head: granted.head.get(),
        first: granted.first.get(),
        room: String::new(),
        participant: granted.participant.get(),
    }
}
