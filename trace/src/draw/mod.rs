//! The space-time diagram: who sent what to whom, in an order that keeps every cause before its
//! effects.

mod edges;
pub mod html;
mod layout;
mod order;
pub mod svg;
pub mod text;

use std::collections::HashMap;

use crate::{
    chat::{At, Facts},
    read::step::{Kind, What},
};

/// Which steps a diagram has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Those that logical time counts, sendings and receptions; and the replies that raised a
    /// clock, without which the times cannot be recomputed.
    Events,
    /// All replies too.
    All,
}

/// A line for each process, and what happened on it.
#[derive(Debug, Default)]
pub struct Diagram {
    /// The processes: first the server's runs, then the participants'.
    pub columns: Vec<Column>,
    /// What happened, every cause before its effects.
    pub nodes: Vec<Node>,
    /// Which of the chats it is of.
    pub chat: usize,
}

/// A process.
#[derive(Debug)]
pub struct Column {
    /// Its name; with a number where there are several runs of it.
    pub title: String,
    /// The same as one word.
    pub host: String,
    /// It is the server's.
    pub server: bool,
    /// Which run it is.
    pub run: usize,
}

/// An event of a process.
#[derive(Clone, Debug)]
pub struct Node {
    /// Whose.
    pub column: usize,
    /// Its line.
    pub at: At,
    /// What it does to the process's clock.
    pub kind: NodeKind,
    /// The process's clock after it; `None`: it is no event of logical time.
    pub time: Option<u64>,
    /// What it is, in a few words.
    pub label: String,
    /// The sending of what it received.
    pub source: Option<usize>,
}

/// What a node is to logical time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A request or a broadcast is sent.
    Sent,
    /// A request or a broadcast is received.
    Received,
    /// A reply, at either end.
    Reply,
}

impl Diagram {
    /// Of one chat.
    pub fn of(facts: &Facts<'_>, chat: usize, detail: Detail) -> Self {
        let mut runs = server_runs(facts, chat);
        let servers = runs.len();
        for stint in &facts.stints {
            if stint.chat == chat && !runs.contains(&stint.run) {
                runs.push(stint.run);
            }
        }
        runs[servers..].sort_by_key(|run| facts.run(*run).steps.first().map(|step| step.wall));
        let columns = columns(facts, &runs);
        let mut nodes: Vec<Vec<Node>> = Vec::new();
        for (column, run) in runs.iter().enumerate() {
            nodes.push(steps(facts, *run, column, detail));
        }
        let sources = edges::sources(facts, chat);
        if detail == Detail::Events {
            keep_told_replies(&mut nodes, &sources, servers);
        }
        Self {
            columns,
            nodes: order::merge(facts, nodes, &sources),
            chat,
        }
    }

    /// The part of it that shows the last so many events of the chat.
    pub fn last(&mut self, facts: &Facts<'_>, count: u64) {
        let position = |node: &Node| match facts.step(node.at).what {
            What::BroadcastSent(event) | What::BroadcastReceived(event) => Some(event.position),
            _ => None,
        };
        let head = self.nodes.iter().filter_map(position).max().unwrap_or(0);
        let first = head.saturating_sub(count);
        if first == 0 {
            return;
        }
        let fits = |node: &Node| position(node).is_some_and(|position| position > first);
        let cut = self.nodes.iter().position(fits).unwrap_or(0);
        self.nodes.drain(..cut);
        for node in &mut self.nodes {
            node.source = node.source.and_then(|source| source.checked_sub(cut));
        }
        self.drop_empty_columns();
    }

    fn drop_empty_columns(&mut self) {
        let mut numbers = HashMap::new();
        for (column, old) in std::mem::take(&mut self.columns).into_iter().zip(0..) {
            if self.nodes.iter().any(|node| node.column == old) {
                numbers.insert(old, self.columns.len());
                self.columns.push(column);
            }
        }
        for node in &mut self.nodes {
            node.column = numbers.get(&node.column).copied().unwrap_or(0);
        }
    }
}

/// The server's runs, in the order of the log: wall clocks go back.
fn server_runs(facts: &Facts<'_>, chat: usize) -> Vec<usize> {
    let servers = facts.chats.get(chat).map_or(&[][..], |chat| &chat.servers);
    let mut reached = 0;
    let mut runs: Vec<_> = servers
        .iter()
        .map(|&run| {
            let mut steps = facts.run(run).steps.iter();
            let from = steps.find_map(|step| match step.what {
                What::ServerStarted { position, .. } => Some(position),
                What::BroadcastSent(event) => Some(event.position.saturating_sub(1)),
                _ => None,
            });
            reached = from.unwrap_or(reached);
            (reached, run)
        })
        .collect();
    runs.sort_by_key(|(reached, _)| *reached);
    runs.into_iter().map(|(_, run)| run).collect()
}

/// Of the server's replies only those that are drawn at a client.
fn keep_told_replies(nodes: &mut [Vec<Node>], sources: &HashMap<At, At>, servers: usize) {
    let (servers, clients) = nodes.split_at_mut(servers);
    let replies = clients.iter().flatten();
    let told: std::collections::HashSet<_> = replies
        .filter(|node| node.kind == NodeKind::Reply)
        .filter_map(|node| sources.get(&node.at).copied())
        .collect();
    for nodes in servers {
        nodes.retain(|node| node.kind != NodeKind::Reply || told.contains(&node.at));
    }
}

fn columns(facts: &Facts<'_>, runs: &[usize]) -> Vec<Column> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let titles = runs.iter().map(|&number| {
        let run = facts.run(number);
        let name = facts.text(run.who);
        let count = seen.entry(name).or_default();
        *count += 1;
        let word = facts.text(run.word);
        let (title, host) = match *count {
            1 => (name.to_owned(), word.to_owned()),
            count => (format!("{name} ({count})"), format!("{word}-{count}")),
        };
        Column {
            title,
            host,
            server: run.server,
            run: number,
        }
    });
    titles.collect()
}

fn steps(facts: &Facts<'_>, run: usize, column: usize, detail: Detail) -> Vec<Node> {
    let (mut since, mut before) = (None, 0);
    let mut nodes = Vec::new();
    for (step, line) in facts.run(run).steps.iter().enumerate() {
        if let What::JoinReplied(welcome) = line.what {
            since = Some(welcome.position);
        }
        let clock = line.clock.unwrap_or(before);
        let raised = std::mem::replace(&mut before, clock) < clock;
        let (label, kind, event) = match line.what {
            What::JoinSent { .. } => ("Join".into(), NodeKind::Sent, true),
            What::PublishSent { text, .. } => {
                let label = format!("Publish {:?}", facts.text(text));
                (label, NodeKind::Sent, true)
            }
            What::LeaveSent => ("Leave".into(), NodeKind::Sent, true),
            What::JoinReceived { .. }
            | What::PublishReceived { .. }
            | What::LeaveReceived { .. } => {
                (String::new(), NodeKind::Received, line.clock.is_some())
            }
            What::BroadcastSent(event) => (event_label(facts, &event), NodeKind::Sent, true),
            What::BroadcastReceived(event) => (
                event_label(facts, &event),
                NodeKind::Received,
                since.is_none_or(|since| event.position >= since),
            ),
            // Of a server's those are kept that come to a client.
            What::JoinGranted(_) => ("reply".into(), NodeKind::Reply, true),
            What::JoinReplied(_) | What::PublishReplied { .. } | What::LeaveReplied { .. } => (
                "reply".into(),
                NodeKind::Reply,
                raised || line.clock.is_none(),
            ),
            What::HistoryReplied => ("history".into(), NodeKind::Reply, raised),
            _ => continue,
        };
        if event || (detail == Detail::All && line.what != What::HistoryReplied) {
            // A retry is the same request again, which moves no clock; nor does sending a reply.
            let again = matches!(line.what, What::PublishSent { retry: true, .. });
            let time = line.clock.or(Some(line.lamport));
            let moves = !again && (kind != NodeKind::Reply || line.clock.is_some());
            nodes.push(Node {
                column,
                at: At { run, step },
                kind,
                time: time.filter(|_| moves),
                label,
                source: None,
            });
        }
    }
    nodes
}

fn event_label(facts: &Facts<'_>, event: &crate::read::step::Event) -> String {
    let name = facts.text(event.name);
    match event.kind {
        Kind::Joined => format!("{name} joined"),
        Kind::Left => match facts.text(event.reason) {
            "left" => format!("{name} left"),
            reason => format!("{name} left ({reason})"),
        },
        Kind::Message => format!("{name}: {}", facts.text(event.text)),
        Kind::Unknown => "an event".into(),
    }
}
