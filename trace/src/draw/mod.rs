//! The space-time diagram: the messages between processes, in an order that has every cause before
//! its effects.

mod edges;
pub mod html;
mod layout;
mod legend;
mod order;
pub mod svg;
pub mod text;

use std::collections::HashMap;

use chitty_chat::text::action_of;

use crate::{
    chat::{StepRef, TraceIndex},
    read::step::{LoggedKind, StepKind},
};

/// Which steps a diagram contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The events of logical time, that is sendings and receptions, and the replies that raised a
    /// clock, without which the times cannot be recomputed.
    Events,
    /// Events and all replies.
    All,
}

/// The processes of a chat, and what happened in them.
#[derive(Debug, Default)]
pub struct Diagram {
    /// The processes: first the server's runs, then the participants'.
    pub columns: Vec<DiagramColumn>,
    /// The steps, every cause before its effects.
    pub nodes: Vec<DiagramNode>,
    /// The index of the chat.
    pub chat: usize,
}

/// A process in a diagram: one run.
#[derive(Debug)]
pub struct DiagramColumn {
    /// The name of the process, with a number from the second run of that name on.
    pub title: String,
    /// The same as one word, as in the log.
    pub host: String,
    /// Whether it is a run of the server.
    pub server: bool,
    /// The index of the run.
    pub run: usize,
}

/// A step of a process in a diagram.
#[derive(Clone, Debug)]
pub struct DiagramNode {
    /// The index of the column.
    pub column: usize,
    /// The step that it shows.
    pub at: StepRef,
    /// What kind of step it is.
    pub kind: NodeKind,
    /// The process's clock after the step; `None` if the step is no event of logical time.
    pub time: Option<u64>,
    /// A short description; empty if the sending has it already.
    pub label: String,
    /// The index of the node that sent what this one received.
    pub source: Option<usize>,
}

/// What a node means for logical time.
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
    /// Makes the diagram of one chat.
    pub fn of(index: &TraceIndex<'_>, chat: usize, detail: Detail) -> Self {
        let mut runs = server_runs(index, chat);
        let servers = runs.len();
        for span in &index.spans {
            if span.chat == chat && !runs.contains(&span.run) {
                runs.push(span.run);
            }
        }
        // Participants stand in the order in which they came, the server's runs in that of the log.
        runs[servers..].sort_by_key(|run| index.run(*run).steps.first().map(|step| step.wall));
        let columns = columns(index, &runs);
        let mut nodes: Vec<Vec<DiagramNode>> = Vec::new();
        for (column, run) in runs.iter().enumerate() {
            nodes.push(nodes_of(index, *run, column, detail));
        }
        let sources = edges::sources(index, chat);
        if detail == Detail::Events {
            keep_received_replies(&mut nodes, &sources, servers);
        }
        Self {
            columns,
            nodes: order::merge(index, nodes, &sources),
            chat,
        }
    }

    /// Cuts the diagram to the last `count` events of the chat.
    pub fn last(&mut self, index: &TraceIndex<'_>, count: u64) {
        let position = |node: &DiagramNode| match index.step(node.at).kind {
            StepKind::BroadcastSent(event) | StepKind::BroadcastReceived(event) => {
                Some(event.position)
            }
            _ => None,
        };
        let head = self.nodes.iter().filter_map(position).max().unwrap_or(0);
        let first = head.saturating_sub(count);
        if first == 0 {
            return;
        }
        let fits = |node: &DiagramNode| position(node).is_some_and(|position| position > first);
        let cut = self.nodes.iter().position(fits).unwrap_or(0);
        self.nodes.drain(..cut);
        for node in &mut self.nodes {
            // A sending that was cut off leaves its reception without an arrow.
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

/// The server's runs in the order of their positions: wall clocks can go back between runs.
fn server_runs(index: &TraceIndex<'_>, chat: usize) -> Vec<usize> {
    let servers = index.chats.get(chat).map_or(&[][..], |chat| &chat.servers);
    let mut reached = 0;
    let mut runs: Vec<_> = servers
        .iter()
        .map(|&run| {
            let mut steps = index.run(run).steps.iter();
            let from = steps.find_map(|step| match step.kind {
                StepKind::ServerStarted { position, .. } => Some(position),
                StepKind::BroadcastSent(event) => Some(event.position.saturating_sub(1)),
                _ => None,
            });
            reached = from.unwrap_or(reached);
            (reached, run)
        })
        .collect();
    runs.sort_by_key(|(reached, _)| *reached);
    runs.into_iter().map(|(_, run)| run).collect()
}

/// Removes the server's replies that no client's node shows.
fn keep_received_replies(
    nodes: &mut [Vec<DiagramNode>],
    sources: &HashMap<StepRef, StepRef>,
    servers: usize,
) {
    let (servers, clients) = nodes.split_at_mut(servers);
    let replies = clients.iter().flatten();
    let drawn: std::collections::HashSet<_> = replies
        .filter(|node| node.kind == NodeKind::Reply)
        .filter_map(|node| sources.get(&node.at).copied())
        .collect();
    for nodes in servers {
        nodes.retain(|node| node.kind != NodeKind::Reply || drawn.contains(&node.at));
    }
}

fn columns(index: &TraceIndex<'_>, runs: &[usize]) -> Vec<DiagramColumn> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let titles = runs.iter().map(|&number| {
        let run = index.run(number);
        let name = index.text(run.who);
        let count = seen.entry(name).or_default();
        *count += 1;
        let word = index.text(run.word);
        let (title, host) = match *count {
            1 => (name.to_owned(), word.to_owned()),
            count => (format!("{name} ({count})"), format!("{word}-{count}")),
        };
        DiagramColumn {
            title,
            host,
            server: run.server,
            run: number,
        }
    });
    titles.collect()
}

/// The nodes of one run.
fn nodes_of(index: &TraceIndex<'_>, run: usize, column: usize, detail: Detail) -> Vec<DiagramNode> {
    let (mut since, mut before) = (None, 0);
    let mut nodes = Vec::new();
    for (step, line) in index.run(run).steps.iter().enumerate() {
        if let StepKind::JoinReplied(welcome) = line.kind {
            since = Some(welcome.position);
        }
        let clock = line.clock.unwrap_or(before);
        // A reply that does not raise the clock explains no number.
        let raised = std::mem::replace(&mut before, clock) < clock;
        let (label, kind, event) = match line.kind {
            StepKind::JoinSent { .. } => ("Join".into(), NodeKind::Sent, true),
            StepKind::PublishSent { text, .. } => {
                let label = format!("Publish {:?}", index.text(text));
                (label, NodeKind::Sent, true)
            }
            StepKind::LeaveSent => ("Leave".into(), NodeKind::Sent, true),
            StepKind::JoinReceived { .. }
            | StepKind::PublishReceived { .. }
            | StepKind::LeaveReceived { .. } => {
                (String::new(), NodeKind::Received, line.clock.is_some())
            }
            StepKind::BroadcastSent(event) => (event_label(index, &event), NodeKind::Sent, true),
            StepKind::BroadcastReceived(event) => (
                event_label(index, &event),
                NodeKind::Received,
                since.is_none_or(|since| event.position >= since),
            ),
            // Those that no client's node shows are removed later.
            StepKind::JoinGranted(_) => ("reply".into(), NodeKind::Reply, true),
            StepKind::JoinReplied(_)
            | StepKind::PublishReplied { .. }
            | StepKind::LeaveReplied { .. } => (
                "reply".into(),
                NodeKind::Reply,
                raised || line.clock.is_none(),
            ),
            StepKind::HistoryReplied => ("history".into(), NodeKind::Reply, raised),
            _ => continue,
        };
        if event || (detail == Detail::All && line.kind != StepKind::HistoryReplied) {
            // A retry is the same request again, which moves no clock; nor does sending a reply.
            let again = matches!(line.kind, StepKind::PublishSent { retry: true, .. });
            let time = line.clock.or(Some(line.lamport));
            let moves = !again && (kind != NodeKind::Reply || line.clock.is_some());
            nodes.push(DiagramNode {
                column,
                at: StepRef { run, step },
                kind,
                time: time.filter(|_| moves),
                label,
                source: None,
            });
        }
    }
    nodes
}

fn event_label(index: &TraceIndex<'_>, event: &crate::read::step::LoggedEvent) -> String {
    let name = index.text(event.name);
    match event.kind {
        LoggedKind::Joined => format!("{name} joined"),
        LoggedKind::Left => match index.text(event.reason) {
            "left" => format!("{name} left"),
            reason => format!("{name} left ({reason})"),
        },
        LoggedKind::Message => match action_of(index.text(event.text)) {
            Some(deed) => format!("* {name} {deed}"),
            None => format!("{name}: {}", index.text(event.text)),
        },
        LoggedKind::Unknown => "an event".into(),
    }
}
