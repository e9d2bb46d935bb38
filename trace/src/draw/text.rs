//! The diagram in a terminal: a row for what was sent and at once received, times at the dots.

use std::io::{self, Write};

use chitty_chat::text::display;

use super::{Diagram, Node};

const NARROWEST: usize = 10;
const LONGEST_LABEL: usize = 48;

/// Writes it.
pub fn write(diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    let titles: Vec<_> = diagram
        .columns
        .iter()
        .map(|column| display::safe(&column.title))
        .collect();
    let width = titles
        .iter()
        .map(|title| display::width(title) + 3)
        .max()
        .unwrap_or(0);
    let width = width.max(NARROWEST);
    let mut heading = String::from(" ");
    for title in &titles {
        heading.push_str(title);
        heading.extend(std::iter::repeat_n(' ', width - display::width(title)));
    }
    writeln!(out, "{}", heading.trim_end())?;
    let mut rest = diagram.nodes.as_slice();
    let mut start = 0;
    while let Some(first) = rest.first() {
        let follows = |(number, node): &(usize, &Node)| {
            let source = first.source.unwrap_or(start);
            *number == 0 || (node.source == Some(source) && node.column != first.column)
        };
        let count = rest.iter().enumerate().take_while(follows).count();
        writeln!(out, "{}", row(diagram, &rest[..count], width).trim_end())?;
        start += count;
        rest = &rest[count..];
    }
    writeln!(
        out,
        "\n ● an event, with its process's Lamport time   ○ sent earlier   ▶ ◀ received"
    )
}

fn row(diagram: &Diagram, nodes: &[Node], width: usize) -> String {
    let center = |column: usize| column * width + 1;
    let mut cells: Vec<char> = vec![' '; diagram.columns.len() * width + 1];
    for column in 0..diagram.columns.len() {
        cells[center(column)] = '│';
    }
    let earlier = nodes[0].source.map(|source| &diagram.nodes[source]);
    let sender = earlier.unwrap_or(&nodes[0]);
    let receivers: Vec<_> = nodes.iter().skip(usize::from(earlier.is_none())).collect();
    for receiver in &receivers {
        let (low, high) = (
            sender.column.min(receiver.column),
            sender.column.max(receiver.column),
        );
        for cell in &mut cells[center(low) + 1..center(high)] {
            *cell = if matches!(*cell, '│' | '┼') {
                '┼'
            } else {
                '─'
            };
        }
    }
    for receiver in &receivers {
        let at = put_dot(&mut cells, center(receiver.column), '●', receiver.time);
        if receiver.column > sender.column {
            cells[center(receiver.column) - 1] = '▶';
        } else if let Some(cell) = cells.get_mut(at) {
            *cell = '◀';
        }
    }
    let dot = if earlier.is_some() { '○' } else { '●' };
    put_dot(&mut cells, center(sender.column), dot, sender.time);
    let label = display::safe(&sender.label);
    let mut shown = String::new();
    for (grapheme, _) in display::graphemes(&label).take(LONGEST_LABEL) {
        shown.push_str(grapheme);
    }
    let line: String = cells.into_iter().collect();
    format!("{line}  {shown}")
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
