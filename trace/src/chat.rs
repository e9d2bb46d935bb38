//! Correlates the runs: which of them are about the same chat, which participations they show, and
//! which event is at each position.

mod assign;
mod spans;

use std::collections::HashMap;

use crate::read::{
    Run, TextId, Trace, TraceStep,
    step::{LoggedEvent, LoggedKind, StepKind},
};

pub use self::spans::StreamSpan;

/// A reference to a step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepRef {
    /// The index of the run in the trace.
    pub run: usize,
    /// The index of the step in the run.
    pub step: usize,
}

/// The event at a position, from the most reliable line about it: the server's broadcast, or the
/// first reception if the server's log does not have it. Other lines are compared with this one.
#[derive(Clone, Copy, Debug)]
pub struct KnownEvent {
    /// The line that it was taken from.
    pub at: StepRef,
    /// The event as that line has it.
    pub event: LoggedEvent,
    /// The event's Lamport time.
    pub lamport: u64,
    /// Whether the line is the server's broadcast.
    pub by_server: bool,
}

/// What the logs show of one chat, that is of one epoch of a server's log.
#[derive(Debug, Default)]
pub struct TracedChat {
    /// The indices of the server's runs, in order.
    pub servers: Vec<usize>,
    /// The epoch; `None` if no line has it.
    pub epoch: Option<TextId>,
    /// The event at each position.
    pub events: HashMap<u64, KnownEvent>,
    /// The position of each message, by its id.
    pub by_id: HashMap<TextId, u64>,
    /// The position of each Left, by the number of the participation.
    pub lefts: HashMap<u64, u64>,
    /// The ranges of positions, first and last, whose broadcasts the server's logs would have. In
    /// ascending order.
    pub covered: Vec<(u64, u64)>,
    /// Whether there is nothing after the last covered position, because the last run ended in order.
    pub closed: bool,
}

/// The runs of a trace, indexed by chat and participation.
#[derive(Debug)]
pub struct TraceIndex<'a> {
    /// The lines that were read.
    pub trace: &'a Trace,
    /// The chats that the lines are about.
    pub chats: Vec<TracedChat>,
    /// The streams that clients received, by run and in order.
    pub spans: Vec<StreamSpan>,
    /// The chat of each server's run, both as indices.
    pub chat_of_server: HashMap<usize, usize>,
}

impl<'a> TraceIndex<'a> {
    /// Indexes the runs of a trace by chat and stream.
    pub fn of(trace: &'a Trace) -> Self {
        let (mut chats, mut chat_of_server) = assign::chats(trace);
        for chat in &mut chats {
            chat.take_servers(trace);
        }
        let mut spans = spans::spans(trace);
        assign::spans(trace, (&mut chats, &mut chat_of_server), &mut spans);
        for span in &spans {
            if let Some(chat) = chats.get_mut(span.chat) {
                chat.take_span(trace, span);
            }
        }
        Self {
            trace,
            chats,
            spans,
            chat_of_server,
        }
    }

    /// The run of this index.
    pub fn run(&self, run: usize) -> &'a Run {
        &self.trace.runs[run]
    }

    /// The step that is referred to.
    pub fn step(&self, at: StepRef) -> &'a TraceStep {
        &self.trace.runs[at.run].steps[at.step]
    }

    /// The text of this number.
    pub fn text(&self, text: TextId) -> &'a str {
        self.trace.texts.get(text)
    }

    /// The runs of clients, each with its index.
    pub fn clients(&self) -> impl Iterator<Item = (usize, &'a Run)> {
        let runs = self.trace.runs.iter().enumerate();
        runs.filter(|(_, run)| !run.server)
    }
}

impl TracedChat {
    /// Takes in what the server's runs broadcast, and which positions they cover.
    fn take_servers(&mut self, trace: &Trace) {
        // The last position of a run that ended in order. The next run starts right there, so that
        // whatever lies between is covered, too.
        let mut left_off = None;
        let lacks_a_run = trace.lacks_a_server();
        for number in self.servers.clone() {
            let run = &trace.runs[number];
            // The range of positions that the run's lines cover so far, first and last.
            let mut range: Option<(u64, u64)> = None;
            for (step, at) in run.steps.iter().zip(0..) {
                if step.after_hole {
                    // Broadcasts may be in the hole: the range ends before it, and the next
                    // broadcast begins another one.
                    self.covered.extend(range.take());
                }
                match step.kind {
                    StepKind::ServerStarted { position, .. } => {
                        // An empty range if nothing was skipped: a first position after its last.
                        let last = left_off.take().unwrap_or(position);
                        range = Some((last.min(position).saturating_add(1), position));
                    }
                    StepKind::BroadcastSent(event) => {
                        let (first, last) = range.unwrap_or((event.position, 0));
                        range = Some((first, last.max(event.position)));
                        let at = StepRef {
                            run: number,
                            step: at,
                        };
                        self.add(at, event, step.lamport, true);
                    }
                    _ => {}
                }
            }
            self.covered
                .extend(range.filter(|(first, last)| first <= last));
            // A hole before the end may hide the last broadcasts: then nothing is known of the end.
            self.closed = run.ended && range.is_some() && !lacks_a_run;
            left_off = range.map(|(_, last)| last).filter(|_| self.closed);
        }
        self.covered.sort_unstable();
    }

    /// Takes in what a client received, if the server's logs do not reach there.
    fn take_span(&mut self, trace: &Trace, span: &StreamSpan) {
        for (at, step) in span.steps(trace) {
            if let StepKind::BroadcastReceived(event) = step.kind
                && !self.covers(event.position)
            {
                self.add(at, event, step.lamport, false);
            }
        }
    }

    /// Adds an event, unless a more reliable line was added before.
    fn add(&mut self, at: StepRef, event: LoggedEvent, lamport: u64, by_server: bool) {
        if !event.id.is_empty() {
            self.by_id.entry(event.id).or_insert(event.position);
        }
        if event.kind == LoggedKind::Left {
            self.lefts
                .entry(event.participant)
                .or_insert(event.position);
        }
        // The first line wins. Broadcasts are added before receptions, so that the server's line is
        // the one that others are compared with.
        self.events.entry(event.position).or_insert(KnownEvent {
            at,
            event,
            lamport,
            by_server,
        });
    }

    /// The Left of this participation, if there is one.
    pub fn left_of(&self, participant: u64) -> Option<&KnownEvent> {
        self.events.get(self.lefts.get(&participant)?)
    }

    /// Whether the server's logs would have the broadcast at this position, if there was one.
    pub fn covers(&self, position: u64) -> bool {
        let ranges = self
            .covered
            .partition_point(|(first, _)| *first <= position);
        match ranges
            .checked_sub(1)
            .and_then(|range| self.covered.get(range))
        {
            Some((_, last)) => position <= *last || (self.closed && ranges == self.covered.len()),
            None => false,
        }
    }
}
