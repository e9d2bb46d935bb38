//! What the view reads from the app.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

use ratatui_core::layout::Rect;

use super::{
    ActiveScreen, App, Hint, MainPane, composer::Composer, join::JoinForm, layout::Panes,
    options::Options, participants::Participants, recent::Recent, search::Search, status::Status,
    timeline::Timeline, wrap,
};
use crate::glyphs;

/// The columns of the alarm's sign and margins.
const ALARM_MARGIN: usize = 4;

impl App {
    /// The screen that is shown.
    pub fn screen(&self) -> ActiveScreen {
        self.screen
    }

    /// The join screen.
    pub fn join(&self) -> &JoinForm {
        &self.join
    }

    /// The composer with the draft.
    pub fn composer(&self) -> &Composer {
        &self.chat.composer
    }

    /// The messages.
    pub fn timeline(&self) -> &Timeline {
        &self.chat.timeline
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn timeline_mut(&mut self) -> &mut Timeline {
        &mut self.chat.timeline
    }

    /// The participants.
    pub fn participants(&self) -> &Participants {
        &self.chat.participants
    }

    /// The state of the link.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The newest events, if their diagram is on screen.
    pub fn diagram(&self) -> Option<&Recent> {
        (self.pane == MainPane::Diagram).then_some(self.chat.recent())
    }

    /// The participants pane, if it is on screen: the diagram leaves no space for it.
    pub fn side(&self) -> Option<Rect> {
        self.panes
            .participants
            .filter(|_| self.pane == MainPane::Messages)
    }

    /// How many messages of others have come since the draft was begun.
    pub fn new_since_draft(&self) -> u64 {
        self.chat.new_since_draft()
    }

    /// The search of the messages.
    pub fn search(&self) -> &Search {
        self.chat.search()
    }

    /// The user's preferences.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether only the messages are shown.
    pub fn is_messages_only(&self) -> bool {
        self.pane == MainPane::MessagesOnly
    }

    /// The accepted name; empty before the first welcome.
    pub fn name(&self) -> &str {
        self.chat.name()
    }

    /// The hint, if there is one.
    pub fn hint(&self) -> Option<&Hint> {
        self.hint.as_ref()
    }

    /// The first visible row of the help, while it is open.
    pub fn help(&self) -> Option<usize> {
        self.help
    }

    /// The positions of the panes.
    pub fn panes(&self) -> Panes {
        self.panes
    }

    /// Time since the start, as of the last input.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The rows of the hint, broken to the screen's width.
    pub fn hint_rows(&self) -> Vec<String> {
        let columns = usize::from(self.size.0).saturating_sub(2);
        if self.chat.search().is_typing() {
            // The prompt of the search takes the row.
            return vec![String::new()];
        }
        self.hint
            .as_ref()
            .map(|hint| wrap::rows(&hint.text, columns, 0))
            .unwrap_or_default()
    }

    /// The rows of the alarm, broken to the screen's width.
    pub fn alarm_rows(&self) -> Vec<String> {
        let columns = usize::from(self.size.0).saturating_sub(ALARM_MARGIN);
        let Some(mut alarm) = self.status.alarm(self.now) else {
            return Vec::new();
        };
        match self.chat.timeline.pending() {
            _ if self.chat.is_over() => _ = write!(alarm, " · {} leaves", self.leave_key()),
            0 => {}
            1 => alarm.push_str(" · 1 line waits"),
            lines => _ = write!(alarm, " · {lines} lines wait"),
        }
        // The parts after the reason are kept whole.
        let mut parts = alarm.split(" · ");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let _ = write!(text, " ·\u{a0}{}", part.replace(' ', "\u{a0}"));
        }
        let rows = wrap::rows(&glyphs::safe(&text), columns, 0);
        // Between two rows nothing has to be divided.
        let rows = rows.iter().map(|row| row.trim_start_matches("·\u{a0}"));
        rows.map(|row| row.replace('\u{a0}', " ")).collect()
    }

    /// The prompt before the draft, safe to show: the user's name, or the purpose of the line.
    pub fn prompt(&self) -> Cow<'_, str> {
        if self.chat.composer.history_search().is_some() {
            "search".into()
        } else {
            glyphs::safe(self.chat.name())
        }
    }
}
