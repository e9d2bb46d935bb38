//! Join: one request, answered by a stream that follows the log.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use chitty_chat::{
    LamportTime, ParticipantName, Session,
    link::LinkSecret,
    logging::CALL,
    proto::v1::{self, JoinRequest, Welcome},
};
use tonic::Status;
use tower::BoxError;
use tracing::info;

use super::{
    RefusedCall, ServiceState, identity_of,
    join_queue::{Newcomer, NewcomerKey, Turn},
    members::member_and_role,
    read, refused, status,
    wire::UnreadRequest,
};
use crate::{
    follower::{Follower, StreamStart},
    log::lamport_at,
    net::Peer,
    sequencer::{Handle, JoinReply},
};
use chitty_room::{Join, JoinGrant, Lookup, Outlook, Refusal, Resume, record::SecretHash};

/// How often a Join that waits for a seat checks whether there is one.
const SEAT_LOOK_EVERY: Duration = Duration::from_millis(100);

impl ServiceState {
    pub(super) async fn join(
        &self,
        request: UnreadRequest<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
    ) -> Result<Follower, RefusedCall> {
        let (request, peer): (JoinRequest, _) = read(request).await?;
        let entered = peer.as_ref().map(Peer::enter);
        let lamport = request.lamport;
        let mut follower = self
            .enter(request, peer)
            .await
            .map_err(|status| refused(lamport, status))?;
        follower.keep(entered);
        Ok(follower)
    }

    async fn enter(&self, request: JoinRequest, peer: Option<Peer>) -> Result<Follower, Status> {
        let chat = self.chat(&request.room)?;
        let session = if request.session.is_empty() {
            Session::random(&mut { self.random })
        } else {
            Session::parse(&request.session).map_err(|error| status::bad_field("session", error))?
        };
        let mut join = Join {
            session: session.hash(),
            name: ParticipantName::parse(&request.name),
            lamport: request.lamport.into(),
            resume: request.resume.map(unverified),
            backlog: request.backlog,
            source: peer.as_ref().map(|peer| peer.source),
            identity: identity_of(peer.as_ref()),
            invitation: parse_invitation(&request.invitation)?,
        };
        let key = match &join.name {
            Ok(name) if request.session.is_empty() => NewcomerKey::Name(name.shared()),
            _ => NewcomerKey::Session(join.session),
        };
        let joined = self.admit(chat, &mut join, key, peer.as_ref()).await?;
        if let Some(peer) = peer {
            // As after every request of a participant: if its stream breaks, it may still publish
            // on this connection.
            peer.renew();
            joined.attachment.set_abort(peer.abort);
        }
        Ok(follow(chat, joined, &session))
    }

    /// Admits a Join, by checks in the order of their cost: the published view refuses what the
    /// room would refuse, then newcomers take turns, then the log is read for a resume, and only
    /// then the sequencer decides.
    async fn admit(
        &self,
        chat: &Handle,
        join: &mut Join,
        key: NewcomerKey,
        peer: Option<&Peer>,
    ) -> Result<JoinReply, Status> {
        let mut outlook = outlook_of(chat, join)?;
        let turn = match peer {
            Some(peer) if outlook.is_arrival => self.turn(chat, key, outlook, peer).await?,
            _ => None,
        };
        // The room may have changed during the wait.
        if turn.as_ref().is_some_and(|turn| turn.has_waited) {
            outlook = outlook_of(chat, join)?;
        }
        chat.view()
            .seats(outlook, join.source, 1)
            .map_err(|refusal| status::refusal(&refusal))?;
        if let Some(resume) = &mut join.resume {
            resume.actual = self.look_up(chat, outlook, join.source).await?;
        }
        // From here on, a Publish of this session must not be refused as unknown: the participation
        // may be durable before the view shows it.
        let _joining = self.joining.begin(join.session);
        chat.join(join.clone())
            .await
            .map_err(|error| status::refused(&error))
    }

    /// Waits for a turn among the newcomers of the same network; `None` if these are not limited.
    async fn turn(
        &self,
        chat: &Handle,
        key: NewcomerKey,
        outlook: Outlook,
        peer: &Peer,
    ) -> Result<Option<Turn>, Status> {
        let Some(rate) = chat.view().rules().join_rate else {
            return Ok(None);
        };
        let source = peer.source;
        let seats = |count| chat.view().seats(outlook, Some(source), count);
        let ready = |count| {
            seats(count).map_err(|_| SEAT_LOOK_EVERY)?;
            let now = chat.now();
            chat.view().arrival(source, count, now)?;
            self.look_ups.check(outlook, source, rate, now)
        };
        let newcomer = Newcomer {
            key,
            source,
            connection: peer.connection,
        };
        let turn = self.newcomers.turn(newcomer, rate.interval, ready).await;
        turn.map(Some).map_err(|retry_in| match seats(1) {
            Err(full) => status::later(&full, retry_in),
            Ok(()) => status::refusal(&Refusal::TooManyJoins { retry_in }),
        })
    }

    /// The time that the log has at a resume's position. The look-up is counted before the log is
    /// read.
    async fn look_up(
        &self,
        chat: &Handle,
        outlook: Outlook,
        source: Option<IpAddr>,
    ) -> Result<Option<LamportTime>, Status> {
        let position = match outlook.lamport {
            Lookup::None => return Ok(None),
            Lookup::Known(lamport) => return Ok(Some(lamport)),
            Lookup::InLog(position) => position,
        };
        let view = chat.view();
        let counted = self
            .look_ups
            .count(outlook, source, view.rules(), chat.now());
        counted.map_err(|retry_in| status::refusal(&Refusal::TooManyJoins { retry_in }))?;
        lamport_at(&**chat.log(), position)
            .await
            .map_err(|error| status::unreadable(&error))
    }
}

/// What a Join would lead to, as far as the published view shows it.
fn outlook_of(chat: &Handle, join: &Join) -> Result<Outlook, Status> {
    chat.view()
        .outlook(join, chat.decision_time())
        .map_err(|refusal| status::refusal(&refusal))
}

fn follow(chat: &Handle, joined: JoinReply, session: &Session) -> Follower {
    let JoinReply {
        granted,
        attachment,
    } = joined;
    info!(
        target: CALL, call = "Stream", step = "opened", position = granted.next.previous().get(),
        participant = granted.participant.get(), generation = granted.generation,
    );
    let welcome = welcome(chat, &granted, session);
    Follower::new(
        StreamStart {
            welcome,
            participants: granted.participants,
            attachment,
        },
        Arc::clone(chat.log()),
    )
}

/// The secret of an invitation, of which only the hash is kept.
fn parse_invitation(text: &str) -> Result<Option<SecretHash>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let secret = LinkSecret::parse(text).ok_or_else(|| {
        let reason = "this is no secret of a link: 22 characters of base58, after the dot";
        status::bad_field("invitation", reason)
    })?;
    Ok(SecretHash::from_prefix(&secret.hash()))
}

/// The resume as the client claims it. What the log has at that position is still to be looked up.
fn unverified(resume: v1::Resume) -> Resume {
    Resume {
        position: resume.position.into(),
        epoch: resume.epoch,
        lamport: resume.lamport.into(),
        actual: None,
    }
}

/// The Welcome without its participants, which are encoded when the peer has window for them.
fn welcome(chat: &Handle, granted: &JoinGrant, session: &Session) -> Welcome {
    let (member, role) = member_and_role(granted.member);
    Welcome {
        session: session.reveal().to_owned(),
        epoch: chat.log().epoch().to_string(),
        position: granted.position.get(),
        lamport: granted.lamport.get(),
        participants: Vec::new(),
        resumed: granted.resumed,
        next: granted.next.get(),
        head: granted.head.get(),
        first: granted.first.get(),
        room: chat.name().as_str().to_owned(),
        participant: granted.participant.get(),
        member,
        role,
    }
}
