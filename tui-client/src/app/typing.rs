//! What the keys do.

use std::time::SystemTime;

use crossterm::event::KeyEvent;
use tui_input::InputRequest;

use super::{
    App, Effect, Screen,
    commands::{self, Line},
    help,
    keys::{self, Action},
};
use crate::session::{Command, Ticket};

impl App {
    /// Returns whether the screen changed.
    pub(super) fn key(
        &mut self,
        key: KeyEvent,
        wall: SystemTime,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.reading_key(key, effects) {
            return true;
        }
        let Some(action) = keys::action(key) else {
            return false;
        };
        self.hint = None;
        let warned = std::mem::take(&mut self.warned);
        if action == Action::Repaint {
            effects.push(Effect::Repaint);
        } else if self.help.is_some() {
            self.help_key(action);
        } else if action == Action::Help {
            self.help = Some(0);
        } else if self.screen == Screen::Join {
            self.join_key(action, effects);
        } else {
            self.chat_key(action, warned, wall, effects);
        }
        true
    }

    pub(super) fn paste(&mut self, text: &str) -> bool {
        self.hint = None;
        self.warned = false;
        if self.help.is_some() {
            return true;
        }
        match self.screen {
            Screen::Join => self.join.paste(text),
            Screen::Chat => {
                if !self.composer.paste(text) {
                    self.say("Only a part of what was pasted fits", true);
                }
            }
        }
        true
    }

    fn help_key(&mut self, action: Action) {
        let page = usize::from(self.size.1 / 2).max(1);
        let last = help::Page::new(self.size.0, self.size.1).last_top();
        self.help = self.help.and_then(|top| match action {
            Action::Earlier | Action::RowUp => Some(top.saturating_sub(1)),
            Action::Later | Action::RowDown => Some((top + 1).min(last)),
            Action::PageUp => Some(top.saturating_sub(page)),
            Action::PageDown => Some((top + page).min(last)),
            Action::Home => Some(0),
            Action::End => Some(last),
            _ => None,
        });
    }

    fn join_key(&mut self, action: Action, effects: &mut Vec<Effect>) {
        match action {
            Action::Send => self.try_name(effects),
            Action::Escape => self.leave(effects),
            Action::EndOfInput if self.join.name().is_empty() => self.leave(effects),
            Action::EndOfInput => self.join.edit(InputRequest::DeleteNextChar),
            Action::Home => self.join.edit(InputRequest::GoToStart),
            Action::End => self.join.edit(InputRequest::GoToEnd),
            Action::Edit(request) => self.join.edit(request),
            _ => {}
        }
    }

    fn chat_key(
        &mut self,
        action: Action,
        warned: bool,
        wall: SystemTime,
        effects: &mut Vec<Effect>,
    ) {
        let empty = self.composer.draft().is_empty();
        match action {
            Action::Send => self.send(wall, effects),
            Action::Escape => self.escape(warned, effects),
            Action::EndOfInput if empty => self.leave(effects),
            Action::EndOfInput => self.edit(InputRequest::DeleteNextChar),
            Action::Newline => self.edit(InputRequest::InsertChar('\n')),
            Action::Edit(request) => self.edit(request),
            Action::Earlier => self.composer.earlier(),
            Action::Later => self.composer.later(),
            Action::PageUp => self.timeline.page_up(),
            Action::PageDown => self.timeline.page_down(),
            Action::RowUp => self.timeline.up(1),
            Action::RowDown => self.timeline.down(1),
            Action::Home if empty => self.timeline.oldest(),
            Action::End if empty => self.timeline.follow(),
            Action::Home => self.edit(InputRequest::GoToStart),
            Action::End => self.edit(InputRequest::GoToEnd),
            // The others are taken by the reading, or before.
            _ => {}
        }
    }

    fn edit(&mut self, request: InputRequest) {
        if !self.composer.edit(request) {
            self.say("The line is full", true);
        }
    }

    fn escape(&mut self, warned: bool, effects: &mut Vec<Effect>) {
        let lost = if !self.composer.draft().is_empty() {
            "What you wrote is not sent"
        } else if self.over.is_none() && self.lines_would_stay() {
            "The lines marked … are not sent"
        } else {
            return self.leave(effects);
        };
        if warned {
            self.leave(effects);
        } else {
            self.warned = true;
            self.say(format!("{lost}: Esc again leaves without it"), false);
        }
    }

    /// Leaving waits for the outcome of a line that is under way, but not for the link, nor for a
    /// server that wants fewer of them.
    fn lines_would_stay(&self) -> bool {
        let pending = self.timeline.pending();
        pending > 1 || (pending > 0 && !self.status.live())
    }

    fn send(&mut self, wall: SystemTime, effects: &mut Vec<Effect>) {
        if self.status.lost() {
            effects.push(Effect::Session(Command::Hurry));
        }
        match commands::parse(self.composer.draft()) {
            Line::Nothing => self.timeline.follow(),
            Line::Wrong(why) => self.say(why, true),
            Line::Help => {
                self.composer.take();
                self.help = Some(0);
            }
            Line::At(lamport) => {
                self.composer.take();
                self.go_to(lamport, effects);
            }
            Line::Quit => {
                self.composer.take();
                self.leave(effects);
            }
            Line::Message(_) if self.over.is_some() || self.leave_by.is_some() => {
                self.say("Not sent: you are no longer in the chat, Esc leaves", true);
            }
            Line::Message(_) if !self.timeline.has_room() => {
                self.say("Not sent: too many lines wait for the server already", true);
            }
            Line::Message(text) => {
                self.composer.take();
                self.tickets += 1;
                let ticket = Ticket(self.tickets);
                self.timeline.send(ticket, text.clone(), wall);
                effects.push(Effect::Session(Command::Publish { ticket, text }));
            }
        }
    }
}
