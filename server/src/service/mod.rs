//! The gRPC service, thin: proto to domain, errors to statuses.
//!
//! Requests are routed by hand because a Join is answered with a body of our own ([`Follower`]). It
//! sends bytes that all participants share, and tonic's router would box it once more.
//!
//! Deliberately absent: storage, and every decision about the chat.

mod history;
mod join;
mod join_queue;
mod joining;
mod look_ups;
mod members;
mod method;
mod others;
mod owners;
mod quota;
mod replies;
mod requests;
mod status;
mod wire;

use std::{
    borrow::Cow,
    convert::Infallible,
    future::ready,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use chitty_chat::{SessionHash, proto::status_name, text::ChatName};
use futures_util::TryFutureExt as _;
use http_body_util::Either;
use tokio::time::timeout;
use tonic::{Status, body::Body, service::Routes};
use tower::BoxError;
use tower_service::Service;
use tracing::info;

pub use self::wire::UnaryReply;
use self::{
    join_queue::JoinQueue,
    joining::Joining,
    look_ups::LookUps,
    method::{Call, Method, UnknownMethod},
    quota::Quota,
    replies::Replies,
    wire::UnreadRequest,
};
use chitty_room::Identity;

use crate::{
    follower::Follower,
    grpc,
    line_limit::{Cause, LineLimit},
    net::{self, Endless, Peer},
    sequencer::{Chats, Handle},
};

/// Deadline from a request's headers to its reply, or to the beginning of its stream. It also ends
/// requests that are never sent completely.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long a peer may take to receive a reply of tonic's services.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Characters of a refusal's reason in a log line. It is limited because it may quote the request.
const MAX_REASON: usize = 200;

/// The gRPC services of a server: the wire contract's, and tonic's health and reflection.
#[derive(Clone)]
pub struct ChittyChat {
    chat: Arc<ServiceState>,
    /// The services that tonic provides.
    others: Routes,
}

struct ServiceState {
    chats: Chats,
    quota: Quota,
    newcomers: Arc<JoinQueue>,
    look_ups: LookUps,
    joining: Joining,
    random: fn(&mut [u8]),
    replies: Arc<Replies>,
    lines: LineLimit,
}

/// The body of a response: a stream that follows the log, one reply, or what tonic makes.
pub type Answer = Either<Follower, Either<UnaryReply, Body>>;

impl ChittyChat {
    /// A service for these chats, beside other services. `random` fills a buffer with unpredictable
    /// bytes, for sessions that the server picks.
    pub fn new(chats: Chats, random: fn(&mut [u8]), others: Routes) -> Self {
        Self {
            chat: Arc::new(ServiceState {
                chats,
                quota: Quota::new(),
                newcomers: Arc::default(),
                look_ups: LookUps::default(),
                joining: Joining::default(),
                random,
                replies: Replies::new(net::Limits::default().replies),
                lines: LineLimit::default(),
            }),
            others: others.prepare(),
        }
    }

    /// The same with this many bytes for replies that wait to be received.
    #[must_use]
    pub fn with_replies(mut self, bytes: usize) -> Self {
        // It is not shared before the first clone, which is made for a connection.
        if let Some(chat) = Arc::get_mut(&mut self.chat) {
            chat.replies = Replies::new(bytes);
        }
        self
    }
}

impl<B> Service<http::Request<B>> for ChittyChat
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = http::Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let call = match Call::parse(request.uri().path()) {
            Some(Ok(call)) => call,
            Some(Err(UnknownMethod)) => {
                let text = "no such method; see the service's reflection";
                return Box::pin(ready(Ok(refuse(Status::unimplemented(text)))));
            }
            None => {
                let others = self.others.clone();
                return Box::pin(async { Ok(others::answer(others, request).await) });
            }
        };
        let chat = Arc::clone(&self.chat);
        let request = UnreadRequest::from(request);
        let identity = identity_of(request.peer.as_ref());
        let source = request.peer.as_ref().map(|peer| peer.source);
        Box::pin(async move {
            let answer = timeout(ANSWER_WITHIN, chat.answer(call, request, source)).await;
            let answer = answer.unwrap_or_else(|_| {
                let late = "no answer in 30 s; a retry with the same id or session is harmless";
                Err(refused(0, Status::deadline_exceeded(late)))
            });
            Ok(answer.unwrap_or_else(|refused| {
                chat.write_down(call, &refused, source, identity);
                refuse(refused.status)
            }))
        })
    }
}

impl ServiceState {
    /// The chat of this name. Calls reach no other chat than the lobby.
    fn chat(&self, room: &str) -> Result<&Handle, Status> {
        if let Ok(ChatName::LOBBY) = ChatName::parse(room) {
            return Ok(self.chats.lobby());
        }
        let text = "there is one room, whose name is empty";
        Err(Status::not_found(text))
    }

    async fn answer(
        &self,
        call: Call,
        request: UnreadRequest<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
        source: Option<IpAddr>,
    ) -> Result<http::Response<Answer>, RefusedCall> {
        let method = match call {
            Call::Chat(method) => method,
            // Boxed, because its future would make that of every other call larger.
            Call::Members(method) => return Box::pin(self.members(method, request, source)).await,
        };
        match method {
            Method::Join => self.join(request).await.map(|follower| {
                let mut response = wire::respond(Either::Left(follower));
                // A stream that follows the log is checked for stalls by the hub instead.
                response.extensions_mut().insert(Endless);
                response
            }),
            Method::Publish => {
                let (publish, peer) = read(request).await?;
                let reply = self.publish(publish, identity_of(peer.as_ref())).await?;
                if let Some(peer) = peer {
                    peer.renew();
                }
                Ok(respond(grpc::frame_message(&reply)))
            }
            Method::Leave => {
                // A participant that leaves needs no more idle time.
                let (leave, peer) = read(request).await?;
                let reply = self.leave(leave, identity_of(peer.as_ref())).await?;
                Ok(respond(grpc::frame_message(&reply)))
            }
            Method::History => self.page(request, source).await,
        }
    }

    /// Answers History. Its reply is large, so it counts against the budget until it is received.
    async fn page(
        &self,
        request: UnreadRequest<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
        source: Option<IpAddr>,
    ) -> Result<http::Response<Answer>, RefusedCall> {
        let (request, peer) = read(request).await?;
        let identity = identity_of(peer.as_ref());
        let (reply, permit) = self.history(request, source, identity).await?;
        if let Some(peer) = peer {
            peer.renew();
        }
        Ok(respond(permit.hold(grpc::frame_message(&reply))))
    }

    /// Logs that a call was refused, and with what status.
    fn write_down(
        &self,
        call: Call,
        refused: &RefusedCall,
        source: Option<IpAddr>,
        identity: Identity,
    ) {
        let cause = match refused.participant {
            Some(session) => Cause::Participant(session, source),
            None => Cause::Stranger(source),
        };
        if self.lines.admits(cause) {
            // Who knocks, for whoever reads the log, or bans by it.
            let peer = refused.participant.is_none().then_some(source).flatten();
            let key = match identity {
                Identity::Key(key) if refused.participant.is_none() => Some(key.short()),
                Identity::Key(_) | Identity::None | Identity::User(_) => None,
            };
            info!(
                target: chitty_chat::logging::CALL,
                call = call.as_str(), step = "refused", lamport = refused.lamport,
                status = status_name(refused.status.code()),
                reason = &*shortened(refused.status.message()),
                peer = peer.map(tracing::field::display), key,
            );
        }
    }
}

/// What the connection of a request proves about its sender.
fn identity_of(peer: Option<&Peer>) -> Identity {
    peer.map_or(Identity::None, |peer| peer.identity)
}

/// Reads the request, and returns it with its sender.
fn read<Req: prost::Message + Default>(
    request: UnreadRequest<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
) -> impl Future<Output = Result<(Req, Option<Peer>), RefusedCall>> {
    wire::read(request).map_err(|status| refused(0, status))
}

fn respond(reply: Bytes) -> http::Response<Answer> {
    wire::respond(Either::Right(Either::Left(wire::reply(reply))))
}

/// A response that consists of a status only.
fn refuse(status: Status) -> http::Response<Answer> {
    status.into_http().map(tonics)
}

const fn tonics(body: Body) -> Answer {
    Either::Right(Either::Right(body))
}

/// Why a call is refused, with what its log line says.
struct RefusedCall {
    /// The Lamport time that the request carried; 0 if it was not read.
    lamport: u64,
    status: Status,
    /// The session, if it is a present participant's. Fewer calls of others are logged.
    participant: Option<SessionHash>,
}

const fn refused(lamport: u64, status: Status) -> RefusedCall {
    RefusedCall {
        lamport,
        status,
        participant: None,
    }
}

impl RefusedCall {
    /// Says whose call it is, once its session is known to be present.
    fn of(self, participant: SessionHash) -> Self {
        Self {
            participant: Some(participant),
            ..self
        }
    }
}

fn shortened(reason: &str) -> Cow<'_, str> {
    match reason.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{}…", &reason[..end]).into(),
        None => reason.into(),
    }
}
