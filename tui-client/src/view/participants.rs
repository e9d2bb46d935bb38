//! Who is present.

use chitty_chat::Position;
use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget};

use super::{Theme, glyphs, put, put_said, theme};
use crate::app::{
    participants::{Participants, Person},
    timeline::Timeline,
};

/// The participants pane, with a rule on its left.
pub(super) struct Pane<'a> {
    pub(super) participants: &'a Participants,
    pub(super) timeline: &'a Timeline,
    pub(super) theme: Theme,
}

const SELF: &str = " (you)";
const GONE: &str = " left";

impl Widget for Pane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let height = usize::from(area.height);
        for y in 0..height {
            put(buf, area, (0, y), "│", theme::DIM);
        }
        let x = put(buf, area, (2, 0), "Participants", theme::STRONG);
        let count = self.participants.count().to_string();
        put(buf, area, (x + 1, 0), &count, theme::DIM);

        let count = self.participants.shown();
        let room = height.saturating_sub(1);
        // When not all fit, the last row says how many are missing.
        let shown = if count > room {
            room.saturating_sub(1)
        } else {
            count
        };
        for (index, person) in self.participants.people().take(shown).enumerate() {
            self.person(person, index + 1, area, buf);
        }
        if shown < count && room > 0 {
            let more = format!("+ {} more", count - shown);
            put(buf, area, (2, shown + 1), &more, theme::DIM);
        }
    }
}

impl Pane<'_> {
    fn person(&self, person: Person<'_>, y: usize, area: Rect, buf: &mut Buffer) {
        let mark = match person {
            Person { gone: true, .. } => GONE,
            Person { own: true, .. } => SELF,
            _ => "",
        };
        let read = self.read(person);
        let width = usize::from(area.width);
        let beside = glyphs::width(mark) + glyphs::width(&read) + usize::from(!read.is_empty());
        let safe = glyphs::safe(person.name);
        let name = glyphs::fit(&safe, width.saturating_sub(2 + beside));
        let style = if person.gone {
            theme::DIM
        } else {
            self.theme.name(person.name, person.own)
        };
        let x = put_said(buf, area, (2, y), (&name, &safe), style, self.theme);
        put(buf, area, (x, y), mark, theme::DIM);
        let x = width.saturating_sub(glyphs::width(&read));
        put(buf, area, (x, y), &read, theme::DIM);
    }

    /// How far somebody is known to have read: to which time, or whether to the selected line.
    fn read(&self, person: Person<'_>) -> String {
        if person.own || person.seen == Position::ZERO {
            return String::new();
        }
        match self.timeline.selected_position() {
            Some(selected) if person.seen >= selected => "✓".into(),
            Some(_) => String::new(),
            None => self.timeline.time_of(person.seen).unwrap_or_default(),
        }
    }
}
