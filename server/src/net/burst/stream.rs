//! A connection as HTTP/2 sees it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{BURST, BurstConnection};
use crate::net::Listener;

/// The end of a connection that HTTP/2 writes to. What is written is sent in the next burst, and if
/// that fails, the next write returns the error. Shutting it down waits until all is sent.
pub(in crate::net) struct BurstStream<S: AsyncWrite + Unpin>(pub(super) Arc<BurstConnection<S>>);

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> BurstStream<S> {
    /// The first byte that waits to be read, as the listener of the socket sees it.
    pub(in crate::net) fn poll_first_byte<L: Listener<Stream = S>>(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<u8>>> {
        match &mut self.0.state().socket {
            Some(socket) => L::poll_first_byte(socket, cx),
            None => Poll::Ready(Ok(None)),
        }
    }
}

/// Sends what the socket takes at once, and closes it. The connection itself may live on, because a
/// full socket holds it through the waker that it was given.
impl<S: AsyncWrite + Unpin> Drop for BurstStream<S> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let _ = state.send(&mut Context::from_waker(Waker::noop()));
        state.socket = None;
        state.waiter = None;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for BurstStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0.state().socket {
            Some(socket) => Pin::new(socket).poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Send + Unpin + 'static> AsyncWrite for BurstStream<S> {
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
        let connection = &self.0;
        let mut state = connection.state();
        state.check()?;
        let limit = connection.group.limit;
        // Backpressure: HTTP/2 waits here, so that a slow peer costs at most `limit` bytes.
        if state.is_full || state.unsent.len() >= limit {
            state.wait(cx);
            return Poll::Pending;
        }
        let before = state.unsent.len();
        let offered = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        if before == 0 && offered >= BURST {
            return state.pass_on(connection, cx, pieces);
        }
        let count = offered.min(limit - before);
        if before == 0 {
            state.unsent = connection.group.spare().take();
        }
        state.unsent.reserve(count);
        for piece in pieces {
            let space = before + count - state.unsent.len();
            let taken = &piece[..piece.len().min(space)];
            state.unsent.extend_from_slice(taken);
        }
        drop(state);
        // The connection is unlocked before the group's list is locked, because the sender holds
        // neither while it takes the other.
        if connection.schedule(count) {
            connection.group.send();
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.state().check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        state.check()?;
        if !state.unsent.is_empty() {
            state.wait(cx);
            return Poll::Pending;
        }
        match &mut state.socket {
            Some(socket) => Pin::new(socket).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
