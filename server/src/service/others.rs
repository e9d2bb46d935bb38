//! The services that tonic answers: health and reflection.
//!
//! tonic keeps 16 KiB of buffers for a call, all of its headers, and up to 4 MiB of a request. So
//! it is given a copy of the request that is no larger than the chat's own, has only the headers
//! that tonic reads, and keeps no other memory alive.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures_util::FutureExt as _;
use http::{HeaderName, header::CONTENT_TYPE};
use http_body::Frame;
use tokio::{sync::oneshot, time::timeout};
use tonic::{Status, body::Body, service::Routes};
use tower::{BoxError, ServiceExt as _};

use super::{ANSWER_WITHIN, Answer, TAKEN_WITHIN, refuse, tonics, wire::MAX_REQUEST};
use crate::{grpc::PREFIX, net};

/// The headers that tonic reads.
const HEADERS: [HeaderName; 4] = [
    CONTENT_TYPE,
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("grpc-timeout"),
];

/// Answers a request by tonic's services.
pub(super) async fn answer<B>(routes: Routes, request: http::Request<B>) -> http::Response<Answer>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (alive, gone) = oneshot::channel();
    let called = routes.oneshot(stripped(request, gone));
    match timeout(ANSWER_WITHIN, called).await {
        Ok(Ok(response)) => {
            let mut response = response.map(|body| tonics(Body::new(TimedReply(body, alive))));
            response.extensions_mut().insert(net::Endless);
            response
        }
        Ok(Err(never)) => match never {},
        Err(_) => refuse(Status::deadline_exceeded("no whole request in 30 s")),
    }
}

fn stripped<B>(request: http::Request<B>, gone: oneshot::Receiver<()>) -> http::Request<Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let brief = BoundedRequest {
        body: Box::pin(body),
        left: PREFIX + MAX_REQUEST,
        gone: Some(gone),
    };
    let mut request = http::Request::new(Body::new(brief));
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.version_mut() = parts.version;
    for name in HEADERS {
        if let Some(value) = parts.headers.get(&name) {
            // A copy, because the original shares a buffer with everything that was read with it.
            if let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes()) {
                request.headers_mut().insert(name, value);
            }
        }
    }
    request
}

/// A request's body, limited in size.
struct BoundedRequest<B> {
    body: Pin<Box<B>>,
    left: usize,
    /// Resolves when the call is over. Reflection reads its requests in a task of its own, which
    /// would otherwise hold them for ever. `None` once it has resolved.
    gone: Option<oneshot::Receiver<()>>,
}

impl<B: http_body::Body<Data = Bytes, Error: Into<BoxError>>> http_body::Body
    for BoundedRequest<B>
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let is_gone = match &mut self.gone {
            Some(gone) => gone.poll_unpin(cx).is_ready(),
            None => true,
        };
        if is_gone {
            self.gone = None;
            return Poll::Ready(Some(Err(Status::cancelled("the call is over"))));
        }
        let frame = match ready!(self.body.as_mut().poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => {
                let text = error.into().to_string();
                return Poll::Ready(Some(Err(Status::cancelled(text))));
            }
            Some(Ok(frame)) => frame,
        };
        // A request has no trailers.
        let Ok(data) = frame.into_data() else {
            return Poll::Ready(None);
        };
        let Some(left) = self.left.checked_sub(data.remaining()) else {
            let text = format!("a request is at most {MAX_REQUEST} bytes");
            return Poll::Ready(Some(Err(Status::out_of_range(text))));
        };
        self.left = left;
        let data = Bytes::copy_from_slice(&data);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// A reply of tonic's. While it has nothing to send, the stream waits for the server; what it sends
/// is to be received in time. Dropping it drops the sender, which ends the request's body.
struct TimedReply(
    Body,
    #[expect(dead_code, reason = "it is dropped")] oneshot::Sender<()>,
);

impl http_body::Body for TimedReply {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.0).poll_frame(cx);
        if polled.is_ready() {
            net::set_waits_for_peer(TAKEN_WITHIN);
        } else {
            net::set_watches();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}
