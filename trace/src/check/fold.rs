//! What each chat's events are by themselves: their times, their sentences, and who is present.

use chitty_chat::{
    LamportTime,
    event::{joined_sentence, left_sentence},
};

use super::{Report, Rule};
use crate::{
    chat::{Chat, Facts, Told},
    read::step::{Event, Kind},
};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    for chat in &facts.chats {
        let mut positions: Vec<_> = chat.told.keys().copied().collect();
        positions.sort_unstable();
        for position in positions {
            let told = &chat.told[&position];
            time(chat, told, report);
            end(told, report);
            presence(facts, chat, told, report);
            once(chat, told, report);
            if !has_its_sentence(facts, &told.event, told.lamport) {
                report.add(Rule::WrongSentence, &[told.at], || {
                    wrong_sentence(&told.event, told.lamport)
                });
            }
        }
    }
}

/// A broadcast's time follows from the one before and its request.
fn time(chat: &Chat, told: &Told, report: &mut Report) {
    let event = &told.event;
    let (before, at) = match event.position {
        0 => return,
        1 => (0, None),
        position => match chat.told.get(&(position - 1)) {
            Some(before) => (before.lamport, Some(before.at)),
            None => return,
        },
    };
    let receipt = match event.request {
        0 => before,
        request => before.max(request).saturating_add(1),
    };
    let expected = receipt.saturating_add(1);
    // At the last number the rules' sums stand still, which no time may.
    if told.lamport == expected && told.lamport > before {
        return;
    }
    let lines: Vec<_> = at.into_iter().chain([told.at]).collect();
    if told.lamport <= before {
        report.add(Rule::TimeNotRising, &lines, || {
            format!(
                "position {} is at {}, after {before}",
                event.position, told.lamport
            )
        });
    } else {
        report.add(Rule::TimeNotByTheFold, &lines, || {
            format!(
                "from {before} and the request's {} the rules give {expected}, not {}",
                event.request, told.lamport
            )
        });
    }
}

/// The last numbers are kept for those who leave.
fn end(told: &Told, report: &mut Report) {
    let event = &told.event;
    let last = match event.kind {
        Kind::Joined | Kind::Message => LamportTime::LAST_ENTRY,
        Kind::Left if event.request > 0 => LamportTime::LAST_LEAVE,
        Kind::Left | Kind::Unknown => return,
    };
    if told.lamport > last.get() {
        report.add(Rule::TimeEnds, &[told.at], || {
            format!(
                "{} at {}, after {last}, the last time for that",
                event.kind.as_str(),
                told.lamport
            )
        });
    }
}

/// Who speaks or leaves has joined before, under that name, and not left since.
fn presence(facts: &Facts<'_>, chat: &Chat, told: &Told, report: &mut Report) {
    let event = &told.event;
    let wrong = match event.kind {
        Kind::Unknown => return,
        Kind::Joined => event.participant != event.position,
        Kind::Left | Kind::Message => event.participant >= event.position,
    };
    if wrong {
        report.add(Rule::NotPresent, &[told.at], || {
            format!(
                "position {} cannot be participant {}'s",
                event.position, event.participant
            )
        });
        return;
    }
    if event.kind == Kind::Joined {
        return;
    }
    let Some(joined) = chat.told.get(&event.participant) else {
        return;
    };
    if joined.event.kind != Kind::Joined {
        report.add(Rule::NotPresent, &[joined.at, told.at], || {
            format!("nobody joined at position {}", event.participant)
        });
    } else if joined.event.name != event.name {
        report.add(Rule::WrongName, &[joined.at, told.at], || {
            format!(
                "participant {} is {}, not {}",
                event.participant,
                facts.text(joined.event.name),
                facts.text(event.name)
            )
        });
    }
    if let Some(left) = chat.left_of(event.participant)
        && left.event.position < event.position
    {
        report.add(Rule::NotPresent, &[left.at, told.at], || {
            format!("participant {} left before", event.participant)
        });
    }
}

/// An id is one message's.
fn once(chat: &Chat, told: &Told, report: &mut Report) {
    if let Some(first) = chat.by_id.get(&told.event.id)
        && *first != told.event.position
        && let Some(first) = chat.told.get(first)
    {
        report.add(Rule::BroadcastTwice, &[first.at, told.at], || {
            format!(
                "one message is at {} and at {}",
                first.event.position, told.event.position
            )
        });
    }
}

pub(super) fn has_its_sentence(facts: &Facts<'_>, event: &Event, lamport: u64) -> bool {
    let name = facts.text(event.name);
    let text = facts.text(event.text);
    match event.kind {
        Kind::Joined => text == joined_sentence(name, lamport.into()),
        Kind::Left => text == left_sentence(name, lamport.into()),
        Kind::Message | Kind::Unknown => true,
    }
}

pub(super) fn wrong_sentence(event: &Event, lamport: u64) -> String {
    format!(
        "not the sentence for {} at Lamport time {lamport}",
        event.kind.as_str()
    )
}
