//! The gRPC service, thin: proto to domain, errors to statuses.
//!
//! Routed by hand, since a Join is answered with a body of our own ([`Follower`]), which sends bytes
//! that are shared by all participants, and is not to be put into boxes on its way.
//!
//! Deliberately absent: storage, and every decision about the chat.

mod history;
mod join;
mod join_queue;
mod joining;
mod look_ups;
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
use chitty_chat::{
    SessionHash,
    proto::{status_name, v1},
};
use http_body_util::Either;
use tokio::time::timeout;
use tonic::{Status, body::Body, service::Routes};
use tower::BoxError;
use tower_service::Service;
use tracing::info;

pub use self::wire::UnaryReply;
use self::{
    join_queue::JoinQueue, joining::Joining, look_ups::LookUps, quota::Quota, replies::Replies,
};
use crate::{
    follower::{self, Follower},
    line_limit::{Cause, LineLimit},
    net::{self, Endless, Peer},
    sequencer::Handle,
};

/// From the headers of a request to its answer, or to the beginning of its stream. It ends those
/// who send half a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What tonic says is to be taken so soon.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// What a log line has of the reason of a refusal at most, in characters: it may quote the request.
const MAX_REASON: usize = 200;

/// The service of the wire contract, and others beside it.
#[derive(Clone)]
pub struct ChittyChat {
    chat: Arc<ServiceState>,
    /// Whatever is not the chat's own.
    others: Routes,
}

struct ServiceState {
    sequencer: Handle,
    quota: Quota,
    newcomers: Arc<JoinQueue>,
    look_ups: LookUps,
    joining: Joining,
    random: fn(&mut [u8]),
    replies: Arc<Replies>,
    lines: LineLimit,
}

/// What an answer consists of: a stream that follows the log, one reply, or what tonic makes.
pub type Answer = Either<Follower, Either<UnaryReply, Body>>;

impl ChittyChat {
    /// A service on this chat, beside others. `random` fills a buffer with what nobody can guess.
    pub fn new(sequencer: Handle, random: fn(&mut [u8]), others: Routes) -> Self {
        Self {
            chat: Arc::new(ServiceState {
                sequencer,
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

    /// The same with so many bytes for replies that wait to be taken.
    #[must_use]
    pub fn with_replies(mut self, bytes: usize) -> Self {
        // Nobody else has it before the first clone, which is made for a connection.
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
        let path = request.uri().path().strip_prefix('/');
        let method = path.and_then(|path| path.strip_prefix(v1::SERVICE_NAME)?.strip_prefix('/'));
        let call = match method {
            Some("Join") => "Join",
            Some("Publish") => "Publish",
            Some("Leave") => "Leave",
            Some("History") => "History",
            Some(_) => {
                let text = "no such method; see the service's reflection";
                return Box::pin(ready(Ok(refuse(Status::unimplemented(text)))));
            }
            None => {
                let others = self.others.clone();
                return Box::pin(async { Ok(others::answer(others, request).await) });
            }
        };
        let chat = Arc::clone(&self.chat);
        let source = request.extensions().get::<Peer>().map(|peer| peer.source);
        Box::pin(async move {
            let answer = timeout(ANSWER_WITHIN, chat.answer(call, request, source)).await;
            let answer = answer.unwrap_or_else(|_| {
                let late = "no answer in 30 s; a retry with the same id or session is harmless";
                Err(refused(0, Status::deadline_exceeded(late)))
            });
            Ok(answer.unwrap_or_else(|refused| {
                chat.write_down(call, &refused, source);
                refuse(refused.status)
            }))
        })
    }
}

impl ServiceState {
    async fn answer(
        &self,
        call: &'static str,
        request: http::Request<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
        source: Option<IpAddr>,
    ) -> Result<http::Response<Answer>, RefusedCall> {
        match call {
            "Join" => self.join(request).await.map(|follower| {
                let mut response = wire::respond(Either::Left(follower));
                // Its reader has limits of its own.
                response.extensions_mut().insert(Endless);
                response
            }),
            "Publish" => {
                let (publish, peer) = read(request).await?;
                let reply = self.publish(publish).await?;
                if let Some(peer) = peer {
                    peer.renew();
                }
                Ok(respond(follower::frame_message(&reply)))
            }
            "Leave" => {
                // Whoever leaves has no time to be given.
                let (leave, _) = read(request).await?;
                let reply = self.leave(leave).await?;
                Ok(respond(follower::frame_message(&reply)))
            }
            _ => self.page(request, source).await,
        }
    }

    /// History: its reply is large enough to be counted for as long as it waits.
    async fn page(
        &self,
        request: http::Request<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
        source: Option<IpAddr>,
    ) -> Result<http::Response<Answer>, RefusedCall> {
        let (request, peer) = read(request).await?;
        let (reply, permit) = self.history(request, source).await?;
        if let Some(peer) = peer {
            peer.renew();
        }
        Ok(respond(permit.hold(follower::frame_message(&reply))))
    }

    /// Writes down that a call was refused, and with what.
    fn write_down(&self, call: &'static str, refused: &RefusedCall, source: Option<IpAddr>) {
        let cause = match refused.participant {
            Some(session) => Cause::Participant(session, source),
            None => Cause::Stranger(source),
        };
        if self.lines.admits(cause) {
            info!(
                target: chitty_chat::logging::CALL,
                call, step = "refused", lamport = refused.lamport,
                status = status_name(refused.status.code()),
                reason = &*shortened(refused.status.message()),
            );
        }
    }
}

/// The request, and who sends it.
async fn read<Req: prost::Message + Default>(
    request: http::Request<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
) -> Result<(Req, Option<Peer>), RefusedCall> {
    let peer = request.extensions().get::<Peer>().cloned();
    let request = wire::read(request)
        .await
        .map_err(|status| refused(0, status))?;
    net::set_waits_for_server();
    Ok((request, peer))
}

fn respond(reply: Bytes) -> http::Response<Answer> {
    wire::respond(Either::Right(Either::Left(wire::reply(reply))))
}

/// A response that says why there is no other.
fn refuse(status: Status) -> http::Response<Answer> {
    status.into_http().map(tonics)
}

const fn tonics(body: Body) -> Answer {
    Either::Right(Either::Right(body))
}

/// A call that is refused.
struct RefusedCall {
    /// The request's.
    lamport: u64,
    status: Status,
    /// Whose call it is, if a participant's: of others fewer are written down.
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
    /// It was looked up that this participant is present.
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
