//! What became of what clients sent.

use super::{Report, Requests, would_show};
use crate::{
    chat::{At, Facts, Told},
    check::Rule,
    read::step::{Kind, What},
};

pub(super) fn check(facts: &Facts<'_>, requests: &Requests<'_>, report: &mut Report) {
    for (number, chat) in facts.chats.iter().enumerate() {
        let mut all: Vec<_> = chat.told.values().collect();
        all.sort_unstable_by_key(|told| told.event.position);
        for told in all {
            match told.event.kind {
                Kind::Message => message(facts, requests, number, told, report),
                Kind::Joined => joined(facts, requests, number, told, report),
                Kind::Left => left(facts, requests, number, told, report),
                Kind::Unknown => {}
            }
        }
    }
    for (run, chat) in &facts.chat_of_server {
        for (step, line) in facts.run(*run).steps.iter().enumerate() {
            if let What::PublishReceived {
                id,
                seen,
                participant,
            } = line.what
            {
                let at = At { run: *run, step };
                received(
                    facts,
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
    facts: &Facts<'_>,
    requests: &Requests<'_>,
    chat: usize,
    told: &Told,
    report: &mut Report,
) {
    let event = &told.event;
    let author = requests.stints.get(&(chat, event.participant));
    let sent = match requests.sent.get(&event.id) {
        Some(sent) => Some(*sent),
        None => author.and_then(|stint| {
            let steps = &facts.run(stint.run).steps;
            let same = |step: &crate::read::Step| {
                event.id.is_empty()
                    && step.lamport == event.request
                    && matches!(step.what, What::PublishSent { id, .. } if id.is_empty())
            };
            let step = steps.iter().position(same)?;
            Some(At {
                run: stint.run,
                step,
            })
        }),
    };
    let Some(sent) = sent else {
        if author.is_some_and(|stint| would_show(facts.run(stint.run), event.request)) {
            report.add(Rule::BroadcastWithoutSending, &[told.at], || {
                format!("{} did not send this", facts.text(event.name))
            });
        }
        return;
    };
    let line = facts.step(sent);
    let What::PublishSent { seen, text, .. } = line.what else {
        return;
    };
    let cut = line.frayed && facts.text(event.text).starts_with(facts.text(text));
    let not_its_author = author.is_some_and(|stint| stint.run != sent.run);
    for (same, rule, what) in [
        (text == event.text || cut, Rule::TextDiffers, "text"),
        (seen == event.seen, Rule::SeenDiffers, "seen"),
        (line.lamport == event.request, Rule::RequestDiffers, "time"),
        (!not_its_author, Rule::NameDiffers, "author"),
    ] {
        if !same {
            report.add(rule, &[sent, told.at], || {
                format!(
                    "position {} has another {what} than was sent",
                    event.position
                )
            });
        }
    }
}

fn joined(
    facts: &Facts<'_>,
    requests: &Requests<'_>,
    chat: usize,
    told: &Told,
    report: &mut Report,
) {
    let Some(stint) = requests.stints.get(&(chat, told.event.participant)) else {
        return;
    };
    let Some(join) = stint.join.filter(|_| !stint.welcome.resumed) else {
        return;
    };
    let at = At {
        run: stint.run,
        step: join,
    };
    if facts.step(at).lamport != told.event.request {
        report.add(Rule::RequestDiffers, &[at, told.at], || {
            format!(
                "it was asked for at {}, not at {}",
                facts.step(at).lamport,
                told.event.request
            )
        });
    }
}

fn left(facts: &Facts<'_>, requests: &Requests<'_>, chat: usize, told: &Told, report: &mut Report) {
    let event = &told.event;
    let Some(stint) = requests.stints.get(&(chat, event.participant)) else {
        return;
    };
    let run = facts.run(stint.run);
    if event.request == 0 || !would_show(run, event.request) {
        return;
    }
    let sent =
        |step: &crate::read::Step| step.what == What::LeaveSent && step.lamport == event.request;
    if !run.steps.iter().any(sent) {
        report.add(Rule::BroadcastWithoutSending, &[told.at], || {
            format!(
                "{} did not leave at {}",
                facts.text(event.name),
                event.request
            )
        });
    }
}

fn received(
    facts: &Facts<'_>,
    requests: &Requests<'_>,
    (chat, participant): (usize, Option<u64>),
    (id, seen): (crate::read::Text, u64),
    at: At,
    report: &mut Report,
) {
    let line = facts.step(at);
    if let Some(sent) = requests.sent.get(&id) {
        let asked = facts.step(*sent);
        let same = matches!(asked.what, What::PublishSent { seen: told, .. } if told == seen);
        if !same || asked.lamport != line.lamport {
            report.add(Rule::RequestDiffers, &[*sent, at], || {
                format!(
                    "sent at {}, and received as of {}",
                    asked.lamport, line.lamport
                )
            });
        }
        return;
    }
    let stint = participant.and_then(|participant| requests.stints.get(&(chat, participant)));
    if !id.is_empty() && stint.is_some_and(|stint| would_show(facts.run(stint.run), line.lamport)) {
        report.add(Rule::RequestWithoutSending, &[at], || {
            format!("nobody sent {}", facts.text(id))
        });
    }
}
