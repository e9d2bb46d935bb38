//! What the runs are about: which chats there are, which participations, what is at which position.

mod assign;
mod spans;

use std::collections::HashMap;

use crate::read::{
    Run, TextId, Trace, TraceStep,
    step::{LoggedEvent, LoggedKind, StepKind},
};

pub use self::spans::StreamSpan;

/// A step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepRef {
    /// Which run.
    pub run: usize,
    /// Which of its steps.
    pub step: usize,
}

/// What is told of a position.
#[derive(Clone, Copy, Debug)]
pub struct KnownEvent {
    /// By whom: the server, if its log is there, else the first who heard it.
    pub at: StepRef,
    /// What.
    pub event: LoggedEvent,
    /// Its time.
    pub lamport: u64,
    /// By the server.
    pub by_server: bool,
}

/// One log's life.
#[derive(Debug, Default)]
pub struct TracedChat {
    /// The server's runs, in order.
    pub servers: Vec<usize>,
    /// Which life, where that is told.
    pub epoch: Option<TextId>,
    /// What is at each position.
    pub events: HashMap<u64, KnownEvent>,
    /// Where the message with this id is.
    pub by_id: HashMap<TextId, u64>,
    /// Where this participation ended.
    pub lefts: HashMap<u64, u64>,
    /// The positions that the server's logs cover, each range with both its ends, in order.
    pub covered: Vec<(u64, u64)>,
    /// Nothing is beyond the last position that is covered: the last run ended in order.
    pub closed: bool,
}

/// The runs, and what they are about.
#[derive(Debug)]
pub struct TraceIndex<'a> {
    /// What was read.
    pub trace: &'a Trace,
    /// The chats.
    pub chats: Vec<TracedChat>,
    /// The participations as the clients tell of them, by run and in order.
    pub spans: Vec<StreamSpan>,
    /// The chat of each server's run.
    pub chat_of_server: HashMap<usize, usize>,
}

impl<'a> TraceIndex<'a> {
    /// Finds out.
    pub fn of(trace: &'a Trace) -> Self {
        let (mut chats, chat_of_server) = assign::chats(trace);
        for chat in &mut chats {
            chat.take_servers(trace);
        }
        let mut spans = spans::spans(trace);
        assign::spans(trace, &mut chats, &mut spans);
        for span in &spans {
            if let Some(chat) = chats.get_mut(span.chat) {
                chat.take_stint(trace, span);
            }
        }
        Self {
            trace,
            chats,
            spans,
            chat_of_server,
        }
    }

    /// A run.
    pub fn run(&self, run: usize) -> &'a Run {
        &self.trace.runs[run]
    }

    /// A step.
    pub fn step(&self, at: StepRef) -> &'a TraceStep {
        &self.trace.runs[at.run].steps[at.step]
    }

    /// A text.
    pub fn text(&self, text: TextId) -> &'a str {
        self.trace.texts.get(text)
    }

    /// The runs of clients.
    pub fn clients(&self) -> impl Iterator<Item = (usize, &'a Run)> {
        let runs = self.trace.runs.iter().enumerate();
        runs.filter(|(_, run)| !run.server)
    }
}

impl TracedChat {
    fn take_servers(&mut self, trace: &Trace) {
        // Where a run that ended in order left off: the next one goes on there.
        let mut left_off = None;
        let lacks_a_run = trace.lacks_a_server();
        for number in self.servers.clone() {
            let run = &trace.runs[number];
            let mut range: Option<(u64, u64)> = None;
            for (step, at) in run.steps.iter().zip(0..) {
                if step.after_hole {
                    self.covered.extend(range.take());
                }
                match step.kind {
                    StepKind::ServerStarted { position, .. } => {
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
                        self.tell(at, event, step.lamport, true);
                    }
                    _ => {}
                }
            }
            self.covered
                .extend(range.filter(|(first, last)| first <= last));
            // Unless what it broadcast last is in a hole before its end.
            self.closed = run.ended && range.is_some() && !lacks_a_run;
            left_off = range.map(|(_, last)| last).filter(|_| self.closed);
        }
        self.covered.sort_unstable();
    }

    fn take_stint(&mut self, trace: &Trace, span: &StreamSpan) {
        for (at, step) in span.steps(trace) {
            if let StepKind::BroadcastReceived(event) = step.kind
                && !self.covers(event.position)
            {
                self.tell(at, event, step.lamport, false);
            }
        }
    }

    fn tell(&mut self, at: StepRef, event: LoggedEvent, lamport: u64, by_server: bool) {
        if !event.id.is_empty() {
            self.by_id.entry(event.id).or_insert(event.position);
        }
        if event.kind == LoggedKind::Left {
            self.lefts
                .entry(event.participant)
                .or_insert(event.position);
        }
        self.events.entry(event.position).or_insert(KnownEvent {
            at,
            event,
            lamport,
            by_server,
        });
    }

    /// The end of this participation.
    pub fn left_of(&self, participant: u64) -> Option<&KnownEvent> {
        self.events.get(self.lefts.get(&participant)?)
    }

    /// Whether the server's logs would show the broadcast at this position.
    pub fn covers(&self, position: u64) -> bool {
        let behind = self
            .covered
            .partition_point(|(first, _)| *first <= position);
        match behind
            .checked_sub(1)
            .and_then(|range| self.covered.get(range))
        {
            Some((_, last)) => position <= *last || (self.closed && behind == self.covered.len()),
            None => false,
        }
    }
}
