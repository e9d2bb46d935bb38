//! The diagram for [ShiViz](https://bestchai.bitbucket.io/shiviz/): each step with a vector clock, which
//! is computed from the sendings and receptions. A restarted process is another host.

use std::io::{self, Write};

use chitty_chat::text::display;

use crate::{chat::TraceIndex, draw::Diagram, read::LineLookup};

/// Writes the log. Its first two lines are the parser and the delimiter that ShiViz requires.
///
/// # Errors
///
/// Fails if `out` cannot be written.
pub fn write(index: &TraceIndex<'_>, diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "(?<host>\\S*) (?<clock>{{.*}})\\n(?<event>.*)\n")?;
    let clocks = vector_clocks(diagram);
    let mut lines = LineLookup::default();
    for (node, clock) in diagram.nodes.iter().zip(&clocks) {
        let counts = clock
            .iter()
            .zip(&diagram.columns)
            .filter(|(count, _)| **count > 0);
        let entries = counts.map(|(count, column)| format!("\"{}\":{count}", column.host));
        let entries = entries.collect::<Vec<_>>().join(", ");
        let location = index.step(node.at).location;
        let line = lines
            .get(&index.trace.sources, location)
            .unwrap_or_default();
        // The log line without its time, name and run: the host says whose it is.
        let event = line.splitn(4, ' ').nth(3).unwrap_or_default();
        let host = &diagram.columns[node.column].host;
        writeln!(out, "{host} {{{entries}}}\n{}", display::safe(event))?;
    }
    Ok(())
}

/// The vector clock of each node: a count for each column.
fn vector_clocks(diagram: &Diagram) -> Vec<Vec<u64>> {
    let mut latest = vec![vec![0; diagram.columns.len()]; diagram.columns.len()];
    let mut clocks: Vec<Vec<u64>> = Vec::with_capacity(diagram.nodes.len());
    for node in &diagram.nodes {
        let clock = &mut latest[node.column];
        if let Some(source) = node.source.and_then(|source| clocks.get(source)) {
            // The maximum of both clocks, and then one step of one's own.
            for (own, sender) in clock.iter_mut().zip(source) {
                *own = (*own).max(*sender);
            }
        }
        clock[node.column] += 1;
        clocks.push(clock.clone());
    }
    clocks
}
