//! The diagram as a Mermaid sequence diagram.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use chitty_chat::text::display;

use crate::draw::{Diagram, NodeKind};

/// Writes an arrow for each reception, with the times of both ends.
///
/// # Errors
///
/// Fails if `out` cannot be written.
pub fn write(diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "sequenceDiagram")?;
    for (number, column) in diagram.columns.iter().enumerate() {
        writeln!(
            out,
            "    participant p{number} as {}",
            escape(&column.title)
        )?;
    }
    let mut received = vec![false; diagram.nodes.len()];
    for node in &diagram.nodes {
        if let Some(source) = node.source {
            received[source] = true;
        }
    }
    for (number, node) in diagram.nodes.iter().enumerate() {
        let to = node.column;
        let time = node.time.unwrap_or(0);
        if let Some(source) = node.source.and_then(|source| diagram.nodes.get(source)) {
            let (from, sent) = (source.column, source.time.unwrap_or(0));
            let label = escape(&source.label);
            if node.kind == NodeKind::Reply {
                writeln!(out, "    p{from}-->>p{to}: {label} ({time})")?;
            } else {
                writeln!(out, "    p{from}->>p{to}: {label} ({sent} → {time})")?;
            }
        // A sending without a reception in the logs is a note: Mermaid has no open arrows.
        } else if !received[number] && !node.label.is_empty() {
            writeln!(out, "    Note over p{to}: {} ({time})", escape(&node.label))?;
        }
    }
    Ok(())
}

/// Escapes the characters that have a meaning in Mermaid.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in display::safe(text).chars() {
        match c {
            '#' | ';' | ':' | '<' | '>' | '"' | '&' | '%' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "#{};", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}
