//! Requests: each one's sending, receipt, event and reply belong together.

mod events;
mod replies;

use std::collections::{HashMap, HashSet};

use super::CheckReport;
use crate::{
    chat::{StepRef, StreamSpan, TraceIndex},
    read::{
        Run, TextId,
        step::{LoggedWelcome, StepKind},
    },
};

pub(super) fn check(index: &TraceIndex<'_>, report: &mut CheckReport) {
    let requests = Requests::of(index);
    replies::check(index, &requests, report);
    events::check(index, &requests, report);
}

/// The requests of all clients, and the Welcomes of all servers, to compare others with.
struct Requests<'f> {
    /// The first sending of each message, by its id.
    sent: HashMap<TextId, StepRef>,
    /// The first stream of each participation, by chat and number.
    spans: HashMap<(usize, u64), &'f StreamSpan>,
    /// The Welcomes that servers granted, by chat, with their times.
    grants: HashSet<(usize, LoggedWelcome, u64)>,
}

impl<'f> Requests<'f> {
    fn of(index: &'f TraceIndex<'_>) -> Self {
        let mut sent = HashMap::new();
        for (run, lines) in index.clients() {
            for (step, line) in lines.steps.iter().enumerate() {
                if let StepKind::PublishSent { id, .. } = line.kind
                    && !id.is_empty()
                {
                    sent.entry(id).or_insert(StepRef { run, step });
                }
            }
        }
        let mut spans = HashMap::new();
        for span in &index.spans {
            let key = (span.chat, span.welcome.participant);
            spans.entry(key).or_insert(span);
        }
        let mut grants = HashSet::new();
        for (run, chat) in &index.chat_of_server {
            for line in &index.run(*run).steps {
                if let StepKind::JoinGranted(welcome) = line.kind {
                    grants.insert((*chat, welcome, line.lamport));
                }
            }
        }
        Self {
            sent,
            spans,
            grants,
        }
    }
}

/// Whether a request sent at this time would be in the run's lines: there is no hole, they begin
/// early enough, and the run did not break off before that time.
fn would_show(run: &Run, time: u64) -> bool {
    let last = run.steps.iter().rev().find_map(|step| step.clock);
    let holes = run.steps.iter().any(|step| step.after_hole);
    run.begun && !holes && (run.ended || last.is_some_and(|last| time <= last))
}
