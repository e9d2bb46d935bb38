//! A client of the chat that is as cheap as possible: hand-written HTTP/2 without decoding.
//!
//! It is the load, on the other core of the machine. The less it costs, the better it shows how
//! fast the server is.

use chitty_chat::proto::v1::{JoinRequest, PublishRequest};
use chitty_load::http2::{
    self, ACK, DATA, GOAWAY, PING, RST_STREAM, SETTINGS, WIDEST_WINDOW, WINDOW_UPDATE, headers,
    put_call, put_frame,
};
use color_eyre::eyre::{Result, ensure, eyre};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Bytes after which the server gets its window back.
const REFILL: u32 = 64 << 20;

/// The bytes with which each connection begins.
pub(crate) fn put_hello(out: &mut Vec<u8>) {
    http2::put_hello(out, WIDEST_WINDOW);
}

/// The session of a participant. It is easy to guess, which is safe because nobody else is here.
pub(crate) fn session(participant: usize) -> String {
    format!("{participant:022}")
}

pub(crate) fn put_join(out: &mut Vec<u8>, participant: usize, backlog: u32) {
    let request = JoinRequest {
        name: format!("p{participant}"),
        session: session(participant),
        lamport: 1,
        backlog,
        ..JoinRequest::default()
    };
    put_call(out, 1, &headers("Join"), &request);
}

/// The calls of one connection, each on the next stream.
pub(crate) struct Calls {
    headers: Vec<u8>,
    stream: u32,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            headers: headers("Publish"),
            stream: 1,
        }
    }

    pub(crate) fn put_publish(&mut self, out: &mut Vec<u8>, author: usize, id: u64, text: &str) {
        let request = PublishRequest {
            session: session(author),
            text: text.to_owned(),
            id: format!("{id:022}"),
            lamport: 1,
            ..PublishRequest::default()
        };
        put_call(out, self.stream, &self.headers, &request);
        self.stream += 2;
    }
}

/// Counts the messages in what a server sends.
#[derive(Default)]
pub(crate) struct Parser {
    header: [u8; 9],
    header_have: usize,
    payload_left: usize,
    ping: Vec<u8>,
    message_header: [u8; 5],
    message_have: usize,
    message_left: usize,
    unacknowledged: u32,
}

impl Parser {
    /// How many messages end in these bytes. Frames that HTTP/2 requires in return are put into
    /// `out`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<u64, String> {
        let mut messages = 0;
        while !bytes.is_empty() {
            if self.header_have < self.header.len() {
                fill(&mut self.header, &mut self.header_have, &mut bytes);
                if self.header_have == self.header.len() {
                    let [a, b, c, ..] = self.header;
                    self.payload_left = u32::from_be_bytes([0, a, b, c]) as usize;
                    self.ping.clear();
                    self.begin(out)?;
                }
            }
            let (payload, rest) = bytes.split_at(self.payload_left.min(bytes.len()));
            bytes = rest;
            self.payload_left -= payload.len();
            match self.header[3] {
                DATA => messages += self.data(payload),
                PING => self.ping.extend(payload),
                _ => {}
            }
            if self.header_have == self.header.len() && self.payload_left == 0 {
                self.end(out);
                self.header_have = 0;
            }
        }
        Ok(messages)
    }

    fn stream(&self) -> u32 {
        let [.., a, b, c, d] = self.header;
        u32::from_be_bytes([a, b, c, d])
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        match self.header[3] {
            RST_STREAM | GOAWAY => Err("the server broke a stream off".to_owned()),
            DATA => {
                self.unacknowledged += u32::try_from(self.payload_left).unwrap_or(0);
                if self.unacknowledged >= REFILL {
                    let more = self.unacknowledged.to_be_bytes();
                    put_frame(out, WINDOW_UPDATE, 0, 0, &more);
                    put_frame(out, WINDOW_UPDATE, 0, self.stream(), &more);
                    self.unacknowledged = 0;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        match (self.header[3], self.header[4] & ACK) {
            (SETTINGS, 0) => put_frame(out, SETTINGS, ACK, 0, &[]),
            (PING, 0) => put_frame(out, PING, ACK, 0, &self.ping),
            _ => {}
        }
    }

    fn data(&mut self, mut bytes: &[u8]) -> u64 {
        let mut messages = 0;
        while !bytes.is_empty() {
            if self.message_have < self.message_header.len() {
                fill(&mut self.message_header, &mut self.message_have, &mut bytes);
                if self.message_have < self.message_header.len() {
                    break;
                }
                let [_, a, b, c, d] = self.message_header;
                self.message_left = u32::from_be_bytes([a, b, c, d]) as usize;
            }
            let taken = self.message_left.min(bytes.len());
            bytes = &bytes[taken..];
            self.message_left -= taken;
            if self.message_left == 0 {
                messages += 1;
                self.message_have = 0;
            }
        }
        messages
    }
}

/// Sends what is waiting, and reads once. Returns how many messages end in what was read; frames
/// that HTTP/2 requires in return wait in `waiting`.
pub(crate) async fn exchange(
    stream: &mut TcpStream,
    parser: &mut Parser,
    waiting: &mut Vec<u8>,
    buffer: &mut [u8],
) -> Result<u64> {
    stream.write_all(waiting).await?;
    waiting.clear();
    let read = stream.read(buffer).await?;
    ensure!(read > 0, "the server closed a connection");
    parser
        .feed(&buffer[..read], waiting)
        .map_err(|error| eyre!(error))
}

fn fill(into: &mut [u8], have: &mut usize, bytes: &mut &[u8]) {
    let taken = (into.len() - *have).min(bytes.len());
    into[*have..*have + taken].copy_from_slice(&bytes[..taken]);
    *have += taken;
    *bytes = &bytes[taken..];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let mut wire = Vec::new();
        put_frame(&mut wire, SETTINGS, 0, 0, &[]);
        let message = [0, 0, 0, 0, 2, 7, 7];
        put_frame(&mut wire, DATA, 0, 1, &message.repeat(3));
        put_frame(&mut wire, PING, 0, 0, &[9; 8]);
        put_frame(&mut wire, DATA, 0, 1, &message[..6]);
        put_frame(&mut wire, DATA, 0, 1, &message[6..]);
        for step in 1..wire.len() {
            let (mut parser, mut out) = (Parser::default(), Vec::new());
            let counts = wire.chunks(step).map(|bytes| parser.feed(bytes, &mut out));
            let count: u64 = counts.map(|count| count.expect("all is well")).sum();
            assert_eq!(count, 4, "in steps of {step}");
            let mut answers = Vec::new();
            put_frame(&mut answers, SETTINGS, ACK, 0, &[]);
            put_frame(&mut answers, PING, ACK, 0, &[9; 8]);
            assert_eq!(out, answers);
        }
    }

    #[test]
    fn a_stream_that_is_broken_off_is_an_error() {
        let mut wire = Vec::new();
        put_frame(&mut wire, RST_STREAM, 0, 1, &[0; 4]);
        assert!(Parser::default().feed(&wire, &mut Vec::new()).is_err());
    }
}
