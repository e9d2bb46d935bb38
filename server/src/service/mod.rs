//! The gRPC service, thin: proto to domain, errors to statuses.
//!
//! Routed by hand, since a Join is answered with a body of our own ([`Follower`]), which sends bytes
//! that are shared by all participants, and is not to be put into boxes on its way.
//!
//! Deliberately absent: storage, and every decision about the chat.

mod history;
mod join;
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
use futures_util::TryFutureExt as _;
use http_body_util::Either;
use tokio::time::timeout;
use tonic::{Status, body::Body, service::Routes};
use tower::{BoxError, ServiceExt as _};
use tower_service::Service;
use tracing::info;

pub use self::wire::Reply;
use crate::{
    follower::Follower,
    line_limit::{Cause, LineLimit},
    net::Peer,
    sequencer::Handle,
};

/// From the headers of a request to its answer, or to the beginning of its stream. It ends those
/// who send half a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What a log line has of the reason of a refusal at most, in characters: it may quote the request.
const MAX_REASON: usize = 200;

/// The service of the wire contract, and others beside it.
#[derive(Clone)]
pub struct ChittyChat {
    chat: Arc<Chat>,
    /// Whatever is not the chat's own.
    others: Routes,
}

struct Chat {
    sequencer: Handle,
    random: fn(&mut [u8]),
    lines: LineLimit,
}

/// What an answer consists of: a stream that follows the log, one reply, or what tonic makes.
pub type Answer = Either<Follower, Either<Reply, Body>>;

impl ChittyChat {
    /// A service on this chat, beside others. `random` fills a buffer with what nobody can guess.
    pub fn new(sequencer: Handle, random: fn(&mut [u8]), others: Routes) -> Self {
        Self {
            chat: Arc::new(Chat {
                sequencer,
                random,
                lines: LineLimit::default(),
            }),
            others: others.prepare(),
        }
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
                let response = self.others.clone().oneshot(request.map(Body::new));
                return Box::pin(response.map_ok(|response| response.map(tonics)));
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

impl Chat {
    async fn answer(
        &self,
        call: &'static str,
        request: http::Request<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
        source: Option<IpAddr>,
    ) -> Result<http::Response<Answer>, Refused> {
        match call {
            "Join" => {
                let follower = self.join(request).await;
                follower.map(|follower| wire::respond(Either::Left(follower)))
            }
            "Publish" => self.unary(request, Self::publish).await,
            "Leave" => self.unary(request, Self::leave).await,
            _ => {
                self.unary(request, |chat, request| chat.history(request, source))
                    .await
            }
        }
    }

    async fn unary<'a, Req, Res, F>(
        &'a self,
        request: http::Request<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
        handler: impl FnOnce(&'a Self, Req) -> F,
    ) -> Result<http::Response<Answer>, Refused>
    where
        Req: prost::Message + Default + 'static,
        Res: prost::Message,
        F: Future<Output = Result<Res, Refused>>,
    {
        let request = wire::read(request)
            .await
            .map_err(|status| refused(0, status))?;
        let reply = wire::reply(&handler(self, request).await?);
        Ok(wire::respond(Either::Right(Either::Left(reply))))
    }

    /// Writes down that a call was refused, and with what.
    fn write_down(&self, call: &'static str, refused: &Refused, source: Option<IpAddr>) {
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

/// A response that says why there is no other.
fn refuse(status: Status) -> http::Response<Answer> {
    status.into_http().map(tonics)
}

const fn tonics(body: Body) -> Answer {
    Either::Right(Either::Right(body))
}

/// A call that is refused.
struct Refused {
    /// The request's.
    lamport: u64,
    status: Status,
    /// Whose call it is, if a participant's: of others fewer are written down.
    participant: Option<SessionHash>,
}

const fn refused(lamport: u64, status: Status) -> Refused {
    Refused {
        lamport,
        status,
        participant: None,
    }
}

impl Refused {
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
