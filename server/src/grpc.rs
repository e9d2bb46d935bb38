//! Messages as gRPC frames them:
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, Length-Prefixed-Message.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message;

/// Length in bytes of the prefix of each message: a flag for compression, and the length.
pub const PREFIX: usize = 5;

/// The prefix of an uncompressed message of this many bytes.
///
/// # Panics
///
/// If the message has 4 GiB or more. The limits on texts, names, participants and pages keep every
/// message far below that. A false length would make the peer misread all that follows.
pub fn prefix(length: usize) -> [u8; PREFIX] {
    let length = u32::try_from(length).expect("a message is shorter than 4 GiB");
    let [a, b, c, d] = length.to_be_bytes();
    [0, a, b, c, d]
}

/// Appends a message, with its prefix.
pub(crate) fn put(buffer: &mut BytesMut, message: &impl Message) {
    let length = message.encoded_len();
    buffer.reserve(PREFIX + length);
    buffer.put_slice(&prefix(length));
    // `encode` fails only if the buffer has no space, and this one grows.
    let _ = message.encode(buffer);
}

/// Encodes one message, with its prefix.
pub fn frame_message(message: &impl Message) -> Bytes {
    let mut buffer = BytesMut::new();
    put(&mut buffer, message);
    buffer.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_true_or_there_is_none() {
        assert_eq!(prefix(0), [0; 5]);
        assert_eq!(prefix(0x0102_0304), [0, 1, 2, 3, 4]);
        assert_eq!(prefix(u32::MAX as usize), [0, 255, 255, 255, 255]);
        let too_long = u32::MAX as usize + 1;
        std::panic::catch_unwind(|| prefix(too_long)).expect_err("it has no true prefix");
    }
}
