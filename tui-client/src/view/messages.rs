//! The messages pane.

use std::ops::Range;

use chitty_app::{
    participants::Participants,
    timeline::{Block, BlockKind, MessageColumns, TextMark, Timeline},
};
use chitty_chat::{Position, causality::Relation, signs::CROSSED};
use ratatui::{buffer::Buffer, layout::Rect, style::Style, widgets::Widget};

use super::{Theme, glyphs, put, put_said, theme};

/// A part of a hyperlink on screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hyperlink {
    /// The row on the screen.
    pub y: u16,
    /// The columns on the screen.
    pub columns: Range<u16>,
    /// The address that it opens, in printable ASCII.
    pub address: String,
    /// The identity of the hyperlink; its parts share it.
    pub id: (u64, usize),
}

/// The messages pane.
pub(super) struct Messages<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) participants: &'a Participants,
    pub(super) theme: Theme,
    /// Collects the hyperlinks on screen.
    pub(super) links: &'a mut Vec<Hyperlink>,
}

impl Widget for Messages<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let canvas = MessageCanvas {
            area,
            columns: self.timeline.columns(),
            participants: self.participants,
            theme: self.theme,
            links: self.links,
        };
        canvas.blocks(self.timeline.visible(), buf);
    }
}

struct MessageCanvas<'a> {
    area: Rect,
    columns: &'a MessageColumns,
    participants: &'a Participants,
    theme: Theme,
    links: &'a mut Vec<Hyperlink>,
}

impl MessageCanvas<'_> {
    fn blocks(mut self, (blocks, above): (Vec<Block<'_>>, usize), buf: &mut Buffer) {
        // The first block may begin above the pane, so rows have signed coordinates here.
        let height: usize = blocks.iter().map(Block::height).sum();
        let rows = height.saturating_sub(above);
        // Drawn from the bottom: a short chat stands right above the draft.
        let empty = usize::from(self.area.height).saturating_sub(rows);
        let mut y = empty.cast_signed() - above.cast_signed();
        for block in &blocks {
            self.block(block, y, buf);
            y += block.height().cast_signed();
        }
        if let Some(first) = blocks.first() {
            self.author_on_top(first, (empty, above), buf);
        }
    }

    /// Draws the author on the top row, if that row continues a message or a sequence of messages
    /// whose author is named above the pane.
    fn author_on_top(&self, block: &Block<'_>, (empty, above): (usize, usize), buf: &mut Buffer) {
        let head = usize::from(block.date.is_some()) + usize::from(block.unread);
        let is_rest = above > head;
        let Some(author) = block.author.filter(|_| is_rest || block.label.is_empty()) else {
            return;
        };
        let y = (empty + head.saturating_sub(above)).cast_signed();
        let name = glyphs::safe(author);
        let style = self.name(author, block.own);
        let columns = self.columns;
        let (x, space) = match (columns.name(), columns.time()) {
            (Some(width), _) => {
                let indent = width.saturating_sub(glyphs::width(&name));
                (columns.name_start() + indent, width)
            }
            // The margin is empty on such a row.
            (None, _) if is_rest => (0, columns.text().saturating_sub(2)),
            (None, Some(time)) => {
                self.put(time, y, &" ".repeat(block.time.len()), style, buf);
                (time, block.time.len())
            }
            (None, None) => return,
        };
        let shown = glyphs::fit(&name, space);
        self.said(x, y, (&shown, &name), style, buf);
        if columns.name().is_none() && is_rest && space > 0 {
            self.put(glyphs::width(&shown), y, ":", style, buf);
        }
    }

    /// Writes a participant's text as it is shown; `text` also has the whole of it.
    fn said(&self, x: usize, y: isize, text: (&str, &str), style: Style, buf: &mut Buffer) {
        if let Ok(y) = usize::try_from(y) {
            put_said(buf, self.area, (x, y), text, style, self.theme);
        }
    }

    fn name(&self, author: &str, own: bool) -> Style {
        self.theme.name(self.participants.hue(author), own)
    }

    fn block(&mut self, block: &Block<'_>, mut y: isize, buf: &mut Buffer) {
        if let Some(date) = &block.date {
            self.rule(date, theme::DIM, y, buf);
            y += 1;
        }
        if block.unread {
            self.rule("new since you looked away", self.theme.warning(), y, buf);
            y += 1;
        }
        let from = y;
        for index in 0..block.rows.len() {
            if index == 0 {
                self.margin(block, y, buf);
            }
            self.row(block, index, y, buf);
            y += 1;
        }
        for remark in &block.remarks {
            let text = self.columns.text();
            self.put(text, y, remark, self.theme.error(), buf);
            y += 1;
        }
        // Beside a selected message, only what happened before it or crossed with it stays bright.
        if matches!(block.relation, Some(Relation::After | Relation::Unknown)) {
            self.patch((from, y), theme::DIM, buf);
        }
        if block.selected {
            self.patch((from, y), theme::SELECTED, buf);
        }
    }

    /// Adds a style to these rows.
    fn patch(&self, (from, to): (isize, isize), style: Style, buf: &mut Buffer) {
        let height = self.area.height;
        let row = |y: isize| u16::try_from(y.max(0)).unwrap_or(height).min(height);
        let (from, to) = (row(from), row(to));
        let rows = Rect {
            y: self.area.y + from,
            height: to.saturating_sub(from),
            ..self.area
        };
        buf.set_style(rows.intersection(*buf.area()), style);
    }

    /// Draws a rule with a text: `── Monday, 23 November 2026 ─────`.
    fn rule(&self, text: &str, style: Style, y: isize, buf: &mut Buffer) {
        let width = usize::from(self.area.width);
        let lead = if self.columns.time().is_some() { 2 } else { 0 };
        let text = glyphs::fit(text, width.saturating_sub(lead + 4));
        let x = self.put(0, y, &"─".repeat(lead), style, buf);
        let x = self.put(x, y, &format!(" {text} "), style, buf);
        // One column stays free beside the participants.
        let rest = width.saturating_sub(x + usize::from(self.columns.name().is_some()));
        self.put(x, y, &"─".repeat(rest), style, buf);
    }

    /// Draws the time of day, the Lamport time and the author.
    fn margin(&self, block: &Block<'_>, y: isize, buf: &mut Buffer) {
        let columns = self.columns;
        if columns.text() == 0 {
            return self.label(block, 0, y, buf);
        }
        if let Some(time) = columns.time() {
            self.put(time, y, &block.time, theme::DIM, buf);
        }
        let style = match block.kind {
            BlockKind::Rejected => self.theme.error(),
            BlockKind::Pending => self.theme.warning(),
            _ => theme::DIM,
        };
        let lamport =
            columns.lamport_end() - glyphs::width(&block.lamport).min(columns.lamport_end());
        self.put(lamport, y, &block.lamport, style, buf);
        self.crossing(block, y, buf);
        match columns.name() {
            // A sign is aligned to the start of its sentence, a name to the end before its text.
            Some(_) if block.author.is_none() => self.label(block, columns.name_start(), y, buf),
            Some(name) => {
                let indent = name.saturating_sub(glyphs::width(&block.label));
                self.label(block, columns.name_start() + indent, y, buf);
            }
            None => self.label(block, columns.text(), y, buf),
        }
    }

    /// Draws the crossing sign after the Lamport time, where the space is free: the author had not
    /// seen messages above; or, if a message is selected, this one crossed with it.
    fn crossing(&self, block: &Block<'_>, y: isize, buf: &mut Buffer) {
        let columns = self.columns;
        let x = columns.lamport_end();
        match block.relation {
            Some(Relation::Concurrent) => {
                self.put(x, y, CROSSED, self.theme.warning(), buf);
            }
            None if block.crossed > 0 => {
                let name = columns.name().map_or(0, |name| {
                    columns.name_start() + name.saturating_sub(glyphs::width(&block.label))
                });
                let count = block.crossed.to_string();
                // The count must not touch the author.
                let count = if x + 1 + count.len() < name {
                    &*count
                } else {
                    ""
                };
                self.put(x, y, &format!("{CROSSED}{count}"), theme::DIM, buf);
            }
            Some(_) | None => {}
        }
    }

    fn label(&self, block: &Block<'_>, x: usize, y: isize, buf: &mut Buffer) {
        let is_said = matches!(
            block.kind,
            BlockKind::Message | BlockKind::Action | BlockKind::Pending | BlockKind::Rejected
        );
        let Some(author) = block.author.filter(|_| is_said) else {
            self.put(x, y, &block.label, theme::DIM, buf);
            return;
        };
        let name = glyphs::safe(author);
        let style = self.name(author, block.own);
        self.said(x, y, (&block.label, &name), style, buf);
    }

    fn row(&mut self, block: &Block<'_>, index: usize, y: isize, buf: &mut Buffer) {
        let span = block.rows[index].clone();
        let row = &block.text[span.clone()];
        let style = match block.kind {
            BlockKind::Message | BlockKind::Action => theme::TEXT,
            _ => theme::DIM,
        };
        let lead = if index == 0 {
            block.taken(self.columns)
        } else {
            0
        };
        // A notice is the program's own text; the other sentences contain a participant's name.
        let style = if matches!(block.kind, BlockKind::Notice | BlockKind::Run) {
            style
        } else {
            self.theme.said(style)
        };
        let x = block.start + lead;
        self.put(x, y, row, style, buf);
        // The text of an action begins with its author.
        if let (BlockKind::Action, 0, Some(author)) = (block.kind, index, block.author) {
            let name = glyphs::safe(author);
            if row.starts_with(&*name) {
                let style = self.name(author, block.own);
                self.put(x, y, &name, self.theme.said(style), buf);
            }
        }
        for (which, (range, mark)) in block.marks.iter().enumerate() {
            let part = range.start.max(span.start)..range.end.min(span.end);
            if part.is_empty() {
                continue;
            }
            // Writing over a part of a grapheme would erase the rest of it, so the range covers
            // whole ones.
            let part = glyphs::whole(&block.text[span.clone()], span.start, part);
            let before = glyphs::width(&block.text[span.start..part.start]);
            let text = &block.text[part];
            let style = match mark {
                TextMark::Found => self.theme.said(self.theme.found()),
                TextMark::Mention => self.theme.said(self.theme.mention()),
                TextMark::Link(_) => style.patch(theme::LINK),
            };
            let end = self.put(x + before, y, text, style, buf);
            if let TextMark::Link(address) = mark {
                self.link(block, which, address, (x + before, end, y));
            }
        }
    }

    /// Records a part of a hyperlink. The parts of one address share an id, so that the terminal
    /// takes them for one.
    fn link(
        &mut self,
        block: &Block<'_>,
        which: usize,
        address: &str,
        (from, to, y): (usize, usize, isize),
    ) {
        let (Ok(y), Ok(from), Ok(to)) = (u16::try_from(y), u16::try_from(from), u16::try_from(to))
        else {
            return;
        };
        let width = self.area.width;
        if y < self.area.height && from < to.min(width) {
            self.links.push(Hyperlink {
                y: self.area.y + y,
                columns: self.area.x + from..self.area.x + to.min(width),
                address: address.to_owned(),
                id: (block.position.map_or(0, Position::get), which),
            });
        }
    }

    fn put(&self, x: usize, y: isize, text: &str, style: Style, buf: &mut Buffer) -> usize {
        match usize::try_from(y) {
            Ok(y) => put(buf, self.area, (x, y), text, style),
            Err(_) => x,
        }
    }
}
