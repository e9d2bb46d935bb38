//! The participants pane.

use chitty_app::{
    App,
    keys::Action,
    participants::{ListedParticipant, VisibleRange},
    wrap,
};
use chitty_chat::{Event, EventKind, Position};
use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget};

use super::{Theme, glyphs, put, put_said, theme};

/// The pane, with a rule on its left.
pub(super) struct ParticipantsPane<'a> {
    pub(super) app: &'a App,
    pub(super) theme: Theme,
}

const SELF: &str = " (you)";
const GONE: &str = " left";
/// The column at which names begin.
const NAMES: usize = 2;

impl Widget for ParticipantsPane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let height = usize::from(area.height);
        for y in 0..height {
            put(buf, area, (0, y), "│", theme::DIM);
        }
        let participants = self.app.participants();
        let x = put(buf, area, (NAMES, 0), "Participants", theme::STRONG);
        let count = participants.count().to_string();
        put(buf, area, (x + 1, 0), &count, theme::DIM);

        let rows = participants.rows(height);
        let shown = VisibleRange::new(participants.shown(), rows, participants.top());
        let mut y = 1;
        if shown.above() > 0 && rows > 0 {
            let more = format!("▲ {} more", shown.above());
            put(buf, area, (NAMES, y), &more, theme::DIM);
            y += 1;
        }
        let people = participants.people().skip(shown.above());
        for person in people.take(shown.people.len()) {
            self.person(person, y, area, buf);
            y += 1;
        }
        if shown.below() > 0 && y <= rows {
            put(
                buf,
                area,
                (NAMES, y),
                &self.more(shown.below(), area),
                theme::DIM,
            );
        }
        if participants.explains(height) {
            self.explain(area, buf);
        }
    }
}

impl ParticipantsPane<'_> {
    /// How many entries are below, with the key that scrolls to them if it fits.
    fn more(&self, below: usize, area: Rect) -> String {
        let more = format!("▼ {below} more");
        let key = self.app.options().keys.key(Action::ParticipantsDown);
        let long = key.map(|key| format!("{more}, {key}"));
        let space = usize::from(area.width).saturating_sub(NAMES);
        long.filter(|long| glyphs::width(long) <= space)
            .unwrap_or(more)
    }

    fn person(&self, person: ListedParticipant<'_>, y: usize, area: Rect, buf: &mut Buffer) {
        let mark = match person {
            ListedParticipant { gone: true, .. } => GONE,
            ListedParticipant { own: true, .. } => SELF,
            _ => "",
        };
        let received = self.received(person);
        let width = usize::from(area.width);
        let beside =
            glyphs::width(mark) + glyphs::width(&received) + usize::from(!received.is_empty());
        let safe = glyphs::safe(person.name);
        let name = glyphs::fit(&safe, width.saturating_sub(NAMES + beside));
        let style = if person.gone {
            theme::DIM
        } else {
            let hue = self.app.participants().hue(person.name);
            self.theme.name(hue, person.own)
        };
        let x = put_said(buf, area, (NAMES, y), (&name, &safe), style, self.theme);
        put(buf, area, (x, y), mark, theme::DIM);
        let x = width.saturating_sub(glyphs::width(&received));
        put(buf, area, (x, y), &received, theme::DIM);
    }

    /// What a participant has reported of its receipts: the last time, or whether they include the
    /// selected line.
    fn received(&self, person: ListedParticipant<'_>) -> String {
        if person.own || person.seen == Position::ZERO {
            return String::new();
        }
        let timeline = self.app.timeline();
        match timeline.selected() {
            Some(selected) if person.seen >= selected.position || wrote(person, selected) => {
                "✓".into()
            }
            Some(_) => String::new(),
            None => timeline.time_of(person.seen).unwrap_or_default(),
        }
    }

    /// Draws the meaning of the signs at the bottom.
    fn explain(&self, area: Rect, buf: &mut Buffer) {
        let sign = if self.app.timeline().selected().is_some() {
            "✓"
        } else {
            "L"
        };
        let text = format!("{sign}: received when last writing");
        let space = usize::from(area.width).saturating_sub(NAMES);
        let rows = wrap::rows(&text, space, 0);
        let from = usize::from(area.height).saturating_sub(rows.len());
        for (index, row) in rows.iter().enumerate() {
            put(buf, area, (NAMES, from + index), row, theme::DIM);
        }
    }
}

/// Whether this participant wrote the selected line.
fn wrote(person: ListedParticipant<'_>, selected: &Event) -> bool {
    matches!(&selected.kind, EventKind::Message { participant, .. } if *participant == person.number)
}
