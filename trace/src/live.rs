//! Follows logs that are still being written: reports violations and draws events as they come.

use std::{
    collections::HashSet,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use crate::{
    chat::{StepRef, TraceIndex},
    check::{Rule, check},
    cli::write_violation,
    draw::{
        Detail, Diagram,
        text::{Lanes, legend},
    },
    read::{LineLookup, LogTailer, TraceReadError},
};

/// The time between two refreshes. Each refresh checks all lines again, so that the interval grows
/// with their number.
const INTERVAL: Duration = Duration::from_millis(500);
const INTERVAL_PER_LINE: Duration = Duration::from_micros(5);

/// What to show of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveView {
    /// Only violations of rules.
    Violations,
    /// The diagram, beginning with the last events of this number (0: all), and violations.
    Rows(u64),
}

/// Reports what is new in log files that grow.
///
/// The files are not read at one moment, so that a reception may be read before its sending, which
/// looks like a violation. Hence a violation is only reported if the next refresh finds it again.
#[derive(Debug)]
pub struct LiveReport {
    tailer: LogTailer,
    show: LiveView,
    /// Violations that the last refresh found.
    suspected: HashSet<ViolationKey>,
    /// Violations that were reported.
    reported: HashSet<ViolationKey>,
    /// How many violations were counted without being kept.
    more: u64,
    /// Nodes that were drawn, or are older than the first one to be drawn.
    drawn: HashSet<StepRef>,
    /// The nodes of the last refresh. A node is drawn when it was there before: by then the
    /// receptions of its message have been read, too, and get into the same row.
    settled: HashSet<StepRef>,
    /// The titles that were written last; they are written again if they change.
    heading: Vec<String>,
    /// The next refresh has something to decide, even if no line is written until then.
    unsure: bool,
}

/// A violation is the same if it is of the same rule and lines: messages may change.
type ViolationKey = (Rule, Vec<StepRef>);

impl LiveReport {
    /// Makes a report on these files and folders. Nothing is read yet.
    pub fn new(paths: Vec<PathBuf>, show: LiveView) -> Self {
        Self {
            tailer: LogTailer::new(paths),
            show,
            suspected: HashSet::new(),
            reported: HashSet::new(),
            more: 0,
            drawn: HashSet::new(),
            settled: HashSet::new(),
            heading: Vec::new(),
            unsure: false,
        }
    }

    /// How long to wait before the next refresh.
    pub fn interval(&self) -> Duration {
        let lines = u32::try_from(self.tailer.trace.lines).unwrap_or(u32::MAX);
        INTERVAL + INTERVAL_PER_LINE * lines
    }

    /// Reads the new lines, and writes what is new in the report.
    ///
    /// # Errors
    ///
    /// Fails if the logs cannot be read or `out` cannot be written.
    pub fn refresh(&mut self, out: &mut dyn Write) -> Result<(), RefreshError> {
        let grown = self.tailer.poll()?;
        // Without new lines the result would be the same, unless something waits to be confirmed.
        if !grown && !self.unsure {
            return Ok(());
        }
        let index = TraceIndex::of(&self.tailer.trace);
        if let LiveView::Rows(last) = self.show {
            draw(
                &index,
                last,
                &mut self.drawn,
                &mut self.settled,
                &mut self.heading,
                out,
            )?;
        }
        let report = check(&index);
        let mut lines = LineLookup::default();
        let mut suspected = HashSet::new();
        for violation in &report.violations {
            let found = (violation.rule, violation.lines.clone());
            if self.suspected.contains(&found) && self.reported.insert(found.clone()) {
                write_violation(&index, violation, &mut lines, out)?;
            }
            suspected.insert(found);
        }
        self.suspected = suspected;
        self.unsure =
            !self.suspected.is_subset(&self.reported) || !self.settled.is_subset(&self.drawn);
        let more = report.counts.values().sum::<u64>() - report.violations.len() as u64;
        if more > self.more {
            writeln!(out, "... and {more} more, which are counted only\n")?;
            self.more = more;
        }
        out.flush()?;
        Ok(())
    }
}

/// Logs cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// A log cannot be read.
    #[error(transparent)]
    Read(#[from] TraceReadError),
    /// The report cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Draws the nodes that the last refresh already had and that are not drawn yet.
fn draw(
    index: &TraceIndex<'_>,
    last: u64,
    drawn: &mut HashSet<StepRef>,
    settled: &mut HashSet<StepRef>,
    heading: &mut Vec<String>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(chat) = index.chats.len().checked_sub(1) else {
        return Ok(());
    };
    let mut diagram = Diagram::of(index, chat, Detail::Events);
    let all: HashSet<StepRef> = diagram.nodes.iter().map(|node| node.at).collect();
    // The first time: older nodes than the last ones count as drawn.
    if drawn.is_empty() && settled.is_empty() && last > 0 {
        diagram.last(index, last);
        let kept: HashSet<StepRef> = diagram.nodes.iter().map(|node| node.at).collect();
        drawn.extend(all.difference(&kept));
    }
    let is_new = |at: &StepRef| settled.contains(at) && !drawn.contains(at);
    let nodes = diagram.nodes.iter().enumerate();
    let new: Vec<usize> = nodes
        .filter(|(_, node)| is_new(&node.at))
        .map(|(number, _)| number)
        .collect();
    let lanes = Lanes::of(&diagram);
    if !new.is_empty() {
        if *heading != lanes.titles {
            if heading.is_empty() {
                writeln!(out, "{}", legend())?;
            }
            writeln!(out)?;
            lanes.write_heading(out)?;
            heading.clone_from(&lanes.titles);
        }
        lanes.write_rows(&new, out)?;
    }
    drawn.extend(new.iter().map(|number| diagram.nodes[*number].at));
    *settled = all;
    Ok(())
}
