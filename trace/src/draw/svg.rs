//! The diagram as SVG: a vertical line for each process, time downwards.

use std::io::{self, Write};

use chitty_chat::{signs::CROSSED, text::display};

use super::{
    Diagram, DiagramNode, NodeKind,
    layout::{LONGEST_LABEL, Layout, TOP},
    legend,
};
use crate::{
    chat::TraceIndex,
    read::{
        LineLookup,
        step::{LoggedEvent, LoggedKind, StepKind},
    },
};

const LONGEST_TITLE: usize = 18;
/// The longest label beside a dot, in terminal columns.
const LONGEST_HEARD: usize = 14;
/// The radius of a dot. Arrows end just outside of it.
const RADIUS: f64 = 4.5;
const HEAD: f64 = 7.0;
/// The sign at the client's end of a reply.
const DIAMOND: &str = "M-4.5 0l4.5 -4.5l4.5 4.5l-4.5 4.5z";

/// The participants' colours: dark enough for text on white, and distinguishable for colour-blind
/// people (after Okabe and Ito).
const COLOURS: [&str; 7] = [
    "#0069a8", "#b54a00", "#00785a", "#9b3d7f", "#8a6100", "#5b4bb5", "#a3263b",
];
const STYLE: &str = "\
text{font:13px system-ui,'DejaVu Sans',sans-serif;fill:#24292f}\
.halo{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}\
.name{font-size:14px;font-weight:700;text-anchor:middle}\
.time{font-weight:700}.dim,.dim text{fill:#6e7781}.label{text-anchor:end}\
.life{stroke:#d0d7de;stroke-width:2}.idle{stroke-dasharray:1 6;stroke-linecap:round}\
.end{stroke:#6e7781;stroke-width:2;stroke-linecap:round}\
.arrow{stroke-width:1.4;fill:none}.presence .line{stroke-dasharray:5 3}\
.dot{stroke-width:1.8}.reply{stroke-width:.8}.reply .line{stroke-dasharray:2 2}\
.reply .time{font-weight:400}.crossed{font-weight:700;fill:#b54a00}";

/// Writes the diagram, with each event's log line as its tooltip.
///
/// # Errors
///
/// Fails if `out` cannot be written.
pub fn write(index: &TraceIndex<'_>, diagram: &Diagram, out: &mut dyn Write) -> io::Result<()> {
    let layout = Layout::of(index, diagram);
    let width = layout.width;
    let height = layout.height + (legend::rows(width) - 1) * legend::ROW;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\"><title>Space-time diagram of a chat</title>\
         <style>{STYLE}{}</style><rect class=\"paper\" width=\"100%\" height=\"100%\" \
         fill=\"#fff\"/>",
        colours()
    )?;
    let drawing = Drawing {
        index,
        diagram,
        layout: &layout,
    };
    for lane in 0..layout.lanes.len() {
        drawing.lane(lane, out)?;
    }
    for y in &layout.restarts {
        writeln!(
            out,
            "<g class=\"dim\"><text class=\"label\" x=\"{}\" y=\"{}\">the server was started \
             again</text><path class=\"end\" d=\"M{} {}l12 -5m-12 10l12 -5\"/></g>",
            layout.left - 56,
            y + 4,
            layout.left - 6,
            y
        )?;
    }
    // Arrows first: the dots and times are drawn over them.
    for (number, node) in diagram.nodes.iter().enumerate() {
        if let Some(source) = node.source {
            drawing.arrow(source, number, out)?;
        }
    }
    let mut lines = LineLookup::default();
    for number in 0..diagram.nodes.len() {
        drawing.event(number, &mut lines, out)?;
    }
    legend::write(layout.bottom + 24, width, out)?;
    writeln!(out, "</svg>")
}

fn colours() -> String {
    let rules = COLOURS.iter().enumerate().map(|(number, colour)| {
        format!(
            ".p{number} .line,.p{number} .dot{{stroke:{colour}}}\
             .p{number} .head,.p{number} .full,.p{number} .verb,.p{number}.name{{fill:{colour}}}"
        )
    });
    rules
        .chain([
            ".pn .line,.pn .dot{stroke:#57606a}.pn .head,.pn .full{fill:#57606a}".into(),
            ".dot.hollow{fill:#fff}".into(),
        ])
        .collect()
}

struct Drawing<'a> {
    index: &'a TraceIndex<'a>,
    diagram: &'a Diagram,
    layout: &'a Layout,
}

impl Drawing<'_> {
    /// The CSS class of a participant's colour, or of grey if the participant is unknown.
    fn colour(&self, lane: Option<usize>) -> String {
        let servers = self.layout.lanes.iter().filter(|lane| lane.server).count();
        match lane.and_then(|lane| lane.checked_sub(servers)) {
            Some(participant) => format!("p{}", participant % COLOURS.len()),
            None => "pn".into(),
        }
    }

    fn lane(&self, number: usize, out: &mut dyn Write) -> io::Result<()> {
        let lane = &self.layout.lanes[number];
        let x = self.layout.x(number);
        let bottom = self.layout.bottom;
        let (from, to) = if lane.server {
            (TOP - 26, bottom)
        } else {
            lane.extent
        };
        let class = self.colour(Some(number));
        let title = short(&lane.title, LONGEST_TITLE);
        writeln!(
            out,
            "<g class=\"lane\" data-lane=\"{number}\" transform=\"translate({x},0)\">\
             <line class=\"life idle\" y1=\"{}\" y2=\"{bottom}\"/>\
             <line class=\"life\" y1=\"{from}\" y2=\"{to}\"/>\
             <text class=\"name {class}\" y=\"{}\">{}</text>",
            TOP - 26,
            TOP - 44,
            escape(&title)
        )?;
        if lane.lost && to > 0 {
            writeln!(
                out,
                "<path class=\"end\" d=\"M-5 {0}l10 10m0 -10l-10 10\"/><text class=\"dim halo\" \
                 x=\"10\" y=\"{1}\">lost</text>",
                to + 14,
                to + 23
            )?;
        }
        writeln!(out, "</g>")
    }

    fn class(&self, node: &DiagramNode) -> String {
        let colour = self.colour(self.layout.whose(self.index, self.diagram, node));
        match self.kind(node) {
            _ if node.kind == NodeKind::Reply => format!("{colour} reply"),
            LoggedKind::Message => colour,
            _ => format!("{colour} presence"),
        }
    }

    fn kind(&self, node: &DiagramNode) -> LoggedKind {
        match self.index.step(node.at).kind {
            StepKind::BroadcastSent(event) | StepKind::BroadcastReceived(event) => event.kind,
            StepKind::PublishSent { .. } | StepKind::PublishReceived { .. } => LoggedKind::Message,
            _ => LoggedKind::Unknown,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "pixels of a picture")]
    fn arrow(&self, source: usize, target: usize, out: &mut dyn Write) -> io::Result<()> {
        let (from, to) = (&self.diagram.nodes[source], &self.diagram.nodes[target]);
        let lanes = (self.layout.lane(from), self.layout.lane(to));
        let (x1, x2) = (self.layout.x(lanes.0) as f64, self.layout.x(lanes.1) as f64);
        let (y1, y2) = (self.layout.y[source] as f64, self.layout.y[target] as f64);
        let length = (x2 - x1).hypot(y2 - y1).max(1.0);
        let (dx, dy) = ((x2 - x1) / length, (y2 - y1) / length);
        // The head's tip and the middle of its base.
        let tip = (x2 - dx * RADIUS * 1.3, y2 - dy * RADIUS * 1.3);
        let base = (tip.0 - dx * HEAD, tip.1 - dy * HEAD);
        let (nx, ny) = (-dy * HEAD * 0.42, dx * HEAD * 0.42);
        writeln!(
            out,
            "<g class=\"arrow {}\" data-from=\"{source}\" data-to=\"{target}\">\
             <line class=\"line\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\
             <path class=\"head\" d=\"M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}z\"/></g>",
            self.class(to),
            base.0,
            base.1,
            tip.0,
            tip.1,
            base.0 + nx,
            base.1 + ny,
            base.0 - nx,
            base.1 - ny
        )
    }

    fn event(&self, number: usize, lines: &mut LineLookup, out: &mut dyn Write) -> io::Result<()> {
        let node = &self.diagram.nodes[number];
        let (lane, y) = (self.layout.lane(node), self.layout.y[number]);
        let step = self.index.step(node.at);
        let sources = &self.index.trace.sources;
        let line = lines.get(sources, step.location).unwrap_or_default();
        let file = sources
            .get(step.location.file as usize)
            .map_or("", |source| source.name());
        let (what, fill) = match step.kind {
            _ if node.kind == NodeKind::Reply => (self.reply(node), "hollow"),
            StepKind::BroadcastSent(event) => (self.broadcast(&event), "full"),
            StepKind::BroadcastReceived(event) if node.source.is_none() => {
                (self.heard(&event), "hollow")
            }
            StepKind::JoinSent {
                resume: Some(_), ..
            } => (verb("resume"), "full"),
            StepKind::JoinSent { .. } => (verb("join"), "full"),
            StepKind::PublishSent { retry: true, .. } => (verb("publish again"), "full"),
            StepKind::PublishSent { .. } => (verb("publish"), "full"),
            StepKind::LeaveSent => (verb("leave"), "full"),
            _ => (String::new(), "hollow"),
        };
        let time = node.time.map_or(String::new(), |time| time.to_string());
        let server = self.diagram.columns[node.column].server;
        let dot = match node.kind {
            NodeKind::Reply if server => String::new(),
            NodeKind::Reply => format!("<path class=\"dot {fill}\" d=\"{DIAMOND}\"/>"),
            _ => format!("<circle class=\"dot {fill}\" r=\"{RADIUS}\"/>"),
        };
        let (x, above, side) = if server {
            (-11, -4, "label ")
        } else {
            (8, 5, "")
        };
        writeln!(
            out,
            "<g class=\"event {}\" data-node=\"{number}\" data-lane=\"{lane}\"{} \
             transform=\"translate({},{y})\"><title>{}</title>\
             {dot}\
             <text class=\"{side}halo\" x=\"{x}\" y=\"{}\"><tspan class=\"time\">{time}</tspan>{}</text>{}</g>",
            self.class(node),
            data(step.kind),
            self.layout.x(lane),
            escape(&format!("{file}:{} {line}", step.location.line)),
            -above,
            if server { "" } else { &what },
            if server { &what } else { "" },
        )
    }

    /// The label left of the server's line: what was broadcast, and its position.
    fn broadcast(&self, event: &LoggedEvent) -> String {
        let crossed = match self.layout.unseen(event) {
            0 => String::new(),
            count => format!("<tspan class=\"crossed\" dx=\"5\">{CROSSED}{count}</tspan>"),
        };
        format!(
            "<text class=\"label\" x=\"-56\" y=\"4\"><tspan class=\"verb\">{}</tspan>{crossed}</text>\
             <text class=\"dim\" x=\"{}\" y=\"4\">{}</text>",
            escape(&short(
                &super::event_label(self.index, event),
                LONGEST_LABEL
            )),
            20_i64 - i64::try_from(self.layout.left).unwrap_or(0),
            event.position
        )
    }

    /// The label of a reply: at the client's end only, since an arrow begins at the server's.
    fn reply(&self, node: &DiagramNode) -> String {
        let server = self.diagram.columns[node.column].server;
        if server {
            String::new()
        } else {
            format!("<tspan class=\"dim\" dx=\"4\">{}</tspan>", node.label)
        }
    }

    /// The label of a reception whose broadcast is not in the logs, so that nothing else shows it.
    fn heard(&self, event: &LoggedEvent) -> String {
        let label = short(&super::event_label(self.index, event), LONGEST_HEARD);
        format!("<tspan class=\"dim\" dx=\"5\">{}</tspan>", escape(&label))
    }
}

fn verb(word: &str) -> String {
    format!("<tspan class=\"verb\" dx=\"4\">{word}</tspan>")
}

/// The attributes from which the page's script finds the causal past of a message.
fn data(kind: StepKind) -> String {
    let event = match kind {
        StepKind::BroadcastSent(event) | StepKind::BroadcastReceived(event) => event,
        StepKind::PublishReplied { position, .. } | StepKind::LeaveReplied { position, .. } => {
            return format!(" data-reply=\"{position}\"");
        }
        StepKind::JoinGranted(welcome) | StepKind::JoinReplied(welcome) => {
            return format!(" data-reply=\"{}\"", welcome.position);
        }
        _ => return String::new(),
    };
    let seen = if event.kind == LoggedKind::Message {
        format!(" data-seen=\"{}\"", event.seen)
    } else {
        String::new()
    };
    format!(
        " data-position=\"{}\" data-participant=\"{}\"{seen}",
        event.position, event.participant
    )
}

/// Cuts a label to a number of terminal columns, with an ellipsis if it was longer.
fn short(label: &str, longest: usize) -> String {
    let mut short = String::new();
    let mut width = 0;
    for (grapheme, columns) in display::graphemes(label) {
        width += columns;
        if width > longest {
            short.push('…');
            break;
        }
        short.push_str(grapheme);
    }
    short
}

/// Makes a text safe to show and to put into XML.
pub(super) fn escape(text: &str) -> String {
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
