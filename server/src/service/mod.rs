//! The gRPC service, thin: proto to domain, errors to statuses.
//!
//! Routed by hand, since a Join is answered with a body of our own ([`Follower`](crate::follower::Follower)), which sends
//! bytes that are shared by all participants.
//!
//! Deliberately absent: storage, and every decision about the chat.

mod history;
mod join;
mod requests;
mod status;
mod wire;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use chitty_chat::proto::{status_name, v1};
use tokio::time::timeout;
use tonic::{Status, body::Body, server::NamedService};
use tower_service::Service;
use tracing::info;

use crate::sequencer::Handle;

/// From the headers of a request to its answer, or to the beginning of its stream. It ends those
/// who send half a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The service of the wire contract.
#[derive(Clone)]
pub struct ChittyChat {
    chat: Arc<Chat>,
}

struct Chat {
    sequencer: Handle,
    random: fn(&mut [u8]),
}

impl ChittyChat {
    /// A service on this chat. `random` fills a buffer with what nobody can guess.
    pub fn new(sequencer: Handle, random: fn(&mut [u8])) -> Self {
        Self {
            chat: Arc::new(Chat { sequencer, random }),
        }
    }
}

impl NamedService for ChittyChat {
    const NAME: &'static str = v1::SERVICE_NAME;
}

impl Service<http::Request<Body>> for ChittyChat {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let chat = Arc::clone(&self.chat);
        Box::pin(async move {
            let call = match request.uri().path().rsplit('/').next() {
                Some("Join") => "Join",
                Some("Publish") => "Publish",
                Some("Leave") => "Leave",
                Some("History") => "History",
                _ => {
                    let text = "no such method; see the service's reflection";
                    return Ok(Status::unimplemented(text).into_http());
                }
            };
            let answer = timeout(ANSWER_WITHIN, chat.answer(call, request)).await;
            Ok(answer.unwrap_or_else(|_| {
                let late = "no answer in 30 s; a retry with the same id or session is harmless";
                refused(call, 0, Status::deadline_exceeded(late)).into_http()
            }))
        })
    }
}

impl Chat {
    async fn answer(
        self: Arc<Self>,
        call: &'static str,
        request: http::Request<Body>,
    ) -> http::Response<Body> {
        let answer = match call {
            "Join" => self
                .join(request)
                .await
                .map(|follower| wire::respond(Body::new(follower))),
            "Publish" => self.unary(call, request, Self::publish).await,
            "Leave" => self.unary(call, request, Self::leave).await,
            _ => self.unary(call, request, Self::history).await,
        };
        answer.unwrap_or_else(Status::into_http)
    }

    async fn unary<Req, Res, F>(
        self: Arc<Self>,
        call: &'static str,
        request: http::Request<Body>,
        handler: impl FnOnce(Arc<Self>, Req) -> F,
    ) -> Result<http::Response<Body>, Status>
    where
        Req: prost::Message + Default + 'static,
        Res: prost::Message,
        F: Future<Output = Result<Res, Status>>,
    {
        let request = wire::read(request)
            .await
            .map_err(|status| refused(call, 0, status))?;
        let reply = handler(self, request).await?;
        Ok(wire::reply(&reply))
    }
}

/// Writes down that a call was refused, and with what.
fn refused(call: &'static str, lamport: u64, status: Status) -> Status {
    info!(
        target: chitty_chat::logging::CALL,
        call, step = "refused", lamport, status = status_name(status.code()),
        reason = status.message(),
    );
    status
}
