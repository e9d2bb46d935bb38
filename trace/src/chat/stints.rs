//! Participations, as a client's log tells of them.

use std::ops::Range;

use super::At;
use crate::read::{
    Step, Text, Trace,
    step::{Welcome, What},
};

/// What a client heard on one stream: from a Welcome to the next one.
#[derive(Clone, Debug)]
pub struct Stint {
    /// Whose.
    pub run: usize,
    /// Its steps, the Welcome first.
    pub range: Range<usize>,
    /// What the Welcome said.
    pub welcome: Welcome,
    /// The sending of the Join, where it is there.
    pub join: Option<usize>,
    /// Under which name.
    pub name: Text,
    /// Which chat.
    pub chat: usize,
}

impl Stint {
    /// Its steps.
    pub fn steps<'a>(&self, trace: &'a Trace) -> impl DoubleEndedIterator<Item = (At, &'a Step)> {
        let run = self.run;
        self.range
            .clone()
            .zip(&trace.runs[run].steps[self.range.clone()])
            .map(move |(step, line)| (At { run, step }, line))
    }

    /// Where its Welcome is.
    pub fn at(&self) -> At {
        At {
            run: self.run,
            step: self.range.start,
        }
    }
}

pub(super) fn stints(trace: &Trace) -> Vec<Stint> {
    let mut stints: Vec<Stint> = Vec::new();
    for (run, lines) in trace.runs.iter().enumerate() {
        if lines.server {
            continue;
        }
        let (mut join, mut name) = (None, lines.who);
        let first = stints.len();
        for (number, step) in lines.steps.iter().enumerate() {
            if step.after_hole {
                // The one whose answer comes next may be missing.
                (join, name) = (None, lines.who);
            }
            match step.what {
                What::JoinSent { name: asked, .. } => {
                    join = Some(number);
                    name = asked;
                }
                What::JoinReplied(welcome) => {
                    if let Some(before) = stints.get_mut(first..).and_then(<[_]>::last_mut) {
                        before.range.end = number;
                    }
                    stints.push(Stint {
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
    stints
}
