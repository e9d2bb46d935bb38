//! The diagram as text for a terminal. A row has a sending and the receptions that follow it at once,
//! with times at the dots.

use std::io::{self, Write};

use chitty_chat::{
    signs::{RECEIVED, REPLY, SENT, TO_LEFT, TO_RIGHT, diagram_legend},
    text::display,
};

use super::{Diagram, DiagramNode, NodeKind, layout::lanes};

const MIN_WIDTH: usize = 10;
const LONGEST_LABEL: usize = 48;

/// Writes the diagram and its legend.
///
/// # Errors
///
/// Fails if `out` cannot be written.
pub fn write(diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    let lanes = Lanes::of(diagram);
    lanes.write_heading(out)?;
    let all: Vec<_> = (0..diagram.nodes.len()).collect();
    lanes.write_rows(&all, out)?;
    writeln!(out, "\n{}", legend())
}

/// The legend: what each sign means.
pub(crate) fn legend() -> String {
    format!(" {}; numbers are Lamport times", diagram_legend())
}

/// The processes side by side. All runs of the server share one lane.
pub(crate) struct Lanes<'a> {
    diagram: &'a Diagram,
    pub(crate) titles: Vec<String>,
    lane_of: Vec<usize>,
    width: usize,
}

impl<'a> Lanes<'a> {
    pub(crate) fn of(diagram: &'a Diagram) -> Self {
        let (lanes, lane_of) = lanes(diagram);
        let titles: Vec<_> = lanes
            .iter()
            .map(|lane| display::safe(&lane.title).into_owned())
            .collect();
        let widest = titles.iter().map(|title| display::width(title) + 3).max();
        Self {
            diagram,
            titles,
            lane_of,
            width: widest.unwrap_or(0).max(MIN_WIDTH),
        }
    }

    pub(crate) fn write_heading(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut heading = String::from(" ");
        for title in &self.titles {
            heading.push_str(title);
            let rest = self.width - display::width(title);
            heading.extend(std::iter::repeat_n(' ', rest));
        }
        writeln!(out, "{}", heading.trim_end())
    }

    /// Writes the rows of these nodes, given by ascending numbers.
    pub(crate) fn write_rows(&self, numbers: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let mut rest = numbers;
        while let Some(&start) = rest.first() {
            let first = &self.diagram.nodes[start];
            let source = first.source.unwrap_or(start);
            // Each lane has space for one number in a row.
            let mut taken = vec![self.center(first)];
            let follows = |number: &&usize| {
                let node = &self.diagram.nodes[**number];
                let center = self.center(node);
                let is_free = !taken.contains(&center);
                taken.push(center);
                **number == start || (node.source == Some(source) && is_free)
            };
            let count = rest.iter().take_while(follows).count();
            // The sending of a reply is no event: without its reception it needs no row.
            let only_sent = count == 1 && self.is_reply_sent(first);
            if !only_sent {
                writeln!(out, "{}", self.row(&rest[..count]).trim_end())?;
            }
            rest = &rest[count..];
        }
        Ok(())
    }

    fn center(&self, node: &DiagramNode) -> usize {
        self.lane_of.get(node.column).copied().unwrap_or(0) * self.width + 1
    }

    fn is_reply_sent(&self, node: &DiagramNode) -> bool {
        node.kind == NodeKind::Reply && node.time.is_none() && self.is_server(node)
    }

    fn is_server(&self, node: &DiagramNode) -> bool {
        let column = self.diagram.columns.get(node.column);
        column.is_some_and(|column| column.server)
    }

    fn row(&self, numbers: &[usize]) -> String {
        let nodes: Vec<_> = numbers
            .iter()
            .map(|number| &self.diagram.nodes[*number])
            .collect();
        let mut cells: Vec<char> = vec![' '; self.titles.len() * self.width + 1];
        for lane in 0..self.titles.len() {
            cells[lane * self.width + 1] = '│';
        }
        let first = nodes[0];
        // The sender, if it is in a row further up, or has no event of its own.
        let earlier = first.source.map(|source| &self.diagram.nodes[source]);
        let sender = earlier.unwrap_or(first);
        let reply = sender.kind == NodeKind::Reply;
        let receivers: Vec<_> = nodes.iter().skip(usize::from(earlier.is_none())).collect();
        let from = self.center(sender);
        for receiver in &receivers {
            let to = self.center(receiver);
            for cell in &mut cells[from.min(to) + 1..from.max(to)] {
                // An arrow crosses the lines of the processes that it passes.
                *cell = match (*cell, reply) {
                    ('│' | '┼', _) => '┼',
                    (_, true) => '╌',
                    (_, false) => '─',
                };
            }
        }
        for receiver in &receivers {
            let to = self.center(receiver);
            let end = put_node(&mut cells, to, receiver);
            if to > from {
                cells[to - 1] = only(TO_RIGHT);
            } else if let Some(cell) = cells.get_mut(end) {
                *cell = only(TO_LEFT);
            }
        }
        if earlier.is_some() || self.is_reply_sent(sender) {
            let right = receivers.iter().any(|node| self.center(node) > from);
            let left = receivers.iter().any(|node| self.center(node) < from);
            cells[from] = match (left, right) {
                (false, _) => '├',
                (true, false) => '┤',
                (true, true) => '┼',
            };
        } else {
            put_node(&mut cells, from, sender);
        }
        let line: String = cells.into_iter().collect();
        format!("{line}  {}", label(earlier, sender))
    }
}

/// The label beside a row. For a message that was sent further up, the label has the time of its
/// sending: on the sender's line it would be out of order, since times rise downwards there.
fn label(earlier: Option<&DiagramNode>, sender: &DiagramNode) -> String {
    let label = display::safe(&sender.label);
    let mut shown = String::new();
    for (grapheme, _) in display::graphemes(&label).take(LONGEST_LABEL) {
        shown.push_str(grapheme);
    }
    match earlier.and_then(|earlier| earlier.time) {
        Some(time) => format!("sent at {time}: {shown}"),
        None => shown,
    }
}

/// The one character that a sign consists of.
fn only(sign: &str) -> char {
    sign.chars().next().unwrap_or(' ')
}

/// Puts the node's sign and time into the cells. Returns the index after the time.
fn put_node(cells: &mut [char], at: usize, node: &DiagramNode) -> usize {
    let sign = match node.kind {
        NodeKind::Sent => SENT,
        NodeKind::Received => RECEIVED,
        NodeKind::Reply => REPLY,
    };
    let time = node.time.map_or(String::new(), |time| time.to_string());
    let mut end = at;
    for (cell, c) in cells[at..]
        .iter_mut()
        .zip(sign.sign.chars().chain(time.chars()))
    {
        *cell = c;
        end += 1;
    }
    end
}
