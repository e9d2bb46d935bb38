//! The space-time diagram, in place of the messages.

use chitty_app::{
    diagram::{DiagramRow, DiagramStep, Lifeline, LocalDiagram},
    keys::{Action, Keymap},
    participants::Participants,
    recent::Recent,
};
use chitty_chat::{
    LamportTime,
    signs::{RECEIVED, REPLY, SENT, SERVER, Sign, TO_LEFT, TO_RIGHT, UNDER_WAY, client_diagram},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    widgets::{Clear, Widget},
};

use super::{Theme, glyphs, put, put_said, theme};

/// The pane with the diagram.
pub(super) struct DiagramPane<'a> {
    pub(super) recent: &'a Recent,
    pub(super) name: &'a str,
    pub(super) participants: &'a Participants,
    pub(super) keys: &'a Keymap,
    pub(super) theme: Theme,
}

/// The columns of the lines.
#[derive(Clone, Copy, Debug)]
struct DiagramColumns {
    own: usize,
    server: usize,
    /// The column of the first of the others; `step` is the distance from one to the next.
    others: usize,
    step: usize,
    /// How many of the others fit.
    count: usize,
    /// Whether events are described beside the lines.
    labels: bool,
}

/// The smallest width of the descriptions, in columns.
const LABEL: usize = 18;

/// The legend takes at most one row out of this many. On a small screen every row is needed for the
/// events, and the help explains the signs.
const PART_OF_LEGEND: usize = 8;

/// The meaning of the signs, in rows of this width.
fn legend(width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for sign in client_diagram() {
        let entry = sign.to_string();
        let last = rows.last().map_or(0, |row| glyphs::width(row));
        if last > 0 && last + 3 + glyphs::width(&entry) > width {
            rows.push(String::new());
        }
        if let Some(row) = rows.last_mut() {
            if !row.is_empty() {
                row.push_str("   ");
            }
            row.push_str(&entry);
        }
    }
    rows
}

impl DiagramColumns {
    fn new(width: usize) -> Self {
        let (own, server, others, step, labels) = match width {
            0..30 => (5, 12, 21, 9, false),
            30..60 => (6, 15, 25, 9, false),
            _ => (8, 20, 33, 12, true),
        };
        let space = width.saturating_sub(others + if labels { LABEL } else { 0 });
        Self {
            own,
            server,
            others,
            step,
            count: (space / step).min(8),
            labels,
        }
    }

    /// The column of a line; `None` if it has none.
    fn of(&self, line: Lifeline) -> Option<usize> {
        match line {
            Lifeline::Own => Some(self.own),
            Lifeline::Other(index) => Some(self.others + index * self.step),
            Lifeline::Hidden => None,
        }
    }

    fn label(&self, others: usize) -> usize {
        self.others + others * self.step
    }
}

impl Widget for DiagramPane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        Clear.render(area, buf);
        let columns = DiagramColumns::new(area.width.into());
        let height = usize::from(area.height);
        // The legend gives way before any event does.
        let legend = Some(legend(area.width.into()));
        let legend = legend.filter(|legend| legend.len() * PART_OF_LEGEND <= height);
        // The rows between the names and the legend.
        let rows = height.saturating_sub(1 + legend.as_ref().map_or(0, Vec::len));
        let diagram = LocalDiagram::new(self.recent, rows, columns.count);
        let close = self.keys.hint(Action::Diagram, "closes");
        let mut canvas = DiagramCanvas {
            buf,
            area,
            columns,
            theme: self.theme,
            name: self.name,
            participants: self.participants,
            close: close.as_deref(),
            diagram: &diagram,
        };
        canvas.header();
        if diagram.rows.is_empty() {
            canvas.put(columns.own, 1, "nothing has happened yet", theme::DIM);
        }
        let top = 1 + rows - diagram.rows.len();
        for (index, row) in diagram.rows.iter().enumerate() {
            canvas.row(top + index, row);
        }
        for (index, row) in legend.iter().flatten().enumerate() {
            canvas.put(0, 1 + rows + index, row, theme::DIM);
        }
    }
}

struct DiagramCanvas<'a> {
    buf: &'a mut Buffer,
    area: Rect,
    columns: DiagramColumns,
    theme: Theme,
    name: &'a str,
    participants: &'a Participants,
    /// How to return to the messages.
    close: Option<&'a str>,
    diagram: &'a LocalDiagram,
}

impl DiagramCanvas<'_> {
    fn put(&mut self, x: usize, y: usize, text: &str, style: Style) {
        put(self.buf, self.area, (x, y), text, style);
    }

    fn said(&mut self, place: (usize, usize), text: (&str, &str), style: Style) {
        put_said(self.buf, self.area, place, text, style, self.theme);
    }

    fn header(&mut self) {
        let columns = self.columns;
        let own = self.theme.name(self.participants.hue(self.name), true);
        self.put(columns.own.saturating_sub(1), 0, "you", own);
        self.put(columns.server.saturating_sub(1), 0, SERVER, theme::STRONG);
        for (index, name) in self.diagram.others.iter().enumerate() {
            let x = columns.others + index * columns.step;
            let name_style = self.theme.name(self.participants.hue(name), false);
            let safe = glyphs::safe(name);
            let fitted = glyphs::fit(&safe, columns.step - 1);
            self.said((x, 0), (&fitted, &safe), name_style);
        }
        let Some(close) = self.close else { return };
        let x = usize::from(self.area.width).saturating_sub(glyphs::width(close) + 1);
        if columns.labels && x > columns.label(self.diagram.others.len()) {
            self.put(x, 0, close, theme::DIM);
        }
    }

    fn style(&self, line: Lifeline) -> Style {
        match line {
            Lifeline::Own => self.theme.name(self.participants.hue(self.name), true),
            Lifeline::Other(index) => self.diagram.others.get(index).map_or(theme::TEXT, |name| {
                self.theme.name(self.participants.hue(name), false)
            }),
            Lifeline::Hidden => theme::DIM,
        }
    }

    fn row(&mut self, y: usize, row: &DiagramRow) {
        self.lines(y, row);
        match &row.step {
            DiagramStep::Sent { line, time } => self.dot(y, *line, SENT.sign, *time),
            DiagramStep::Received { time, event } => {
                self.put(self.columns.server, y, "┤", theme::DIM);
                self.receipt(y, *time, RECEIVED);
                if let Some((sent, label)) = event {
                    self.label(y, &format!("sent at {sent}: {label}"));
                }
            }
            DiagramStep::Observed { time } => {
                self.put(self.columns.server, y, "┤", theme::DIM);
                self.receipt(y, *time, REPLY);
            }
            DiagramStep::Broadcast {
                from,
                sent,
                time,
                received,
                label,
            } => {
                if let Some(received) = received {
                    self.receipt(y, *received, RECEIVED);
                }
                let text = time.to_string();
                if let Some(from) = *from {
                    self.sending(y, from, *sent, text.len());
                }
                self.put(self.columns.server, y, SENT.sign, theme::STRONG);
                self.put(self.columns.server + 2, y, &text, theme::STRONG);
                self.label(y, label);
            }
        }
    }

    /// Draws the lines of all present participants, thick while a message of theirs is on its way.
    fn lines(&mut self, y: usize, row: &DiagramRow) {
        self.put(self.columns.own, y, "│", theme::DIM);
        self.put(self.columns.server, y, "│", theme::DIM);
        for (index, present) in row.present.iter().enumerate() {
            if *present {
                let x = self.columns.others + index * self.columns.step;
                self.put(x, y, "│", theme::DIM);
            }
        }
        for &line in &row.under_way {
            if let Some(x) = self.columns.of(line) {
                self.put(x, y, UNDER_WAY.sign, self.style(line));
            }
        }
    }

    fn dot(&mut self, y: usize, line: Lifeline, dot: &str, time: LamportTime) {
        let Some(x) = self.columns.of(line) else {
            return;
        };
        self.put(x, y, dot, self.style(line));
        let time = time.to_string();
        let at = match line {
            Lifeline::Own => x.saturating_sub(time.len() + 1),
            _ => x + 2,
        };
        self.put(at, y, &time, theme::TEXT);
    }

    /// An arrow from the server to the user: an event, or a reply with a thinner line.
    fn receipt(&mut self, y: usize, time: LamportTime, sign: Sign) {
        let DiagramColumns { own, server, .. } = self.columns;
        let line = if sign == REPLY { "╌" } else { "─" };
        let line = line.repeat(server.saturating_sub(own + 2));
        self.put(own + 1, y, &format!("{TO_LEFT}{line}"), theme::DIM);
        self.dot(y, Lifeline::Own, sign.sign, time);
    }

    /// An arrow from the author to the server; the server's time beside its line is `time` columns
    /// wide.
    fn sending(&mut self, y: usize, from: Lifeline, sent: Option<LamportTime>, time: usize) {
        let DiagramColumns { server, others, .. } = self.columns;
        if from == Lifeline::Own {
            let own = self.columns.own;
            let line = "─".repeat(server.saturating_sub(own + 2));
            self.put(own + 1, y, &format!("{line}{TO_RIGHT}"), theme::DIM);
            self.arrival(y, from, sent, "├");
            return;
        }
        let start = server + 2 + time + 1;
        // A participant without a column sends from beyond the last one.
        let end = self
            .columns
            .of(from)
            .unwrap_or(others + self.diagram.others.len() * self.columns.step - 1);
        if end <= start {
            return;
        }
        self.put(start, y, TO_LEFT, theme::DIM);
        for x in start + 1..end {
            let crossing = x > others && x < end && (x - others).is_multiple_of(self.columns.step)
                || x == others;
            let line = if crossing { "┼" } else { "─" };
            self.put(x, y, line, theme::DIM);
        }
        self.arrival(y, from, sent, "┤");
    }

    /// The beginning of an arrow: the sending itself, or the bend at the end of its way down the
    /// author's line.
    fn arrival(&mut self, y: usize, from: Lifeline, sent: Option<LamportTime>, bend: &str) {
        match (sent, self.columns.of(from)) {
            (Some(sent), Some(_)) => self.dot(y, from, SENT.sign, sent),
            (None, Some(x)) => self.put(x, y, bend, self.style(from)),
            (_, None) => {}
        }
    }

    fn label(&mut self, y: usize, label: &str) {
        if self.columns.labels {
            let x = self.columns.label(self.diagram.others.len());
            let space = usize::from(self.area.width).saturating_sub(x + 1);
            let safe = glyphs::safe(label);
            self.said((x, y), (&glyphs::fit(&safe, space), &safe), theme::DIM);
        }
    }
}
