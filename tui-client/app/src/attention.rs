//! What reaches the user outside the screen: the window's title, the bell, notifications.

use std::time::Duration;

use chitty_chat::{Event, EventKind};

use super::{ActiveScreen, App, Effect, MainPane};
use crate::glyphs;

/// The shortest time between two alerts.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest notification, in columns.
const NOTIFICATION: usize = 160;
/// The longest title, in columns.
const TITLE: usize = 80;

/// What came while the terminal window did not have the keyboard.
#[derive(Debug, Default)]
pub(super) struct Attention {
    away: bool,
    unread: u64,
    mentioned: bool,
    covered: u64,
    alerted: Option<Duration>,
    title: String,
}

impl App {
    /// Takes the news that the terminal window got or lost the keyboard. Returns whether the screen
    /// changed.
    pub(super) fn focus(&mut self, focused: bool, effects: &mut Vec<Effect>) -> bool {
        if self.attention.away != focused {
            return false;
        }
        self.attention.away = !focused;
        (self.attention.unread, self.attention.mentioned) = (0, false);
        self.update_title(effects);
        !focused && self.chat.timeline.begin_unread()
    }

    /// Whether the newest line is on screen.
    fn sees_the_newest(&self) -> bool {
        let covered = self.help.is_some() || self.pane == MainPane::Diagram;
        self.screen == ActiveScreen::Chat && !covered && self.chat.timeline.below().is_none()
    }

    /// Resets the counter of covered mentions if the messages are on screen again.
    pub(super) fn uncover(&mut self) {
        if self.pane != MainPane::Diagram && self.help.is_none() {
            self.attention.covered = 0;
        }
    }

    /// How many messages mentioned the user while the diagram covered the messages.
    pub fn covered_mentions(&self) -> u64 {
        self.attention.covered
    }

    /// Takes note of a live message, and alerts the user if it mentions them and they cannot see it.
    pub(super) fn alert(&mut self, event: &Event, effects: &mut Vec<Effect>) {
        let EventKind::Message { author, text, .. } = &event.kind else {
            return;
        };
        let away = self.attention.away;
        if (!away && self.sees_the_newest()) || author.as_ref() == self.chat.name() {
            return;
        }
        self.attention.unread += u64::from(away);
        if !self.chat.timeline.speaks_to_user(event) {
            return;
        }
        self.attention.mentioned |= away;
        self.attention.covered += u64::from(self.pane == MainPane::Diagram);
        let waited = |at| self.now.saturating_sub(at) >= PAUSE;
        if self.attention.alerted.is_none_or(waited) {
            self.attention.alerted = Some(self.now);
            if self.options.bell {
                effects.push(Effect::Bell);
            }
            if away && self.options.notify {
                let said = format!("{}: {}", glyphs::safe(author), glyphs::safe(text));
                let said = glyphs::fit(&said, NOTIFICATION).into_owned();
                effects.push(Effect::Notify(said));
            }
        }
    }

    /// Sets the window's title if it changed.
    pub(super) fn update_title(&mut self, effects: &mut Vec<Effect>) {
        if !self.options.title || !self.chat.is_welcomed() {
            return;
        }
        let mut title = match self.attention.unread {
            0 => String::new(),
            unread if self.attention.mentioned => format!("({unread}!) "),
            unread => format!("({unread}) "),
        };
        title.push_str("Chitty-Chat");
        title.push_str(" · ");
        title.push_str(&glyphs::safe(self.chat.name()));
        let title = glyphs::fit(&title, TITLE).into_owned();
        if title != self.attention.title {
            self.attention.title.clone_from(&title);
            effects.push(Effect::Title(title));
        }
    }
}
