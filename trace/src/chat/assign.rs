//! Finds out which runs are about the same chat.

use std::collections::HashMap;

use super::{StreamSpan, TracedChat};
use crate::read::{Run, Trace, TraceStep, step::StepKind};

/// How many of a stream's first events are compared, to find its chat.
const COMPARED: usize = 50;
/// A stream that has no event in common with a chat, and is this many microseconds away from its
/// server's lines, is of another chat.
const FAR: u64 = 600_000_000;

/// The chats of the servers' runs, one for each epoch, and the chat of each run. A run whose start is
/// missing has no epoch: it belongs to the chat whose positions it continues.
pub(super) fn chats(trace: &Trace) -> (Vec<TracedChat>, HashMap<usize, usize>) {
    let mut servers: Vec<_> = (0..trace.runs.len())
        .filter(|run| trace.runs[*run].server && !trace.runs[*run].steps.is_empty())
        .collect();
    // Wall clocks can be wrong, but nothing else orders runs of servers of different chats.
    servers.sort_by_key(|run| trace.runs[*run].steps.first().map(|step| step.wall));
    let mut chats: Vec<TracedChat> = Vec::new();
    let mut of_server: HashMap<usize, usize> = HashMap::new();
    for (number, &run) in servers.iter().enumerate() {
        let lines = &trace.runs[run];
        let next = servers.get(number + 1).map(|next| &trace.runs[*next]);
        let before = number.checked_sub(1).and_then(|before| servers.get(before));
        // A run without a start gets the epoch of the next run if that one continues it.
        let epoch = epoch(lines).or_else(|| next.filter(|next| fits(lines, next)).and_then(epoch));
        let known = match epoch {
            Some(epoch) => chats.iter().position(|chat| chat.epoch == Some(epoch)),
            None => before
                .filter(|before| goes_on(&trace.runs[**before], lines))
                .and_then(|before| of_server.get(before).copied()),
        };
        let chat = known.unwrap_or_else(|| {
            chats.push(TracedChat {
                epoch,
                ..TracedChat::default()
            });
            chats.len() - 1
        });
        chats[chat].servers.push(run);
        of_server.insert(run, chat);
    }
    (chats, of_server)
}

/// The epoch that the run started on, if its start is there.
fn epoch(run: &Run) -> Option<crate::read::TextId> {
    run.steps.iter().find_map(|step| match step.kind {
        StepKind::ServerStarted { epoch, .. } => Some(epoch),
        _ => None,
    })
}

/// Whether the second run can have started after the first one's last broadcast.
fn fits(run: &Run, next: &Run) -> bool {
    let started = next.steps.iter().find_map(|step| match step.kind {
        StepKind::ServerStarted { position, .. } => Some(position),
        _ => None,
    });
    let last = run.steps.iter().rev().find_map(|step| match step.kind {
        StepKind::BroadcastSent(event) => Some(event.position),
        _ => None,
    });
    started.is_some_and(|started| last.is_none_or(|last| last <= started))
}

/// Whether the second run, whose start is missing, broadcasts what comes after the first one.
fn goes_on(before: &Run, run: &Run) -> bool {
    let sent = |step: &TraceStep| match step.kind {
        StepKind::BroadcastSent(event) => Some((event.position, step.lamport)),
        _ => None,
    };
    let last = before.steps.iter().filter_map(sent).max();
    let first = run.steps.iter().find_map(sent);
    match (last, first) {
        (Some(last), Some(first)) => first.0 > last.0 && first.1 > last.1,
        // Nothing distinguishes the two: assume the same chat.
        _ => true,
    }
}

/// Assigns each stream to the chat with which it has most events in common; among equals, to the
/// nearest in wall time.
pub(super) fn spans(trace: &Trace, chats: &mut Vec<TracedChat>, spans: &mut [StreamSpan]) {
    let wall_ranges: Vec<_> = chats.iter().map(|chat| wall_range(trace, chat)).collect();
    let with_server = chats.len();
    for span in spans {
        let wall = trace.runs[span.run].steps[span.range.start].wall;
        let best = (0..with_server)
            .map(|chat| {
                let far = wall_ranges[chat]
                    .0
                    .saturating_sub(wall)
                    .max(wall.saturating_sub(wall_ranges[chat].1));
                (chat, common(trace, &chats[chat], span), far)
            })
            .max_by_key(|(_, common, far)| (*common, std::cmp::Reverse(*far)));
        span.chat = match best {
            Some((chat, common, far)) if common > 0 || far < FAR => chat,
            _ => {
                // All streams without a server's log share one chat: nothing tells them apart.
                if chats.len() == with_server {
                    chats.push(TracedChat::default());
                }
                with_server
            }
        };
    }
}

/// The wall times of the first and the last line of the chat's servers.
fn wall_range(trace: &Trace, chat: &TracedChat) -> (u64, u64) {
    let walls = chat.servers.iter().flat_map(|run| {
        let steps = &trace.runs[*run].steps;
        steps
            .first()
            .into_iter()
            .chain(steps.last())
            .map(|step: &TraceStep| step.wall)
    });
    walls.fold((u64::MAX, 0), |(first, last), wall| {
        (first.min(wall), last.max(wall))
    })
}

/// How many of the stream's first events are in this chat.
fn common(trace: &Trace, chat: &TracedChat, span: &StreamSpan) -> usize {
    span.steps(trace)
        .filter_map(|(_, step)| match step.kind {
            StepKind::BroadcastReceived(event) => Some((event, step.lamport)),
            _ => None,
        })
        .take(COMPARED)
        .filter(|(event, lamport)| {
            chat.events.get(&event.position).is_some_and(|known| {
                known.lamport == *lamport
                    && known.event.text == event.text
                    && known.event.id == event.id
            })
        })
        .count()
}
