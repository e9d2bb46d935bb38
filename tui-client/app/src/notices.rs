//! Applies the session's notices to the state: those about the chat to the chat, those about the
//! connection to the status line.

use std::time::SystemTime;

use chitty_chat::logging::LogNews;

use super::{ActiveScreen, App, Effect, ExitReason, keys::Action};
use crate::port::{Ended, Link, Notice, WelcomeNotice};

impl App {
    /// Applies a notice. Returns whether the screen changed.
    pub(super) fn notice(
        &mut self,
        notice: Notice,
        wall: SystemTime,
        effects: &mut Vec<Effect>,
    ) -> bool {
        match notice {
            Notice::Link(link) => {
                if link == Link::StartingServer {
                    let note = "No server was running on this machine: one is started, in the \
                                background. It ends by itself after the last has left.";
                    self.chat.timeline.note(note.to_owned(), wall);
                }
                if link == Link::Live {
                    self.chat.link_is_live(wall);
                }
                self.status.link(link, self.now);
            }
            Notice::Clock { clock, moved } => {
                self.chat.clock_moved(clock, moved);
                self.status.clock_is(clock);
            }
            Notice::Refused(refusal) => {
                self.join.refused(&refusal, self.now);
                self.screen = ActiveScreen::Join;
                self.help = None;
            }
            Notice::Welcome(welcome) => self.welcome(welcome, wall, effects),
            Notice::Event {
                event,
                clock,
                own,
                live,
            } => {
                self.status.clock_is(clock);
                // The alert comes first: the event itself may move the newest line off the screen.
                if live {
                    self.alert(&event, effects);
                }
                self.chat.event(event, clock, own, live, self.now);
            }
            Notice::Rejected { ticket, reason } => {
                let back = self.options.keys.hint(Action::Up, "brings it back");
                let back = back.map(|back| format!(" ({back})")).unwrap_or_default();
                self.chat.rejected(ticket, format!("{reason}{back}"), wall);
            }
            Notice::Accepted { ticket, position } => self.chat.accepted(ticket, position, wall),
            Notice::History {
                page,
                events,
                start,
            } => {
                let keys = &self.options.keys;
                let hint = self.chat.history(page, &events, start, keys, effects);
                self.change_hint(hint);
            }
            Notice::Ended(ended) => self.ended(ended, effects),
        }
        true
    }

    /// Reports a log file that cannot be written at once, and shows it until it can.
    pub(super) fn log_news(&mut self, news: &LogNews, wall: SystemTime) {
        self.status.log_fails(matches!(news, LogNews::Fails(_)));
        let mut text = news.to_string();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        self.chat.timeline.note(format!("{text}."), wall);
    }

    fn welcome(&mut self, welcome: WelcomeNotice, wall: SystemTime, effects: &mut Vec<Effect>) {
        if self.options.mouse && !self.chat.is_welcomed() {
            effects.push(Effect::Mouse(true));
        }
        self.chat.welcome(&welcome, wall);
        self.status.clock_is(welcome.clock);
        self.status.server_is(welcome.server);
        self.screen = ActiveScreen::Chat;
    }

    fn ended(&mut self, ended: Ended, effects: &mut Vec<Effect>) {
        let quit = match &ended {
            _ if self.leaving.is_under_way() => Some(ExitReason::Left),
            Ended::Left => Some(ExitReason::Left),
            // There is nothing to see on screen: the reason goes to the terminal, where it can be
            // read and piped.
            Ended::Failed(_) | Ended::Removed(_) if !self.chat.is_welcomed() => {
                Some(self.outcome(ended.clone()))
            }
            _ => None,
        };
        effects.extend(quit.map(Effect::Quit));
        if self.chat.is_welcomed() {
            self.screen = ActiveScreen::Chat;
        }
        self.status.ended(ended.clone());
        self.chat.end(ended);
    }
}
