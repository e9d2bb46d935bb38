//! Log files, read into runs of typed steps.

mod files;
mod follow;
mod parse;
mod source;
pub mod step;
mod texts;

use std::{
    collections::HashMap,
    io::{self, BufRead},
    path::PathBuf,
};

use chitty_chat::logging::decode_who;
use thiserror::Error;

pub use self::{
    files::find,
    follow::Follower,
    source::{Lines, Source},
    step::{Place, Step},
    texts::{Text, Texts},
};
use self::{
    parse::{Meaning, Parsed},
    step::What,
};

/// Who speaks in a server's lines; no participant's name.
pub const SERVER: &str = "server";

/// Why a log cannot be read.
#[derive(Debug, Error)]
#[error("cannot read {}: {source}; give log files, or folders of them", path.display())]
pub struct ReadError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// All that was read.
#[derive(Debug, Default)]
pub struct Trace {
    /// Where the lines are from.
    pub sources: Vec<Source>,
    /// The texts in the steps.
    pub texts: Texts,
    /// One for each run of a process, in the order of their first lines.
    pub runs: Vec<Run>,
    /// How many lines there are.
    pub lines: u64,
    /// Lines that do not parse.
    pub unreadable: Vec<Place>,
    numbers: HashMap<(Text, Text), usize>,
}

/// One run of a process.
#[derive(Debug)]
pub struct Run {
    /// Whose, percent-encoded as in the log.
    pub word: Text,
    /// Whose.
    pub who: Text,
    /// Its number.
    pub id: Text,
    /// It is a server's.
    pub server: bool,
    /// It is known from its beginning.
    pub begun: bool,
    /// It ended in order.
    pub ended: bool,
    /// Lines that are missing, as it says itself.
    pub dropped: u64,
    /// What happened in it.
    pub steps: Vec<Step>,
    tail: Tail,
}

/// What is known of a run's end so far.
#[derive(Debug, Default)]
struct Tail {
    /// Lines are missing before the next one.
    hole: bool,
    /// Its last line can be cut without that showing.
    bare: bool,
}

impl Trace {
    /// Reads all log files at these paths.
    pub fn read(paths: &[PathBuf]) -> Result<Self, ReadError> {
        Self::from_sources(find(paths)?.into_iter().map(Source::file).collect())
    }

    /// Reads these, in this order.
    pub fn from_sources(sources: Vec<Source>) -> Result<Self, ReadError> {
        let mut trace = Self::default();
        for (number, source) in sources.iter().enumerate() {
            let file = u32::try_from(number).unwrap_or(u32::MAX);
            let mut place = Place::start_of(file);
            source
                .open()
                .and_then(|mut reader| trace.read_lines(&mut place, &mut None, &mut reader, false))
                .map_err(|error| ReadError {
                    path: source.name().into(),
                    source: error,
                })?;
        }
        trace.sources = sources;
        for run in &mut trace.runs {
            run.steps.shrink_to_fit();
            run.finish();
        }
        Ok(trace)
    }

    /// Whether there was a run of a server of which nothing is left but that: it cannot be told
    /// between which others it was, nor what it broadcast.
    pub(crate) fn lacks_a_server(&self) -> bool {
        let mut runs = self.runs.iter();
        runs.any(|run| run.server && run.steps.is_empty())
    }

    fn rename(&mut self, file: u32, path: PathBuf) {
        if let Some(source) = self.sources.get_mut(file as usize) {
            *source = Source::file(path);
        }
    }

    /// Reads from `place` on, which is where `reader` is, to the end; of a file that grows,
    /// `whole` lines only.
    fn read_lines(
        &mut self,
        place: &mut Place,
        last_run: &mut Option<usize>,
        reader: &mut impl BufRead,
        whole: bool,
    ) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let length = reader.read_until(b'\n', &mut buffer)?;
            if length == 0 || (whole && !buffer.ends_with(b"\n")) {
                return Ok(());
            }
            place.line = place.line.saturating_add(1);
            self.lines += 1;
            let content = source::without_mark(&buffer);
            let parsed = str::from_utf8(content)
                .ok()
                .and_then(|line| parse::parse(line, &mut self.texts));
            let run = parsed.and_then(|parsed| {
                let bare_end = !buffer.trim_ascii_end().ends_with(b"\"");
                self.take(*place, &parsed, bare_end)
            });
            if run.is_some() {
                *last_run = run;
            } else if !content.trim_ascii().is_empty() {
                self.unreadable.push(*place);
                if let Some(run) = last_run.and_then(|run: usize| self.runs.get_mut(run)) {
                    run.tail.hole = true;
                }
            }
            place.offset += length as u64;
        }
    }

    /// Gives the line to its run, and says which that is.
    fn take(&mut self, place: Place, parsed: &Parsed<'_>, bare_end: bool) -> Option<usize> {
        let number = self.run(parsed.head.who, parsed.head.run)?;
        let run = self.runs.get_mut(number)?;
        run.tail.bare = bare_end;
        match parsed.meaning {
            Meaning::Remark => run.tail.bare = false,
            Meaning::Dropped(lines) => {
                run.tail.bare = false;
                run.tail.hole = true;
                run.dropped = run.dropped.saturating_add(lines);
            }
            Meaning::Step(what) => run.push(Step {
                place,
                wall: parsed.wall,
                lamport: parsed.lamport,
                clock: parsed.clock,
                after_hole: run.tail.hole,
                frayed: false,
                what,
            }),
        }
        Some(number)
    }

    fn run(&mut self, word: &str, id: &str) -> Option<usize> {
        let key = (self.texts.intern(word), self.texts.intern(id));
        if let Some(number) = self.numbers.get(&key) {
            return Some(*number);
        }
        let who = decode_who(word)?;
        let number = self.runs.len();
        self.runs.push(Run {
            word: key.0,
            who: self.texts.intern(&who),
            id: key.1,
            server: word == SERVER,
            begun: false,
            ended: false,
            dropped: 0,
            steps: Vec::new(),
            tail: Tail::default(),
        });
        self.numbers.insert(key, number);
        Some(number)
    }
}

impl Run {
    fn push(&mut self, step: Step) {
        if self.steps.is_empty() && !step.after_hole {
            self.begun = match step.what {
                What::ServerStarted { .. } | What::LinkBegan => true,
                What::JoinSent { .. } => step.clock == Some(1),
                _ => false,
            };
        }
        self.ended = matches!(step.what, What::ServerStopped | What::LinkEnded);
        self.tail.hole = false;
        if let Some(last) = self.steps.last_mut() {
            last.frayed = false;
        }
        self.steps.push(step);
    }

    fn finish(&mut self) {
        let frayed = !self.ended && self.tail.bare;
        if let Some(last) = self.steps.last_mut() {
            last.frayed = frayed;
        }
    }
}

#[cfg(test)]
mod tests;
