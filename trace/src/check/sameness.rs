//! Each event is the same in every log.

use super::{CheckReport, Rule};
use crate::{
    chat::{KnownEvent, StepRef, TraceIndex, TracedChat},
    read::step::{LoggedEvent, StepKind},
};

pub(super) fn check(index: &TraceIndex<'_>, report: &mut CheckReport) {
    for span in &index.spans {
        let chat = &index.chats[span.chat];
        for (at, step) in span.steps(index.trace) {
            if let StepKind::BroadcastReceived(event) = step.kind
                && let Some(known) = chat.events.get(&event.position)
                && known.at != at
                && (known.event != event || known.lamport != step.lamport)
            {
                compare(chat, known, &event, step.lamport, at, report);
            }
        }
    }
}

fn compare(
    chat: &TracedChat,
    known: &KnownEvent,
    found: &LoggedEvent,
    lamport: u64,
    at: StepRef,
    report: &mut CheckReport,
) {
    let rule = differs(chat, known, found, lamport);
    report.add(rule, &[known.at, at], || {
        format!("position {} is not the same in two logs", found.position)
    });
}

/// The rule that is broken if a reception is not what is known of its position.
fn differs(chat: &TracedChat, known: &KnownEvent, found: &LoggedEvent, lamport: u64) -> Rule {
    let event = &known.event;
    let fields = [
        (lamport == known.lamport, Rule::TimeDiffers),
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
    // It is another event: one that is at another position, or one that was never broadcast.
    let elsewhere = if found.id.is_empty() {
        chat.events.values().any(|other| {
            other.event.position != found.position
                && (other.event.kind, other.event.participant, other.lamport)
                    == (found.kind, found.participant, lamport)
        })
    } else {
        chat.by_id.contains_key(&found.id)
    };
    if elsewhere || !known.by_server {
        Rule::OrderDiffers
    } else {
        Rule::ReceiptWithoutSending
    }
}
