//! Each broadcast event is what a client requested.

use super::{CheckReport, Requests, would_show};
use crate::{
    chat::{KnownEvent, StepRef, TraceIndex},
    check::Rule,
    read::step::{LoggedKind, StepKind},
};

pub(super) fn check(index: &TraceIndex<'_>, requests: &Requests<'_>, report: &mut CheckReport) {
    for (number, chat) in index.chats.iter().enumerate() {
        let mut all: Vec<_> = chat.events.values().collect();
        all.sort_unstable_by_key(|known| known.event.position);
        for known in all {
            match known.event.kind {
                LoggedKind::Message => message(index, requests, number, known, report),
                LoggedKind::Joined => joined(index, requests, number, known, report),
                LoggedKind::Left => left(index, requests, number, known, report),
                LoggedKind::Unknown => {}
            }
        }
    }
    for (run, chat) in &index.chat_of_server {
        for (step, line) in index.run(*run).steps.iter().enumerate() {
            if let StepKind::PublishReceived {
                id,
                seen,
                participant,
            } = line.kind
            {
                let at = StepRef { run: *run, step };
                received(
                    index,
                    requests,
                    (*chat, participant),
                    (id, seen),
                    at,
                    report,
                );
            }
        }
    }
}

fn message(
    index: &TraceIndex<'_>,
    requests: &Requests<'_>,
    chat: usize,
    known: &KnownEvent,
    report: &mut CheckReport,
) {
    let event = &known.event;
    let author = requests.spans.get(&(chat, event.participant));
    let sent = match requests.sent.get(&event.id) {
        Some(sent) => Some(*sent),
        // Messages without an id are found by their author and time.
        None => author.and_then(|span| {
            let steps = &index.run(span.run).steps;
            let same = |step: &crate::read::TraceStep| {
                event.id.is_empty()
                    && step.lamport == event.request
                    && matches!(step.kind, StepKind::PublishSent { id, .. } if id.is_empty())
            };
            let step = steps.iter().position(same)?;
            Some(StepRef {
                run: span.run,
                step,
            })
        }),
    };
    let Some(sent) = sent else {
        if author.is_some_and(|span| would_show(index.run(span.run), event.request)) {
            report.add(Rule::BroadcastWithoutSending, &[known.at], || {
                format!("{} did not send this", index.text(event.name))
            });
        }
        return;
    };
    let line = index.step(sent);
    let StepKind::PublishSent { seen, text, .. } = line.kind else {
        return;
    };
    let cut = line.frayed && index.text(event.text).starts_with(index.text(text));
    // The id was sent by another run than the one that the event names as the author.
    let not_its_author = author.is_some_and(|span| span.run != sent.run);
    for (same, rule, what) in [
        (text == event.text || cut, Rule::TextDiffers, "text"),
        (seen == event.seen, Rule::SeenDiffers, "seen"),
        (line.lamport == event.request, Rule::RequestDiffers, "time"),
        (!not_its_author, Rule::NameDiffers, "author"),
    ] {
        if !same {
            report.add(rule, &[sent, known.at], || {
                format!(
                    "position {} has another {what} than its request",
                    event.position
                )
            });
        }
    }
}

fn joined(
    index: &TraceIndex<'_>,
    requests: &Requests<'_>,
    chat: usize,
    known: &KnownEvent,
    report: &mut CheckReport,
) {
    let Some(span) = requests.spans.get(&(chat, known.event.participant)) else {
        return;
    };
    let Some(join) = span.join.filter(|_| !span.welcome.resumed) else {
        return;
    };
    let at = StepRef {
        run: span.run,
        step: join,
    };
    if index.step(at).lamport != known.event.request {
        report.add(Rule::RequestDiffers, &[at, known.at], || {
            format!(
                "it was requested at {}, not at {}",
                index.step(at).lamport,
                known.event.request
            )
        });
    }
}

fn left(
    index: &TraceIndex<'_>,
    requests: &Requests<'_>,
    chat: usize,
    known: &KnownEvent,
    report: &mut CheckReport,
) {
    let event = &known.event;
    let Some(span) = requests.spans.get(&(chat, event.participant)) else {
        return;
    };
    let run = index.run(span.run);
    // Only a Left with a request was asked for; LOST and CLOSED are the server's.
    if event.request == 0 || !would_show(run, event.request) {
        return;
    }
    let sent = |step: &crate::read::TraceStep| {
        step.kind == StepKind::LeaveSent && step.lamport == event.request
    };
    if !run.steps.iter().any(sent) {
        report.add(Rule::BroadcastWithoutSending, &[known.at], || {
            format!(
                "{} did not leave at {}",
                index.text(event.name),
                event.request
            )
        });
    }
}

fn received(
    index: &TraceIndex<'_>,
    requests: &Requests<'_>,
    (chat, participant): (usize, Option<u64>),
    (id, seen): (crate::read::TextId, u64),
    at: StepRef,
    report: &mut CheckReport,
) {
    let line = index.step(at);
    if let Some(sent) = requests.sent.get(&id) {
        let asked = index.step(*sent);
        let same = matches!(asked.kind, StepKind::PublishSent { seen: sent, .. } if sent == seen);
        if !same || asked.lamport != line.lamport {
            report.add(Rule::RequestDiffers, &[*sent, at], || {
                format!(
                    "sent at {}, but received with {}",
                    asked.lamport, line.lamport
                )
            });
        }
        return;
    }
    let span = participant.and_then(|participant| requests.spans.get(&(chat, participant)));
    if !id.is_empty() && span.is_some_and(|span| would_show(index.run(span.run), line.lamport)) {
        report.add(Rule::RequestWithoutSending, &[at], || {
            format!("nobody sent {}", index.text(id))
        });
    }
}
