//! The diagram as a web page in one file: it scrolls and zooms, shows the log line under the pointer,
//! hides participants, and shows what the author of a message could know.

use std::io::{self, Write};

use super::{Diagram, svg};
use crate::chat::TraceIndex;

/// What people wrote is only in the drawing, as escaped text, and the script reads it from there as
/// text. If the escaping ever failed, this policy still forbids to load or send anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Writes the page.
///
/// # Errors
///
/// Fails if `out` cannot be written.
pub fn write(index: &TraceIndex<'_>, diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>Chitty-Chat: space-time diagram</title>\n<style>\n{STYLE}</style></head>\n<body>\
         <header><h1>Space-time diagram</h1><fieldset id=\"participants\"></fieldset>\
         <span id=\"zoom\"><button id=\"out\" title=\"zoom out (-)\">−</button>\
         <button id=\"fit\" title=\"show all (0)\">fit</button>\
         <button id=\"in\" title=\"zoom in (+)\">+</button></span></header>\n\
         <main id=\"stage\" tabindex=\"0\"><div id=\"names\"></div>"
    )?;
    svg::write(index, diagram, out)?;
    writeln!(
        out,
        "</main>\n<footer><p id=\"line\" role=\"status\"></p><p id=\"hint\">Point at a dot for its \
         log line; click what was broadcast for what its author could know. Wheel, keys or dragging \
         scroll; + − or Ctrl and the wheel zoom; 0 shows all, 1 its beginning.</p></footer>\n<script>\n{SCRIPT}</script></body></html>"
    )
}
