//! Participations, as a client's log tells of them.

use std::ops::Range;

use super::StepRef;
use crate::read::{
    TextId, Trace, TraceStep,
    step::{LoggedWelcome, StepKind},
};

/// What a client heard on one stream: from a Welcome to the next one.
#[derive(Clone, Debug)]
pub struct StreamSpan {
    /// Whose.
    pub run: usize,
    /// Its steps, the Welcome first.
    pub range: Range<usize>,
    /// What the Welcome said.
    pub welcome: LoggedWelcome,
    /// The sending of the Join, where it is there.
    pub join: Option<usize>,
    /// Under which name.
    pub name: TextId,
    /// Which chat.
    pub chat: usize,
}

impl StreamSpan {
    /// Its steps.
    pub fn steps<'a>(
        &self,
        trace: &'a Trace,
    ) -> impl DoubleEndedIterator<Item = (StepRef, &'a TraceStep)> {
        let run = self.run;
        self.range
            .clone()
            .zip(&trace.runs[run].steps[self.range.clone()])
            .map(move |(step, line)| (StepRef { run, step }, line))
    }

    /// Where its Welcome is.
    pub fn at(&self) -> StepRef {
        StepRef {
            run: self.run,
            step: self.range.start,
        }
    }
}

pub(super) fn spans(trace: &Trace) -> Vec<StreamSpan> {
    let mut spans: Vec<StreamSpan> = Vec::new();
    for (run, lines) in trace.runs.iter().enumerate() {
        if lines.server {
            continue;
        }
        let (mut join, mut name) = (None, lines.who);
        let first = spans.len();
        for (number, step) in lines.steps.iter().enumerate() {
            if step.after_hole {
                // The one whose answer comes next may be missing.
                (join, name) = (None, lines.who);
            }
            match step.kind {
                StepKind::JoinSent { name: asked, .. } => {
                    join = Some(number);
                    name = asked;
                }
                StepKind::JoinReplied(welcome) => {
                    if let Some(before) = spans.get_mut(first..).and_then(<[_]>::last_mut) {
                        before.range.end = number;
                    }
                    spans.push(StreamSpan {
                        run,
                        range: number..lines.steps.len(),
                        welcome,
                        join: join.take(),
                        name,
                        chat: 0,
                    });
                }
                _ => {}
            }
        }
    }
    spans
}
