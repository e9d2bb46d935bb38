//! Each request, its receipt, its event and its reply.

mod events;
mod replies;

use std::collections::{HashMap, HashSet};

use super::Report;
use crate::{
    chat::{At, Facts, Stint},
    read::{
        Run, Text,
        step::{Welcome, What},
    },
};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    let requests = Requests::of(facts);
    replies::check(facts, &requests, report);
    events::check(facts, &requests, report);
}

/// What was sent.
struct Requests<'f> {
    /// The first sending of each message that has an id.
    sent: HashMap<Text, At>,
    /// The participations, by chat and number.
    stints: HashMap<(usize, u64), &'f Stint>,
    /// The Welcomes that servers gave, with their times.
    grants: HashSet<(usize, Welcome, u64)>,
}

impl<'f> Requests<'f> {
    fn of(facts: &'f Facts<'_>) -> Self {
        let mut sent = HashMap::new();
        for (run, lines) in facts.clients() {
            for (step, line) in lines.steps.iter().enumerate() {
                if let What::PublishSent { id, .. } = line.what
                    && !id.is_empty()
                {
                    sent.entry(id).or_insert(At { run, step });
                }
            }
        }
        let mut stints = HashMap::new();
        for stint in &facts.stints {
            let key = (stint.chat, stint.welcome.participant);
            stints.entry(key).or_insert(stint);
        }
        let mut grants = HashSet::new();
        for (run, chat) in &facts.chat_of_server {
            for line in &facts.run(*run).steps {
                if let What::JoinGranted(welcome) = line.what {
                    grants.insert((*chat, welcome, line.lamport));
                }
            }
        }
        Self {
            sent,
            stints,
            grants,
        }
    }
}

/// Whether a sending at this time would be in the run's lines: they begin early enough, and are
/// not lost behind its end, where it was killed.
fn would_show(run: &Run, time: u64) -> bool {
    let last = run.steps.iter().rev().find_map(|step| step.clock);
    let holes = run.steps.iter().any(|step| step.after_hole);
    run.begun && !holes && (run.ended || last.is_some_and(|last| time <= last))
}
