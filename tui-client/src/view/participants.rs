//! Who is present.

use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget};

use super::{Theme, glyphs, put, theme};
use crate::app::participants::Participants;

/// The participants pane, with a rule on its left.
pub(super) struct Pane<'a> {
    pub(super) participants: &'a Participants,
    pub(super) theme: Theme,
}

const SELF: &str = " (you)";

impl Widget for Pane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let height = usize::from(area.height);
        let theme = self.theme;
        for y in 0..height {
            put(buf, area, (0, y), "│", theme::DIM);
        }
        let count = self.participants.count();
        let x = put(buf, area, (2, 0), "Participants", theme::STRONG);
        put(buf, area, (x + 1, 0), &count.to_string(), theme::DIM);

        let room = height.saturating_sub(1);
        // When not all fit, the last row says how many are missing.
        let shown = if count > room {
            room.saturating_sub(1)
        } else {
            count
        };
        for (index, (name, own)) in self.participants.iter().take(shown).enumerate() {
            let mark = if own { SELF } else { "" };
            let columns = usize::from(area.width).saturating_sub(2 + mark.len());
            let safe = glyphs::safe(name);
            let position = (2, index + 1);
            let x = put(
                buf,
                area,
                position,
                &glyphs::fit(&safe, columns),
                theme.name(name, own),
            );
            put(buf, area, (x, index + 1), mark, theme::DIM);
        }
        if shown < count && room > 0 {
            let more = format!("+ {} more", count - shown);
            put(buf, area, (2, shown + 1), &more, theme::DIM);
        }
    }
}
