//! Each process's own clock, line by line.

use super::{Report, Rule, is_cut};
use crate::{
    chat::{At, Facts},
    read::{Run, Step, step::What},
};

/// What a line does to a client's clock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
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

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    for (number, run) in facts.clients() {
        client(number, run, report);
    }
    for (number, run) in facts.trace.runs.iter().enumerate() {
        if run.server {
            server(number, run, report);
        }
    }
}

fn client(number: usize, run: &Run, report: &mut Report) {
    let mut before = run.begun.then_some(0);
    let mut before_at = None;
    let mut since = None;
    for (step, line) in run.steps.iter().enumerate() {
        if line.after_hole {
            before = None;
            // Another Welcome may be missing, too.
            since = None;
        }
        if let What::JoinReplied(welcome) = line.what {
            since = Some(welcome.position);
        }
        let Some(clock) = line.clock else { continue };
        let at = At { run: number, step };
        let moved = moved(line, since);
        let lines = [before_at, Some(at)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        if moved == Move::Send && line.lamport != clock && !is_cut(line.frayed, clock, line.lamport)
        {
            report.add(Rule::SentAtAnotherTime, &[at], || {
                format!("sent at {clock}, but it carries {}", line.lamport)
            });
        }
        one(line, moved, before, clock, &lines, report);
        before = Some(clock);
        before_at = Some(at);
    }
}

fn moved(line: &Step, since: Option<u64>) -> Move {
    match line.what {
        What::JoinSent { .. } | What::LeaveSent | What::PublishSent { retry: false, .. } => {
            Move::Send
        }
        What::BroadcastReceived(event) => match since {
            Some(since) if event.position >= since => Move::Receive,
            Some(_) => Move::Observe,
            None => Move::Any,
        },
        What::JoinReplied(_)
        | What::PublishReplied { .. }
        | What::LeaveReplied { .. }
        | What::HistoryReplied => Move::Observe,
        _ => Move::Stay,
    }
}

fn one(
    line: &Step,
    moved: Move,
    before: Option<u64>,
    clock: u64,
    lines: &[At],
    report: &mut Report,
) {
    let time = line.lamport;
    let low = match moved {
        Move::Receive => time.saturating_add(1),
        Move::Observe | Move::Any => time,
        Move::Send | Move::Stay => 0,
    };
    // At the last number there is none after it.
    let late = moved == Move::Receive && clock == time;
    if (clock < low || late) && !is_cut(line.frayed, clock, low.max(before.unwrap_or(0))) {
        report.add(Rule::ReceiptNotAfterSending, lines, || {
            format!("sent at {time}, received at {clock}")
        });
        return;
    }
    let Some(before) = before else { return };
    let expected = match moved {
        Move::Send => before.saturating_add(1),
        Move::Receive => before.max(time).saturating_add(1),
        Move::Observe => before.max(time),
        Move::Stay => before,
        Move::Any => before
            .max(time)
            .saturating_add(u64::from(clock > before.max(time))),
    };
    let event = matches!(moved, Move::Send | Move::Receive);
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
fn server(number: usize, run: &Run, report: &mut Report) {
    for (step, line) in run.steps.iter().enumerate() {
        if let (What::BroadcastSent(_), Some(clock)) = (line.what, line.clock)
            && clock != line.lamport
            && !is_cut(line.frayed, clock, line.lamport)
        {
            report.add(Rule::SentAtAnotherTime, &[At { run: number, step }], || {
                format!("broadcast at {clock}, but it carries {}", line.lamport)
            });
        }
    }
}
