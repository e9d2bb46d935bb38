//! A TLS connection that holds no buffers while it is idle.
//!
//! rustls can keep the buffers of a connection itself; then each keeps 4 KiB for input for as long
//! as it lasts, and output is copied twice. Here they are the thread's, and a connection keeps only
//! what is left over: a part of a record, decrypted bytes that were not read yet, encrypted bytes
//! that the socket does not take.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustls::{
    ServerConfig,
    pki_types::CertificateDer,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{
        ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
    },
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::allowance::Allowance;

/// Bytes that are read at once.
const READ: usize = 4 << 10;
/// The longest encrypted record (RFC 8446, section 5.2), with its head.
const RECORD: usize = (16 << 10) + 256 + 5;
/// The most that one record encrypts.
const PLAIN: usize = 16 << 10;
/// Pieces of output that are shorter are put together into one record of at most this length.
/// Longer ones would cost more to copy than a record of their own.
const GATHERED: usize = 4 << 10;

/// Buffers that the connections of a thread use in turn.
struct Buffers {
    incoming: Vec<u8>,
    gathered: Vec<u8>,
    outgoing: Vec<u8>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers {
        incoming: vec![0; RECORD + READ],
        gathered: Vec::with_capacity(GATHERED),
        // A change of keys may come before the record.
        outgoing: vec![0; RECORD + 256],
    });
}

/// The server's end of a connection, above the stream of encrypted bytes.
pub(in crate::net) struct TlsStream<S> {
    stream: S,
    connection: UnbufferedServerConnection,
    allowance: Allowance,
    /// The beginning of a record that is not all there yet.
    incoming: Vec<u8>,
    /// What was decrypted, and how much of that was read.
    decrypted: Vec<u8>,
    read: usize,
    /// What was encrypted and not taken by the stream, and how much of that was.
    outgoing: Vec<u8>,
    sent: usize,
    /// The peer has announced that it sends nothing more.
    is_ended: bool,
    /// This end has announced the same.
    has_ended: bool,
    /// The peer broke the protocol. The library must not be asked anything any more, because input
    /// is missing now.
    has_failed: bool,
}

impl<S> TlsStream<S> {
    /// A connection whose handshake has not begun.
    pub(super) fn new(config: Arc<ServerConfig>, stream: S) -> Result<Self, rustls::Error> {
        Ok(Self {
            stream,
            connection: UnbufferedServerConnection::new(config)?,
            allowance: Allowance::new(),
            incoming: Vec::new(),
            decrypted: Vec::new(),
            read: 0,
            outgoing: Vec::new(),
            sent: 0,
            is_ended: false,
            has_ended: false,
            has_failed: false,
        })
    }

    /// The certificate that the peer has shown.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.connection.peer_certificates()?.first()
    }

    /// Processes input until more is needed, and then calls `write` if data may be sent. Returns how
    /// much of the input is used up, and what `write` returned. The rest of the input has to be the
    /// beginning of the next one.
    fn process<T>(
        &mut self,
        input: &mut [u8],
        write: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> T,
    ) -> io::Result<(usize, Option<T>)> {
        if self.has_failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // Until this has come to its end.
        self.has_failed = true;
        let mut used = 0;
        loop {
            let status = self.connection.process_tls_records(&mut input[used..]);
            let UnbufferedStatus { mut discard, state } = status;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        discard += record.discard;
                        self.decrypted.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, &mut self.outgoing)?;
                }
                // It is in `outgoing`, which is sent before anything else.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.is_ended = true,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let written = write(&mut traffic);
                    self.has_failed = false;
                    return Ok((used + discard, Some(written)));
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
                    self.has_failed = false;
                    return Ok((used + discard, None));
                }
                // Early data, which is not offered.
                Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
                Err(error) => {
                    self.alert(&mut input[used + discard..]);
                    return Err(invalid(error));
                }
            }
            used += discard;
        }
    }

    /// After an error: encodes what the library has still to send. The alert that gives the peer the
    /// reason is the last of it.
    fn alert(&mut self, rest: &mut [u8]) {
        // Only as long as there is something: the input is no good, and must not be read again.
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(rest);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else {
                return;
            };
            // The first error is the one to report.
            if encode(&mut data, &mut self.outgoing).is_err() {
                return;
            }
        }
    }

    /// Processes what is left over from the last input.
    fn process_rest<T>(
        &mut self,
        write: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> T,
    ) -> io::Result<Option<T>> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let (used, written) = self.process(&mut incoming, write)?;
        incoming.drain(..used);
        self.incoming = incoming;
        Ok(written)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Answers the peer's handshake.
    pub(super) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            if !self.connection.is_handshaking() {
                self.allowance.is_introduced();
                return Poll::Ready(Ok(()));
            }
            let filled = ready!(self.poll_fill(cx));
            if let Err(error) = filled {
                // The alert, as far as the stream takes it at once.
                let _ = self.poll_send(cx);
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Reads once, and processes what came.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_failed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        BUFFERS.with_borrow_mut(|buffers| {
            let before = self.incoming.len();
            let space = buffers.incoming.get_mut(..before + READ);
            // The library refuses longer records by their heads, and no handshake is so long.
            let space = space.ok_or(io::ErrorKind::InvalidData)?;
            let mut read = ReadBuf::new(&mut space[before..]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            let count = read.filled().len();
            if count == 0 {
                // Without the peer's word that this is the end, anybody may have cut it.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.allowance
                .spend(count)
                .inspect_err(|_| self.has_failed = true)?;
            space[..before].copy_from_slice(&self.incoming);
            let input = &mut space[..before + count];
            let (used, _) = self.process(input, |_| ())?;
            self.incoming = input[used..].to_vec();
            Poll::Ready(Ok(()))
        })
    }

    /// Sends what is left over from earlier output.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.outgoing.len() {
            let rest = &self.outgoing[self.sent..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        self.outgoing = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Encrypts, and hands over as much as the stream takes.
    fn send(&mut self, cx: &mut Context<'_>, plain: &[u8], out: &mut [u8]) -> io::Result<()> {
        let encrypted = self.process_rest(|traffic| traffic.encrypt(plain, out))?;
        let length = encrypted.ok_or(io::ErrorKind::BrokenPipe)?;
        let mut encrypted = &out[..length.map_err(unencrypted)?];
        // Whatever was encrypted before it goes first.
        while self.outgoing.is_empty() && !encrypted.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, encrypted)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => encrypted = &encrypted[count..],
                Poll::Pending => break,
            }
        }
        self.outgoing.extend_from_slice(encrypted);
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let left = &this.decrypted[this.read..];
            if !left.is_empty() {
                let count = left.len().min(buffer.remaining());
                buffer.put_slice(&left[..count]);
                this.allowance.earn(count);
                this.read += count;
                if this.read == this.decrypted.len() {
                    this.decrypted = Vec::new();
                    this.read = 0;
                }
                return Poll::Ready(Ok(()));
            }
            if this.is_ended {
                return Poll::Ready(Ok(()));
            }
            let filled = this.poll_fill(cx);
            // The answer to a change of keys, or an alert. What the stream does not take now is
            // sent before the next output.
            let _ = this.poll_send(cx);
            ready!(filled)?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // Backpressure: at most one record is left over.
        ready!(this.poll_send(cx))?;
        BUFFERS.with_borrow_mut(|buffers| {
            let plain = gather(pieces, &mut buffers.gathered);
            if !plain.is_empty() {
                this.send(cx, plain, &mut buffers.outgoing)?;
            }
            Poll::Ready(Ok(plain.len()))
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.has_ended && !this.has_failed {
            this.has_ended = true;
            let mut last = [0; 64];
            let written = this.process_rest(|traffic| traffic.queue_close_notify(&mut last))?;
            let length = written.transpose().map_err(unencrypted)?;
            this.outgoing
                .extend_from_slice(&last[..length.unwrap_or(0)]);
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

/// What the next record encrypts: a long piece as it is, or short ones put together.
fn gather<'a>(pieces: &'a [IoSlice<'_>], gathered: &'a mut Vec<u8>) -> &'a [u8] {
    let mut pieces = pieces.iter().filter(|piece| !piece.is_empty());
    let Some(first) = pieces.next() else {
        return &[];
    };
    if first.len() >= GATHERED {
        return &first[..first.len().min(PLAIN)];
    }
    gathered.clear();
    gathered.extend_from_slice(first);
    for piece in pieces {
        let space = GATHERED - gathered.len();
        gathered.extend_from_slice(&piece[..piece.len().min(space)]);
    }
    gathered
}

/// Appends what the library sends by itself: its part of the handshake, alerts, changes of keys.
fn encode(
    data: &mut EncodeTlsData<'_, ServerConnectionData>,
    outgoing: &mut Vec<u8>,
) -> io::Result<()> {
    let before = outgoing.len();
    loop {
        match data.encode(&mut outgoing[before..]) {
            Ok(count) => {
                outgoing.truncate(before + count);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(needed)) => {
                outgoing.resize(before + needed.required_size, 0);
            }
            Err(error @ EncodeError::AlreadyEncoded) => return Err(io::Error::other(error)),
        }
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn unencrypted(error: EncryptError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests;
