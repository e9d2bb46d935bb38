//! The diagram as JSON lines: the fields of each step's log line, its file and line number (`at`), and
//! those of the sending (`from`).

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use chitty_chat::logging::parse_line;

use crate::{
    chat::TraceIndex,
    draw::Diagram,
    read::{LineLocation, LineLookup},
};

/// The fields that are written as numbers.
const NUMBERS: [&str; 16] = [
    "lamport",
    "clock",
    "position",
    "participant",
    "seen",
    "request",
    "resume",
    "next",
    "head",
    "generation",
    "first",
    "events",
    "before",
    "after",
    "limit",
    "retry_ms",
];

/// Writes one object a line, every cause before its effects.
///
/// # Errors
///
/// Fails if `out` cannot be written.
pub fn write(index: &TraceIndex<'_>, diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = LineLookup::default();
    for node in &diagram.nodes {
        let location = index.step(node.at).location;
        let line = lines.get(&index.trace.sources, location);
        let Some(line) = line.as_deref().and_then(parse_line) else {
            continue;
        };
        let mut object = String::from("{\"at\":");
        push_place(&mut object, index, location);
        if let Some(source) = node.source.and_then(|source| diagram.nodes.get(source)) {
            object.push_str(",\"from\":");
            push_place(&mut object, index, index.step(source.at).location);
        }
        for (key, value) in [
            ("who", &line.who),
            ("run", &line.run),
            ("call", &line.call),
            ("step", &line.step),
        ] {
            push(&mut object, key, value);
        }
        for (key, value) in &line.fields {
            push(&mut object, key, value);
        }
        writeln!(out, "{object}}}")?;
    }
    Ok(())
}

fn push_place(out: &mut String, index: &TraceIndex<'_>, location: LineLocation) {
    let source = index.trace.sources.get(location.file as usize);
    let name = source.map_or("", |source| source.name());
    push_text(out, &format!("{name}:{}", location.line));
}

fn push(out: &mut String, key: &str, value: &str) {
    out.push(',');
    push_text(out, key);
    out.push(':');
    // A field of that name whose value does not fit, as in a later version, stays a text.
    let number = NUMBERS.contains(&key) && value.parse::<u64>().is_ok();
    if number
        || matches!(
            (key, value),
            ("resumed" | "retry" | "repeated", "true" | "false")
        )
    {
        out.push_str(value);
    } else {
        push_text(out, value);
    }
}

fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Invisible characters, too, so that a line looks like what it is.
            c if c.is_control() || !(c.is_ascii() || c.is_alphanumeric()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
