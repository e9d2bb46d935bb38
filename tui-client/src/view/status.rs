//! The status line between the messages and the draft: state, clock, and what is below.

use chitty_app::{
    App, Tone,
    keys::{Action, KeyContext},
    search::SearchOutcome,
    status::Health,
    timeline::{Below, Direction, Fetching},
};
use chitty_chat::signs::CONNECTED;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    widgets::Widget,
};

use super::{Theme, glyphs, put, put_said, theme};

/// The status line: `── ◉ connected · 127.0.0.1:50051 · Lamport 12 ───────── F1 help ──`.
pub(super) struct StatusLine<'a> {
    pub(super) app: &'a App,
    pub(super) theme: Theme,
}

impl Widget for StatusLine<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let dim = theme::DIM;
        put(buf, area, (0, 0), &"─".repeat(width), dim);
        // The joint with the rule beside the participants.
        if let Some(side) = self.app.side() {
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
            // At the edge the space would be wasted.
            let before = if x == 0 { "" } else { before };
            x = put(buf, area, (x, 0), before, dim);
            x = put(buf, area, (x, 0), &text, style);
            if x < end {
                x = put(buf, area, (x, 0), " ", dim);
            }
        }
    }
}

/// The smallest width of the state with its margins, in columns.
const LEAST: usize = 17;

/// How many of the new messages mention the user.
fn mentions(mentions: usize) -> String {
    match mentions {
        0 => String::new(),
        1 => ", 1 mentions you".into(),
        mentions => format!(", {mentions} mention you"),
    }
}

/// The warning while the log file cannot be written.
const NO_LOG: &str = "! no log";

impl StatusLine<'_> {
    /// Draws what is below the messages, or the key of the help. Returns the column before it.
    fn right(&self, area: Rect, buf: &mut Buffer) -> usize {
        let width = usize::from(area.width);
        let spacious = width >= 60;
        let timeline = self.app.timeline();
        let selecting = timeline.is_selecting() && !self.app.search().is_typing();
        let keys = &self.app.options().keys;
        let covered = self.app.covered_mentions();
        // What concerns the user comes first: mentions, then the keys of what is selected, then
        // news, then help.
        let (text, style) = match timeline.below() {
            Some(below) if below.mentions > 0 => (self.news(below, width), self.theme.mention()),
            _ if covered > 0 => (self.covered(covered), self.theme.mention()),
            _ if selecting && spacious => (self.selecting(), self.theme.warning()),
            Some(below) if below.new > 0 => (self.news(below, width), self.theme.loud()),
            Some(_) if spacious => match timeline.fetching() {
                Some(Fetching::Older) => (" ▲ fetching older lines ".into(), self.theme.warning()),
                Some(Fetching::Newer) => (" ▼ fetching newer lines ".into(), self.theme.warning()),
                None => (self.down(" ▼ newer lines", "returns"), self.theme.warning()),
            },
            Some(_) => ("▼ newer".into(), self.theme.warning()),
            None if self.app.new_since_draft() > 0 && spacious => (
                format!(
                    " {} new since you began to write ",
                    self.app.new_since_draft()
                ),
                self.theme.warning(),
            ),
            None if spacious => match keys.hint(Action::Help, "help") {
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

    /// What has arrived below, with the key that goes there if it fits.
    fn news(&self, below: Below, width: usize) -> String {
        let text = format!("▼ {} new{}", below.new, mentions(below.mentions));
        let space = width.saturating_sub(LEAST);
        match below.mentions {
            _ if width >= 60 => self.down(&format!(" {text}"), "shows"),
            1.. if glyphs::width(&text) > space => format!("▼ {} @you", below.mentions),
            _ => text,
        }
    }

    /// How many messages mentioned the user while the diagram covered them.
    fn covered(&self, mentions: u64) -> String {
        let keys = &self.app.options().keys;
        let back = keys.hint(Action::Diagram, "shows");
        let back = back.map(|back| format!(", {back}")).unwrap_or_default();
        let mention = if mentions == 1 {
            "line mentions"
        } else {
            "lines mention"
        };
        format!(" {mentions} {mention} you{back} ")
    }

    /// Adds the key that goes to the newest line. With a draft, End moves within the draft instead.
    fn down(&self, text: &str, does: &str) -> String {
        let keys = &self.app.options().keys;
        let end = keys
            .key(Action::End)
            .filter(|_| self.app.composer().draft().is_empty());
        let key = end.or_else(|| keys.key(Action::Newest));
        let key = key.map(|key| format!(", {key} {does}")).unwrap_or_default();
        format!("{text}{key} ")
    }

    /// What can be done with the selected line.
    fn selecting(&self) -> String {
        let keys = &self.app.options().keys;
        let key = |action| {
            let key = keys.key_in(KeyContext::Selected, action);
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

    /// As many parts as fit into `space`, in this order: the state, a missing log, the clock, the
    /// details of the state, the address of the server.
    fn parts(&self, space: usize) -> Vec<(String, Style)> {
        let status = self.app.status();
        let (health, short, rest) = status.words(self.app.now());
        let sign = match health {
            Health::Good => CONNECTED,
            Health::Waiting => "◌",
            Health::Bad => "✗",
        };
        let state = format!("{sign} {short}");
        let mut left = space.saturating_sub(glyphs::width(&state));
        // Takes a text; it is cut if at least `least` columns are left.
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
        // While the alarm has rows of its own, the details would be repeated here.
        let alarmed = self.app.panes().alarm.height > 0;
        let rest = if alarmed { String::new() } else { rest };
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

/// The hint above the draft.
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
        let (sign, style) = if hint.tone == Tone::Error {
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
    /// Draws the prompt: `Search: coffee         found · Up older · Enter keeps · Esc back`.
    fn prompt(&self, area: Rect, buf: &mut Buffer) {
        let (query, _) = query(self.app, area);
        let x = put(buf, area, (0, 0), PROMPT, theme::STRONG);
        let text = (query.as_str(), query.as_str());
        let x = put_said(buf, area, (x, 0), text, theme::TEXT, self.theme);
        let space = usize::from(area.width).saturating_sub(x + 2);
        let map = &self.app.options().keys;
        let (state, style) = self.outcome(space);
        let state = if state.is_empty() {
            state
        } else {
            state + " · "
        };
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
            .find(|keys| glyphs::width(&state) + glyphs::width(keys) <= space)
            .unwrap_or_default();
        let state = glyphs::fit(&state, space.saturating_sub(glyphs::width(&keys)));
        let width = glyphs::width(&state) + glyphs::width(&keys);
        let x = usize::from(area.width).saturating_sub(width).max(x + 1);
        let x = put(buf, area, (x, 0), &state, style);
        put(buf, area, (x, 0), &keys, theme::DIM);
    }
}

/// The query as it is shown, and the caret's column in it.
fn query(app: &App, area: Rect) -> (String, usize) {
    let space = usize::from(area.width).saturating_sub(PROMPT.len());
    glyphs::field(app.search().halves(), space)
}

impl HintLine<'_> {
    /// How the search ended, in a text that fits.
    fn outcome(&self, space: usize) -> (String, Style) {
        let (search, theme) = (self.app.search(), self.theme);
        let keys = &self.app.options().keys;
        let older = search.direction() == Direction::Older;
        match search.outcome() {
            SearchOutcome::None => (String::new(), theme::DIM),
            SearchOutcome::Found => ("found".into(), theme::DIM),
            SearchOutcome::Wrapped if older => ("found from the newest on".into(), theme.warning()),
            SearchOutcome::Wrapped => ("found from the oldest on".into(), theme.warning()),
            SearchOutcome::Only => ("the only one".into(), theme.warning()),
            SearchOutcome::Asking if older => ("searching further up …".into(), theme.warning()),
            SearchOutcome::Asking => ("searching further down …".into(), theme.warning()),
            SearchOutcome::NoMore => {
                let (none, end, key) = if older {
                    ("no older one", "newest", keys.key(Action::Up))
                } else {
                    ("no newer one", "oldest", keys.key(Action::Down))
                };
                let on = key.map(|key| format!("{none}: {key} goes on from the {end}"));
                let fitting = on.filter(|on| glyphs::width(on) <= space);
                (fitting.unwrap_or_else(|| none.into()), theme.warning())
            }
            SearchOutcome::Nothing => ("✗ nothing found".into(), theme.error()),
            SearchOutcome::Failed(why) => (format!("✗ {}", glyphs::safe(why)), theme.error()),
        }
    }
}

/// The position of the caret in the search prompt.
pub(super) fn search_caret(app: &App) -> Option<Position> {
    let area = app.panes().hint;
    let (_, caret) = query(app, area);
    let x = u16::try_from(PROMPT.len() + caret).ok()?;
    let x = x.min(area.width.checked_sub(1)?);
    (area.height > 0).then(|| Position::new(area.x + x, area.y))
}
