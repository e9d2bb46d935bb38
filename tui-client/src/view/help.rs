//! The help, over everything else on screen.

use chitty_app::{
    help::{HelpPage, HelpRow},
    keys::{Action, Keymap},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Clear, Widget},
};

use super::{Theme, glyphs, put, theme};

/// The overlay with the help.
pub(super) struct HelpOverlay<'a> {
    /// The first visible row.
    pub(super) top: usize,
    pub(super) keys: &'a Keymap,
    pub(super) theme: Theme,
}

impl Widget for HelpOverlay<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let page = HelpPage::new(area.width, area.height, self.keys);
        let frame = frame(&page, area);
        // One column stays free on both sides, so that nothing touches the frame.
        let around = Rect::new(
            frame.x.saturating_sub(1),
            frame.y,
            frame.width.saturating_add(2),
            frame.height,
        );
        Clear.render(around.intersection(area), buf);

        let top = self.top.min(page.last_top());
        if page.framed {
            draw_frame(frame, buf);
            self.foot(&page, frame, top, buf);
        }
        let inset = usize::from(frame.width).saturating_sub(page.width) / 2;
        let rows = page.rows.iter().skip(top).take(page.height);
        for (y, row) in rows.enumerate() {
            let y = y + usize::from(page.framed);
            match row {
                HelpRow::Title(title) => {
                    put(buf, frame, (inset, y), title, theme::STRONG);
                }
                HelpRow::Entry { keys, column, what } => {
                    put(buf, frame, (inset, y), keys, theme::TEXT);
                    put(buf, frame, (inset + column, y), what, theme::DIM);
                }
                HelpRow::More { column, what } => {
                    put(buf, frame, (inset + column, y), what, theme::DIM);
                }
                HelpRow::Gap => {}
            }
        }
    }
}

impl HelpOverlay<'_> {
    /// The lower edge: whether there is more, and how to close the help.
    fn foot(&self, page: &HelpPage, frame: Rect, top: usize, buf: &mut Buffer) {
        let bottom = usize::from(frame.height).saturating_sub(1);
        let more = match (top > 0, top < page.last_top()) {
            (_, true) => " ↓ more ",
            (true, false) => " ↑ more ",
            (false, false) => "",
        };
        put(buf, frame, (3, bottom), more, self.theme.warning());
        if let Some(close) = self.keys.hint(Action::Leave, "closes")
            && frame.width > 30
        {
            let close = format!(" {close} ");
            let x = usize::from(frame.width).saturating_sub(glyphs::width(&close) + 3);
            put(buf, frame, (x, bottom), &close, theme::DIM);
        }
    }
}

/// The rectangle of the frame, in the middle of the screen.
fn frame(page: &HelpPage, area: Rect) -> Rect {
    let fit = |wanted: usize, most: u16| u16::try_from(wanted).unwrap_or(most).min(most);
    let margins = if area.width > 30 { 6 } else { 2 };
    let width = fit(page.width + margins, area.width);
    let height = fit(page.height + 2 * usize::from(page.framed), area.height);
    Rect::new(
        area.x + (area.width - width) / 2,
        area.y + (area.height - height) / 2,
        width,
        height,
    )
}

fn draw_frame(frame: Rect, buf: &mut Buffer) {
    let bottom = usize::from(frame.height).saturating_sub(1);
    let right = usize::from(frame.width).saturating_sub(1);
    let across = "─".repeat(right.saturating_sub(1));
    put(buf, frame, (0, 0), &format!("╭{across}╮"), theme::DIM);
    for y in 1..bottom {
        put(buf, frame, (0, y), "│", theme::DIM);
        put(buf, frame, (right, y), "│", theme::DIM);
    }
    put(buf, frame, (0, bottom), &format!("╰{across}╯"), theme::DIM);
}
