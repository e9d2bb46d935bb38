//! What the view shows of the app.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

use ratatui::layout::Rect;

use super::{
    ActiveScreen, App, Hint, MainPane, composer::Composer, join::JoinForm, layout::Panes,
    options::Options, participants::Participants, recent::Recent, search::Search, status::Status,
    timeline::Timeline, wrap,
};
use crate::view::glyphs;

/// The sign of an alarm, and what is around it.
const ALARM_MARGIN: usize = 4;

impl App {
    /// What is on screen.
    pub fn screen(&self) -> ActiveScreen {
        self.screen
    }

    /// The join screen.
    pub fn join(&self) -> &JoinForm {
        &self.join
    }

    /// The draft.
    pub fn composer(&self) -> &Composer {
        &self.composer
    }

    /// What was said.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    #[cfg(test)]
    pub(crate) fn timeline_mut(&mut self) -> &mut Timeline {
        &mut self.timeline
    }

    /// Who is present.
    pub fn participants(&self) -> &Participants {
        &self.participants
    }

    /// How the link is doing.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The newest events, where their diagram is on screen.
    pub fn diagram(&self) -> Option<&Recent> {
        (self.pane == MainPane::Diagram).then_some(&self.recent)
    }

    /// The participants' pane, if it is on screen: the diagram leaves no room for it.
    pub fn side(&self) -> Option<Rect> {
        self.panes
            .participants
            .filter(|_| self.pane == MainPane::Messages)
    }

    /// How many messages of others have come since the draft was begun.
    pub fn new_since_draft(&self) -> u64 {
        self.new_since_draft.count()
    }

    /// What is searched for.
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// What the user likes.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether only the messages are shown.
    pub fn is_messages_only(&self) -> bool {
        self.pane == MainPane::MessagesOnly
    }

    /// The accepted name; empty before the first welcome.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A word to the user.
    pub fn hint(&self) -> Option<&Hint> {
        self.hint.as_ref()
    }

    /// The first row of the help on screen, while it is open.
    pub fn help(&self) -> Option<usize> {
        self.help
    }

    /// Where the panes are.
    pub fn panes(&self) -> Panes {
        self.panes
    }

    /// Time since the start, as of the last input.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The rows of the hint, in the screen's width.
    pub fn hint_rows(&self) -> Vec<String> {
        let columns = usize::from(self.size.0).saturating_sub(2);
        if self.search.is_typing() {
            // Its prompt.
            return vec![String::new()];
        }
        self.hint
            .as_ref()
            .map(|hint| wrap::rows(&hint.text, columns, 0))
            .unwrap_or_default()
    }

    /// What must not be overlooked, in the screen's width.
    pub fn alarm_rows(&self) -> Vec<String> {
        let columns = usize::from(self.size.0).saturating_sub(ALARM_MARGIN);
        let Some(mut alarm) = self.status.alarm(self.now) else {
            return Vec::new();
        };
        match self.timeline.pending() {
            _ if self.over.is_some() => _ = write!(alarm, " · {} leaves", self.leave_key()),
            0 => {}
            1 => alarm.push_str(" · 1 line waits"),
            lines => _ = write!(alarm, " · {lines} lines wait"),
        }
        // What stands behind the reason is not broken.
        let mut parts = alarm.split(" · ");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let _ = write!(text, " · {}", part.replace(' ', "\u{a0}"));
        }
        let rows = wrap::rows(&glyphs::safe(&text), columns, 0);
        rows.iter().map(|row| row.replace('\u{a0}', " ")).collect()
    }

    /// What stands before the line being written, safe to show: whose it is, or what it is for.
    pub fn prompt(&self) -> Cow<'_, str> {
        if self.composer.history_search().is_some() {
            "search".into()
        } else {
            glyphs::safe(&self.name)
        }
    }
}
