//! What a peer sends is read no faster than it is worth.
//!
//! HTTP/2 has frames that are cheap to send and ask for nothing: PING, SETTINGS, PRIORITY, frames
//! of unknown types, empty DATA. A peer that sends millions of them would have a processor of its
//! own. So each frame is paid for, and reading pauses while a connection has nothing left; TCP then
//! holds the peer back.
//!
//! A call brings what its frames cost, and so does what is sent, since readers answer it with
//! `WINDOW_UPDATE` and PING. The rest comes from an allowance that a connection has at once and earns
//! back, as far as its source has any left.

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
use crate::source::NETWORK_SHARE;

/// Frames that every connection has, whatever others of its source do: enough to begin with.
const FREE: i32 = 64;
/// Frames that a connection may send at once, beside what its calls bring.
const BURST: u32 = 12_000;
/// From one to the next that it earns back: 100 a second.
const INTERVAL: Duration = Duration::from_millis(10);
/// What all connections of one source may send at once.
const SOURCE_BURST: u32 = 100_000;
/// What they earn back together: 5,000 a second.
const SOURCE_INTERVAL: Duration = Duration::from_micros(200);
/// So many are read before others have their turn.
const TURN: u32 = 500;
/// What calls and answers bring is kept up to here.
const MOST_LEFT: i32 = 4_000;
/// In bytes: so much sent is worth a frame. It is more than the answer to a PING or SETTINGS, so
/// that these do not bring what they cost.
const SENT_PER_FRAME: usize = 64;
/// What a call is worth: its HEADERS, its DATA, an empty one at its end, a reset or an update.
const CALL_WORTH: i32 = 4;
/// So many calls that come in one piece are no flood.
const CALLS_AT_ONCE: u32 = 64;
/// What a call costs on a connection that serves no participant.
const UNJOINED_CALL: i32 = 5;
/// In bytes, of payload: so much costs as much as another frame.
const PAYLOAD_PER_FRAME: usize = 1024;
/// Whoever has nothing left is not read from for so long at least, so that others have their turn.
const PAUSE: Duration = Duration::from_millis(50);
/// And at most, however large the frame was that came last.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// In bytes: so much is read at once from who serves no participant, so that not many calls begin
/// before it is known that there are too many. HTTP/2 never gives back what it had for them.
const UNJOINED_READ: usize = 256;
/// In bytes, of the compressed headers of a request, in all of its frames.
const HEADER_BLOCK: usize = 32 << 10;

/// RFC 9113, section 3.4.
const PREFACE: usize = 24;
/// RFC 9113, section 4.1.
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// So many at once, and one more each interval, by the generic cell rate algorithm.
#[derive(Clone, Copy, Default)]
struct FrameBucket {
    /// When all is there again.
    full_at: Option<Instant>,
}

impl FrameBucket {
    /// As many as there are, and at most as many as are wanted.
    fn take(&mut self, wanted: u32, burst: u32, interval: Duration, now: Instant) -> u32 {
        let at = self.full_at.map_or(now, |at| at.max(now));
        let left = (interval * burst).saturating_sub(at - now);
        let there = left.as_nanos() / interval.as_nanos();
        let taken = wanted.min(u32::try_from(there).unwrap_or(u32::MAX));
        self.full_at = Some(at + interval * taken);
        taken
    }

    /// What was taken and is not used.
    fn give_back(&mut self, count: u32, interval: Duration) {
        self.full_at = self.full_at.map(|at| at - interval * count);
    }
}

/// What all connections of a source, or of a network, may still send.
#[derive(Default)]
pub(super) struct FramePool(Mutex<FrameBucket>);

impl FramePool {
    /// A network has so many `times` what a source has.
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

/// As many as a source and its network have, and at most as many as are wanted.
fn take_of(source: &SourceUsage, wanted: u32, now: Instant) -> u32 {
    let there = source.own.frames.take(wanted, 1, now);
    let Some(network) = &source.network else {
        return there;
    };
    let taken = network.frames.take(there, NETWORK_SHARE, now);
    source.own.frames.give_back(there - taken);
    taken
}

/// Finds the heads of frames in what is read, however it is split.
struct Scanner {
    /// Of what is no head.
    skip: usize,
    head: [u8; HEAD],
    /// So much of it is there.
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

    /// Calls `seen` with the type and the length of each frame that begins here.
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

/// A connection that is read no faster than that.
pub(super) struct Paced<S> {
    stream: S,
    member: Arc<Member>,
    scanner: Scanner,
    /// Frames that may still come; below 0, what came beyond that in one piece.
    left: i32,
    bucket: FrameBucket,
    /// In bytes, sent and not counted yet.
    sent: usize,
    /// In bytes, of the headers that are coming in.
    header_block: usize,
    pause: Option<Pin<Box<Sleep>>>,
    /// More calls than are looked at at once: others have their turn before there is more.
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

    /// Ready while there is something left.
    fn poll_allowance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            if self.left > 0 {
                return Poll::Ready(());
            }
            if self.earn() && self.left > 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let missing = self.left.unsigned_abs() + 1;
            let time = (INTERVAL * missing).clamp(PAUSE, LONGEST_PAUSE);
            self.pause = Some(Box::pin(sleep(time)));
        }
    }

    /// Takes what is there for a turn; `false` if that is nothing.
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
        let room = buffer.remaining().min(UNJOINED_READ);
        let mut little = ReadBuf::new(&mut bytes[..room]);
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
