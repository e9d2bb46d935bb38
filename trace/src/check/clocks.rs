//! The Lamport clock of each process, line by line.

use super::{CheckReport, Rule, is_cut};
use crate::{
    chat::{StepRef, TraceIndex},
    read::{Run, TraceStep, step::StepKind},
};

/// How a line moves a client's clock `C`, with `t` the time that its message carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClockRule {
    /// `C + 1`: a request is sent.
    Send,
    /// `max(C, t) + 1`: an event is received.
    Receive,
    /// `max(C, t)`: a reply, a Welcome or history only raises the clock.
    Observe,
    /// The clock does not move.
    Stay,
    /// `Receive` or `Observe`: the Welcome is missing, so that it is unknown whether the event is
    /// history.
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
            // A Welcome may be among the missing lines.
            since = None;
        }
        if let StepKind::JoinReplied(welcome) = line.kind {
            since = Some(welcome.position);
        }
        // A line without `clock` moves no clock.
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
        clock_after(line, rule, before, clock, &lines, report);
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

/// Compares the clock of one line with what the rules give.
fn clock_after(
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
    // At `u64::MAX` the clock cannot rise, and stands still: that is no later time.
    let late = rule == ClockRule::Receive && clock == time;
    if (clock < low || late) && !is_cut(line.frayed, clock, low.max(before.unwrap_or(0))) {
        report.add(Rule::ReceiptNotAfterSending, lines, || {
            format!("sent at {time}, received at {clock}")
        });
        return;
    }
    // After a hole any clock is possible that is not before the message.
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
    // At `u64::MAX` the sums saturate, but a clock that stands still at an event is wrong.
    let stands = event && before == u64::MAX;
    let as_expected = clock == expected || is_cut(line.frayed, clock, expected);
    if as_expected && !(stands && clock == before) {
        return;
    }
    // Both rules are broken if a clock falls: report the graver one.
    if clock < before || (event && clock == before) {
        report.add(Rule::ClockNotRising, lines, || {
            format!("the clock was at {before}, then at {clock}")
        });
    } else {
        report.add(Rule::ClockNotByTheRule, lines, || {
            format!("from {before} the rules give {expected}, not {clock}")
        });
    }
}

/// The log's clock after a broadcast is the broadcast's time. How it follows from the request is
/// checked in `journal`.
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
