//! The messages of a stream, each encoded once for all followers.

use bytes::{Bytes, BytesMut};
use chitty_chat::{
    Position,
    proto::v1::{self, broadcast::Kind},
};

use crate::grpc;
use chitty_room::record::EncodedEvent;

/// Encodes one broadcast, with its length prefix.
pub fn frame(kind: Kind) -> Bytes {
    grpc::frame_message(&v1::Broadcast { kind: Some(kind) })
}

/// `chitty.v1.Broadcast` of an event that is encoded already.
#[derive(Clone, PartialEq, prost::Message)]
struct BroadcastAround {
    #[prost(bytes = "bytes", tag = "2")]
    event: Bytes,
}

/// Appends an event to the buffer, as a length-prefixed broadcast.
pub(super) fn put_event(buffer: &mut BytesMut, event: &EncodedEvent) {
    let event = event.bytes.clone();
    grpc::put(buffer, &BroadcastAround { event });
}

/// A copy of these bytes in an allocation of exactly their size. A peer that does not read them
/// makes the server hold no more than that.
pub(super) fn exactly(buffer: &[u8]) -> Bytes {
    Bytes::copy_from_slice(buffer)
}

/// The last message of a stream that the server ends: the reason, and the last position that was
/// sent.
pub(super) fn closing(reason: v1::closing::Reason, position: Position, detail: &str) -> Bytes {
    frame(Kind::Closing(v1::Closing {
        reason: reason.into(),
        position: position.get(),
        detail: detail.to_owned(),
    }))
}
