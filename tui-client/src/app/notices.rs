//! Applies the session's notices to the state.

use std::time::SystemTime;

use chitty_chat::logging::LogNews;

use super::{ActiveScreen, App, Effect, ExitReason, keys::Action};
use crate::session::{Ended, Link, Notice, WelcomeNotice};

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
                    self.timeline.note(note.to_owned(), wall);
                }
                if link == Link::Live {
                    self.caught_up(wall);
                    self.timeline.retry_pages();
                }
                self.status.link(link, self.now);
            }
            Notice::Clock { clock, moved } => {
                self.recent.moved(clock, moved);
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
                self.participants.fade(self.now);
                if live {
                    self.participants.apply(&event, self.now);
                }
                self.recent.event(&event, clock, live);
                // The user's own lines do not interrupt a draft, and history that comes with the Welcome is
                // no news to one that was begun before it.
                if live && own.is_none() {
                    self.new_since_draft.event(&event);
                }
                if live {
                    self.alert(&event, effects);
                }
                self.timeline.event(event, own);
            }
            Notice::Rejected { ticket, reason } => {
                let back = self.options.keys.hint(Action::Up, "brings it back");
                let back = back.map(|back| format!(" ({back})")).unwrap_or_default();
                let reason = format!("{reason}{back}");
                if let Some(text) = self.timeline.reject(ticket, reason, wall) {
                    self.composer.remember(text);
                }
            }
            Notice::Accepted { ticket, position } => {
                self.timeline.accept(ticket, position, wall);
            }
            Notice::History {
                page,
                events,
                start,
            } => self.history(page, &events, start, effects),
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
        self.timeline.note(format!("{text}."), wall);
    }

    /// Reports how much happened while the link was down.
    fn caught_up(&mut self, wall: SystemTime) {
        match std::mem::take(&mut self.missed) {
            0 => {}
            1 => self
                .timeline
                .note("Caught up: 1 event came meanwhile.".into(), wall),
            events => {
                let note = format!("Caught up: {events} events came meanwhile.");
                self.timeline.note(note, wall);
            }
        }
    }

    fn welcome(&mut self, welcome: WelcomeNotice, wall: SystemTime, effects: &mut Vec<Effect>) {
        // After another log the timeline says itself what is missing.
        if self.welcomed && !welcome.another_log {
            self.missed = welcome.head.next().get().saturating_sub(welcome.next.get());
        }
        if welcome.another_log {
            self.search.restart();
            self.jump = None;
        }
        self.timeline.welcome(&welcome, wall);
        self.recent.welcome(&welcome);
        self.participants.welcome(&welcome);
        self.status.clock_is(welcome.clock);
        self.status.server_is(welcome.server);
        self.name = welcome.name.to_string();
        if self.options.mouse && !self.welcomed {
            effects.push(Effect::Mouse(true));
        }
        self.welcomed = true;
        self.screen = ActiveScreen::Chat;
    }

    fn ended(&mut self, ended: Ended, effects: &mut Vec<Effect>) {
        let quit = match &ended {
            _ if self.leaving.is_under_way() => Some(ExitReason::Left),
            Ended::Left => Some(ExitReason::Left),
            // There is nothing to see on screen: the reason goes to the terminal, where it can be
            // read and piped.
            Ended::Failed(_) | Ended::Removed(_) if !self.welcomed => {
                Some(self.outcome(ended.clone()))
            }
            _ => None,
        };
        effects.extend(quit.map(Effect::Quit));
        self.participants.clear();
        self.screen = if self.welcomed {
            ActiveScreen::Chat
        } else {
            self.screen
        };
        self.status.ended(ended.clone());
        self.over = Some(ended);
    }
}
