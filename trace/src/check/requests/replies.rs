//! What clients were answered.

use std::collections::HashMap;

use super::{Report, Requests};
use crate::{
    chat::{At, Chat, Facts, Stint},
    check::Rule,
    read::{
        Step, Text,
        step::{Kind, What},
    },
};

pub(super) fn check(facts: &Facts<'_>, requests: &Requests<'_>, report: &mut Report) {
    for stint in &facts.stints {
        welcome(facts, requests, stint, report);
    }
    let mut chat_of = HashMap::new();
    for stint in &facts.stints {
        chat_of
            .entry(stint.run)
            .or_insert_with(Vec::new)
            .push(stint);
    }
    for (number, run) in facts.clients() {
        let mut client = Client {
            facts,
            stints: chat_of.get(&number).map_or(&[], Vec::as_slice),
            sent: HashMap::new(),
            leave: None,
            // What is before the beginning, or in a hole, can be anything.
            whole: run.begun,
        };
        for (step, line) in run.steps.iter().enumerate() {
            client.whole &= !line.after_hole;
            client.step(At { run: number, step }, line, report);
        }
    }
}

struct Client<'f> {
    facts: &'f Facts<'f>,
    stints: &'f [&'f Stint],
    sent: HashMap<Text, At>,
    leave: Option<At>,
    whole: bool,
}

impl Client<'_> {
    fn step(&mut self, at: At, line: &Step, report: &mut Report) {
        match line.what {
            What::PublishSent { id, .. } if !id.is_empty() => match self.sent.get(&id) {
                Some(first) => self.retry(*first, at, report),
                None => drop(self.sent.insert(id, at)),
            },
            What::LeaveSent => self.leave = Some(at),
            What::PublishReplied { position, id, .. } => self.published(at, position, id, report),
            What::LeaveReplied { position, .. } => self.left(at, position, report),
            What::PublishRefused { id } => self.refused(at, id, report),
            _ => {}
        }
    }

    fn stint(&self, at: At) -> Option<&Stint> {
        let begun = self
            .stints
            .partition_point(|stint| stint.range.start <= at.step);
        self.stints.get(begun.checked_sub(1)?).copied()
    }

    /// The participation, if it is certain that no other has begun since.
    fn certain_stint(&self, at: At) -> Option<&Stint> {
        let stint = self.stint(at)?;
        let since = &self.facts.run(at.run).steps[stint.range.start + 1..=at.step];
        let whole = since.iter().all(|step| !step.after_hole);
        whole.then_some(stint)
    }

    fn chat(&self, at: At) -> Option<&Chat> {
        self.facts.chats.get(self.stint(at)?.chat)
    }

    fn retry(&self, first: At, at: At, report: &mut Report) {
        let (before, again) = (self.facts.step(first), self.facts.step(at));
        let (
            What::PublishSent { id, seen, text, .. },
            What::PublishSent {
                seen: seen_now,
                text: text_now,
                ..
            },
        ) = (before.what, again.what)
        else {
            return;
        };
        let same_text = text == text_now
            || (again.frayed && self.facts.text(text).starts_with(self.facts.text(text_now)));
        if (before.lamport, seen) != (again.lamport, seen_now) || !same_text {
            report.add(Rule::RetryDiffers, &[first, at], || {
                format!("{} was sent twice, and not the same", self.facts.text(id))
            });
        }
    }

    fn published(&self, at: At, position: u64, id: Text, report: &mut Report) {
        let sent = self.sent.get(&id).copied();
        if sent.is_none() && self.whole && !id.is_empty() {
            report.add(Rule::ReplyWithoutRequest, &[at], || {
                "a Publish is answered that was not sent".to_owned()
            });
        }
        let Some(chat) = self.chat(at).filter(|_| !id.is_empty()) else {
            return;
        };
        let lines = |told| {
            [sent, told, Some(at)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        };
        let told = chat.told.get(&position);
        if !chat.by_id.contains_key(&id) && (told.is_some() || chat.covers(position)) {
            report.add(
                Rule::AcknowledgedNotBroadcast,
                &lines(told.map(|told| told.at)),
                || format!("position {position} is acknowledged, and was not broadcast"),
            );
        } else if let Some(told) = told
            && (told.event.id != id || told.lamport != self.facts.step(at).lamport)
        {
            report.add(Rule::ReplyDiffers, &lines(Some(told.at)), || {
                format!(
                    "position {position} at {} is answered",
                    self.facts.step(at).lamport
                )
            });
        }
    }

    fn left(&self, at: At, position: u64, report: &mut Report) {
        if self.leave.is_none() && self.whole {
            report.add(Rule::ReplyWithoutRequest, &[at], || {
                "a Leave is answered that was not sent".to_owned()
            });
        }
        let (Some(stint), Some(chat)) = (self.certain_stint(at), self.chat(at)) else {
            return;
        };
        let lines = |told| {
            [self.leave, told, Some(at)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        };
        match chat.told.get(&position) {
            None if chat.covers(position) => {
                report.add(Rule::AcknowledgedNotBroadcast, &lines(None), || {
                    format!("the leaving at {position} is acknowledged, and was not broadcast")
                });
            }
            Some(told)
                if (told.event.kind, told.event.participant, told.lamport)
                    != (
                        Kind::Left,
                        stint.welcome.participant,
                        self.facts.step(at).lamport,
                    ) =>
            {
                report.add(Rule::ReplyDiffers, &lines(Some(told.at)), || {
                    format!("position {position} is not this leaving")
                });
            }
            _ => {}
        }
    }

    fn refused(&self, at: At, id: Text, report: &mut Report) {
        if let Some(chat) = self.chat(at)
            && let Some(told) = chat
                .by_id
                .get(&id)
                .and_then(|position| chat.told.get(position))
        {
            report.add(Rule::RefusedYetBroadcast, &[at, told.at], || {
                format!("it is at position {}", told.event.position)
            });
        }
    }
}

/// A Welcome is a reply to a Join, is one that the server gave, and tells of the Joined that is
/// there.
fn welcome(facts: &Facts<'_>, requests: &Requests<'_>, stint: &Stint, report: &mut Report) {
    let (chat, told, at) = (&facts.chats[stint.chat], stint.welcome, stint.at());
    let run = facts.run(stint.run);
    let whole = run.begun && !run.steps[..=at.step].iter().any(|step| step.after_hole);
    if stint.join.is_none() && whole {
        report.add(Rule::ReplyWithoutRequest, &[at], || {
            "a Join is answered that was not sent".to_owned()
        });
    }
    let lamport = facts.step(at).lamport;
    let key = (stint.chat, told, lamport);
    let within = |(first, last): &(u64, u64)| *first <= told.head && told.head < *last;
    if chat.covered.iter().any(within) && !requests.grants.contains(&key) {
        report.add(Rule::WelcomeWithoutGrant, &[at], || {
            format!(
                "the server did not let participant {} in like this",
                told.participant
            )
        });
    }
    if let Some(event) = chat.told.get(&told.position)
        && event.lamport != lamport
    {
        report.add(Rule::ReplyDiffers, &[event.at, at], || {
            format!(
                "position {} is at {}, not at {lamport}",
                told.position, event.lamport
            )
        });
    }
    if let Some(joined) = chat.told.get(&told.participant)
        && (joined.event.kind != Kind::Joined || joined.event.name != stint.name)
    {
        report.add(Rule::ReplyDiffers, &[joined.at, at], || {
            format!("position {} is not its Joined", told.participant)
        });
    }
}
