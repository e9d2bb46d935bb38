//! JSON lines: each event as it is in the log, with where it is, and where what it received was
//! sent.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use chitty_chat::logging::parse_line;

use crate::{
    chat::Facts,
    draw::Diagram,
    read::{Lines, Place},
};

/// The fields that are numbers.
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

/// Writes it.
pub fn write(facts: &Facts<'_>, diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Lines::default();
    for node in &diagram.nodes {
        let place = facts.step(node.at).place;
        let line = lines.get(&facts.trace.sources, place);
        let Some(line) = line.as_deref().and_then(parse_line) else {
            continue;
        };
        let mut object = String::from("{\"at\":");
        push_place(&mut object, facts, place);
        if let Some(source) = node.source.and_then(|source| diagram.nodes.get(source)) {
            object.push_str(",\"from\":");
            push_place(&mut object, facts, facts.step(source.at).place);
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

fn push_place(out: &mut String, facts: &Facts<'_>, place: Place) {
    let source = facts.trace.sources.get(place.file as usize);
    let name = source.map_or("", |source| source.name());
    push_text(out, &format!("{name}:{}", place.line));
}

fn push(out: &mut String, key: &str, value: &str) {
    out.push(',');
    push_text(out, key);
    out.push(':');
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
            // Hidden ones too, so that a line looks like what it is.
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
