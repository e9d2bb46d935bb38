//! The events of each chat by themselves: their times, their sentences, and who is present.

use chitty_chat::{
    LamportTime,
    event::{joined_sentence, left_sentence},
};

use super::{CheckReport, Rule};
use crate::{
    chat::{KnownEvent, TraceIndex, TracedChat},
    read::step::{LoggedEvent, LoggedKind},
};

pub(super) fn check(index: &TraceIndex<'_>, report: &mut CheckReport) {
    for chat in &index.chats {
        let mut positions: Vec<_> = chat.events.keys().copied().collect();
        positions.sort_unstable();
        for position in positions {
            let known = &chat.events[&position];
            time(chat, known, report);
            end(known, report);
            presence(index, chat, known, report);
            once(chat, known, report);
            if !has_its_sentence(index, &known.event, known.lamport) {
                report.add(Rule::WrongSentence, &[known.at], || {
                    wrong_sentence(&known.event, known.lamport)
                });
            }
        }
    }
}

/// An event's time follows from the time of the event before and its request.
fn time(chat: &TracedChat, known: &KnownEvent, report: &mut CheckReport) {
    let event = &known.event;
    let (before, at) = match event.position {
        0 => return,
        1 => (0, None),
        position => match chat.events.get(&(position - 1)) {
            Some(before) => (before.lamport, Some(before.at)),
            None => return,
        },
    };
    // A request is received first, which moves the clock by itself.
    let receipt = match event.request {
        0 => before,
        request => before.max(request).saturating_add(1),
    };
    let expected = receipt.saturating_add(1);
    // At `u64::MAX` the sums saturate, but times have to rise.
    if known.lamport == expected && known.lamport > before {
        return;
    }
    let lines: Vec<_> = at.into_iter().chain([known.at]).collect();
    if known.lamport <= before {
        report.add(Rule::TimeNotRising, &lines, || {
            format!(
                "position {} is at {}, after {before}",
                event.position, known.lamport
            )
        });
    } else {
        report.add(Rule::TimeNotByTheFold, &lines, || {
            format!(
                "from {before} and the request's {} the rules give {expected}, not {}",
                event.request, known.lamport
            )
        });
    }
}

/// The last times are reserved for participants who leave.
fn end(known: &KnownEvent, report: &mut CheckReport) {
    let event = &known.event;
    let last = match event.kind {
        LoggedKind::Joined | LoggedKind::Message => LamportTime::LAST_ENTRY,
        LoggedKind::Left if event.request > 0 => LamportTime::LAST_LEAVE,
        LoggedKind::Left | LoggedKind::Unknown => return,
    };
    if known.lamport > last.get() {
        report.add(Rule::TimeEnds, &[known.at], || {
            format!(
                "{} at {}, after {last}, the last time for that",
                event.kind.as_str(),
                known.lamport
            )
        });
    }
}

/// A participant who writes or leaves has joined before, under that name, and not left since.
fn presence(
    index: &TraceIndex<'_>,
    chat: &TracedChat,
    known: &KnownEvent,
    report: &mut CheckReport,
) {
    let event = &known.event;
    let wrong = match event.kind {
        LoggedKind::Unknown => return,
        LoggedKind::Joined => event.participant != event.position,
        LoggedKind::Left | LoggedKind::Message => event.participant >= event.position,
    };
    if wrong {
        report.add(Rule::NotPresent, &[known.at], || {
            format!(
                "position {} cannot be participant {}'s",
                event.position, event.participant
            )
        });
        return;
    }
    if event.kind == LoggedKind::Joined {
        // A Joined is the beginning: there is nothing before it to compare with.
        return;
    }
    let Some(joined) = chat.events.get(&event.participant) else {
        return;
    };
    if joined.event.kind != LoggedKind::Joined {
        report.add(Rule::NotPresent, &[joined.at, known.at], || {
            format!("nobody joined at position {}", event.participant)
        });
    } else if joined.event.name != event.name {
        report.add(Rule::WrongName, &[joined.at, known.at], || {
            format!(
                "participant {} is {}, not {}",
                event.participant,
                index.text(joined.event.name),
                index.text(event.name)
            )
        });
    }
    if let Some(left) = chat.left_of(event.participant)
        && left.event.position < event.position
    {
        report.add(Rule::NotPresent, &[left.at, known.at], || {
            format!("participant {} left before", event.participant)
        });
    }
}

/// Each id belongs to one message.
fn once(chat: &TracedChat, known: &KnownEvent, report: &mut CheckReport) {
    if let Some(first) = chat.by_id.get(&known.event.id)
        && *first != known.event.position
        && let Some(first) = chat.events.get(first)
    {
        report.add(Rule::BroadcastTwice, &[first.at, known.at], || {
            format!(
                "one message is at {} and at {}",
                first.event.position, known.event.position
            )
        });
    }
}

/// Whether a Joined or Left has the fixed sentence with its name and time.
pub(super) fn has_its_sentence(index: &TraceIndex<'_>, event: &LoggedEvent, lamport: u64) -> bool {
    let name = index.text(event.name);
    let text = index.text(event.text);
    match event.kind {
        LoggedKind::Joined => text == joined_sentence(name, lamport.into()),
        LoggedKind::Left => text == left_sentence(name, lamport.into()),
        LoggedKind::Message | LoggedKind::Unknown => true,
    }
}

pub(super) fn wrong_sentence(event: &LoggedEvent, lamport: u64) -> String {
    format!(
        "not the sentence for {} at Lamport time {lamport}",
        event.kind.as_str()
    )
}
