//! The allowance for encrypted bytes that bring nothing.
//!
//! A peer can send handshake messages without end, or records that are empty when they are
//! decrypted. The limits on HTTP/2 frames do not see them, because they count what is decrypted. So
//! each byte that is read costs one of an allowance, and each byte that it is decrypted to earns
//! some back. A connection whose allowance is used up ends.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a handshake: ten times what a handshake with a post-quantum key exchange and a device's
/// certificate has.
const HANDSHAKE: usize = 16 << 10;
/// Bytes that may be read before any is decrypted: more than three of the longest records, since a
/// read may bring the beginning of another.
const MOST: usize = 64 << 10;
/// Bytes that a decrypted byte earns. A record adds 22 bytes, so this is enough for records that
/// have one HTTP/2 frame each, whose head alone is 9 bytes.
const EARNED: usize = 4;

/// A stream of encrypted bytes whose reads are counted.
pub(super) struct Metered<S> {
    stream: S,
    left: usize,
}

impl<S> Metered<S> {
    /// A stream with the allowance of a handshake.
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            left: HANDSHAKE,
        }
    }

    /// The handshake is over.
    pub(super) const fn is_introduced(&mut self) {
        self.left = MOST;
    }

    /// So many bytes were decrypted.
    pub(super) fn earn(&mut self, decrypted: usize) {
        let earned = decrypted.saturating_mul(EARNED);
        self.left = self.left.saturating_add(earned).min(MOST);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let count = buffer.filled().len() - before;
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer sends encrypted bytes that bring nothing",
            ))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, repeat};

    use super::*;

    async fn read(stream: &mut Metered<tokio::io::Repeat>, count: usize) -> io::Result<usize> {
        let mut buffer = vec![0; count];
        stream.read_exact(&mut buffer).await
    }

    #[tokio::test]
    async fn a_handshake_has_few_bytes() {
        let mut stream = Metered::new(repeat(0));
        read(&mut stream, HANDSHAKE).await.expect("enough");
        let error = read(&mut stream, 1).await.expect_err("too many");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn what_is_decrypted_earns_its_bytes() {
        let mut stream = Metered::new(repeat(0));
        stream.is_introduced();
        // Frames without a payload, each in a record of its own.
        for _ in 0..100_000 {
            read(&mut stream, 9 + 22).await.expect("enough");
            stream.earn(9);
        }
        // However much it has earned, it is not kept.
        stream.earn(usize::MAX);
        read(&mut stream, MOST).await.expect("enough");
        read(&mut stream, 1).await.expect_err("too many");
    }
}
