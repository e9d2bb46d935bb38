//! A connection that speaks hand-written HTTP/2.

use std::{
    io::{self, ErrorKind},
    net::IpAddr,
};

use chitty_load::http2::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    WIDEST_WINDOW, WINDOW_UPDATE, put_call, put_frame, put_hello,
};
use prost::Message;
use tokio::{
    io::Interest,
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout_at},
};

use crate::server::Server;

/// Bytes after which the connection's window is given back.
const REFILL: u32 = 1 << 20;

/// A hostile peer: one connection to the server.
pub(crate) struct Peer {
    stream: TcpStream,
    frames: Frames,
    /// Bytes that are to be sent.
    out: Vec<u8>,
    sent: usize,
    /// Bytes that were sent in all.
    bytes: u64,
    next_stream: u32,
    /// Bytes of the connection's window that the server has used and that were not given back.
    taken: u32,
    /// The connection's send window: bytes that may be sent to the server.
    pub(crate) send_window: i64,
}

/// News of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Its reply has begun, and goes on.
    Begun(u32),
    /// It has ended, or was reset.
    Ended(u32),
}

impl Peer {
    /// Connects from this address. `window` is how many bytes each of its streams accepts.
    pub(crate) async fn connect(server: &Server, from: IpAddr, window: u32) -> io::Result<Self> {
        let mut peer = Self::silent(server, from).await?;
        put_hello(&mut peer.out, window);
        Ok(peer)
    }

    /// Connects from this address, and sends nothing yet.
    async fn silent(server: &Server, from: IpAddr) -> io::Result<Self> {
        let socket = if from.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.bind((from, 0).into())?;
        let stream = socket.connect(server.address(from)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            frames: Frames::default(),
            out: Vec::new(),
            sent: 0,
            bytes: 0,
            next_stream: 1,
            taken: 0,
            send_window: i64::from(chitty_load::http2::FIRST_WINDOW),
        })
    }

    /// Queues a whole call, and returns its stream.
    pub(crate) fn call(&mut self, headers: &[u8], message: &impl Message) -> u32 {
        let stream = self.stream_id();
        put_call(&mut self.out, stream, headers, message);
        stream
    }

    /// Queues a call without the end of its request, and returns its stream.
    pub(crate) fn begin(&mut self, headers: &[u8]) -> u32 {
        let stream = self.stream_id();
        put_frame(&mut self.out, HEADERS, END_HEADERS, stream, headers);
        stream
    }

    /// Queues the reset of a call.
    pub(crate) fn reset(&mut self, stream: u32) {
        const CANCEL: [u8; 4] = [0, 0, 0, 8];
        self.frame(RST_STREAM, stream, &CANCEL);
    }

    pub(crate) fn frame(&mut self, kind: u8, stream: u32, payload: &[u8]) {
        put_frame(&mut self.out, kind, 0, stream, payload);
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    /// Whether all has been sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.sent == self.out.len()
    }

    /// How many bytes were sent in all.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn stream_id(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Waits until something was sent or received, and does what HTTP/2 requires. `false` if it is
    /// time to end; an error if the connection has ended.
    pub(crate) async fn turn(&mut self, until: Instant) -> io::Result<bool> {
        let interest = if self.is_flushed() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        let Ok(ready) = timeout_at(until, self.stream.ready(interest)).await else {
            return Ok(false);
        };
        let ready = ready?;
        if ready.is_writable() && !self.is_flushed() {
            match self.stream.try_write(&self.out[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    self.bytes += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if self.is_flushed() {
                self.out.clear();
                self.sent = 0;
            }
        }
        if ready.is_readable() {
            let mut bytes = [0; 16 << 10];
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.frames.feed(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The next news of a call.
    pub(crate) fn heard(&mut self) -> io::Result<Option<Heard>> {
        while let Some(frame) = self.frames.take() {
            if let Some(heard) = self.hear(&frame)? {
                return Ok(Some(heard));
            }
        }
        Ok(None)
    }

    fn hear(&mut self, frame: &Frame) -> io::Result<Option<Heard>> {
        let ends = frame.flags & END_STREAM != 0;
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => {
                put_frame(&mut self.out, SETTINGS, ACK, 0, &[]);
            }
            PING if frame.flags & ACK == 0 => {
                put_frame(&mut self.out, PING, ACK, 0, &frame.payload);
            }
            WINDOW_UPDATE if frame.stream == 0 => {
                if let Some(more) = frame.payload.first_chunk() {
                    self.send_window += i64::from(u32::from_be_bytes(*more));
                }
            }
            GOAWAY => return Err(ErrorKind::ConnectionAborted.into()),
            DATA => {
                self.taken += u32::try_from(frame.payload.len()).unwrap_or(0);
                if self.taken >= REFILL {
                    let more = self.taken.min(WIDEST_WINDOW).to_be_bytes();
                    put_frame(&mut self.out, WINDOW_UPDATE, 0, 0, &more);
                    self.taken = 0;
                }
                if ends {
                    return Ok(Some(Heard::Ended(frame.stream)));
                }
            }
            HEADERS if ends => return Ok(Some(Heard::Ended(frame.stream))),
            HEADERS => return Ok(Some(Heard::Begun(frame.stream))),
            RST_STREAM => return Ok(Some(Heard::Ended(frame.stream))),
            _ => {}
        }
        Ok(None)
    }

    /// Reads, answers what HTTP/2 requires, and sends nothing else. An error says that the server
    /// ended the connection too early.
    pub(crate) async fn hold(&mut self, until: Instant) -> io::Result<()> {
        while self.turn(until).await? {
            while self.heard()?.is_some() {}
        }
        Ok(())
    }
}
