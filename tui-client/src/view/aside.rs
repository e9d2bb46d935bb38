//! The row above the draft while something is open: the match of a history search, or the offered
//! completions.

use chitty_app::composer::{Completion, HistoryMatch};
use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget};

use super::{Theme, glyphs, put, put_said, theme};

/// The line that a history search has found.
pub(super) struct FoundLine<'a> {
    pub(super) history_search: HistoryMatch<'a>,
    pub(super) theme: Theme,
}

impl Widget for FoundLine<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let HistoryMatch { query, found, end } = self.history_search;
        let Some((line, place)) = found else {
            let (sign, text, style) = if query.is_empty() {
                ("! ", "Write a part of a line that you sent", theme::DIM)
            } else {
                (
                    "✗ ",
                    "No line that you sent has this in it",
                    self.theme.error(),
                )
            };
            let x = put(buf, area, (0, 0), sign, style);
            let space = usize::from(area.width).saturating_sub(x);
            put(buf, area, (x, 0), &glyphs::fit(text, space), style);
            return;
        };
        let sign = if end { "✗ no other: " } else { "↑ " };
        let mut x = put(buf, area, (0, 0), sign, self.theme.warning());
        let width = usize::from(area.width);
        let part = |range| glyphs::safe(&line[range]).into_owned();
        let (mut before, within) = (part(0..place.start), part(place.clone()));
        // The match itself is always visible, with as much of the text before it as fits.
        let least = glyphs::width(&within).min(width.saturating_sub(x)) + 1;
        let space = width.saturating_sub(x + least);
        if glyphs::width(&before) > space {
            let fitted = fit_end(&before, space);
            if fitted.is_some() {
                x = put(buf, area, (x, 0), "…", theme::TEXT);
            }
            before = fitted.unwrap_or_default();
        }
        for (text, style) in [
            (before, theme::TEXT),
            (within, self.theme.found()),
            (part(place.end..line.len()), theme::TEXT),
        ] {
            let space = width.saturating_sub(x);
            let fitted = glyphs::fit(&text, space);
            x = put_said(buf, area, (x, 0), (&fitted, &text), style, self.theme);
        }
    }
}

/// As much of the end of a text as fits into `columns` after an ellipsis; `None` if not even the
/// ellipsis fits.
fn fit_end(text: &str, columns: usize) -> Option<String> {
    let mut space = glyphs::width(text);
    let mut rest = text;
    while space + 1 > columns {
        let (first, width) = glyphs::graphemes(rest).next()?;
        rest = &rest[first.len()..];
        space = space.saturating_sub(width);
    }
    Some(rest.to_owned())
}

/// The offered names or commands.
pub(super) struct Offers<'a> {
    pub(super) completion: &'a Completion,
    pub(super) theme: Theme,
}

impl Widget for Offers<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let offers = self.completion.offers();
        let taken = self.completion.taken();
        let width = usize::from(area.width);
        let cell = |offer: &String| glyphs::width(&glyphs::safe(offer)) + 2;
        // The chosen offer is visible; offers before it are dropped until it fits.
        let mut first = 0;
        let until = taken.map_or(0, |taken| taken + 1);
        while first + 1 < until && offers[first..until].iter().map(cell).sum::<usize>() > width {
            first += 1;
        }
        let mut x = 0;
        for (index, offer) in offers.iter().enumerate().skip(first) {
            let name = glyphs::safe(offer);
            let chosen = taken == Some(index);
            let (sign, style) = if chosen {
                ("›", self.theme.warning())
            } else {
                (" ", theme::DIM)
            };
            if x + cell(offer) > width && index > first {
                put(
                    buf,
                    area,
                    (x.min(width.saturating_sub(1)), 0),
                    "…",
                    theme::DIM,
                );
                break;
            }
            x = put(buf, area, (x, 0), sign, style);
            let fitted = glyphs::fit(&name, width.saturating_sub(x));
            x = put_said(buf, area, (x, 0), (&fitted, &name), style, self.theme);
            x += 1;
        }
    }
}
