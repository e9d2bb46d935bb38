//! One request in, one reply out, as gRPC puts them on the wire.
//!
//! By hand, so that statuses are the contract's: what is malformed is the client's mistake, and
//! never INTERNAL, which tonic's own reading makes of it.

use std::{future::ready, marker::PhantomData};

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use tonic::{
    Code, Status, Streaming,
    body::Body,
    codec::{BufferSettings, DecodeBuf, Decoder},
};

use super::status;
use crate::follower;

/// In bytes, of one request: the largest valid one is far below.
const MAX_REQUEST: usize = 16 << 10;

/// A request is small: no need for tonic's 8 KiB.
const BUFFER: usize = 1 << 10;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The one message of a request.
pub(super) async fn read<Req>(request: http::Request<Body>) -> Result<Req, Status>
where
    Req: Message + Default + 'static,
{
    let encoding = request.headers().get("grpc-encoding");
    if encoding.is_some_and(|encoding| encoding != "identity") {
        let text = "requests are not compressed here; send them as identity";
        return Err(Status::unimplemented(text));
    }
    let decoder = RequestDecoder(PhantomData::<Req>);
    let message = Streaming::new_request(decoder, request.into_body(), None, Some(MAX_REQUEST))
        .message()
        .await;
    match message {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(Status::invalid_argument("a call carries one request")),
        Err(status) if matches!(status.code(), Code::Internal | Code::Unknown) => {
            Err(Status::invalid_argument(status.message()))
        }
        Err(status) => Err(status),
    }
}

/// A response of one message.
pub(super) fn reply(message: &impl Message) -> http::Response<Body> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body = Full::new(follower::frame_message(message));
    respond(Body::new(body.with_trailers(ready(Some(Ok(trailers))))))
}

/// A response with this body.
pub(super) fn respond(body: Body) -> http::Response<Body> {
    let mut response = http::Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

struct RequestDecoder<Req>(PhantomData<Req>);

impl<Req: Message + Default> Decoder for RequestDecoder<Req> {
    type Item = Req;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Req>, Status> {
        Req::decode(buffer)
            .map(Some)
            .map_err(|error| status::malformed(&error))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, BUFFER)
    }
}
