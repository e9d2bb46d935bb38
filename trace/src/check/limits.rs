//! What could not be checked, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::{
    chat::{Chat, Facts},
    read::step::{Kind, What},
};

/// So many names are said.
const NAMES: usize = 8;

pub(super) fn note(facts: &Facts<'_>, report: &mut Report) {
    let notes = &mut report.unchecked;
    lines(facts, notes);
    for (number, chat) in facts.chats.iter().enumerate() {
        if chat.servers.is_empty() {
            if !facts.stints.is_empty() {
                notes.push(
                    "no server's log: what the server received, that its clock followed, and that \
                     what was heard was broadcast; all participants are taken to be in one chat"
                        .into(),
                );
            }
        } else {
            server(chat, notes);
        }
        participants(facts, number, chat, notes);
    }
    cut_runs(facts, notes);
}

fn lines(facts: &Facts<'_>, notes: &mut Vec<String>) {
    let unreadable = facts.trace.unreadable.len();
    if unreadable > 0 {
        notes.push(format!(
            "{unreadable} lines that cannot be read (torn, or of something else)"
        ));
    }
    if facts.trace.runs.is_empty() {
        notes.push("anything: there are no log lines here".into());
    }
}

fn server(chat: &Chat, notes: &mut Vec<String>) {
    let first = chat.covered.first().map_or(0, |(first, _)| *first);
    if first > 1 {
        notes.push(format!(
            "positions before {first}: the server's logs begin there"
        ));
    }
    let heard = chat.told.values().filter(|told| !told.by_server);
    let (count, last) = heard.fold((0, 0), |(count, last), told| {
        (count + 1, told.event.position.max(last))
    });
    if count > 0 {
        notes.push(format!(
            "that {count} positions up to {last} were broadcast: they are not in the server's logs, \
             which do not reach so far, or broke off"
        ));
    }
}

fn participants(facts: &Facts<'_>, number: usize, chat: &Chat, notes: &mut Vec<String>) {
    let known: BTreeSet<_> = facts
        .stints
        .iter()
        .filter(|stint| stint.chat == number)
        .map(|stint| stint.welcome.participant)
        .collect();
    let mut names = BTreeSet::new();
    for told in chat.told.values() {
        if told.event.kind == Kind::Joined && !known.contains(&told.event.participant) {
            names.insert(facts.text(told.event.name));
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
        "what was sent and heard by {list}: not in these logs"
    ));
}

fn cut_runs(facts: &Facts<'_>, notes: &mut Vec<String>) {
    let runs = || facts.trace.runs.iter().filter(|run| !run.steps.is_empty());
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
        notes.push(format!("what is missing inside of {holes} runs"));
    }
    // Of those too that have nothing else to tell.
    let told = facts.trace.runs.iter().map(|run| run.dropped);
    let (runs, lines) = told
        .filter(|dropped| *dropped > 0)
        .fold((0, 0_u64), |(runs, lines), dropped| {
            (runs + 1, lines.saturating_add(dropped))
        });
    if runs > 0 {
        notes.push(format!(
            "what {runs} processes could not write down: {lines} lines are missing, as their logs \
             say"
        ));
    }
    let mut ends = BTreeMap::new();
    for stint in &facts.stints {
        let number = stint.welcome.participant;
        let own_end = |what| matches!(what, What::BroadcastReceived(event) if event.kind == Kind::Left && event.participant == number);
        let seen = stint.steps(facts.trace).any(|(_, step)| own_end(step.what));
        *ends.entry((stint.chat, number)).or_insert(false) |= seen;
    }
    let untold = ends.values().filter(|seen| !**seen).count();
    if untold > 0 {
        notes.push(format!(
            "whether the last events reached {untold} participations that did not see their own end"
        ));
    }
}
