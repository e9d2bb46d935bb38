//! The messages of a stream, each encoded once for all followers.

use bytes::{Bytes, BytesMut};
use chitty_chat::{
    Event, Position,
    proto::v1::{self, broadcast::Kind},
};

use crate::grpc;

/// Encodes one broadcast, with its length prefix.
pub fn frame(kind: Kind) -> Bytes {
    grpc::frame_message(&v1::Broadcast { kind: Some(kind) })
}

/// Appends an event to the buffer, as a length-prefixed broadcast.
pub(super) fn put_event(buffer: &mut BytesMut, event: &Event) {
    grpc::put(
        buffer,
        &v1::Broadcast {
            kind: Some(Kind::Event(event.into())),
        },
    );
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
