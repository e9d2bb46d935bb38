//! Pacing: a connection is read only as fast as what its peer sends is worth.
//!
//! HTTP/2 has frames that are cheap to send and ask for nothing: PING, SETTINGS, PRIORITY, frames
//! of unknown types, empty DATA. A peer that sends millions of them would keep a processor busy. So
//! each frame costs credit, and reading pauses while a connection has no credit left. TCP's flow
//! control then holds the peer back.
//!
//! A request brings the credit that its frames cost, and so does output, because readers answer it
//! with `WINDOW_UPDATE` and PING. The rest comes from an allowance, which is refilled over time as
//! long as the connection's source has credit left.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::member::{Member, SourceUsage};
use chitty_room::source::NETWORK_SHARE;

/// Frames that every connection may send, whatever other connections of its source do: enough to
/// set itself up.
const FREE: i32 = 64;
/// Frames that a connection may send at once beyond what its requests bring.
const BURST: u32 = 12_000;
/// Time in which one frame is earned back: 100 a second.
const INTERVAL: Duration = Duration::from_millis(10);
/// Frames that all connections of one source may send at once.
const SOURCE_BURST: u32 = 100_000;
/// Time in which they earn one frame back together: 5,000 a second.
const SOURCE_INTERVAL: Duration = Duration::from_micros(200);
/// Frames that are read before other tasks run.
const TURN: u32 = 500;
/// Credit from requests and output is kept up to this many frames.
const MOST_LEFT: i32 = 4_000;
/// Bytes of output that are worth one frame. This is more than the answer to a PING or SETTINGS
/// has, so that these do not pay for themselves.
const SENT_PER_FRAME: usize = 64;
/// Frames that a request is worth: its HEADERS, its DATA, an empty DATA at its end, and a reset or
/// a window update.
const CALL_WORTH: i32 = 4;
/// Requests in one read that are not a flood yet.
const CALLS_AT_ONCE: u32 = 64;
/// Frames that a request costs on a connection without a participant.
const UNJOINED_CALL: i32 = 5;
/// Bytes of payload that cost as much as another frame.
const PAYLOAD_PER_FRAME: usize = 1024;
/// Shortest pause when the credit is used up, so that other connections get their turn.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest pause, however large the last frame was.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Bytes that are read at once from a connection without a participant, so that few requests begin
/// before it is known that there are too many. HTTP/2 never frees the memory that it once had for
/// streams.
const UNJOINED_READ: usize = 256;
/// Bytes of a request's compressed headers in all of its frames.
const HEADER_BLOCK: usize = 32 << 10;

/// Length of the connection preface in bytes: RFC 9113, section 3.4.
const PREFACE: usize = 24;
/// Length of a frame's header in bytes: RFC 9113, section 4.1.
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// An allowance of frames, by the generic cell rate algorithm. It differs from
/// [`chitty_room::rate::Bucket`] in that it grants a part of what is asked for, and takes back what was
/// not used.
#[derive(Clone, Copy, Default)]
struct FrameBucket {
    /// When the whole burst is available again.
    full_at: Option<Instant>,
}

impl FrameBucket {
    /// Takes as many as are available, at most `wanted`.
    fn take(&mut self, wanted: u32, burst: u32, interval: Duration, now: Instant) -> u32 {
        let at = self.full_at.map_or(now, |at| at.max(now));
        let left = (interval * burst).saturating_sub(at - now);
        let there = left.as_nanos() / interval.as_nanos();
        let taken = wanted.min(u32::try_from(there).unwrap_or(u32::MAX));
        self.full_at = Some(at + interval * taken);
        taken
    }

    /// Gives back what was taken and not used.
    fn give_back(&mut self, count: u32, interval: Duration) {
        self.full_at = self.full_at.map(|at| at - interval * count);
    }
}

/// The allowance that all connections of a source, or of a network, share.
#[derive(Default)]
pub(super) struct FramePool(Mutex<FrameBucket>);

impl FramePool {
    /// Takes from it. `times` is how many sources' worth it has: more than one for a network.
    fn take(&self, wanted: u32, times: u32, now: Instant) -> u32 {
        self.bucket()
            .take(wanted, SOURCE_BURST * times, SOURCE_INTERVAL / times, now)
    }

    fn give_back(&self, count: u32) {
        self.bucket().give_back(count, SOURCE_INTERVAL);
    }

    fn bucket(&self) -> MutexGuard<'_, FrameBucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes from a source and its network as many as both have, at most `wanted`.
fn take_of(source: &SourceUsage, wanted: u32, now: Instant) -> u32 {
    let there = source.own.frames.take(wanted, 1, now);
    let Some(network) = &source.network else {
        return there;
    };
    let taken = network.frames.take(there, NETWORK_SHARE, now);
    source.own.frames.give_back(there - taken);
    taken
}

/// Finds the headers of frames in the input, however it is split into reads.
struct Scanner {
    /// Bytes of preface or payload still to be skipped.
    skip: usize,
    head: [u8; HEAD],
    /// How many bytes of `head` are filled.
    filled: usize,
}

impl Scanner {
    const fn new() -> Self {
        Self {
            skip: PREFACE,
            head: [0; HEAD],
            filled: 0,
        }
    }

    /// Calls `seen` with the type and the payload's length of each frame header in the input.
    fn scan(&mut self, mut bytes: &[u8], mut seen: impl FnMut(u8, usize)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEAD - self.filled).min(bytes.len());
            let (part, rest) = bytes.split_at(taken);
            self.head[self.filled..][..taken].copy_from_slice(part);
            self.filled += taken;
            bytes = rest;
            if self.filled == HEAD {
                let [high, middle, low, kind, ..] = self.head;
                self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
                self.filled = 0;
                seen(kind, self.skip);
            }
        }
    }
}

/// A connection's stream that is read only as fast as its credit allows.
pub(super) struct Paced<S> {
    stream: S,
    member: Arc<Member>,
    scanner: Scanner,
    /// Credit in frames. It falls below 0 if one read brings more frames than were left.
    left: i32,
    bucket: FrameBucket,
    /// Bytes of output that were not turned into credit yet.
    sent: usize,
    /// Bytes of the header block that is being received.
    header_block: usize,
    pause: Option<Pin<Box<Sleep>>>,
    /// The last read brought many requests: other tasks run before the next read.
    has_begun_calls: bool,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, member: Arc<Member>) -> Self {
        Self {
            stream,
            member,
            scanner: Scanner::new(),
            left: FREE,
            bucket: FrameBucket::default(),
            sent: 0,
            header_block: 0,
            pause: None,
            has_begun_calls: false,
        }
    }

    /// Ready while there is credit left; otherwise it pauses.
    fn poll_allowance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            if self.left > 0 {
                return Poll::Ready(());
            }
            // Even with new credit, other tasks run before more is read.
            if self.earn() && self.left > 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // Long enough to earn back what is missing.
            let missing = self.left.unsigned_abs() + 1;
            let time = (INTERVAL * missing).clamp(PAUSE, LONGEST_PAUSE);
            self.pause = Some(Box::pin(sleep(time)));
        }
    }

    /// Takes credit for a turn from the allowances; `false` if there is none.
    fn earn(&mut self) -> bool {
        let now = Instant::now();
        let wanted = self.left.unsigned_abs().saturating_add(TURN);
        let mine = self.bucket.take(wanted, BURST, INTERVAL, now);
        let taken = take_of(&self.member.source, mine, now);
        self.bucket.give_back(mine - taken, INTERVAL);
        self.left = self.left.saturating_add_unsigned(taken);
        taken > 0
    }

    fn count(&mut self, bytes: &[u8]) -> io::Result<()> {
        let worth = i32::try_from(self.sent / SENT_PER_FRAME).unwrap_or(i32::MAX);
        self.sent %= SENT_PER_FRAME;
        let mut left = self.left.saturating_add(worth).min(MOST_LEFT);
        let mut header_block = self.header_block;
        let is_trusted = self.member.is_trusted();
        let (mut is_too_large, mut calls) = (false, 0);
        self.scanner.scan(bytes, |kind, length| {
            let payload = i32::try_from(length / PAYLOAD_PER_FRAME).unwrap_or(i32::MAX);
            let worth = match kind {
                HEADERS if is_trusted => CALL_WORTH - 1,
                HEADERS => -UNJOINED_CALL,
                // Any other frame costs one, and more if its payload is long.
                _ => -1 - payload,
            };
            left = left.saturating_add(worth).min(MOST_LEFT);
            header_block = match kind {
                HEADERS => length,
                CONTINUATION => header_block + length,
                DATA..=u8::MAX => 0,
            };
            is_too_large |= header_block > HEADER_BLOCK;
            calls += u32::from(kind == HEADERS);
        });
        let most = if is_trusted { CALLS_AT_ONCE } else { 0 };
        // Without a participant, one request is enough to let other tasks run.
        self.has_begun_calls = calls > most;
        (self.left, self.header_block) = (left, header_block);
        if is_too_large {
            let text = "the headers of a request are too large";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> Paced<S> {
    fn poll_read_a_little(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; UNJOINED_READ];
        let space = buffer.remaining().min(UNJOINED_READ);
        let mut little = ReadBuf::new(&mut bytes[..space]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut little))?;
        buffer.put_slice(little.filled());
        Poll::Ready(self.count(little.filled()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.has_begun_calls) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(this.poll_allowance(cx));
        if !this.member.is_trusted() {
            return this.poll_read_a_little(cx, buffer);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        Poll::Ready(this.count(&buffer.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, pieces))?;
        self.sent = self.sent.saturating_add(count);
        Poll::Ready(Ok(count))
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
mod tests;
