//! Finds out which runs are about the same chat.

use std::collections::HashMap;

use super::{StreamSpan, TracedChat};
use crate::read::{
    Run, Trace, TraceStep,
    step::{LoggedKind, StepKind},
};

/// How many of a stream's first events are compared, to find its chat.
const COMPARED: usize = 50;
/// A stream that has no event in common with a chat, and is this many microseconds away from its
/// server's lines, is of another chat.
const FAR: u64 = 600_000_000;
/// How far the wall clocks of two machines may be apart, in microseconds.
const SKEW: u64 = 60_000_000;

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
/// nearest in wall time. A stream that cannot be of any chat with a server's log is of another one:
/// people enter several chats, and keep their own logs in one folder.
pub(super) fn spans(
    trace: &Trace,
    (chats, of_server): (&mut Vec<TracedChat>, &mut HashMap<usize, usize>),
    spans: &mut [StreamSpan],
) {
    let wall_ranges: Vec<_> = chats.iter().map(|chat| wall_range(trace, chat)).collect();
    let with_server = chats.len();
    // The chat of the run's last stream: without evidence, the next one is of the same.
    let mut last: Option<(usize, usize)> = None;
    for span in &mut *spans {
        let before = last.filter(|(run, _)| *run == span.run);
        let before = before.map(|(_, chat)| chat);
        let wall = trace.runs[span.run].steps[span.range.start].wall;
        let best = (0..with_server)
            .map(|chat| {
                let far = wall_ranges[chat]
                    .0
                    .saturating_sub(wall)
                    .max(wall.saturating_sub(wall_ranges[chat].1));
                let last_line = Some(wall_ranges[chat].1);
                let evidence = ChatEvidence::of(trace, &chats[chat], last_line, span);
                (chat, evidence, far)
            })
            .filter(|(chat, evidence, far)| {
                let goes_on = before == Some(*chat);
                let is_near = *far < FAR && before.is_none() && evidence.received == 0;
                !evidence.excludes() && (evidence.common > 0 || goes_on || is_near)
            })
            .max_by_key(|(_, evidence, far)| (evidence.common, std::cmp::Reverse(*far)));
        span.chat = match best {
            Some((chat, ..)) => chat,
            None => without_server(trace, chats, (with_server, before), span),
        };
        last = Some((span.run, span.chat));
    }
    // The last chat is the one that is drawn: it has a server's log if any has.
    chats.rotate_left(with_server);
    let without = chats.len() - with_server;
    let moved = |chat: usize| (chat + without) % chats.len();
    for span in spans {
        span.chat = moved(span.chat);
    }
    for chat in of_server.values_mut() {
        *chat = moved(*chat);
    }
}

/// The chat of a stream without a server's log: the one that has most in common with it, or that of
/// the run's last stream; a new one if there is none, or if the stream's events exclude it.
fn without_server(
    trace: &Trace,
    chats: &mut Vec<TracedChat>,
    (with_server, before): (usize, Option<usize>),
    span: &StreamSpan,
) -> usize {
    let best = (with_server..chats.len())
        .map(|chat| (chat, ChatEvidence::of(trace, &chats[chat], None, span)))
        .filter(|(chat, evidence)| {
            !evidence.excludes() && (evidence.common > 0 || before == Some(*chat))
        })
        .max_by_key(|(chat, evidence)| (evidence.common, std::cmp::Reverse(*chat)));
    let chat = best.map_or_else(
        || {
            chats.push(TracedChat::default());
            chats.len() - 1
        },
        |(chat, _)| chat,
    );
    // The next stream is compared with this one.
    chats[chat].take_span(trace, span);
    chat
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

/// What a stream's first events say about whether it is of a chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ChatEvidence {
    /// The events that are in the chat.
    common: usize,
    /// The messages among them: their ids are random, while the same people may join two chats at
    /// the same times.
    messages: usize,
    /// The events that cannot be in it.
    foreign: usize,
    /// All events that were compared.
    received: usize,
}

impl ChatEvidence {
    /// Compares a stream with a chat. `last_line` is the wall time of the last line of its server.
    fn of(trace: &Trace, chat: &TracedChat, last_line: Option<u64>, span: &StreamSpan) -> Self {
        let end = chat.covered.last().map_or(0, |(_, last)| *last);
        // The server went on logging, and had not broadcast this position by then.
        let is_beyond = |position: u64, step: &TraceStep| {
            position > end && last_line.is_some_and(|last| step.wall.saturating_add(SKEW) < last)
        };
        let mut evidence = Self::default();
        let welcome = &trace.runs[span.run].steps[span.range.start];
        evidence.add(match chat.events.get(&span.welcome.position) {
            Some(known) => {
                // A new participation is granted as of its own Joined.
                let is_own = known.event.kind == LoggedKind::Joined;
                Some(known.lamport == welcome.lamport && (is_own || span.welcome.resumed))
            }
            None => is_beyond(span.welcome.position, welcome).then_some(false),
        });
        let received = span.steps(trace).filter_map(|(_, step)| match step.kind {
            StepKind::BroadcastReceived(event) => Some((event, step)),
            _ => None,
        });
        for (event, step) in received.take(COMPARED) {
            let is_common = match chat.events.get(&event.position) {
                // Wherever it is: that it is there at all makes it a message of this chat.
                _ if chat.by_id.contains_key(&event.id) => Some(true),
                Some(known) => Some(
                    known.lamport == step.lamport
                        && known.event.text == event.text
                        && known.event.id == event.id,
                ),
                None => is_beyond(event.position, step).then_some(false),
            };
            evidence.add(is_common);
            evidence.received += 1;
            evidence.messages += usize::from(is_common == Some(true) && !event.id.is_empty());
        }
        evidence
    }

    /// Counts an event: `true` if it is in the chat, `false` if it cannot be, `None` if nothing is
    /// known.
    fn add(&mut self, is_common: Option<bool>) {
        self.common += usize::from(is_common == Some(true));
        self.foreign += usize::from(is_common == Some(false));
    }

    /// Whether the stream is of another chat. One event that differs may be a fault, which the check
    /// has to find.
    const fn excludes(self) -> bool {
        self.foreign > self.messages + 1
    }
}
