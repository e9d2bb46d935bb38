//! The messages of a stream, each encoded once for all followers.

use bytes::Bytes;
use chitty_chat::{
    Position,
    proto::v1::{self, broadcast::Kind},
};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use crate::grpc;

/// Encodes one broadcast, with its length prefix.
pub fn frame(kind: Kind) -> Bytes {
    grpc::frame_message(&v1::Broadcast { kind: Some(kind) })
}

/// Appends an event that is encoded already, as a length-prefixed `chitty.v1.Broadcast`.
pub(super) fn put_event(buffer: &mut Vec<u8>, event: &[u8]) {
    /// The field number of `Broadcast.event`.
    const EVENT: u32 = 2;
    let length = event.len() as u64;
    let broadcast = key_len(EVENT) + encoded_len_varint(length) + event.len();
    buffer.reserve(grpc::PREFIX + broadcast);
    buffer.extend_from_slice(&grpc::prefix(broadcast));
    encode_key(EVENT, WireType::LengthDelimited, buffer);
    encode_varint(length, buffer);
    buffer.extend_from_slice(event);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The message is the same as if it were encoded by the schema. Lengths around 2^7 and 2^14
        /// are those at which a varint grows.
        #[test]
        fn an_event_is_framed_as_a_broadcast(length in prop_oneof![0..300_usize, 16_370..16_400_usize]) {
            let event = v1::Event {
                kind: Some(v1::event::Kind::Joined(v1::Joined { name: "x".repeat(length), member: 0  })),
                ..v1::Event::default()
            };
            let mut framed = b"before".to_vec();
            put_event(&mut framed, &prost::Message::encode_to_vec(&event));
            let by_schema = frame(Kind::Event(event));
            prop_assert_eq!(&framed[6..], &by_schema[..]);
        }
    }
}
