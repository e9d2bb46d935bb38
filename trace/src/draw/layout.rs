//! The layout of the SVG diagram, in pixels: processes from left to right, time downwards.

use std::collections::HashMap;

use chitty_chat::{
    ParticipantNumber,
    causality::{Sending, SendingKind, Window},
    text::display,
};

use super::{Diagram, DiagramNode, NodeKind};
use crate::{
    chat::{TraceIndex, TracedChat},
    read::step::{LoggedEvent, LoggedKind, StepKind},
};

/// The distance between two processes.
const LANE: usize = 150;
/// The space left of the server, for the labels of broadcasts: as wide as the longest label, within
/// these limits.
const LEFT: std::ops::RangeInclusive<usize> = 190..=370;
/// The part of that space for the time, and for the position.
const LEFT_OF_TIME: usize = 56;
const POSITION: usize = 50;
/// The width of a terminal column in the drawing's font, roughly.
const COLUMN: usize = 7;
/// The longest label left of the server, in terminal columns.
pub(super) const LONGEST_LABEL: usize = 38;
const RIGHT: usize = 130;
/// The space above the first event, for the names.
pub(super) const TOP: usize = 86;
/// The space below the last event, for the ends of the lines and the legend.
const BOTTOM: usize = 54;
/// The least distance between two events of a process.
const ROW: usize = 24;
/// The distance between a broadcast and the reply to its author.
const REPLY: usize = 8;
/// The space above an event that has no cause in the diagram.
const PAUSE: usize = 12;
/// The space for a restart of the server.
const RESTART: usize = 44;
/// How much lower a message arrives for each process that it passes, so that a broadcast to all is one
/// straight line. With many processes the slope is smaller: the whole line falls by about
/// `STEEPEST`.
const SLOPE: usize = 14;
const STEEPEST: usize = 80;

/// A vertical line: a run of a participant, or all runs of the server.
pub(super) struct Lane {
    pub(super) title: String,
    pub(super) server: bool,
    /// The heights of its first and its last event; both 0 if it has none.
    pub(super) extent: (usize, usize),
    /// The participant was lost: the server ended the participation, and not the client.
    pub(super) lost: bool,
}

/// The coordinates of everything in a diagram.
pub(super) struct Layout {
    pub(super) lanes: Vec<Lane>,
    /// The lane of each column.
    pub(super) lane_of: Vec<usize>,
    /// The height of each node.
    pub(super) y: Vec<usize>,
    /// The heights at which the server was started again.
    pub(super) restarts: Vec<usize>,
    pub(super) width: usize,
    pub(super) height: usize,
    /// The horizontal coordinate of the server's line.
    pub(super) left: usize,
    /// The height at which the lines end.
    pub(super) bottom: usize,
    /// The lane of each participant, by number.
    whose: HashMap<u64, usize>,
    /// How many earlier messages the author of a message had not seen, by position; without zeros.
    unseen: HashMap<u64, usize>,
}

impl Layout {
    pub(super) fn of(index: &TraceIndex<'_>, diagram: &Diagram) -> Self {
        let (lanes, lane_of) = lanes(diagram);
        let left = left(index, diagram);
        let mut layout = Self {
            width: left + lanes.len().max(3).saturating_sub(1) * LANE + RIGHT,
            height: 0,
            left,
            bottom: 0,
            lanes,
            lane_of,
            y: Vec::with_capacity(diagram.nodes.len()),
            restarts: Vec::new(),
            whose: HashMap::new(),
            unseen: index
                .chats
                .get(diagram.chat)
                .map_or_else(HashMap::new, unseen),
        };
        layout.place_nodes(diagram);
        let bottom = layout.y.iter().max().copied().unwrap_or(TOP);
        layout.bottom = bottom + BOTTOM / 3;
        layout.height = bottom + BOTTOM;
        layout.participants(index, diagram);
        layout
    }

    pub(super) const fn x(&self, lane: usize) -> usize {
        self.left + lane * LANE
    }

    pub(super) fn lane(&self, node: &DiagramNode) -> usize {
        self.lane_of.get(node.column).copied().unwrap_or(0)
    }

    /// The lane of the participant that the node's event belongs to.
    pub(super) fn whose(
        &self,
        index: &TraceIndex<'_>,
        diagram: &Diagram,
        node: &DiagramNode,
    ) -> Option<usize> {
        match index.step(node.at).kind {
            StepKind::BroadcastSent(event) | StepKind::BroadcastReceived(event) => {
                self.whose.get(&event.participant).copied()
            }
            _ if diagram.columns[node.column].server => {
                node.source.map(|source| self.lane(&diagram.nodes[source]))
            }
            _ => Some(self.lane(node)),
        }
    }

    /// How many earlier messages this one crossed.
    pub(super) fn unseen(&self, event: &LoggedEvent) -> usize {
        self.unseen.get(&event.position).copied().unwrap_or(0)
    }

    /// Computes the height of each node: below the event before it in its process, and below its
    /// cause. A node without a cause is below all earlier requests and broadcasts, so that the order
    /// by wall clocks shows.
    fn place_nodes(&mut self, diagram: &Diagram) {
        let slope = SLOPE.min(STEEPEST / self.lanes.len().max(1)).max(2);
        let mut next = vec![TOP; self.lanes.len()];
        let mut ends = vec![TOP; self.lanes.len()];
        let mut server = None;
        let mut last = TOP;
        for node in &diagram.nodes {
            let lane = self.lane(node);
            let caused = match node.source {
                Some(source) => {
                    let from = self.lane(&diagram.nodes[source]);
                    self.y[source] + from.abs_diff(lane) * slope
                }
                None if diagram.columns[node.column].server => 0,
                None => last + PAUSE,
            };
            // A server's reply has no dot: it is close to its broadcast, and takes less space.
            let is_reply = node.kind == NodeKind::Reply && diagram.columns[node.column].server;
            let least = if is_reply {
                ends[lane] + REPLY
            } else {
                next[lane]
            };
            let mut y = caused.max(least);
            if diagram.columns[node.column].server {
                // Another column of the server is another run: leave space for the mark between them.
                if server.is_some_and(|before| before != node.column) {
                    y = y.max(last + RESTART);
                    self.restarts.push(y - RESTART / 2);
                }
                server = Some(node.column);
            }
            next[lane] = next[lane].max(y + if is_reply { REPLY } else { ROW });
            ends[lane] = y;
            if node.source.is_none() || diagram.columns[node.column].server {
                last = last.max(y);
            }
            let extent = &mut self.lanes[lane].extent;
            *extent = match *extent {
                (0, 0) => (y, y),
                (from, to) => (from.min(y), to.max(y)),
            };
            self.y.push(y);
        }
    }

    fn participants(&mut self, index: &TraceIndex<'_>, diagram: &Diagram) {
        let columns: HashMap<_, _> = diagram
            .columns
            .iter()
            .zip(0..)
            .map(|(column, number)| (column.run, number))
            .collect();
        for span in index.spans.iter().filter(|span| span.chat == diagram.chat) {
            let Some(column) = columns.get(&span.run) else {
                continue;
            };
            let lane = self.lane_of[*column];
            let participant = span.welcome.participant;
            self.whose.insert(participant, lane);
            let left = index.chats[diagram.chat].left_of(participant);
            let gone = left.is_some_and(|left| index.text(left.event.reason) != "left");
            self.lanes[lane].lost = gone && !index.run(span.run).ended;
        }
    }
}

/// The lanes, and the lane of each column. All runs of the server share the first lane.
pub(super) fn lanes(diagram: &Diagram) -> (Vec<Lane>, Vec<usize>) {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut lane_of = Vec::new();
    for column in &diagram.columns {
        if column.server && lanes.first().is_some_and(|lane| lane.server) {
            lane_of.push(0);
            continue;
        }
        lane_of.push(lanes.len());
        lanes.push(Lane {
            title: column.title.clone(),
            server: column.server,
            extent: (0, 0),
            lost: false,
        });
    }
    (lanes, lane_of)
}

/// The width of the space left of the server, from the longest label of a broadcast.
fn left(index: &TraceIndex<'_>, diagram: &Diagram) -> usize {
    let broadcasts = diagram
        .nodes
        .iter()
        .filter(|node| matches!(index.step(node.at).kind, StepKind::BroadcastSent(_)));
    let longest = broadcasts
        .map(|node| display::width(&display::safe(&node.label)))
        .max();
    // Including the mark of a message that crossed others.
    let columns = longest.unwrap_or(0).min(LONGEST_LABEL) + 4;
    (LEFT_OF_TIME + columns * COLUMN + POSITION).clamp(*LEFT.start(), *LEFT.end())
}

/// How many earlier messages each author had not seen, by the position of its message.
fn unseen(chat: &TracedChat) -> HashMap<u64, usize> {
    let messages = chat
        .events
        .values()
        .filter(|known| known.event.kind == LoggedKind::Message);
    let mut sendings: Vec<_> = messages.map(|known| sending(&known.event)).collect();
    sendings.sort_unstable_by_key(|sending| sending.position);
    let window = Window::new(&sendings);
    let counted = sendings
        .iter()
        .map(|sending| (sending.position.get(), window.unseen(*sending).count()));
    counted.filter(|(_, count)| *count > 0).collect()
}

fn sending(message: &LoggedEvent) -> Sending {
    Sending {
        position: message.position.into(),
        participant: ParticipantNumber::new(message.participant),
        kind: SendingKind::Message(message.seen.into()),
    }
}
