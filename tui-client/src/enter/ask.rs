//! Questions on the terminal, before the screen.
//!
//! They go to the terminal itself and not to standard input, which may have the lines to be sent.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::fd::AsFd as _,
};

use chitty_chat::{
    link::{ChatLink, LinkError},
    text::display,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{QueueSelector, tcflush},
};
use thiserror::Error;

/// The longest answer, in bytes.
const MAX_ANSWER: u64 = 64 << 10;
/// How long more of a paste may take to come, in nanoseconds.
const REST_OF_PASTE: i64 = 100_000_000;

/// The terminal, for questions.
#[derive(Debug)]
pub struct Terminal {
    answers: BufReader<File>,
    questions: File,
}

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// There is no terminal.
    #[error("there is no terminal to ask on ({0})")]
    NoTerminal(io::Error),
    /// The terminal cannot be used.
    #[error("cannot ask on the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// The text that was pasted is no link.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl Terminal {
    /// The terminal of this process.
    pub fn open() -> Result<Self, AskError> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let questions = file.map_err(AskError::NoTerminal)?;
        let answers = BufReader::new(questions.try_clone()?);
        Ok(Self { answers, questions })
    }

    /// Shows a text; it may have line breaks.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.questions
            .write_all(display::safe_lines(text).as_bytes())?;
        self.questions.flush()
    }

    /// The next line, without its end; `None` at the end of the input (Ctrl-D).
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = (&mut self.answers)
            .take(MAX_ANSWER)
            .read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(&line);
        Ok((read > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// Whether the user answers with yes; everything else is no.
    pub fn agrees(&mut self, question: &str) -> Result<bool, AskError> {
        self.say(&format!("{question} [yes/no] "))?;
        let answer = self.line()?.unwrap_or_default();
        Ok(answer.trim().eq_ignore_ascii_case("yes"))
    }

    /// Asks for a link. A paste that has several lines is read until the link in it is whole. What
    /// was pasted after it is dropped, because it would be typed into the chat.
    pub fn link(&mut self) -> Result<ChatLink, AskError> {
        self.say("Paste the link, and press Enter: ")?;
        let mut text = String::new();
        let found = loop {
            let Some(line) = self.line()? else {
                break ChatLink::find(&text);
            };
            let ends = line.trim().is_empty() && !text.trim().is_empty();
            text.push_str(&line);
            text.push('\n');
            match ChatLink::find(&text) {
                // The secret may be in the next line.
                Ok(link) if link.secret.is_none() && self.has_more()? => {}
                Err(LinkError::Cut { .. } | LinkError::NoPin | LinkError::None)
                    if !ends && (text.len() as u64) < MAX_ANSWER => {}
                found => break found,
            }
        };
        self.drop_typed()?;
        Ok(found?)
    }

    /// Whether more of a paste comes.
    fn has_more(&self) -> io::Result<bool> {
        if !self.answers.buffer().is_empty() {
            return Ok(true);
        }
        let mut terminal = [PollFd::new(&self.questions, PollFlags::IN)];
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: REST_OF_PASTE,
        };
        Ok(poll(&mut terminal, Some(&wait))? > 0)
    }

    fn drop_typed(&mut self) -> io::Result<()> {
        // The rest of a paste may still be on its way.
        while self.has_more()? {
            let buffered = self.answers.buffer().len();
            self.answers.consume(buffered);
            tcflush(self.questions.as_fd(), QueueSelector::IFlush)?;
        }
        Ok(())
    }
}
