//! The rule between what was said and what is being written: state, clock, what is below.

use chitty_chat::signs::CONNECTED;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    widgets::Widget,
};

use super::{Theme, glyphs, put, put_said, theme};
use crate::app::{
    App,
    keys::{Action, Mode},
    search::Outcome,
    status::Health,
};

/// ── ◉ connected · 127.0.0.1:50051 · Lamport 12 ───────── F1 help ──
pub(super) struct Line<'a> {
    pub(super) app: &'a App,
    pub(super) theme: Theme,
}

impl Widget for Line<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let dim = theme::DIM;
        put(buf, area, (0, 0), &"─".repeat(width), dim);
        // The diagram leaves no side pane whose rule would end here.
        let side = self.app.panes().participants;
        if let Some(side) = side.filter(|_| self.app.diagram().is_none()) {
            let joint = width.saturating_sub(side.width.into());
            put(buf, area, (joint, 0), "┴", dim);
        }

        let end = self.right(area, buf);
        let lead = if width >= 40 { 2 } else { 0 };
        let mut x = lead;
        for (index, (text, style)) in self
            .parts(end.saturating_sub(2 * lead))
            .into_iter()
            .enumerate()
        {
            let before = if index == 0 { " " } else { "· " };
            // At the very edge the space would only cost room.
            let before = if x == 0 { "" } else { before };
            x = put(buf, area, (x, 0), before, dim);
            x = put(buf, area, (x, 0), &text, style);
            if x < end {
                x = put(buf, area, (x, 0), " ", dim);
            }
        }
    }
}

/// Shown for as long as the log file is not written.
const NO_LOG: &str = "! no log";

impl Line<'_> {
    /// What is below the messages, or how to get help. Returns the column before it.
    fn right(&self, area: Rect, buf: &mut Buffer) -> usize {
        let width = usize::from(area.width);
        let roomy = width >= 60;
        let timeline = self.app.timeline();
        let selecting = timeline.is_selecting() && !self.app.search().is_typing();
        let keys = &self.app.options().keys;
        let behind = |text: String, does: &str| {
            let key = keys.key(Action::End).or_else(|| keys.key(Action::Newest));
            let key = key.map(|key| format!(", {key} {does} "));
            text + key.as_deref().unwrap_or(" ")
        };
        let (text, style) = match timeline.below() {
            _ if selecting && roomy => (self.selecting(), self.theme.warning()),
            Some(below) if below.new > 0 && roomy => (
                behind(format!(" ▼ {} new", below.new), "shows"),
                self.theme.loud(),
            ),
            Some(below) if below.new > 0 => (format!("▼ {} new", below.new), self.theme.loud()),
            Some(_) if timeline.is_fetching() && roomy => {
                (" ▲ fetching older lines ".into(), self.theme.warning())
            }
            Some(_) if roomy => (
                behind(" ▼ older lines".into(), "returns"),
                self.theme.warning(),
            ),
            Some(_) => ("▼ older".into(), self.theme.warning()),
            None if self.app.overtaken() > 0 && roomy => (
                format!(" {} new since you began to write ", self.app.overtaken()),
                self.theme.warning(),
            ),
            None if roomy => match keys.hint(Action::Help, "help") {
                Some(help) => (format!(" {help} "), theme::DIM),
                None => return width,
            },
            None => return width,
        };
        let margin = if width >= 40 { 2 } else { 0 };
        let x = width.saturating_sub(glyphs::width(&text) + margin);
        put(buf, area, (x, 0), &text, style);
        x
    }

    /// What can be done with the selected line.
    fn selecting(&self) -> String {
        let keys = &self.app.options().keys;
        let key = |action| {
            let key = keys.key_in(Mode::Selected, action);
            key.map(|key| key.to_string())
        };
        let find = [Action::Search, Action::FindOlder, Action::FindNewer];
        let find: Vec<_> = find.into_iter().filter_map(key).collect();
        let parts = [
            key(Action::CopyText).map(|key| format!("{key} copies")),
            key(Action::CopyTime).map(|key| format!("{key} its time")),
            (!find.is_empty()).then(|| format!("{} search", find.join(" "))),
            keys.key(Action::Leave).map(|key| key.to_string()),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        format!(" {} ", parts.join(" · "))
    }

    /// As many of the parts as fit into `room`: the state first, then that there is no log, the
    /// clock, what the state is about, and where the server is.
    fn parts(&self, room: usize) -> Vec<(String, Style)> {
        let status = self.app.status();
        let (health, short, rest) = status.words(self.app.now());
        let sign = match health {
            Health::Good => CONNECTED,
            Health::Waiting => "◌",
            Health::Bad => "✗",
        };
        let state = format!("{sign} {short}");
        let mut left = room.saturating_sub(glyphs::width(&state));
        // Takes a text, cut where there is room for at least so much of it.
        let mut take = |text: &str, least: usize| {
            let space = left.saturating_sub(3);
            let fits = glyphs::width(text) <= space || space >= least;
            let taken = (fits && !text.is_empty()).then(|| glyphs::fit(text, space).into_owned());
            left -= taken.as_deref().map_or(0, |taken| glyphs::width(taken) + 3);
            taken
        };
        let no_log = if status.has_no_log() { NO_LOG } else { "" };
        let no_log = take(no_log, usize::MAX);
        let clock = status.clock();
        let clock = take(&format!("Lamport {clock}"), usize::MAX)
            .or_else(|| take(&format!("L{clock}"), usize::MAX));
        let rest = take(&glyphs::safe(&rest), 13);
        let server = take(&glyphs::safe(status.server()), usize::MAX);

        let style = self.theme.health(health);
        let parts = [
            (no_log, self.theme.warning()),
            (rest, theme::TEXT),
            (server, theme::DIM),
            (clock, theme::TEXT),
        ];
        let parts = parts
            .into_iter()
            .filter_map(|(text, style)| Some((text?, style)));
        [(state, style)].into_iter().chain(parts).collect()
    }
}

/// A word to the user, above the line one writes in.
pub(super) struct HintLine<'a> {
    pub(super) app: &'a App,
    pub(super) theme: Theme,
}

impl Widget for HintLine<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        if self.app.search().is_typing() {
            return self.prompt(area, buf);
        }
        let Some(hint) = self.app.hint() else { return };
        let (sign, style) = if hint.error {
            ("✗ ", self.theme.error())
        } else {
            ("! ", self.theme.warning())
        };
        put(buf, area, (0, 0), sign, style);
        for (y, row) in self.app.hint_rows().iter().enumerate() {
            put(buf, area, (2, y), row, style);
        }
    }
}

const PROMPT: &str = "Search: ";

impl HintLine<'_> {
    /// Search: coffee                     found · Up older · Enter keeps · Esc back
    fn prompt(&self, area: Rect, buf: &mut Buffer) {
        let search = self.app.search();
        let (query, _) = query(self.app, area);
        let x = put(buf, area, (0, 0), PROMPT, theme::STRONG);
        let text = (query.as_str(), query.as_str());
        let x = put_said(buf, area, (x, 0), text, theme::TEXT, self.theme);
        let (state, style) = match search.outcome() {
            Outcome::None => (String::new(), theme::DIM),
            Outcome::Found => ("found · ".into(), theme::DIM),
            Outcome::Asking => ("looking further up … · ".into(), self.theme.warning()),
            Outcome::NoMore => ("✗ no more · ".into(), self.theme.error()),
            Outcome::Failed(why) => (format!("✗ {} · ", glyphs::safe(why)), self.theme.error()),
        };
        let room = usize::from(area.width).saturating_sub(x + 2);
        let map = &self.app.options().keys;
        let back = map.hint(Action::Leave, "back");
        let all = [
            map.hint(Action::Up, "older"),
            map.hint(Action::Down, "newer"),
            map.hint(Action::Send, "keeps it"),
            back.clone(),
        ];
        let all: Vec<_> = all.into_iter().flatten().collect();
        let keys = [all.join(" · "), back.unwrap_or_default()]
            .into_iter()
            .find(|keys| glyphs::width(&state) + glyphs::width(keys) <= room)
            .unwrap_or_default();
        let state = glyphs::fit(&state, room.saturating_sub(glyphs::width(&keys)));
        let width = glyphs::width(&state) + glyphs::width(&keys);
        let x = usize::from(area.width).saturating_sub(width).max(x + 1);
        let x = put(buf, area, (x, 0), &state, style);
        put(buf, area, (x, 0), &keys, theme::DIM);
    }
}

/// What is looked for, as it is shown, and the caret's column in it.
fn query(app: &App, area: Rect) -> (String, usize) {
    let room = usize::from(area.width).saturating_sub(PROMPT.len());
    glyphs::field(app.search().halves(), room)
}

/// Where the next character of the search comes.
pub(super) fn search_caret(app: &App) -> Option<Position> {
    let area = app.panes().hint;
    let (_, caret) = query(app, area);
    let x = u16::try_from(PROMPT.len() + caret).ok()?;
    let x = x.min(area.width.checked_sub(1)?);
    (area.height > 0).then(|| Position::new(area.x + x, area.y))
}
