//! Output for a reader that may be slow or stall.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// With this many bytes pending, nothing more is read, so that the sources wait for the reader.
const ENOUGH: usize = 64 << 10;
/// The largest amount of pending output, in bytes; more is dropped. Only a client that is leaving,
/// whose notices cannot wait, gets that far.
const MOST: usize = 1 << 20;

/// Text on its way to a writer. Only [`OutputBuffer::write`] waits; dropping its future loses
/// nothing.
#[derive(Debug)]
pub(super) struct OutputBuffer<W> {
    writer: W,
    waiting: Vec<u8>,
    /// Whether something was written that is not flushed yet.
    written: bool,
    /// Whether writing has failed.
    broken: bool,
}

impl<W: AsyncWrite + Unpin> OutputBuffer<W> {
    pub(super) fn new(writer: W) -> Self {
        Self {
            writer,
            waiting: Vec::new(),
            written: false,
            broken: false,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        if !self.broken && self.waiting.len() + text.len() <= MOST {
            self.waiting.extend_from_slice(text.as_bytes());
        }
    }

    /// Whether more output may be produced.
    pub(super) fn has_space(&self) -> bool {
        self.waiting.len() < ENOUGH
    }

    /// Whether there is something to write or flush.
    pub(super) fn waits(&self) -> bool {
        !self.broken && (self.written || !self.waiting.is_empty())
    }

    /// Writes a part of the pending text, or flushes once everything is written, because a reader
    /// behind a pipe waits for it.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        let result = self.write_part().await;
        if result.is_err() {
            self.broken = true;
            self.waiting = Vec::new();
        }
        result
    }

    async fn write_part(&mut self) -> io::Result<()> {
        // Nothing is left to write, so this call was for the flush.
        if self.waiting.is_empty() {
            self.writer.flush().await?;
            self.written = false;
            return Ok(());
        }
        match self.writer.write(&self.waiting).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => {
                self.waiting.drain(..count);
                self.written = true;
                Ok(())
            }
        }
    }

    /// Writes all pending text, however long the reader takes. An error cannot be reported any
    /// more.
    pub(super) async fn finish(&mut self) {
        while self.waits() && self.write().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_write_that_is_given_up_loses_and_repeats_nothing() {
        let (writer, mut reader) = duplex(8);
        let mut out = OutputBuffer::new(writer);
        let numbers: Vec<_> = (0..200).map(|number| number.to_string()).collect();
        let text = numbers.join("\n");
        out.push(&text);
        let mut read = Vec::new();
        while out.waits() {
            // The first fills the pipe, the second waits for its reader and is dropped.
            for _ in 0..2 {
                tokio::select! {
                    biased;
                    written = out.write() => written.expect("it is open"),
                    () = tokio::task::yield_now() => {}
                }
            }
            let mut part = [0; 5];
            let count = reader.read(&mut part).await.expect("it is open");
            read.extend_from_slice(&part[..count]);
        }
        drop(out);
        reader.read_to_end(&mut read).await.expect("it is open");
        assert_eq!(String::from_utf8(read).expect("text"), text);
    }

    #[tokio::test]
    async fn what_nobody_reads_is_bounded() {
        let (writer, _reader) = duplex(8);
        let mut out = OutputBuffer::new(writer);
        assert!(out.has_space());
        for _ in 0..100 {
            out.push(&"x".repeat(ENOUGH));
        }
        assert!(!out.has_space());
        assert!(out.waiting.len() <= MOST);
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_told_once() {
        let (writer, reader) = duplex(8);
        drop(reader);
        let mut out = OutputBuffer::new(writer);
        out.push("hello");
        out.write().await.expect_err("nobody reads");
        out.push("more");
        assert!(!out.waits() && out.has_space());
    }
}
