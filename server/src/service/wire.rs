//! gRPC on the wire for calls with one request and one reply.
//!
//! Written by hand so that the statuses are those of the contract: a malformed request is the
//! client's mistake, and never INTERNAL, which tonic's decoder makes of it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, combinators::WithTrailers};
use prost::Message;
use tonic::Status;
use tower::BoxError;

use super::status;
use crate::{
    grpc::PREFIX,
    net::{self, Peer},
};

/// Size of a request in bytes at most. The largest valid one is far below.
pub(super) const MAX_REQUEST: usize = 16 << 10;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// A request whose message is still to be read.
///
/// It is without the request's head, because it lives until the answer is there: of participants
/// who join in the same moment, each would keep a head of 200 bytes.
pub(super) struct UnreadRequest<B> {
    body: B,
    /// Why its message cannot be read.
    unreadable: Option<Status>,
    /// Who sends it.
    pub(super) peer: Option<Peer>,
}

impl<B> From<http::Request<B>> for UnreadRequest<B> {
    fn from(request: http::Request<B>) -> Self {
        let (mut head, body) = request.into_parts();
        let encoding = head.headers.get("grpc-encoding");
        // gRPC asks for UNIMPLEMENTED if a server does not know the compression.
        let is_compressed = encoding.is_some_and(|encoding| encoding != "identity");
        let text = "requests are not compressed here; send them as identity";
        Self {
            body,
            unreadable: is_compressed.then(|| Status::unimplemented(text)),
            peer: head.extensions.remove(),
        }
    }
}

/// Reads the one message of a request, and returns it with its sender. It returns as soon as the
/// message is complete; anything after it is ignored.
pub(super) async fn read<Req, B>(request: UnreadRequest<B>) -> Result<(Req, Option<Peer>), Status>
where
    Req: Message + Default,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    if let Some(status) = request.unreadable {
        return Err(status);
    }
    let mut body = pin!(request.body);
    let mut read = Bytes::new();
    loop {
        if let Some(message) = first_message(&read)? {
            let message = Req::decode(message).map_err(|error| status::malformed(&error))?;
            net::set_waits_for_server();
            return Ok((message, request.peer));
        }
        // Copied, because these few bytes may be a slice of a large buffer that they would keep in
        // memory.
        read = Bytes::copy_from_slice(&read);
        let Some(frame) = body.frame().await else {
            return Err(Status::invalid_argument("a call carries one request"));
        };
        let frame = frame.map_err(|error| Status::cancelled(error.into().to_string()))?;
        if let Ok(data) = frame.into_data() {
            read = joined(read, data);
        }
    }
}

/// Joins two pieces. A request mostly comes in one piece, which is not copied.
fn joined(before: Bytes, data: Bytes) -> Bytes {
    if before.is_empty() {
        return data;
    }
    let mut both = BytesMut::from(before);
    both.extend_from_slice(&data);
    both.freeze()
}

/// The message after its length prefix
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>); `None` while it is not
/// complete.
fn first_message(read: &[u8]) -> Result<Option<&[u8]>, Status> {
    let Some((mut prefix, rest)) = read.split_at_checked(PREFIX) else {
        return Ok(None);
    };
    if prefix.get_u8() != 0 {
        let text = "requests are not compressed here; send them as they are";
        return Err(Status::invalid_argument(text));
    }
    let length = prefix.get_u32() as usize;
    // Refused as soon as the prefix is there, before anything more is buffered.
    if length > MAX_REQUEST {
        let text = format!("a request of {length} bytes is too large; {MAX_REQUEST} are the most");
        return Err(Status::out_of_range(text));
    }
    Ok(rest.get(..length))
}

/// The body of a unary response: one message, and the status OK.
pub type UnaryReply = WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, Infallible>>>>;

/// A body with this message, which has its length prefix already.
pub(super) fn reply(message: Bytes) -> UnaryReply {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    Full::new(message).with_trailers(ready(Some(Ok(trailers))))
}

/// A response with this body.
pub(super) fn respond<B>(body: B) -> http::Response<B> {
    let mut response = http::Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}
