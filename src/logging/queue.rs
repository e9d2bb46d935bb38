//! The queue to the writing thread, and how long threads that log wait for it.
//!
//! A disk that is slow for a while must not lose lines, so threads that log wait for it. A disk
//! that hangs must not stop the chat, so they wait no longer than [`PATIENCE`] together. In
//! between, it depends on how much the writer gets done: each line that it writes buys some time.

use std::{
    io::{self, Write},
    mem,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::{
    gap::Gap,
    line::LineRecord,
    progress::{Progress, now},
};

/// Lines in the queue at most; threads that log more wait.
const MAX_QUEUED: usize = 8192;
/// How long all threads that log wait for a writer that gets nothing done. It also limits a flush
/// and a close: a process has three seconds to end, and more to do than this.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How much patience each written line restores. So a disk that takes 2,000 lines a second loses
/// none, however long a burst is. On a slower one, lines are dropped once a burst has used up the
/// patience.
const PER_LINE: Duration = Duration::from_micros(500);
/// How long a close waits even for a writer that has hung for some time.
const LAST_CHANCE: Duration = Duration::from_millis(200);
/// The message in place of lines that were dropped.
const NOT_TAKEN: &str = "lines are missing here, because the file system took none for too long";

pub(super) struct LineQueue {
    clock: fn() -> SystemTime,
    progress: Arc<Progress>,
    writer: NonBlocking,
    guard: WorkerGuard,
    /// Counts the lines that found the queue full.
    refused: ErrorCounter,
    sent: u64,
    /// Since when the queue has not been empty.
    busy_since: Instant,
    /// The full patience with a writer that gets nothing done: [`PATIENCE`].
    most_patience: Duration,
    /// The patience that is left, as of `patience_at` lines done.
    patience: Duration,
    patience_at: u64,
    /// The patience is used up: lines are dropped until the writer has caught up a good deal.
    stalled: bool,
    gap: Gap,
}

/// A flush that is to be waited for.
pub(super) struct Flush {
    progress: Arc<Progress>,
    lines: u64,
    at_most: Duration,
}

impl Flush {
    /// Waits, and returns whether all lines are done.
    pub(super) fn wait(self) -> bool {
        self.progress.wait_for(self.lines, self.at_most)
    }
}

impl LineQueue {
    /// Starts the thread. The writer counts the lines that it has done in `progress`.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn new(
        writer: impl Write + Send + 'static,
        clock: fn() -> SystemTime,
        progress: Arc<Progress>,
    ) -> io::Result<Self> {
        try_thread()?;
        // Lossy, so that sending never blocks without a limit. The waiting is done here.
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(MAX_QUEUED)
            .thread_name("log")
            .finish(writer);
        Ok(Self {
            clock,
            progress,
            refused: writer.error_counter(),
            writer,
            guard,
            sent: 0,
            busy_since: now(),
            most_patience: PATIENCE,
            patience: PATIENCE,
            patience_at: 0,
            stalled: false,
            gap: Gap::default(),
        })
    }

    /// Sends a record's line, or counts it as dropped if that would take too long.
    pub(super) fn send(&mut self, record: &LineRecord, who: &str, run: &str) {
        if self.is_stalled() || !self.write_own_gap() {
            return self.drop_line(record, who, run);
        }
        self.stalled = false;
        let line = record.render(who, run);
        if !self.offer(line.as_bytes()) {
            self.drop_line(record, who, run);
        }
    }

    fn drop_line(&mut self, record: &LineRecord, who: &str, run: &str) {
        self.gap.add_record(record, who, run);
        self.progress.lose(1);
    }

    /// Sends the notices for lines that were lost before this queue began.
    pub(super) fn write_gap(&mut self, mut gap: Gap, who: &str, reason: &str) {
        self.progress.lose(gap.lines());
        gap.set_who(who);
        for line in gap
            .take_notices((self.clock)(), reason)
            .split_inclusive('\n')
        {
            self.offer(line.as_bytes());
        }
    }

    /// Sends the notices for dropped lines. Returns whether all of them were sent, so that later
    /// lines may follow.
    fn write_own_gap(&mut self) -> bool {
        while let Some(notice) = self.gap.notice((self.clock)(), NOT_TAKEN) {
            if !self.offer(notice.as_bytes()) {
                return false;
            }
            self.gap.advance();
        }
        true
    }

    /// Whether the patience was used up, and the writer has not caught up since.
    fn is_stalled(&self) -> bool {
        let under_way = self.sent.saturating_sub(self.progress.done());
        self.stalled && under_way > MAX_QUEUED as u64 / 2
    }

    /// Sends a line. If the queue is full, it waits as long as there is patience.
    fn offer(&mut self, line: &[u8]) -> bool {
        loop {
            if self.try_send(line) {
                return true;
            }
            let done = self.progress.done();
            self.regain(done);
            if self.patience.is_zero() {
                self.stalled = true;
                return false;
            }
            let begun = now();
            self.progress.wait_for(done + 1, self.patience);
            self.patience = self.patience.saturating_sub(begun.elapsed());
        }
    }

    /// Restores some patience for the lines written since the last call.
    fn regain(&mut self, done: u64) {
        let lines = u32::try_from(done.saturating_sub(self.patience_at)).unwrap_or(u32::MAX);
        self.patience = self
            .patience
            .saturating_add(PER_LINE.saturating_mul(lines))
            .min(self.most_patience);
        self.patience_at = done;
    }

    fn try_send(&mut self, line: &[u8]) -> bool {
        let refused = self.refused.dropped_lines();
        // It never fails: a line for which there is no space is counted instead.
        let _ = self.writer.write_all(line);
        if self.refused.dropped_lines() != refused {
            return false;
        }
        if self.sent <= self.progress.done() {
            self.busy_since = now();
        }
        self.sent += 1;
        true
    }

    /// Makes the writer retry what it could not write.
    pub(super) fn poke(&mut self) {
        if self.progress.trouble().is_some() {
            // An empty write is no line, but wakes the writer.
            let _ = self.writer.write_all(b"");
        }
        if !self.is_stalled() {
            self.write_own_gap();
        }
    }

    /// Why lines do not get into the file at the moment.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.is_stalled() || self.patience_left().is_zero() {
            return Some("the file system does not answer".into());
        }
        self.progress.trouble()
    }

    /// Lines that are missing from the file.
    pub(super) fn lost(&self) -> u64 {
        self.progress.lost()
    }

    /// The first failure of all.
    pub(super) fn failure(&self) -> Option<(io::ErrorKind, String)> {
        self.progress.failure()
    }

    /// A flush of all lines so far.
    pub(super) fn flush(&self) -> Flush {
        Flush {
            progress: Arc::clone(&self.progress),
            lines: self.sent,
            at_most: self.patience_left().max(LAST_CHANCE),
        }
    }

    /// How much patience is left for the writer's next line.
    fn patience_left(&self) -> Duration {
        if self.is_stalled() {
            return Duration::ZERO;
        }
        if self.sent <= self.progress.done() {
            return self.most_patience;
        }
        let since = self.busy_since.max(self.progress.moved());
        self.most_patience.saturating_sub(since.elapsed())
    }

    /// Waits until everything is written, but not for a writer that hangs.
    pub(super) fn close(mut self) {
        if !self.is_stalled() {
            (self.patience, self.patience_at) = (Duration::ZERO, u64::MAX);
            self.write_own_gap();
        }
        if self.flush().wait() {
            drop(self.guard);
        } else {
            // The file system does not answer. Dropping the guard would wait once more, and print
            // to the terminal about it.
            mem::forget(self.guard);
        }
    }
}

/// Starts a thread and ends it, because tracing-appender panics if it cannot start its own.
fn try_thread() -> io::Result<()> {
    let thread = thread::Builder::new().name("log".into()).spawn(|| {});
    let thread = thread.map_err(|error| {
        let text =
            format!("no thread to write it: {error}; see the limit on processes (ulimit -u)");
        io::Error::new(error.kind(), text)
    })?;
    let _ = thread.join();
    Ok(())
}

#[cfg(test)]
mod tests;
