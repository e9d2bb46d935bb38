//! One event is the same in every log.

use super::{Report, Rule};
use crate::{
    chat::{At, Chat, Facts, Told},
    read::step::{Event, What},
};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    for stint in &facts.stints {
        let chat = &facts.chats[stint.chat];
        for (at, step) in stint.steps(facts.trace) {
            if let What::BroadcastReceived(event) = step.what
                && let Some(told) = chat.told.get(&event.position)
                && told.at != at
                && (told.event != event || told.lamport != step.lamport)
            {
                compare(chat, told, &event, step.lamport, at, report);
            }
        }
    }
}

fn compare(chat: &Chat, told: &Told, found: &Event, lamport: u64, at: At, report: &mut Report) {
    let rule = differs(chat, told, found, lamport);
    report.add(rule, &[told.at, at], || {
        format!("position {} is not the same in two logs", found.position)
    });
}

fn differs(chat: &Chat, told: &Told, found: &Event, lamport: u64) -> Rule {
    let event = &told.event;
    let fields = [
        (lamport == told.lamport, Rule::TimeDiffers),
        (found.text == event.text, Rule::TextDiffers),
        (found.name == event.name, Rule::NameDiffers),
        (found.id == event.id, Rule::IdDiffers),
        (found.seen == event.seen, Rule::SeenDiffers),
        (
            (found.participant, found.reason, found.request)
                == (event.participant, event.reason, event.request),
            Rule::EventDiffers,
        ),
    ];
    let mut wrong = fields
        .iter()
        .filter(|(same, _)| !same)
        .map(|(_, rule)| *rule);
    let first = wrong.next().unwrap_or(Rule::EventDiffers);
    if found.kind == event.kind && wrong.next().is_none() {
        return first;
    }
    let same_message = !found.id.is_empty() && found.id == event.id;
    let same_presence =
        found.id.is_empty() && (found.kind, found.participant) == (event.kind, event.participant);
    if same_message || (same_presence && event.id.is_empty()) {
        return first;
    }
    // It is another event: one that is elsewhere, or one that is nowhere.
    let elsewhere = if found.id.is_empty() {
        chat.told.values().any(|other| {
            other.event.position != found.position
                && (other.event.kind, other.event.participant, other.lamport)
                    == (found.kind, found.participant, lamport)
        })
    } else {
        chat.by_id.contains_key(&found.id)
    };
    if elsewhere || !told.by_server {
        Rule::OrderDiffers
    } else {
        Rule::ReceiptWithoutSending
    }
}
