//! The gRPC service, thin: proto to domain, errors to statuses.
//!
//! Routed by hand, since a Join is answered with a body of our own ([`Follower`]), which sends
//! bytes that are shared by all participants.
//!
//! Deliberately absent: storage, and every decision about the chat.

mod codec;
mod history;
mod join;
mod requests;
mod status;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use chitty_chat::proto::{status_name, v1};
use tokio::time::timeout;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService},
};
use tower::service_fn;
use tower_service::Service;
use tracing::info;

use self::codec::Codec;
use crate::{follower::Follower, sequencer::Handle};

/// In bytes, of one request: the largest valid one is far below.
const MAX_REQUEST: usize = 16 << 10;

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
            let late = "no answer in 30 s; a retry with the same id or session is harmless";
            let answer = timeout(ANSWER_WITHIN, chat.route(request)).await;
            Ok(answer.unwrap_or_else(|_| Status::deadline_exceeded(late).into_http()))
        })
    }
}

impl Chat {
    async fn route(self: Arc<Self>, request: http::Request<Body>) -> http::Response<Body> {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        match method {
            "Join" => match self.join(request).await {
                Ok(follower) => stream(follower),
                Err(status) => status.into_http(),
            },
            "Publish" => self.unary("Publish", request, Self::publish).await,
            "Leave" => self.unary("Leave", request, Self::leave).await,
            "History" => self.unary("History", request, Self::history).await,
            _ => Status::unimplemented("no such method; see the service's reflection").into_http(),
        }
    }

    async fn unary<Req, Res, F>(
        self: Arc<Self>,
        call: &'static str,
        request: http::Request<Body>,
        handler: impl Fn(Arc<Self>, Req) -> F,
    ) -> http::Response<Body>
    where
        Req: prost::Message + Default + 'static,
        Res: prost::Message + 'static,
        F: Future<Output = Result<Res, Status>> + Send,
    {
        let service = service_fn(|request: Request<Req>| {
            let answer = handler(Arc::clone(&self), request.into_inner());
            async { answer.await.map(Response::new) }
        });
        Grpc::new(Codec::new(call))
            .apply_max_message_size_config(Some(MAX_REQUEST), None)
            .unary(service, request)
            .await
    }
}

fn stream(follower: Follower) -> http::Response<Body> {
    let mut response = http::Response::new(Body::new(follower));
    let grpc = http::HeaderValue::from_static("application/grpc");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, grpc);
    response
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
