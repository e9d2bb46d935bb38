//! Which reception is of which sending.

use std::collections::{HashMap, VecDeque};

use crate::{
    chat::{At, Facts},
    read::{
        Text,
        step::{Welcome, What},
    },
};

/// The sending behind each reception of a chat, replies included.
pub(super) fn sources(facts: &Facts<'_>, chat: usize) -> HashMap<At, At> {
    let mut edges = Edges {
        server: Server::of(facts, chat),
        sources: HashMap::new(),
    };
    for stint in facts.stints.iter().filter(|stint| stint.chat == chat) {
        edges.welcome(stint.join, stint.at(), stint.welcome, facts);
        for (at, step) in stint.steps(facts.trace) {
            edges.step(
                facts,
                chat,
                at,
                step.what,
                step.lamport,
                stint.welcome.participant,
            );
        }
    }
    edges.sources
}

struct Edges {
    server: Server,
    sources: HashMap<At, At>,
}

/// Where a Join was received, and where it was granted.
type Granted = (Option<At>, At);

/// The server's lines, by what ties them to a client's.
#[derive(Default)]
struct Server {
    /// Join received and granted.
    joins: HashMap<(Welcome, u64), VecDeque<Granted>>,
    published: HashMap<Text, VecDeque<At>>,
    publish_replies: HashMap<Text, At>,
    leaves: HashMap<(u64, u64), At>,
    leave_replies: HashMap<u64, At>,
}

impl Server {
    fn of(facts: &Facts<'_>, chat: usize) -> Self {
        let mut server = Self::default();
        for &run in &facts.chats[chat].servers {
            let mut join = None;
            for (step, line) in facts.run(run).steps.iter().enumerate() {
                let at = At { run, step };
                match line.what {
                    What::JoinReceived { .. } => join = Some(at),
                    What::JoinGranted(welcome) => {
                        let joins = server.joins.entry((welcome, line.lamport)).or_default();
                        joins.push_back((join.take(), at));
                    }
                    What::PublishReceived { id, .. } => {
                        server.published.entry(id).or_default().push_back(at);
                    }
                    What::PublishReplied { id, .. } => {
                        server.publish_replies.entry(id).or_insert(at);
                    }
                    What::LeaveReceived {
                        participant: Some(participant),
                    } => drop(server.leaves.insert((participant, line.lamport), at)),
                    What::LeaveReplied { position, .. } => {
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
    fn welcome(&mut self, join: Option<usize>, at: At, welcome: Welcome, facts: &Facts<'_>) {
        let key = (welcome, facts.step(at).lamport);
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
            self.sources.insert(received, At { run: at.run, step });
        }
    }

    fn step(
        &mut self,
        facts: &Facts<'_>,
        chat: usize,
        at: At,
        what: What,
        time: u64,
        participant: u64,
    ) {
        match what {
            What::BroadcastReceived(event) => {
                let told = facts.chats[chat].told.get(&event.position);
                if let Some(told) = told.filter(|told| told.by_server) {
                    self.sources.insert(at, told.at);
                }
            }
            What::PublishSent { id, .. } if !id.is_empty() => {
                let received = self.server.published.get_mut(&id);
                if let Some(received) = received.and_then(VecDeque::pop_front) {
                    self.sources.insert(received, at);
                }
            }
            What::PublishReplied { id, .. } => {
                if let Some(reply) = self.server.publish_replies.get(&id) {
                    self.sources.insert(at, *reply);
                }
            }
            What::LeaveSent => {
                if let Some(received) = self.server.leaves.get(&(participant, time)) {
                    self.sources.insert(*received, at);
                }
            }
            What::LeaveReplied { position, .. } => {
                if let Some(reply) = self.server.leave_replies.get(&position) {
                    self.sources.insert(at, *reply);
                }
            }
            _ => {}
        }
    }
}
