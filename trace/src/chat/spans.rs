//! The streams that a client received, from its log lines.

use std::ops::Range;

use super::StepRef;
use crate::read::{
    TextId, Trace, TraceStep,
    step::{LoggedWelcome, StepKind},
};

/// The part of a client's run that belongs to one stream: from its Welcome to the next one.
#[derive(Clone, Debug)]
pub struct StreamSpan {
    /// The index of the client's run.
    pub run: usize,
    /// The indices of its steps; the first is the Welcome.
    pub range: Range<usize>,
    /// The fields of the Welcome.
    pub welcome: LoggedWelcome,
    /// The index of the step that sent the Join, if the lines have it.
    pub join: Option<usize>,
    /// The name that the client asked for.
    pub name: TextId,
    /// The index of the chat.
    pub chat: usize,
}

impl StreamSpan {
    /// The steps, each with its reference.
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

    /// A reference to the Welcome.
    pub fn at(&self) -> StepRef {
        StepRef {
            run: self.run,
            step: self.range.start,
        }
    }
}

/// Splits the clients' runs into streams. The chats are not assigned yet.
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
                // The Join that the next Welcome answers may be among the missing lines.
                (join, name) = (None, lines.who);
            }
            match step.kind {
                StepKind::JoinSent { name: asked, .. } => {
                    join = Some(number);
                    name = asked;
                }
                StepKind::JoinReplied(welcome) => {
                    // The stream before ends where the next Welcome comes.
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
