//! Protobuf by prost, with the statuses of the contract: a request that is not well-formed is the
//! client's mistake, and never INTERNAL.

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::{refused, status};

/// A request or a reply is small: no need for tonic's 8 KiB for each direction of each call.
const BUFFER: usize = 1 << 10;

pub(super) struct Codec<Req, Res> {
    call: &'static str,
    messages: PhantomData<(Req, Res)>,
}

impl<Req, Res> Codec<Req, Res> {
    /// For this call, as in logs.
    pub(super) const fn new(call: &'static str) -> Self {
        Self {
            call,
            messages: PhantomData,
        }
    }
}

impl<Req, Res> tonic::codec::Codec for Codec<Req, Res>
where
    Req: Message + Default + 'static,
    Res: Message + 'static,
{
    type Encode = Res;
    type Decode = Req;
    type Encoder = ReplyEncoder<Res>;
    type Decoder = RequestDecoder<Req>;

    fn encoder(&mut self) -> Self::Encoder {
        ReplyEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder::new(self.call)
    }
}

pub(super) struct RequestDecoder<Req> {
    call: &'static str,
    message: PhantomData<Req>,
}

impl<Req> RequestDecoder<Req> {
    /// For this call, as in logs.
    pub(super) const fn new(call: &'static str) -> Self {
        Self {
            call,
            message: PhantomData,
        }
    }
}

impl<Req: Message + Default> Decoder for RequestDecoder<Req> {
    type Item = Req;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Req>, Status> {
        Req::decode(buffer)
            .map(Some)
            .map_err(|error| refused(self.call, 0, status::malformed(&error)))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, BUFFER)
    }
}

pub(super) struct ReplyEncoder<Res>(PhantomData<Res>);

impl<Res: Message> Encoder for ReplyEncoder<Res> {
    type Item = Res;
    type Error = Status;

    fn encode(&mut self, reply: Res, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        reply
            .encode(buffer)
            .map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, BUFFER)
    }
}
