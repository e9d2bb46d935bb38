//! The alarm: that the link is down, and why.

use chitty_app::App;
use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget};

use super::{Theme, glyphs, put};

/// The rows of the alarm above the status line, from edge to edge.
pub(super) struct Alarm<'a> {
    pub(super) app: &'a App,
    pub(super) theme: Theme,
}

impl Widget for Alarm<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let style = self.theme.alarm();
        let width = usize::from(area.width);
        let rows = self.app.alarm_rows();
        for y in 0..usize::from(area.height) {
            put(buf, area, (0, y), &" ".repeat(width), style);
            let Some(row) = rows.get(y) else { continue };
            // The last row shows that some are missing.
            let cut = y + 1 == usize::from(area.height) && y + 1 < rows.len();
            let row = if cut {
                format!("{row} …")
            } else {
                row.clone()
            };
            let sign = if y == 0 { " ✗ " } else { "   " };
            let x = put(buf, area, (0, y), sign, style);
            put(
                buf,
                area,
                (x, y),
                &glyphs::fit(&row, width.saturating_sub(x)),
                style,
            );
        }
    }
}
