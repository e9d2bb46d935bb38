//! The line being written, with the characters left.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    widgets::Widget,
};

use super::{Theme, glyphs, put, theme};
use crate::app::{
    App,
    composer::Laid,
    layout::{InputColumns, input_columns},
};

/// So few characters left are shown loudly.
const LOW: isize = 16;

/// The input pane.
pub(super) struct InputLine<'a> {
    app: &'a App,
    theme: Theme,
    area: Rect,
    columns: InputColumns,
    laid: Laid,
    /// The first row of the draft on screen.
    top: usize,
}

impl<'a> InputLine<'a> {
    pub(super) fn new(app: &'a App, theme: Theme, area: Rect) -> Self {
        let columns = input_columns(area.width, app.name_width());
        let laid = app.composer().lay(columns.draft.into());
        // The caret's row is on screen, with the rows before it.
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
}

impl Widget for InputLine<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let theme = self.theme;
        let InputColumns {
            prompt,
            draft,
            counter,
        } = self.columns;
        let (prompt, draft, counter) = (
            usize::from(prompt),
            usize::from(draft),
            usize::from(counter),
        );
        if prompt > 2 {
            let name = glyphs::safe(self.app.name());
            let name = glyphs::fit(&name, prompt - 4);
            put(buf, area, (1, 0), &name, theme.name(self.app.name(), true));
        }
        if prompt > 0 {
            put(buf, area, (prompt - 2, 0), "›", theme::DIM);
        }
        for (y, row) in self
            .laid
            .rows
            .iter()
            .skip(self.top)
            .take(area.height.into())
            .enumerate()
        {
            let mut x = prompt;
            for piece in row {
                let style = if piece.over {
                    theme.over()
                } else {
                    theme::TEXT
                };
                let room = (prompt + draft).saturating_sub(x);
                x = put(buf, area, (x, y), &glyphs::fit(&piece.text, room), style);
            }
        }
        if counter > 0 {
            let left = self.app.composer().left();
            let (text, style) = match left {
                ..0 => (format!("✗{left}"), theme.error()),
                0..=LOW => (format!("!{left}"), theme.warning()),
                _ => (left.to_string(), theme::DIM),
            };
            let margin = usize::from(counter == 7);
            let x = (prompt + draft + counter).saturating_sub(glyphs::width(&text) + margin);
            put(buf, area, (x, 0), &text, style);
        }
    }
}
