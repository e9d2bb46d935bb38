//! Reads log files into runs of processes, each a list of typed steps.

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
    parse::{LineMeaning, ParsedLogLine},
    step::StepKind,
};

/// The name that servers have in log lines. It is reserved: no participant can have it.
pub const SERVER: &str = "server";

/// A log file or folder cannot be read.
#[derive(Debug, Error)]
#[error("cannot read {}: {source}; give log files, or folders of them", path.display())]
pub struct TraceReadError {
    /// The file or folder.
    pub path: PathBuf,
    /// The error of the operating system.
    pub source: io::Error,
}

/// All log lines that were read, by run.
#[derive(Debug, Default)]
pub struct Trace {
    /// The files that the lines are from, by the number in a [`LineLocation`].
    pub sources: Vec<LogSource>,
    /// The texts that the steps refer to.
    pub texts: TextInterner,
    /// The runs of processes, in the order of their first lines.
    pub runs: Vec<Run>,
    /// How many lines were read, including those that do not parse.
    pub lines: u64,
    /// Where lines are that do not parse.
    pub unreadable: Vec<LineLocation>,
    /// The index of each run, by its name and id in the log.
    numbers: HashMap<(TextId, TextId), usize>,
}

/// One run of a process, from its start to its end, as far as its lines are there.
#[derive(Debug)]
pub struct Run {
    /// The name of the process, percent-encoded as in the log.
    pub word: TextId,
    /// The name of the process, decoded.
    pub who: TextId,
    /// The run id in the log, which tells runs of one name apart.
    pub id: TextId,
    /// Whether it is a run of a server.
    pub server: bool,
    /// Whether the lines begin with the start of the process.
    pub begun: bool,
    /// Whether the lines end with an orderly end of the process.
    pub ended: bool,
    /// How many lines the process dropped, by its own report (`dropped=N`).
    pub dropped: u64,
    /// Its lines, apart from diagnostics.
    pub steps: Vec<TraceStep>,
    end: RunEnd,
}

/// What is known of the end of a run's lines so far.
#[derive(Debug, Default)]
struct RunEnd {
    /// Lines are missing before the next one.
    hole: bool,
    /// The last line ends in an unquoted value. If it was cut, the rest still parses, and the value
    /// may be too short.
    unquoted: bool,
}

impl Trace {
    /// Reads all log files at these paths; see [`find`].
    ///
    /// # Errors
    ///
    /// Fails if a file or folder cannot be read.
    pub fn read(paths: &[PathBuf]) -> Result<Self, TraceReadError> {
        Self::from_sources(find(paths)?.into_iter().map(LogSource::file).collect())
    }

    /// Reads these logs in this order.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read.
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

    /// Whether there was a run of a server of which no step is left. Its place among the other runs
    /// and its broadcasts are unknown, so that no gap between runs can be reported.
    pub(crate) fn lacks_a_server(&self) -> bool {
        let mut runs = self.runs.iter();
        runs.any(|run| run.server && run.steps.is_empty())
    }

    /// Changes the path of a file that was renamed.
    fn rename(&mut self, file: u32, path: PathBuf) {
        if let Some(source) = self.sources.get_mut(file as usize) {
            *source = LogSource::file(path);
        }
    }

    /// Reads lines from `reader`, which is at `location`, to its end. With `whole`, for a file that
    /// grows, a last line without a line feed is left for later.
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
                let unquoted_end = !buffer.trim_ascii_end().ends_with(b"\"");
                self.take(*location, &parsed, unquoted_end)
            });
            if run.is_some() {
                *last_run = run;
            } else if !content.trim_ascii().is_empty() {
                // Which run a torn line is of cannot be read: take it as a hole of the run before it.
                self.unreadable.push(*location);
                if let Some(run) = last_run.and_then(|run: usize| self.runs.get_mut(run)) {
                    run.end.hole = true;
                }
            }
            location.offset += length as u64;
        }
    }

    /// Adds the line to its run. Returns the index of the run, or `None` if the name is not valid.
    fn take(
        &mut self,
        location: LineLocation,
        parsed: &ParsedLogLine<'_>,
        unquoted_end: bool,
    ) -> Option<usize> {
        let number = self.run(parsed.head.who, parsed.head.run)?;
        let run = self.runs.get_mut(number)?;
        run.end.unquoted = unquoted_end;
        match parsed.meaning {
            // Diagnostics are not steps: if the last one is cut, nothing that is checked is lost.
            LineMeaning::Diagnostic => run.end.unquoted = false,
            LineMeaning::Dropped(lines) => {
                run.end.unquoted = false;
                run.end.hole = true;
                run.dropped = run.dropped.saturating_add(lines);
            }
            LineMeaning::Step(kind) => run.push(TraceStep {
                location,
                wall: parsed.wall,
                lamport: parsed.lamport,
                clock: parsed.clock,
                after_hole: run.end.hole,
                // Only the last line can be cut; see `finish`.
                frayed: false,
                kind,
            }),
        }
        Some(number)
    }

    /// The index of the run with this name and id; a new run if there is none yet.
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
            // A client's first request has clock 1: nothing can be missing before it.
            self.begun = match step.kind {
                StepKind::ServerStarted { .. } | StepKind::LinkBegan => true,
                StepKind::JoinSent { .. } => step.clock == Some(1),
                _ => false,
            };
        }
        // Lines after an end take it back: then the process had not ended.
        self.ended = matches!(step.kind, StepKind::ServerStopped | StepKind::LinkEnded);
        self.end.hole = false;
        if let Some(last) = self.steps.last_mut() {
            last.frayed = false;
        }
        self.steps.push(step);
    }

    /// Marks the last step as frayed if the run breaks off there. More lines take that back.
    fn finish(&mut self) {
        let frayed = !self.ended && self.end.unquoted;
        if let Some(last) = self.steps.last_mut() {
            last.frayed = frayed;
        }
    }
}

#[cfg(test)]
mod tests;
