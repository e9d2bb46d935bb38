//! Logs that are still being written: says what is broken, and draws what happens, as it comes.

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

/// Between two looks at the files. Each looks at all lines anew, so that more are allowed more
/// time.
const INTERVAL: Duration = Duration::from_millis(500);
const INTERVAL_PER_LINE: Duration = Duration::from_micros(5);

/// What of the logs is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveView {
    /// Rules that are broken.
    Violations,
    /// The diagram, from the last so many events on (0: all), and rules that are broken.
    Rows(u64),
}

/// Looks at files that grow.
///
/// The files are not read at one moment: a reception may be read before its sending. So what is
/// found counts when it is found again at the next look.
#[derive(Debug)]
pub struct LiveReport {
    follower: LogTailer,
    show: LiveView,
    suspected: HashSet<ViolationKey>,
    said: HashSet<ViolationKey>,
    /// How many there are that are only counted.
    more: u64,
    /// Nodes that are drawn, or older than the first to be drawn; and those of the last look.
    drawn: HashSet<StepRef>,
    settled: HashSet<StepRef>,
    heading: Vec<String>,
    /// The next look finds something out even if nothing is written until then.
    unsure: bool,
}

type ViolationKey = (Rule, Vec<StepRef>);

impl LiveReport {
    /// Of these files and folders.
    pub fn new(paths: Vec<PathBuf>, show: LiveView) -> Self {
        Self {
            follower: LogTailer::new(paths),
            show,
            suspected: HashSet::new(),
            said: HashSet::new(),
            more: 0,
            drawn: HashSet::new(),
            settled: HashSet::new(),
            heading: Vec::new(),
            unsure: false,
        }
    }

    /// How long to wait before the next look.
    pub fn interval(&self) -> Duration {
        let lines = u32::try_from(self.follower.trace.lines).unwrap_or(u32::MAX);
        INTERVAL + INTERVAL_PER_LINE * lines
    }

    /// Reads on, and writes what is new. What was found in the look before and still is, is sure.
    pub fn refresh(&mut self, out: &mut dyn Write) -> Result<(), RefreshError> {
        let grown = self.follower.poll()?;
        if !grown && !self.unsure {
            return Ok(());
        }
        let index = TraceIndex::of(&self.follower.trace);
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
            if self.suspected.contains(&found) && self.said.insert(found.clone()) {
                write_violation(&index, violation, &mut lines, out)?;
            }
            suspected.insert(found);
        }
        self.suspected = suspected;
        self.unsure = !self.suspected.is_subset(&self.said) || !self.settled.is_subset(&self.drawn);
        let more = report.counts.values().sum::<u64>() - report.violations.len() as u64;
        if more > self.more {
            writeln!(out, "... and {more} more, which are counted only\n")?;
            self.more = more;
        }
        out.flush()?;
        Ok(())
    }
}

/// Why logs cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// They cannot be read.
    #[error(transparent)]
    Read(#[from] TraceReadError),
    /// What is found cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Rows of what was there at the last look too: by now its receptions are, where they were quick.
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
