//! Messages as gRPC puts them on the wire: encoded once, for everybody.

use bytes::{BufMut as _, Bytes, BytesMut};
use chitty_chat::{
    Event, Position,
    proto::v1::{self, broadcast::Kind},
};
use prost::Message;

/// In bytes, in front of each message: a flag for compression and the length:
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, Length-Prefixed-Message.
pub const PREFIX: usize = 5;

/// Encodes one broadcast, with its length prefix.
pub fn frame(kind: Kind) -> Bytes {
    let mut buffer = BytesMut::new();
    put(&mut buffer, &v1::Broadcast { kind: Some(kind) });
    buffer.freeze()
}

/// Appends an event to the buffer, as a length-prefixed broadcast.
pub(super) fn put_event(buffer: &mut BytesMut, event: &Event) {
    put(
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

/// Encodes any message, with its length prefix.
pub fn frame_message(message: &impl Message) -> Bytes {
    let mut buffer = BytesMut::new();
    put(&mut buffer, message);
    buffer.freeze()
}

fn put(buffer: &mut BytesMut, message: &impl Message) {
    let length = message.encoded_len();
    buffer.reserve(PREFIX + length);
    buffer.put_u8(0);
    // Bounded by the limits on texts, names and participants: far below 4 GiB.
    buffer.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    let _ = message.encode(buffer);
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
