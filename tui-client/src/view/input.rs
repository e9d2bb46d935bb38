//! The draft, with the number of characters left.

use chitty_app::{
    App,
    composer::{DraftLayout, SpanKind},
    layout::{InputColumns, input_columns},
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    widgets::Widget,
};

use super::{Theme, glyphs, put, put_said, theme};

/// With this few characters left, the counter becomes a warning.
const LOW: isize = 16;

/// The pane of the draft.
pub(super) struct InputLine<'a> {
    app: &'a App,
    theme: Theme,
    area: Rect,
    columns: InputColumns,
    laid: &'a DraftLayout,
    /// The first visible row of the draft.
    top: usize,
}

impl<'a> InputLine<'a> {
    pub(super) fn new(app: &'a App, theme: Theme, area: Rect) -> Self {
        let columns = input_columns(area.width, glyphs::width(&app.prompt()));
        let laid = app.composer().laid();
        // The caret's row is visible, with the rows before it.
        let top = (laid.caret.0 + 1).saturating_sub(area.height.max(1).into());
        Self {
            app,
            theme,
            area,
            columns,
            laid,
            top,
        }
    }

    pub(super) fn caret(&self) -> Position {
        let (row, column) = self.laid.caret;
        let column = column.min(usize::from(self.columns.draft).saturating_sub(1));
        let x = usize::from(self.area.x) + usize::from(self.columns.prompt) + column;
        let y = usize::from(self.area.y) + row - self.top;
        Position::new(
            u16::try_from(x).unwrap_or(u16::MAX),
            u16::try_from(y).unwrap_or(u16::MAX),
        )
    }

    fn prompt(&self, area: Rect, buf: &mut Buffer) {
        let prompt = usize::from(self.columns.prompt);
        let searching = self.app.composer().history_search().is_some();
        if prompt > 2 {
            let name = self.app.prompt();
            let style = if searching {
                self.theme.warning()
            } else {
                self.theme
                    .name(self.app.participants().hue(self.app.name()), true)
            };
            let fitted = glyphs::fit(&name, prompt - 4);
            put_said(buf, area, (1, 0), (&fitted, &name), style, self.theme);
        }
        if prompt > 0 {
            let sign = if searching { "?" } else { "›" };
            put(buf, area, (prompt - 2, 0), sign, theme::DIM);
            // Arrows mark the directions in which rows do not fit.
            let warning = self.theme.warning();
            let height = usize::from(area.height);
            if self.top + height < self.laid.rows.len() {
                put(
                    buf,
                    area,
                    (prompt - 2, height.saturating_sub(1)),
                    "↓",
                    warning,
                );
            }
            if self.top > 0 {
                put(buf, area, (prompt - 2, 0), "↑", warning);
            }
        }
    }

    fn style(&self, kind: SpanKind) -> Style {
        match kind {
            SpanKind::Text => self.theme.said(theme::TEXT),
            SpanKind::Limit => self.theme.error(),
            SpanKind::Over => self.theme.said(self.theme.over()),
            SpanKind::Break { over: false } => theme::TEXT,
            SpanKind::Break { over: true } => self.theme.over(),
        }
    }

    fn counter(&self, area: Rect, buf: &mut Buffer) {
        let InputColumns {
            prompt,
            draft,
            counter,
        } = self.columns;
        if counter == 0 || self.app.composer().history_search().is_some() {
            return;
        }
        let left = self.app.composer().left();
        let (text, style) = match left {
            ..0 => (format!("✗{left}"), self.theme.error()),
            0..=LOW => (format!("!{left}"), self.theme.warning()),
            _ => (left.to_string(), theme::DIM),
        };
        let margin = usize::from(counter == 7);
        let end = usize::from(prompt + draft + counter);
        let x = end.saturating_sub(glyphs::width(&text) + margin);
        put(buf, area, (x, 0), &text, style);
    }
}

impl Widget for InputLine<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        self.prompt(area, buf);
        let start = usize::from(self.columns.prompt);
        let end = start + usize::from(self.columns.draft);
        let rows = self.laid.rows.iter().skip(self.top);
        for (y, row) in rows.take(area.height.into()).enumerate() {
            let mut x = start;
            for piece in row {
                let text = glyphs::fit(&piece.text, end.saturating_sub(x));
                x = put(buf, area, (x, y), &text, self.style(piece.kind));
            }
        }
        self.counter(area, buf);
    }
}

#[cfg(test)]
mod tests;
