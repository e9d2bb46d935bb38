//! The rule between what was said and what is being written: state, clock, what is below.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, widgets::Widget};

use super::{Theme, glyphs, put};
use crate::app::{App, Hint, status::Health};

/// ── ● connected · 127.0.0.1:50051 · Lamport 12 ───────── F1 help ──
pub(super) struct Line<'a> {
    pub(super) app: &'a App,
    pub(super) theme: &'a Theme,
}

impl Widget for Line<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let dim = self.theme.dim();
        put(buf, area, (0, 0), &"─".repeat(width), dim);
        if let Some(side) = self.app.panes().participants {
            let joint = width.saturating_sub(side.width.into());
            put(buf, area, (joint, 0), "┴", dim);
        }

        let end = self.right(area, buf);
        let lead = if width >= 40 { 2 } else { 0 };
        let mut x = lead;
        for (index, (text, style)) in self
            .parts(end.saturating_sub(lead + 2))
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

impl Line<'_> {
    /// What is below the messages, or how to get help. Returns the column before it.
    fn right(&self, area: Rect, buf: &mut Buffer) -> usize {
        let width = usize::from(area.width);
        let wide = width >= 40;
        let (text, style) = match self.app.timeline().below() {
            Some(below) if below.new > 0 && wide => (
                format!(" ▼ {} new, End shows ", below.new),
                self.theme.loud(),
            ),
            Some(below) if below.new > 0 => (format!("▼ {} new", below.new), self.theme.loud()),
            Some(_) if wide => (" ▼ older lines, End returns ".into(), self.theme.warning()),
            Some(_) => ("▼ older".into(), self.theme.warning()),
            None if wide => (" F1 help ".into(), self.theme.dim()),
            None => return width,
        };
        let margin = if wide { 2 } else { 0 };
        let x = width.saturating_sub(glyphs::width(&text) + margin);
        put(buf, area, (x, 0), &text, style);
        x
    }

    /// As many of the parts as fit, the most important ones; the state first.
    fn parts(&self, room: usize) -> Vec<(String, Style)> {
        let (theme, status) = (self.theme, self.app.status());
        let (health, short, rest) = status.words(self.app.now());
        let sign = match health {
            Health::Good => '●',
            Health::Waiting => '◌',
            Health::Bad => '✗',
        };
        let state = (format!("{sign} {short}"), theme.health(health));
        let rest = (glyphs::safe(&rest).into_owned(), theme.text());
        let server = (glyphs::safe(status.server()).into_owned(), theme.dim());
        let clock = (format!("Lamport {}", status.clock()), theme.text());

        let width = |part: &(String, Style)| glyphs::width(&part.0);
        let mut left = room.saturating_sub(width(&state) + 1);
        let mut keep = |part: &(String, Style)| {
            let needed = width(part) + 3;
            let fits = !part.0.is_empty() && needed <= left;
            left -= if fits { needed } else { 0 };
            fits
        };
        // A reason for trouble may be long: it is cut rather than left out.
        let clock_fits = keep(&clock);
        let room_for_rest = room.saturating_sub(width(&state) + width(&clock) + 7);
        let rest = (glyphs::fit(&rest.0, room_for_rest).into_owned(), rest.1);
        let rest_fits = keep(&rest);
        let server_fits = keep(&server);

        let mut parts = vec![state];
        parts.extend(rest_fits.then_some(rest));
        parts.extend(server_fits.then_some(server));
        parts.extend(clock_fits.then_some(clock));
        parts
    }
}

/// A word to the user, above the line one writes in.
pub(super) struct HintLine<'a> {
    pub(super) hint: Option<&'a Hint>,
    pub(super) theme: &'a Theme,
}

impl Widget for HintLine<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let Some(hint) = self.hint else { return };
        let (sign, style) = if hint.error {
            ("✗ ", self.theme.error())
        } else {
            ("! ", self.theme.warning())
        };
        let x = put(buf, area, (0, 0), sign, style);
        let text = glyphs::safe(&hint.text);
        let room = usize::from(area.width).saturating_sub(x);
        put(buf, area, (x, 0), &glyphs::fit(&text, room), style);
    }
}
