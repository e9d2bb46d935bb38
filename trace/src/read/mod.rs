//! Log files, read into runs of typed steps.

mod files;
mod interner;
mod parse;
mod source;
pub mod step;
mod tail;

use std::{
    collections::HashMap,
    io::{self, BufRead},
    path::PathBuf,
};

use chitty_chat::logging::decode_who;
use thiserror::Error;

pub use self::{
    files::find,
    interner::{TextId, TextInterner},
    source::{LineLookup, LogSource},
    step::{LineLocation, TraceStep},
    tail::LogTailer,
};
use self::{
    parse::{LineMeaning, ParsedLine},
    step::StepKind,
};

/// Who speaks in a server's lines; no participant's name.
pub const SERVER: &str = "server";

/// Why a log cannot be read.
#[derive(Debug, Error)]
#[error("cannot read {}: {source}; give log files, or folders of them", path.display())]
pub struct TraceReadError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// All that was read.
#[derive(Debug, Default)]
pub struct Trace {
    /// Where the lines are from.
    pub sources: Vec<LogSource>,
    /// The texts in the steps.
    pub texts: TextInterner,
    /// One for each run of a process, in the order of their first lines.
    pub runs: Vec<Run>,
    /// How many lines there are.
    pub lines: u64,
    /// Lines that do not parse.
    pub unreadable: Vec<LineLocation>,
    numbers: HashMap<(TextId, TextId), usize>,
}

/// One run of a process.
#[derive(Debug)]
pub struct Run {
    /// Whose, percent-encoded as in the log.
    pub word: TextId,
    /// Whose.
    pub who: TextId,
    /// Its number.
    pub id: TextId,
    /// It is a server's.
    pub server: bool,
    /// It is known from its beginning.
    pub begun: bool,
    /// It ended in order.
    pub ended: bool,
    /// Lines that are missing, as it says itself.
    pub dropped: u64,
    /// What happened in it.
    pub steps: Vec<TraceStep>,
    end: RunEnd,
}

/// What is known of a run's end so far.
#[derive(Debug, Default)]
struct RunEnd {
    /// Lines are missing before the next one.
    hole: bool,
    /// Its last line can be cut without that showing.
    bare: bool,
}

impl Trace {
    /// Reads all log files at these paths.
    pub fn read(paths: &[PathBuf]) -> Result<Self, TraceReadError> {
        Self::from_sources(find(paths)?.into_iter().map(LogSource::file).collect())
    }

    /// Reads these, in this order.
    pub fn from_sources(sources: Vec<LogSource>) -> Result<Self, TraceReadError> {
        let mut trace = Self::default();
        for (number, source) in sources.iter().enumerate() {
            let file = u32::try_from(number).unwrap_or(u32::MAX);
            let mut location = LineLocation::start_of(file);
            source
                .open()
                .and_then(|mut reader| {
                    trace.read_lines(&mut location, &mut None, &mut reader, false)
                })
                .map_err(|error| TraceReadError {
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
            *source = LogSource::file(path);
        }
    }

    /// Reads from `place` on, which is where `reader` is, to the end; of a file that grows,
    /// `whole` lines only.
    fn read_lines(
        &mut self,
        location: &mut LineLocation,
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
            location.line = location.line.saturating_add(1);
            self.lines += 1;
            let content = source::without_mark(&buffer);
            let parsed = str::from_utf8(content)
                .ok()
                .and_then(|line| parse::parse(line, &mut self.texts));
            let run = parsed.and_then(|parsed| {
                let bare_end = !buffer.trim_ascii_end().ends_with(b"\"");
                self.take(*location, &parsed, bare_end)
            });
            if run.is_some() {
                *last_run = run;
            } else if !content.trim_ascii().is_empty() {
                self.unreadable.push(*location);
                if let Some(run) = last_run.and_then(|run: usize| self.runs.get_mut(run)) {
                    run.end.hole = true;
                }
            }
            location.offset += length as u64;
        }
    }

    /// Gives the line to its run, and says which that is.
    fn take(
        &mut self,
        location: LineLocation,
        parsed: &ParsedLine<'_>,
        bare_end: bool,
    ) -> Option<usize> {
        let number = self.run(parsed.head.who, parsed.head.run)?;
        let run = self.runs.get_mut(number)?;
        run.end.bare = bare_end;
        match parsed.meaning {
            LineMeaning::Remark => run.end.bare = false,
            LineMeaning::Dropped(lines) => {
                run.end.bare = false;
                run.end.hole = true;
                run.dropped = run.dropped.saturating_add(lines);
            }
            LineMeaning::Step(kind) => run.push(TraceStep {
                location,
                wall: parsed.wall,
                lamport: parsed.lamport,
                clock: parsed.clock,
                after_hole: run.end.hole,
                frayed: false,
                kind,
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
            end: RunEnd::default(),
        });
        self.numbers.insert(key, number);
        Some(number)
    }
}

impl Run {
    fn push(&mut self, step: TraceStep) {
        if self.steps.is_empty() && !step.after_hole {
            self.begun = match step.kind {
                StepKind::ServerStarted { .. } | StepKind::LinkBegan => true,
                StepKind::JoinSent { .. } => step.clock == Some(1),
                _ => false,
            };
        }
        self.ended = matches!(step.kind, StepKind::ServerStopped | StepKind::LinkEnded);
        self.end.hole = false;
        if let Some(last) = self.steps.last_mut() {
            last.frayed = false;
        }
        self.steps.push(step);
    }

    fn finish(&mut self) {
        let frayed = !self.ended && self.end.bare;
        if let Some(last) = self.steps.last_mut() {
            last.frayed = frayed;
        }
    }
}

#[cfg(test)]
mod tests;
