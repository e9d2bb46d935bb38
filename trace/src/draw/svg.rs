//! The diagram as SVG: a vertical line for each process, time goes down.

use std::io::{self, Write};

use chitty_chat::text::display;

use super::{Diagram, Node};
use crate::{chat::Facts, read::Lines};

const COLUMN: usize = 190;
const ROW: usize = 30;
const LEFT: usize = 150;
const RIGHT: usize = 90;
const TOP: usize = 90;
const LONGEST_LABEL: usize = 22;

const STYLE: &str = "\
text{font:11px system-ui,sans-serif;fill:#222;paint-order:stroke;stroke:#fff;stroke-width:4px;\
stroke-linejoin:round}.name{font-size:14px;font-weight:600;text-anchor:middle}\
.time{font-weight:600}.label{text-anchor:end;fill:#555}.life{stroke:#bbb;stroke-width:1.5}\
.ask{stroke:#b35900;stroke-width:1.3;fill:none}.tell{stroke:#1f6fb2;stroke-width:1.1;fill:none}\
circle{fill:#222}circle.sent{fill:#b35900}circle.told{fill:#1f6fb2}";

/// Writes it, with each event's line as its title.
pub fn write(facts: &Facts<'_>, diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    let levels = levels(diagram);
    let rows = levels.iter().max().map_or(0, |level| level + 1);
    let width = LEFT + diagram.columns.len().saturating_sub(1).max(2) * COLUMN + RIGHT;
    let (bottom, height) = (TOP + rows * ROW, TOP + rows * ROW + 60);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\"><title>Space-time diagram of a chat</title>\
         <style>{STYLE}</style><defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"11\" refY=\"4\" \
         markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" \
         fill=\"#1f6fb2\"/></marker><marker id=\"b\" viewBox=\"0 0 8 8\" refX=\"11\" refY=\"4\" \
         markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" \
         fill=\"#b35900\"/></marker></defs><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    )?;
    for (number, column) in diagram.columns.iter().enumerate() {
        let x = x(number);
        writeln!(
            out,
            "<line class=\"life\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\"/>\
             <text class=\"name\" x=\"{x}\" y=\"{}\">{}</text>",
            TOP - 30,
            TOP - 40,
            escape(&column.title)
        )?;
    }
    for (node, level) in diagram.nodes.iter().zip(&levels) {
        if let Some(source) = node.source {
            arrow(diagram, (source, levels[source]), (node, *level), out)?;
        }
    }
    let mut lines = Lines::default();
    for (node, level) in diagram.nodes.iter().zip(&levels) {
        dot(facts, diagram, node, *level, &mut lines, out)?;
    }
    legend(bottom + 35, out)?;
    writeln!(out, "</svg>")
}

fn x(column: usize) -> usize {
    LEFT + column * COLUMN
}

fn y(level: usize) -> usize {
    TOP + level * ROW
}

/// The row of each node: below what was before it in its process, and below its cause. What
/// nothing caused is not above what happened before it.
fn levels(diagram: &Diagram) -> Vec<usize> {
    let mut next = vec![0; diagram.columns.len()];
    let mut levels: Vec<usize> = Vec::with_capacity(diagram.nodes.len());
    for node in &diagram.nodes {
        let before = levels.last().copied().unwrap_or(0);
        let after = node.source.map_or(before, |source| levels[source] + 1);
        let level = after.max(next[node.column]);
        next[node.column] = level + 1;
        levels.push(level);
    }
    levels
}

fn arrow(
    diagram: &Diagram,
    (source, from): (usize, usize),
    (node, to): (&Node, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    let source = &diagram.nodes[source];
    let (class, marker) = if diagram.columns[source.column].server {
        ("tell", "a")
    } else {
        ("ask", "b")
    };
    writeln!(
        out,
        "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" marker-end=\"url(#{marker})\"/>",
        x(source.column),
        y(from),
        x(node.column),
        y(to)
    )
}

fn dot(
    facts: &Facts<'_>,
    diagram: &Diagram,
    node: &Node,
    level: usize,
    lines: &mut Lines,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (x, y) = (x(node.column), y(level));
    let place = facts.step(node.at).place;
    let line = lines.get(&facts.trace.sources, place).unwrap_or_default();
    let name = facts
        .trace
        .sources
        .get(place.file as usize)
        .map_or("", |source| source.name());
    let class = match (node.label.is_empty(), diagram.columns[node.column].server) {
        (true, _) => "",
        (false, true) => "told",
        (false, false) => "sent",
    };
    let time = node.time.map_or(String::new(), |time| time.to_string());
    writeln!(
        out,
        "<g><title>{}</title><circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"4.5\"/>\
         <text class=\"time\" x=\"{}\" y=\"{}\">{time}</text></g>",
        escape(&format!("{name}:{} {line}", place.line)),
        x + 8,
        y + 4
    )?;
    if node.label.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<text class=\"label\" x=\"{}\" y=\"{}\">{}</text>",
        x - 9,
        // A request's arrow goes down to the left: its label stays above.
        if class == "sent" { y - 4 } else { y + 4 },
        escape(&short(&node.label))
    )
}

fn legend(y: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<g><circle class=\"sent\" cx=\"30\" cy=\"{0}\" r=\"4.5\"/><text x=\"40\" y=\"{1}\">a \
         participant sends</text><circle class=\"told\" cx=\"160\" cy=\"{0}\" r=\"4.5\"/><text \
         x=\"170\" y=\"{1}\">the server broadcasts</text><circle cx=\"310\" cy=\"{0}\" r=\"4.5\"/>\
         <text x=\"320\" y=\"{1}\">received; numbers are Lamport times</text></g>",
        y,
        y + 4
    )
}

fn short(label: &str) -> String {
    let mut graphemes = display::graphemes(label).map(|(grapheme, _)| grapheme);
    let mut short: String = graphemes.by_ref().take(LONGEST_LABEL).collect();
    if graphemes.next().is_some() {
        short.push('…');
    }
    short
}

/// Safe to show, and to put into XML.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in display::safe(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}
