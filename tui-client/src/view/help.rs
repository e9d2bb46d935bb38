//! The help, over what else is on screen.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Clear, Widget},
};

use super::{Theme, put};
use crate::app::help::{Row, columns, page};

/// The help overlay.
pub(super) struct Overlay<'a> {
    /// The first row to show.
    pub(super) top: usize,
    pub(super) theme: &'a Theme,
}

impl Widget for Overlay<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let theme = self.theme;
        let (keys, what) = columns();
        let rows = page().count();
        // Rules above and below, and a margin at the sides.
        let fit = |wanted: usize, most: u16| u16::try_from(wanted).unwrap_or(most).min(most);
        let width = fit(keys + what + 8, area.width);
        let height = fit(rows + 2, area.height);
        let frame = Rect::new(
            area.x + (area.width - width) / 2,
            area.y + (area.height - height) / 2,
            width,
            height,
        );
        Clear.render(frame, buf);
        let framed = height > 4;
        let inner = if framed {
            rule(frame, theme, buf)
        } else {
            frame
        };

        let visible = usize::from(inner.height);
        let top = self.top.min(rows.saturating_sub(visible));
        for (y, row) in page().skip(top).take(visible).enumerate() {
            match row {
                Row::Title(title) => {
                    put(buf, inner, (0, y), title, theme.strong());
                }
                Row::Entry(help) => {
                    put(buf, inner, (0, y), help.keys, theme.text());
                    put(
                        buf,
                        inner,
                        (keys.min(usize::from(inner.width) / 2) + 2, y),
                        help.what,
                        theme.dim(),
                    );
                }
                Row::Gap => {}
            }
        }
        let bottom = usize::from(frame.height).saturating_sub(1);
        if framed && rows > visible {
            let more = if top + visible < rows {
                " ↓ more "
            } else {
                " ↑ more "
            };
            put(buf, frame, (3, bottom), more, theme.warning());
        }
        let close = " Esc closes ";
        let x = usize::from(width).saturating_sub(close.len() + 3);
        if framed && width > 30 {
            put(buf, frame, (x, bottom), close, theme.dim());
        }
    }
}

/// Draws the frame. Returns what is within.
fn rule(frame: Rect, theme: &Theme, buf: &mut Buffer) -> Rect {
    let bottom = usize::from(frame.height).saturating_sub(1);
    let across = "─".repeat(usize::from(frame.width).saturating_sub(2));
    put(buf, frame, (0, 0), &format!("╭{across}╮"), theme.dim());
    for y in 1..bottom {
        put(buf, frame, (0, y), "│", theme.dim());
        let right = usize::from(frame.width).saturating_sub(1);
        put(buf, frame, (right, y), "│", theme.dim());
    }
    put(buf, frame, (0, bottom), &format!("╰{across}╯"), theme.dim());
    let margin = if frame.width > 30 { 3 } else { 1 };
    Rect::new(
        frame.x + margin.min(frame.width),
        frame.y + 1,
        frame.width.saturating_sub(2 * margin),
        frame.height.saturating_sub(2),
    )
}
