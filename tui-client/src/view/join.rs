//! The join screen.

use chitty_app::{
    App, Tone,
    keys::Action,
    status::{Health, seconds},
    wrap,
};
use chitty_chat::ParticipantName;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    widgets::Widget,
};

use super::{Theme, glyphs, put, put_said, theme};

/// The form that asks for a name, in the middle of the screen.
pub(super) struct JoinScreen<'a> {
    pub(super) app: &'a App,
    pub(super) theme: Theme,
}

const LABEL: &str = "Your name  ";
/// The largest width of the form.
const WIDTH: u16 = 56;

/// The positions on the join screen.
struct FieldPlaces {
    block: Rect,
    /// The row and column of the field within the block.
    field: (usize, usize),
    /// Whether there is space for more than the field and its error.
    spacious: bool,
}

impl JoinScreen<'_> {
    fn places(area: Rect) -> FieldPlaces {
        let width = area.width.min(WIDTH);
        let spacious = area.height >= 10;
        let height = area.height.min(if spacious { 12 } else { 5 });
        let block = Rect::new(
            area.x + (area.width - width) / 2,
            area.y + (area.height - height) / 3,
            width,
            height,
        );
        let label = if width >= 36 { LABEL.len() } else { 2 };
        let label = if width < 8 { 0 } else { label };
        FieldPlaces {
            block,
            field: (if spacious { 3 } else { 0 }, label),
            spacious,
        }
    }

    /// The visible part of the name, and the caret's column in it.
    fn field(&self, space: usize) -> (String, usize) {
        glyphs::field(self.app.join().halves(), space)
    }

    pub(super) fn caret(&self, area: Rect) -> Option<Position> {
        let FieldPlaces { block, field, .. } = Self::places(area);
        if self.app.join().trying() || block.is_empty() {
            return None;
        }
        let (row, column) = field;
        let (_, caret) = self.field(usize::from(block.width).saturating_sub(column));
        let x = block.x.saturating_add(u16::try_from(column + caret).ok()?);
        let y = block.y.saturating_add(u16::try_from(row).ok()?);
        Some(Position::new(x, y))
    }

    /// The state of the link, in words.
    fn link(&self) -> (String, Style) {
        let status = self.app.status();
        let (health, short, rest) = status.words(self.app.now());
        let style = if health == Health::Bad {
            self.theme.error()
        } else {
            theme::DIM
        };
        let sign = if health == Health::Bad { '✗' } else { '◌' };
        let text = if rest.is_empty() {
            format!("{sign} {short}")
        } else {
            format!("{sign} {short}, {rest}")
        };
        (text, style)
    }

    /// The lines below the field.
    fn remarks(&self) -> Vec<(String, Style)> {
        let (app, theme) = (self.app, self.theme);
        let mut remarks = Vec::new();
        if let Some((why, wait)) = app.join().refusal(app.now()) {
            let mut why = format!("✗ {why}");
            if let Some(wait) = wait {
                why = format!("{why} It may be free in {} s.", seconds(wait));
            } else if app.join().may_be_free(app.now()) {
                let key = app.options().keys.hint(Action::Send, "tries again");
                let key = key.map(|key| format!(": {key}")).unwrap_or_default();
                why = format!("{why} It may be free now{key}.");
            }
            remarks.push((why, theme.error()));
        }
        let (health, ..) = app.status().words(app.now());
        if app.join().trying() {
            remarks.push((format!("Joining as {} …", app.join().name()), theme::TEXT));
        }
        if app.join().trying() || health == Health::Bad {
            remarks.push(self.link());
        }
        let draft = app.composer().draft();
        if app.join().trying() && !draft.is_empty() {
            remarks.push((format!("Your draft: {}", glyphs::safe(draft)), theme::DIM));
        }
        if let Some(hint) = app.hint() {
            let style = if hint.tone == Tone::Error {
                theme.error()
            } else {
                theme::DIM
            };
            remarks.push((hint.text.clone(), style));
        }
        if remarks.is_empty() {
            remarks.push((
                "1 to 32 characters, as others will see it.".into(),
                theme::DIM,
            ));
        }
        remarks
    }
}

impl Widget for JoinScreen<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let FieldPlaces {
            block,
            field,
            spacious,
        } = Self::places(area);
        let width = usize::from(block.width);
        if spacious {
            put(buf, block, (0, 0), "Chitty-Chat", theme::STRONG);
            let server = glyphs::safe(self.app.status().server());
            put(buf, block, (0, 1), &glyphs::fit(&server, width), theme::DIM);
        }
        let (row, column) = field;
        let label = if column == LABEL.len() { LABEL } else { "› " };
        if column > 0 {
            put(buf, block, (0, row), label, theme::TEXT);
        }
        let (name, _) = self.field(width.saturating_sub(column));
        let style = if self.app.join().is_offered() {
            theme::SELECTED
        } else {
            theme::STRONG
        };
        put_said(buf, block, (column, row), (&name, &name), style, self.theme);
        if spacious {
            let line = "─".repeat(ParticipantName::MAX_CHARS);
            put(buf, block, (column, row + 1), &line, theme::DIM);
        }

        let mut y = row + 2 * usize::from(spacious) + 1;
        for (text, style) in self.remarks() {
            for line in wrap::rows(&text, width, 0) {
                put(buf, block, (0, y), &line, style);
                y += 1;
            }
        }
        let map = &self.app.options().keys;
        let joins = map.hint(Action::Send, "joins");
        let keys = [
            joins.filter(|_| !self.app.join().trying()),
            map.hint(Action::Leave, "leaves"),
            map.hint(Action::Help, "help"),
        ];
        let keys: Vec<_> = keys.into_iter().flatten().collect();
        let bottom = usize::from(block.height).saturating_sub(1);
        let y = (y + 1).min(bottom);
        if spacious {
            put(
                buf,
                block,
                (0, y),
                &glyphs::fit(&keys.join(" · "), width),
                theme::DIM,
            );
        }
    }
}
