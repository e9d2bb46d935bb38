//! The diagram in a terminal: a row for what was sent and at once received, times at the dots.

use std::io::{self, Write};

use chitty_chat::text::display;

use super::{Diagram, Node, layout::lanes};

const NARROWEST: usize = 10;
const LONGEST_LABEL: usize = 48;

/// Writes it.
pub fn write(diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    let lanes = Lanes::of(diagram);
    lanes.write_heading(out)?;
    let all: Vec<_> = (0..diagram.nodes.len()).collect();
    lanes.write_rows(&all, out)?;
    writeln!(out, "\n{LEGEND}")
}

/// What the signs are.
pub(crate) const LEGEND: &str =
    " ● an event, with its process's Lamport time   ○ sent earlier   ▶ ◀ received";

/// The processes side by side; all runs of the server are one.
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
            width: widest.unwrap_or(0).max(NARROWEST),
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

    /// Rows of these nodes, given by their numbers, which rise.
    pub(crate) fn write_rows(&self, numbers: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let mut rest = numbers;
        while let Some(&start) = rest.first() {
            let first = &self.diagram.nodes[start];
            let source = first.source.unwrap_or(start);
            let follows = |number: &&usize| {
                let node = &self.diagram.nodes[**number];
                **number == start || (node.source == Some(source) && node.column != first.column)
            };
            let count = rest.iter().take_while(follows).count();
            writeln!(out, "{}", self.row(&rest[..count]).trim_end())?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn center(&self, node: &Node) -> usize {
        self.lane_of.get(node.column).copied().unwrap_or(0) * self.width + 1
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
        let earlier = nodes[0].source.map(|source| &self.diagram.nodes[source]);
        let sender = earlier.unwrap_or(nodes[0]);
        let receivers: Vec<_> = nodes.iter().skip(usize::from(earlier.is_none())).collect();
        let from = self.center(sender);
        for receiver in &receivers {
            let to = self.center(receiver);
            for cell in &mut cells[from.min(to) + 1..from.max(to)] {
                *cell = if matches!(*cell, '│' | '┼') {
                    '┼'
                } else {
                    '─'
                };
            }
        }
        for receiver in &receivers {
            let to = self.center(receiver);
            let end = put_dot(&mut cells, to, '●', receiver.time);
            if to > from {
                cells[to - 1] = '▶';
            } else if let Some(cell) = cells.get_mut(end) {
                *cell = '◀';
            }
        }
        let dot = if earlier.is_some() { '○' } else { '●' };
        put_dot(&mut cells, from, dot, sender.time);
        let label = display::safe(&sender.label);
        let mut shown = String::new();
        for (grapheme, _) in display::graphemes(&label).take(LONGEST_LABEL) {
            shown.push_str(grapheme);
        }
        let line: String = cells.into_iter().collect();
        format!("{line}  {shown}")
    }
}

/// The dot and its time; where the time ends.
fn put_dot(cells: &mut [char], at: usize, dot: char, time: Option<u64>) -> usize {
    let time = time.map_or(String::new(), |time| time.to_string());
    let mut end = at;
    for (cell, c) in cells[at..]
        .iter_mut()
        .zip(std::iter::once(dot).chain(time.chars()))
    {
        *cell = c;
        end += 1;
    }
    end
}
