//! Matches each reception with its sending.

use std::collections::{HashMap, VecDeque};

use crate::{
    chat::{StepRef, TraceIndex},
    read::{
        TextId,
        step::{LoggedWelcome, StepKind},
    },
};

/// The sending of each reception of a chat, including replies: reception to sending.
pub(super) fn sources(index: &TraceIndex<'_>, chat: usize) -> HashMap<StepRef, StepRef> {
    let mut edges = Edges {
        server: ServerLines::of(index, chat),
        sources: HashMap::new(),
    };
    for span in index.spans.iter().filter(|span| span.chat == chat) {
        edges.welcome(span.join, span.at(), span.welcome, index);
        for (at, step) in span.steps(index.trace) {
            edges.step(
                index,
                chat,
                at,
                step.kind,
                step.lamport,
                span.welcome.participant,
            );
        }
    }
    edges.sources
}

struct Edges {
    server: ServerLines,
    sources: HashMap<StepRef, StepRef>,
}

/// Where the server received a Join, if its lines have that, and where it granted it.
type GrantedJoin = (Option<StepRef>, StepRef);

/// The server's lines, by the fields that a client's lines have, too.
#[derive(Default)]
struct ServerLines {
    /// Joins, by their Welcome and its time. Equal ones are matched in order.
    joins: HashMap<(LoggedWelcome, u64), VecDeque<GrantedJoin>>,
    published: HashMap<TextId, VecDeque<StepRef>>,
    publish_replies: HashMap<TextId, StepRef>,
    leaves: HashMap<(u64, u64), StepRef>,
    leave_replies: HashMap<u64, StepRef>,
}

impl ServerLines {
    fn of(index: &TraceIndex<'_>, chat: usize) -> Self {
        let mut server = Self::default();
        for &run in &index.chats[chat].servers {
            let mut join = None;
            for (step, line) in index.run(run).steps.iter().enumerate() {
                let at = StepRef { run, step };
                match line.kind {
                    StepKind::JoinReceived { .. } => join = Some(at),
                    StepKind::JoinGranted(welcome) => {
                        let joins = server.joins.entry((welcome, line.lamport)).or_default();
                        // The server answers a Join before it takes the next request, so that the
                        // last Join that it received is the one that is granted.
                        joins.push_back((join.take(), at));
                    }
                    StepKind::PublishReceived { id, .. } => {
                        server.published.entry(id).or_default().push_back(at);
                    }
                    StepKind::PublishReplied { id, .. } => {
                        // Replies to retries repeat the first one: draw them from there.
                        server.publish_replies.entry(id).or_insert(at);
                    }
                    StepKind::LeaveReceived {
                        participant: Some(participant),
                    } => drop(server.leaves.insert((participant, line.lamport), at)),
                    StepKind::LeaveReplied { position, .. } => {
                        server.leave_replies.entry(position).or_insert(at);
                    }
                    _ => {}
                }
            }
        }
        server
    }
}

impl Edges {
    fn welcome(
        &mut self,
        join: Option<usize>,
        at: StepRef,
        welcome: LoggedWelcome,
        index: &TraceIndex<'_>,
    ) {
        let key = (welcome, index.step(at).lamport);
        let granted = self
            .server
            .joins
            .get_mut(&key)
            .and_then(VecDeque::pop_front);
        let Some((received, granted)) = granted else {
            return;
        };
        self.sources.insert(at, granted);
        if let (Some(received), Some(step)) = (received, join) {
            self.sources.insert(received, StepRef { run: at.run, step });
        }
    }

    fn step(
        &mut self,
        index: &TraceIndex<'_>,
        chat: usize,
        at: StepRef,
        kind: StepKind,
        time: u64,
        participant: u64,
    ) {
        match kind {
            StepKind::BroadcastReceived(event) => {
                let known = index.chats[chat].events.get(&event.position);
                if let Some(known) = known.filter(|known| known.by_server) {
                    self.sources.insert(at, known.at);
                }
            }
            StepKind::PublishSent { id, .. } if !id.is_empty() => {
                let received = self.server.published.get_mut(&id);
                if let Some(received) = received.and_then(VecDeque::pop_front) {
                    self.sources.insert(received, at);
                }
            }
            StepKind::PublishReplied { id, .. } => {
                if let Some(reply) = self.server.publish_replies.get(&id) {
                    self.sources.insert(at, *reply);
                }
            }
            StepKind::LeaveSent => {
                if let Some(received) = self.server.leaves.get(&(participant, time)) {
                    self.sources.insert(*received, at);
                }
            }
            StepKind::LeaveReplied { position, .. } => {
                if let Some(reply) = self.server.leave_replies.get(&position) {
                    self.sources.insert(at, *reply);
                }
            }
            _ => {}
        }
    }
}
