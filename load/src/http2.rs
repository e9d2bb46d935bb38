//! Hand-written HTTP/2 frames (<https://www.rfc-editor.org/rfc/rfc9113.html#section-6>), including
//! those that no library would send.

use chitty_chat::proto::v1::SERVICE_NAME;
use prost::Message;

/// The bytes with which a client's connection begins.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A part of a body.
pub const DATA: u8 = 0;
/// The beginning of a request or a response.
pub const HEADERS: u8 = 1;
/// The priority of a stream; deprecated, and ignored.
pub const PRIORITY: u8 = 2;
/// The end of a stream, by force.
pub const RST_STREAM: u8 = 3;
/// Settings of the sender.
pub const SETTINGS: u8 = 4;
/// A request for an immediate answer.
pub const PING: u8 = 6;
/// The end of a connection.
pub const GOAWAY: u8 = 7;
/// The grant of more window.
pub const WINDOW_UPDATE: u8 = 8;
/// More of a block of headers.
pub const CONTINUATION: u8 = 9;

/// The flag of an acknowledgement, for SETTINGS and PING.
pub const ACK: u8 = 1;
/// The flag of HEADERS and DATA that ends a stream.
pub const END_STREAM: u8 = 1;
/// The flag of HEADERS and CONTINUATION that completes a block of headers.
pub const END_HEADERS: u8 = 4;

/// The window of a connection, and of a stream unless the settings say otherwise.
pub const FIRST_WINDOW: u32 = 65_535;
/// The widest window that is allowed.
pub const WIDEST_WINDOW: u32 = (1 << 31) - 1;

/// The number of the setting `SETTINGS_INITIAL_WINDOW_SIZE`.
const INITIAL_WINDOW: u16 = 4;

/// Appends a frame to `out`.
pub fn put_frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend(&length(payload.len())[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// Encodes one frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(9 + payload.len());
    put_frame(&mut frame, kind, flags, stream, payload);
    frame
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

/// The headers of a call of the chat, by HPACK's static table and literals.
pub fn headers(method: &str) -> Vec<u8> {
    headers_of(&format!("/{SERVICE_NAME}/{method}"))
}

/// The headers of a gRPC call. The path has at most 127 bytes.
pub fn headers_of(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04, length(path.len())[3]];
    block.extend(path.as_bytes());
    block.extend([0x01, 1, b'x', 0x0f, 0x10, 16]);
    block.extend(b"application/grpc");
    block
}

/// A gRPC message with its length prefix, not compressed.
pub fn prefixed(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let mut prefixed = vec![0];
    prefixed.extend(length(message.len()));
    prefixed.extend(message);
    prefixed
}

/// Appends the frames of a whole call.
pub fn put_call(out: &mut Vec<u8>, stream: u32, headers: &[u8], message: &impl Message) {
    put_frame(out, HEADERS, END_HEADERS, stream, headers);
    put_frame(out, DATA, END_STREAM, stream, &prefixed(message));
}

/// Appends the beginning of a connection: each of its streams accepts `window` bytes, and all
/// together the most that is possible.
pub fn put_hello(out: &mut Vec<u8>, window: u32) {
    out.extend(PREFACE);
    let mut setting = INITIAL_WINDOW.to_be_bytes().to_vec();
    setting.extend(window.to_be_bytes());
    put_frame(out, SETTINGS, 0, 0, &setting);
    let more = WIDEST_WINDOW - FIRST_WINDOW;
    put_frame(out, WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
}

/// A frame that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The frame's type, such as [`DATA`].
    pub kind: u8,
    /// The frame's flags, such as [`END_STREAM`].
    pub flags: u8,
    /// The stream that it belongs to; 0 for the connection.
    pub stream: u32,
    /// The bytes after its header.
    pub payload: Vec<u8>,
}

/// A decoder of whole frames from bytes in pieces of any size.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    taken: usize,
}

impl Frames {
    /// Feeds the decoder with received bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        // Decoded frames are dropped here, once for all frames of a piece.
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend(bytes);
    }

    /// The next frame that is complete.
    pub fn take(&mut self) -> Option<Frame> {
        let rest = &self.bytes[self.taken..];
        let (length, rest) = rest.split_first_chunk::<3>()?;
        let (&[kind, flags], rest) = rest.split_first_chunk()?;
        let (stream, rest) = rest.split_first_chunk()?;
        let [high, middle, low] = *length;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        let payload = rest.get(..length)?.to_vec();
        self.taken += 9 + length;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(*stream) & WIDEST_WINDOW,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_however_they_are_cut() {
        let mut wire = frame(SETTINGS, 0, 0, &[]);
        put_frame(&mut wire, DATA, END_STREAM, 5, &[7; 300]);
        put_frame(&mut wire, PING, 0, 0, &[9; 8]);
        for step in 1..wire.len() {
            let mut frames = Frames::default();
            let mut taken = Vec::new();
            for part in wire.chunks(step) {
                frames.feed(part);
                taken.extend(std::iter::from_fn(|| frames.take()));
            }
            let again = taken
                .iter()
                .flat_map(|taken| frame(taken.kind, taken.flags, taken.stream, &taken.payload));
            assert_eq!(again.collect::<Vec<_>>(), wire, "in steps of {step}");
        }
    }
}
