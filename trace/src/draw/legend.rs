//! The legend of the SVG diagram.

use std::io::{self, Write};

use chitty_chat::{
    signs::{CROSSED_TWO, RECEIVED, REPLY, SENT},
    text::display,
};

use super::svg::escape;

/// The entries of the legend: what is drawn, in 26 by 10 pixels, and what it means.
fn entries() -> [(&'static str, &'static str); 7] {
    let line = "<line class=\"line arrow\" x2=\"26\"/>";
    [
        (
            "<circle class=\"dot full\" cx=\"18\" r=\"4.5\"/>",
            SENT.means,
        ),
        (
            "<circle class=\"dot hollow\" cx=\"18\" r=\"4.5\"/>",
            RECEIVED.means,
        ),
        (
            "<g class=\"reply\"><line class=\"line arrow\" x2=\"16\"/>\
             <path class=\"dot hollow\" d=\"M16 0l4.5 -4.5l4.5 4.5l-4.5 4.5z\"/></g>",
            REPLY.means,
        ),
        (line, "message"),
        (
            "<g class=\"presence\"><line class=\"line arrow\" x2=\"26\"/></g>",
            "joined, left",
        ),
        (
            "<text class=\"time\" x=\"8\" y=\"4\">12</text>",
            "Lamport time",
        ),
        (
            "<text class=\"crossed\" x=\"8\" y=\"4\">∥2</text>",
            CROSSED_TWO.means,
        ),
    ]
}

/// The height of a row of the legend, in pixels.
pub(super) const ROW: usize = 20;

/// The coordinates of each entry, in rows that fit into the width of the drawing.
fn places(width: usize) -> Vec<(usize, usize)> {
    let (mut x, mut y) = (16, 0);
    let mut places = Vec::new();
    for (_, means) in entries() {
        let needs = 32 + display::width(means) * 7;
        if x > 16 && x + needs > width {
            (x, y) = (16, y + ROW);
        }
        places.push((x, y));
        x += needs + 16;
    }
    places
}

/// How many rows the legend has in a drawing of this width.
pub(super) fn rows(width: usize) -> usize {
    places(width).last().map_or(1, |(_, y)| y / ROW + 1)
}

/// Writes the legend, with its first row at the height `top`.
pub(super) fn write(top: usize, width: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<g class=\"legend dim pn\">")?;
    for ((drawn, means), (x, y)) in entries().iter().zip(places(width)) {
        writeln!(
            out,
            "<g transform=\"translate({x},{})\">{drawn}<text x=\"32\" y=\"4\">{}</text></g>",
            top + y,
            escape(means)
        )?;
    }
    writeln!(out, "</g>")
}
