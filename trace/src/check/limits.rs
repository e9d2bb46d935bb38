//! Notes on what could not be checked, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::CheckReport;
use crate::{
    chat::{TraceIndex, TracedChat},
    read::step::{LoggedKind, StepKind},
};

/// How many names a note lists.
const NAMES: usize = 8;

pub(super) fn note(index: &TraceIndex<'_>, report: &mut CheckReport) {
    let notes = &mut report.unchecked;
    lines(index, notes);
    let without_server = index.chats.iter().filter(|chat| chat.servers.is_empty());
    match without_server.count() {
        _ if index.spans.is_empty() => {}
        0 => {}
        1 if index.chats.len() == 1 => notes.push(
            "the server: there is no log of it; all participants are taken to be in one chat"
                .into(),
        ),
        1 => notes.push("the server of one chat: there is no log of it".into()),
        chats => notes.push(format!(
            "the servers of {chats} chats: there are no logs of them"
        )),
    }
    for (number, chat) in index.chats.iter().enumerate() {
        if !chat.servers.is_empty() {
            server(chat, notes);
        }
        participants(index, number, chat, notes);
    }
    cut_runs(index, notes);
}

fn lines(index: &TraceIndex<'_>, notes: &mut Vec<String>) {
    let unreadable = index.trace.unreadable.len();
    if unreadable > 0 {
        notes.push(format!(
            "{unreadable} lines that do not parse (torn, or no log lines)"
        ));
    }
    if index.trace.runs.is_empty() {
        notes.push("anything: there are no log lines".into());
    }
}

fn server(chat: &TracedChat, notes: &mut Vec<String>) {
    let first = chat.covered.first().map_or(0, |(first, _)| *first);
    if first > 1 {
        notes.push(format!(
            "positions before {first}: the server's logs begin there"
        ));
    }
    let heard = chat.events.values().filter(|known| !known.by_server);
    let (count, last) = heard.fold((0, 0), |(count, last), known| {
        (count + 1, known.event.position.max(last))
    });
    if count > 0 {
        notes.push(format!(
            "the broadcasts of {count} positions up to {last}: the server's logs do not reach so far, \
             or broke off"
        ));
    }
}

fn participants(index: &TraceIndex<'_>, number: usize, chat: &TracedChat, notes: &mut Vec<String>) {
    let in_logs: BTreeSet<_> = index
        .spans
        .iter()
        .filter(|span| span.chat == number)
        .map(|span| span.welcome.participant)
        .collect();
    let mut names = BTreeSet::new();
    for known in chat.events.values() {
        if known.event.kind == LoggedKind::Joined && !in_logs.contains(&known.event.participant) {
            names.insert(index.text(known.event.name));
        }
    }
    if names.is_empty() {
        return;
    }
    let more = names.len().saturating_sub(NAMES);
    let mut list = names.into_iter().take(NAMES).collect::<Vec<_>>().join(", ");
    if more > 0 {
        list = format!("{list} and {more} more");
    }
    notes.push(format!(
        "what {list} sent and received: it is not in these logs"
    ));
}

fn cut_runs(index: &TraceIndex<'_>, notes: &mut Vec<String>) {
    let runs = || index.trace.runs.iter().filter(|run| !run.steps.is_empty());
    let late = runs().filter(|run| !run.begun).count();
    if late > 0 {
        notes.push(format!(
            "the beginnings of {late} runs: their first lines are missing"
        ));
    }
    let cut = runs().filter(|run| !run.ended).count();
    if cut > 0 {
        notes.push(format!(
            "the ends of {cut} runs: they break off (the process goes on, or was killed)"
        ));
    }
    let holes = runs()
        .filter(|run| run.steps.iter().any(|step| step.after_hole))
        .count();
    if holes > 0 {
        notes.push(format!("the holes in {holes} runs: lines are missing"));
    }
    // Including runs of which no step is left.
    let dropped = index.trace.runs.iter().map(|run| run.dropped);
    let (runs, lines) = dropped
        .filter(|dropped| *dropped > 0)
        .fold((0, 0_u64), |(runs, lines), dropped| {
            (runs + 1, lines.saturating_add(dropped))
        });
    if runs > 0 {
        notes.push(format!(
            "what {runs} processes could not write: {lines} lines are missing, as their logs report"
        ));
    }
    // A participation can have several streams: its own end is seen if any of them delivered it.
    let mut ends = BTreeMap::new();
    for span in &index.spans {
        let number = span.welcome.participant;
        let own_end = |what| matches!(what, StepKind::BroadcastReceived(event) if event.kind == LoggedKind::Left && event.participant == number);
        let seen = span.steps(index.trace).any(|(_, step)| own_end(step.kind));
        *ends.entry((span.chat, number)).or_insert(false) |= seen;
    }
    let untold = ends.values().filter(|seen| !**seen).count();
    if untold > 0 {
        notes.push(format!(
            "whether the last events reached {untold} participations that did not see their own end"
        ));
    }
}
