//! Draws an [`App`] with one small widget for each pane. The cost of a frame depends only on the
//! visible rows.

mod alarm;
mod ascii;
mod aside;
mod depth;
mod diagram;
mod help;
mod input;
mod join;
mod messages;
mod participants;
mod status;
mod theme;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use chitty_app::{ActiveScreen, App, glyphs};
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    widgets::Widget,
};

pub use self::{
    depth::Depth,
    messages::Hyperlink,
    theme::{Palette, Theme},
};

/// Draws the app and places the cursor. Returns the hyperlinks, for which a buffer has no place.
pub fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>) -> Vec<Hyperlink> {
    let mut links = Vec::new();
    let caret = render(app, theme, frame.buffer_mut(), &mut links);
    if let Some(caret) = caret {
        frame.set_cursor_position(caret);
    }
    links
}

/// Draws the app into a buffer. Returns the position of the caret.
pub(crate) fn render(
    app: &App,
    theme: Theme,
    buf: &mut Buffer,
    links: &mut Vec<Hyperlink>,
) -> Option<Position> {
    let caret = panes(app, theme, buf, links);
    if theme.is_ascii() {
        ascii::in_ascii(buf);
    }
    caret
}

fn panes(
    app: &App,
    theme: Theme,
    buf: &mut Buffer,
    links: &mut Vec<Hyperlink>,
) -> Option<Position> {
    let screen = *buf.area();
    // After a resize the buffer and the app's layout may differ for a moment.
    let area = |rect: Rect| rect.intersection(screen);
    let panes = app.panes();
    let caret = match app.screen() {
        ActiveScreen::Join => {
            let widget = join::JoinScreen { app, theme };
            let caret = widget.caret(area(panes.screen));
            widget.render(area(panes.screen), buf);
            caret
        }
        ActiveScreen::Chat => {
            main_panes(app, theme, area, links, buf);
            alarm::Alarm { app, theme }.render(area(panes.alarm), buf);
            status::StatusLine { app, theme }.render(area(panes.status), buf);
            let composer = app.composer();
            if let Some(history_search) = composer.history_search() {
                aside::FoundLine {
                    history_search,
                    theme,
                }
                .render(area(panes.hint), buf);
            } else if let Some(completion) = composer.completion() {
                aside::Offers { completion, theme }.render(area(panes.hint), buf);
            } else {
                status::HintLine { app, theme }.render(area(panes.hint), buf);
            }
            let widget = input::InputLine::new(app, theme, panes.input);
            let caret = widget.caret();
            widget.render(area(panes.input), buf);
            // There is no caret while only the messages are shown.
            if app.is_messages_only() {
                None
            } else if app.search().is_typing() {
                status::search_caret(app)
            } else {
                Some(caret)
            }
        }
    };
    // Last, because it covers everything, hyperlinks included.
    if let Some(top) = app.help() {
        let keys = &app.options().keys;
        help::HelpOverlay { top, keys, theme }.render(screen, buf);
        links.clear();
        return None;
    }
    caret.filter(|&caret| screen.contains(caret))
}

/// Draws the messages and the participants, or the diagram in their place.
fn main_panes(
    app: &App,
    theme: Theme,
    area: impl Fn(Rect) -> Rect,
    links: &mut Vec<Hyperlink>,
    buf: &mut Buffer,
) {
    let panes = app.panes();
    if let Some(recent) = app.diagram() {
        let both = Rect {
            width: panes.screen.width,
            ..panes.messages
        };
        diagram::DiagramPane {
            recent,
            name: app.name(),
            participants: app.participants(),
            keys: &app.options().keys,
            theme,
        }
        .render(area(both), buf);
        return;
    }
    messages::Messages {
        timeline: app.timeline(),
        participants: app.participants(),
        theme,
        links,
    }
    .render(area(panes.messages), buf);
    if let Some(side) = panes.participants {
        participants::ParticipantsPane { app, theme }.render(area(side), buf);
    }
}

/// Writes text at a column of an area's row, as far as it fits. Returns the column after it.
///
/// The text must be safe already.
fn put(buf: &mut Buffer, area: Rect, (x, y): (usize, usize), text: &str, style: Style) -> usize {
    let (Ok(column), Ok(row)) = (u16::try_from(x), u16::try_from(y)) else {
        return x;
    };
    let area = area.intersection(*buf.area());
    if column >= area.width || row >= area.height {
        return x;
    }
    let space = usize::from(area.width - column);
    let (end, _) = buf.set_stringn(area.x + column, area.y + row, text, space, style);
    usize::from(end - area.x)
}

/// Writes a participant's text as it is `shown`: it may be cut, with a sign after it. Returns the
/// column after it.
fn put_said(
    buf: &mut Buffer,
    area: Rect,
    (x, y): (usize, usize),
    (shown, whole): (&str, &str),
    style: Style,
    theme: Theme,
) -> usize {
    let is_whole = shown.starts_with(whole);
    let cut = shown.rfind('…').filter(|_| !is_whole);
    let (said, sign) = shown.split_at(cut.unwrap_or(shown.len()));
    let end = put(buf, area, (x, y), said, theme.said(style));
    put(buf, area, (end, y), sign, style)
}
