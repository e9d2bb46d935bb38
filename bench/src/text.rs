//! The line protocols of Redis, NATS, IRC and the floor.

/// What the benchmark needs to know about a line protocol.
pub(crate) struct Lines {
    /// How the one line of each message is recognised.
    pub(crate) message: Sign,
    /// The line that must be answered, and the answer.
    pub(crate) answers: &'static [(Sign, &'static [u8])],
}

/// How a line is recognised.
#[derive(Clone, Copy)]
pub(crate) enum Sign {
    /// The line begins with this.
    Begins(&'static [u8]),
    /// The second word of the line is this.
    Second(&'static [u8]),
}

impl Sign {
    fn is_of(self, line: &[u8]) -> bool {
        match self {
            Self::Begins(start) => line.starts_with(start),
            Self::Second(word) => {
                line.starts_with(b":") && line.split(|&byte| byte == b' ').nth(1) == Some(word)
            }
        }
    }
}

/// Counts the messages in what a server sends.
pub(crate) struct Parser {
    lines: &'static Lines,
    /// The line that has not ended yet.
    begun: Vec<u8>,
}

impl Parser {
    pub(crate) fn new(lines: &'static Lines) -> Self {
        Self {
            lines,
            begun: Vec::new(),
        }
    }

    /// How many messages begin in these bytes. Answers that the protocol requires are put into
    /// `out`.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> u64 {
        let mut messages = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if !line.ends_with(b"\n") {
                self.begun.extend(line);
            } else if self.begun.is_empty() {
                messages += self.line(line, out);
            } else {
                let mut whole = std::mem::take(&mut self.begun);
                whole.extend(line);
                messages += self.line(&whole, out);
            }
        }
        messages
    }

    fn line(&self, line: &[u8], out: &mut Vec<u8>) -> u64 {
        if self.lines.message.is_of(line) {
            return 1;
        }
        for (sign, answer) in self.lines.answers {
            if sign.is_of(line) {
                out.extend(*answer);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        static LINES: Lines = Lines {
            message: Sign::Second(b"PRIVMSG"),
            answers: &[(Sign::Begins(b"PING"), b"PONG\r\n")],
        };
        let wire =
            b":a!b@c PRIVMSG #all :hello PRIVMSG\r\nPING :x\r\n:a PRIVMSG #all :x\r\n:s 001 a\r\n";
        for step in 1..wire.len() {
            let (mut parser, mut out) = (Parser::new(&LINES), Vec::new());
            let counts = wire.chunks(step).map(|bytes| parser.feed(bytes, &mut out));
            assert_eq!(counts.sum::<u64>(), 2, "in steps of {step}");
            assert_eq!(out, b"PONG\r\n");
        }
    }
}
