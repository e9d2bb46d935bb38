//! Splits the input into lines of a bounded length.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// The longest line, in bytes: more than any message or command. A longer one is probably from a
/// file that was piped in by mistake, and is dropped.
const MAX_BYTES: usize = 4096;

/// An item of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadLine {
    /// A line without its line break.
    Line(String),
    /// A line that cannot be a message; the text says why.
    Wrong(String),
    /// Reading failed, which is not the same as the end of the input.
    Broken(String),
}

/// The lines of an input. Dropping the future of [`InputLines::next`] loses nothing.
pub(super) struct InputLines<I> {
    input: I,
    line: Vec<u8>,
    too_long: bool,
}

impl<I: AsyncBufRead + Unpin> InputLines<I> {
    pub(super) fn new(input: I) -> Self {
        Self {
            input,
            line: Vec::new(),
            too_long: false,
        }
    }

    /// The next line; `None` at the end of the input.
    pub(super) async fn next(&mut self) -> Option<ReadLine> {
        loop {
            let read = match self.input.fill_buf().await {
                Ok(read) => read,
                Err(error) => return Some(ReadLine::Broken(error.to_string())),
            };
            if read.is_empty() {
                let rest = !self.line.is_empty() || self.too_long;
                return rest.then(|| self.take());
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            if self.line.len() + part.len() > MAX_BYTES {
                self.too_long = true;
                self.line.clear();
            } else if !self.too_long {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Some(self.take());
            }
        }
    }

    fn take(&mut self) -> ReadLine {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            return ReadLine::Wrong(format!("it is longer than {MAX_BYTES} bytes"));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_or_else(
            |_| ReadLine::Wrong("it is not UTF-8 text".into()),
            ReadLine::Line,
        )
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn split(input: &[u8], buffer: usize) -> Vec<ReadLine> {
        let mut lines = InputLines::new(BufReader::with_capacity(buffer, input));
        let mut all = Vec::new();
        while let Some(piece) = lines.next().await {
            all.push(piece);
        }
        all
    }

    #[tokio::test]
    async fn lines_come_whole_however_they_are_read() {
        let mut input = b"one\r\n\ntw\xc3\xb6\n".to_vec();
        input.extend_from_slice(&[b'x'; MAX_BYTES + 1]);
        input.extend_from_slice(b"\nbad \xff\nlast");
        for buffer in [1, 2, 7, 5000, 1 << 16] {
            let pieces = split(&input, buffer).await;
            assert_eq!(pieces.len(), 6, "{buffer}");
            assert_eq!(pieces[0], ReadLine::Line("one".into()));
            assert_eq!(pieces[1], ReadLine::Line(String::new()));
            assert_eq!(pieces[2], ReadLine::Line("twö".into()));
            assert!(matches!(&pieces[3], ReadLine::Wrong(why) if why.contains("longer")));
            assert!(matches!(&pieces[4], ReadLine::Wrong(why) if why.contains("UTF-8")));
            assert_eq!(pieces[5], ReadLine::Line("last".into()));
        }
    }

    #[tokio::test]
    async fn the_longest_line_is_taken() {
        let pieces = split(&[b'x'; MAX_BYTES], 100).await;
        assert_eq!(pieces, [ReadLine::Line("x".repeat(MAX_BYTES))]);
    }
}
