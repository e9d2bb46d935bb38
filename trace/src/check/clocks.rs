//! Each process's own clock, line by line.

use super::{CheckReport, Rule, is_cut};
use crate::{
    chat::{StepRef, TraceIndex},
    read::{Run, TraceStep, step::StepKind},
};

/// What a line does to a client's clock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClockRule {
    /// `C + 1`
    Send,
    /// `max(C, t) + 1`
    Receive,
    /// `max(C, t)`
    Observe,
    /// Nothing.
    Stay,
    /// One of the latter two: it is not known from where on events are live.
    Any,
}

pub(super) fn check(index: &TraceIndex<'_>, report: &mut CheckReport) {
    for (number, run) in index.clients() {
        client(number, run, report);
    }
    for (number, run) in index.trace.runs.iter().enumerate() {
        if run.server {
            server(number, run, report);
        }
    }
}

fn client(number: usize, run: &Run, report: &mut CheckReport) {
    let mut before = run.begun.then_some(0);
    let mut before_at = None;
    let mut since = None;
    for (step, line) in run.steps.iter().enumerate() {
        if line.after_hole {
            before = None;
            // Another Welcome may be missing, too.
            since = None;
        }
        if let StepKind::JoinReplied(welcome) = line.kind {
            since = Some(welcome.position);
        }
        let Some(clock) = line.clock else { continue };
        let at = StepRef { run: number, step };
        let rule = rule(line, since);
        let lines = [before_at, Some(at)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        if rule == ClockRule::Send
            && line.lamport != clock
            && !is_cut(line.frayed, clock, line.lamport)
        {
            report.add(Rule::SentAtAnotherTime, &[at], || {
                format!("sent at {clock}, but it carries {}", line.lamport)
            });
        }
        one(line, rule, before, clock, &lines, report);
        before = Some(clock);
        before_at = Some(at);
    }
}

fn rule(line: &TraceStep, since: Option<u64>) -> ClockRule {
    match line.kind {
        StepKind::JoinSent { .. }
        | StepKind::LeaveSent
        | StepKind::PublishSent { retry: false, .. } => ClockRule::Send,
        StepKind::BroadcastReceived(event) => match since {
            Some(since) if event.position >= since => ClockRule::Receive,
            Some(_) => ClockRule::Observe,
            None => ClockRule::Any,
        },
        StepKind::JoinReplied(_)
        | StepKind::PublishReplied { .. }
        | StepKind::LeaveReplied { .. }
        | StepKind::HistoryReplied => ClockRule::Observe,
        _ => ClockRule::Stay,
    }
}

fn one(
    line: &TraceStep,
    rule: ClockRule,
    before: Option<u64>,
    clock: u64,
    lines: &[StepRef],
    report: &mut CheckReport,
) {
    let time = line.lamport;
    let low = match rule {
        ClockRule::Receive => time.saturating_add(1),
        ClockRule::Observe | ClockRule::Any => time,
        ClockRule::Send | ClockRule::Stay => 0,
    };
    // At the last number there is none after it.
    let late = rule == ClockRule::Receive && clock == time;
    if (clock < low || late) && !is_cut(line.frayed, clock, low.max(before.unwrap_or(0))) {
        report.add(Rule::ReceiptNotAfterSending, lines, || {
            format!("sent at {time}, received at {clock}")
        });
        return;
    }
    let Some(before) = before else { return };
    let expected = match rule {
        ClockRule::Send => before.saturating_add(1),
        ClockRule::Receive => before.max(time).saturating_add(1),
        ClockRule::Observe => before.max(time),
        ClockRule::Stay => before,
        ClockRule::Any => before
            .max(time)
            .saturating_add(u64::from(clock > before.max(time))),
    };
    let event = matches!(rule, ClockRule::Send | ClockRule::Receive);
    // At the last number the rules' sums stand still, which no clock may at an event.
    let stands = event && before == u64::MAX;
    let as_expected = clock == expected || is_cut(line.frayed, clock, expected);
    if as_expected && !(stands && clock == before) {
        return;
    }
    if clock < before || (event && clock == before) {
        report.add(Rule::ClockNotRising, lines, || {
            format!("the clock was at {before}, and then at {clock}")
        });
    } else {
        report.add(Rule::ClockNotByTheRule, lines, || {
            format!("from {before} the rules give {expected}, not {clock}")
        });
    }
}

/// The log's clock after a broadcast is the broadcast's time; the rest follows from its request,
/// see `journal`.
fn server(number: usize, run: &Run, report: &mut CheckReport) {
    for (step, line) in run.steps.iter().enumerate() {
        if let (StepKind::BroadcastSent(_), Some(clock)) = (line.kind, line.clock)
            && clock != line.lamport
            && !is_cut(line.frayed, clock, line.lamport)
        {
            report.add(
                Rule::SentAtAnotherTime,
                &[StepRef { run: number, step }],
                || format!("broadcast at {clock}, but it carries {}", line.lamport),
            );
        }
    }
}
