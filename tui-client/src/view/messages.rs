//! What was said.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, widgets::Widget};

use super::{Theme, glyphs, put, theme};
use crate::app::timeline::{Block, Columns, Timeline, Tone};

/// The messages pane.
pub(super) struct Messages<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) theme: Theme,
}

impl Widget for Messages<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let (blocks, above) = self.timeline.visible();
        let height: usize = blocks.iter().map(Block::height).sum();
        let rows = height.saturating_sub(above);
        let canvas = Canvas {
            area,
            columns: self.timeline.columns(),
            theme: self.theme,
        };
        // Drawn from the bottom: a chat that has only begun stands above the line one writes in.
        let mut y =
            usize::from(area.height).saturating_sub(rows).cast_signed() - above.cast_signed();
        for block in &blocks {
            canvas.block(block, y, buf);
            y += block.height().cast_signed();
        }
    }
}

struct Canvas<'a> {
    area: Rect,
    columns: &'a Columns,
    theme: Theme,
}

impl Canvas<'_> {
    fn block(&self, block: &Block<'_>, mut y: isize, buf: &mut Buffer) {
        if let Some(date) = &block.date {
            self.date(date, y, buf);
            y += 1;
        }
        for (index, row) in block.rows.iter().enumerate() {
            if index == 0 {
                self.margin(block, y, buf);
            }
            self.row(block, row, index, y, buf);
            y += 1;
        }
        for remark in &block.remarks {
            let text = self.columns.text();
            self.put(text, y, remark, self.theme.error(), buf);
            y += 1;
        }
    }

    /// ── Monday, 23 November 2026 ─────
    fn date(&self, date: &str, y: isize, buf: &mut Buffer) {
        let width = usize::from(self.area.width);
        let dim = theme::DIM;
        let lead = if self.columns.time().is_some() { 2 } else { 0 };
        let date = glyphs::fit(date, width.saturating_sub(lead + 4));
        let x = self.put(0, y, &"─".repeat(lead), dim, buf);
        let x = self.put(x, y, &format!(" {date} "), dim, buf);
        // A column stays free beside the participants.
        let rest = width.saturating_sub(x + usize::from(self.columns.name().is_some()));
        self.put(x, y, &"─".repeat(rest), dim, buf);
    }

    /// Time of day, Lamport time, author.
    fn margin(&self, block: &Block<'_>, y: isize, buf: &mut Buffer) {
        let columns = self.columns;
        if columns.text() == 0 {
            return self.label(block, 0, y, buf);
        }
        if let Some(time) = columns.time() {
            self.put(time, y, &block.time, theme::DIM, buf);
        }
        let style = match block.tone {
            Tone::Rejected => self.theme.error(),
            Tone::Pending => self.theme.warning(),
            _ => theme::DIM,
        };
        let lamport =
            columns.lamport_end() - glyphs::width(&block.lamport).min(columns.lamport_end());
        self.put(lamport, y, &block.lamport, style, buf);
        match columns.name() {
            // A sign stands before its sentence, a name ends before its text.
            Some(_) if block.author.is_none() => self.label(block, columns.name_start(), y, buf),
            Some(name) => {
                let indent = name.saturating_sub(glyphs::width(&block.label));
                self.label(block, columns.name_start() + indent, y, buf);
            }
            None => self.label(block, columns.text(), y, buf),
        }
    }

    fn label(&self, block: &Block<'_>, x: usize, y: isize, buf: &mut Buffer) {
        let style = match (block.tone, block.author) {
            (Tone::Message | Tone::Action | Tone::Pending | Tone::Rejected, Some(author)) => {
                self.theme.name(author, block.own)
            }
            _ => theme::DIM,
        };
        self.put(x, y, &block.label, style, buf);
    }

    fn row(&self, block: &Block<'_>, row: &str, index: usize, y: isize, buf: &mut Buffer) {
        let style = match block.tone {
            Tone::Message | Tone::Action => theme::TEXT,
            _ => theme::DIM,
        };
        let lead = if index == 0 {
            block.taken(self.columns)
        } else {
            0
        };
        let x = block.start + lead;
        self.put(x, y, row, style, buf);
        // An action's text begins with its author.
        if let (Tone::Action, 0, Some(author)) = (block.tone, index, block.author) {
            let name = glyphs::safe(author);
            if row.starts_with(&*name) {
                self.put(x, y, &name, self.theme.name(author, block.own), buf);
            }
        }
    }

    fn put(&self, x: usize, y: isize, text: &str, style: Style, buf: &mut Buffer) -> usize {
        match usize::try_from(y) {
            Ok(y) => put(buf, self.area, (x, y), text, style),
            Err(_) => x,
        }
    }
}
