//! What keys do.

use std::time::SystemTime;

use crossterm::event::{KeyEvent, KeyEventKind};

use super::{
    ActiveScreen, App, Edited, Effect, MainPane,
    commands::{self, ParsedLine},
    composer::Edit,
    help,
    keys::{Action, KeyChord},
    leaving::Leaving,
};
use crate::session::{SessionCommand, Ticket};

impl App {
    /// Handles a key. Returns whether the screen changed.
    pub(super) fn key(
        &mut self,
        key: KeyEvent,
        wall: SystemTime,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if key.kind == KeyEventKind::Release {
            return false;
        }
        let first = self.first.take();
        let keys = &self.options.keys;
        let action = match first {
            Some(first) => keys.after_prefix(first, key),
            None => keys.action(key),
        };
        let selected = keys.selected(key).filter(|_| first.is_none());
        let busy = self.composer.history_search().is_some();
        let before = self.leaving;
        let stays = self.leaving.stay();
        if stays {
            self.hint = None;
        }
        if !busy && self.reading_key(action, selected, effects) {
            return true;
        }
        let Some(action) = action else {
            if first.is_some() {
                // The key sequence was a mistake, so the key after it must not leave.
                self.closed();
            }
            // The hint about the previous key disappears.
            return (first.is_some() && self.hint.take().is_some()) || stays;
        };
        self.hint = None;
        match action {
            Action::Repaint => effects.push(Effect::Repaint),
            Action::Suspend => effects.push(Effect::Suspend),
            Action::Prefix(first) => self.await_second_key(first),
            _ if self.help.is_some() => self.help_key(action),
            Action::Help => self.help = Some(0),
            _ if self.screen == ActiveScreen::Join && self.join.trying() => {
                self.early_key(action, before, effects);
            }
            _ if self.screen == ActiveScreen::Join => self.join_key(action, before, effects),
            _ => self.chat_key(action, before, wall, effects),
        }
        true
    }

    /// Waits for the second key of a key sequence.
    fn await_second_key(&mut self, first: KeyChord) {
        self.first = Some(first);
        if self.screen == ActiveScreen::Chat {
            self.say(self.options.keys.offers(first), false);
        }
    }

    pub(super) fn paste(&mut self, text: &str, effects: &mut Vec<Effect>) -> bool {
        self.hint = None;
        self.leaving.stay();
        self.first = None;
        if self.help.is_some() {
            return true;
        }
        if self.is_messages_only() {
            // The user has to see where the text goes.
            self.show_messages_only(false, effects);
        }
        match self.screen {
            ActiveScreen::Join if !self.join.trying() => self.join.paste(text),
            ActiveScreen::Chat if self.composer.paste_query(text) => {}
            ActiveScreen::Join | ActiveScreen::Chat => {
                if !self.composer.paste(text) {
                    self.say("Only a part of what was pasted fits", true);
                }
            }
        }
        true
    }

    /// Takes the result of the user's editor.
    pub(super) fn edited(&mut self, edited: Result<Edited, String>) {
        match edited {
            Ok(Edited { text, whole }) => {
                self.composer.replace(&text);
                if let Some(file) = whole {
                    self.say(
                        format!("Only a part fits: all of it is in {file}"),
                        true,
                    );
                }
            }
            Err(why) => self.say(format!("The draft is as it was: {why}"), true),
        }
    }

    fn help_key(&mut self, action: Action) {
        let page = usize::from(self.size.1 / 2).max(1);
        let last = help::HelpPage::new(self.size.0, self.size.1, &self.options.keys).last_top();
        self.help = self.help.and_then(|top| match action {
            Action::Up | Action::Earlier | Action::RowUp => Some(top.saturating_sub(1)),
            Action::Down | Action::Later | Action::RowDown => Some((top + 1).min(last)),
            Action::PageUp => Some(top.saturating_sub(page)),
            Action::PageDown => Some((top + page).min(last)),
            Action::Home => Some(0),
            Action::End => Some(last),
            _ => None,
        });
        if self.help.is_none() {
            self.closed();
        }
    }

    fn join_key(&mut self, action: Action, before: Leaving, effects: &mut Vec<Effect>) {
        match action {
            Action::Send => self.try_name(effects),
            Action::Leave => self.escape(before, effects),
            Action::EndOfInput if self.join.name().is_empty() => self.leave(effects),
            Action::EndOfInput => self.join.edit(Edit::DeleteRight),
            Action::Home => self.join.edit(Edit::LineStart),
            Action::End => self.join.edit(Edit::LineEnd),
            Action::Edit(edit) => self.join.edit(edit),
            _ => {}
        }
    }

    /// A key while the server is asked for the name: text that is typed already becomes the draft.
    fn early_key(&mut self, action: Action, before: Leaving, effects: &mut Vec<Effect>) {
        match action {
            Action::Leave => self.escape(before, effects),
            Action::EndOfInput if self.composer.draft().is_empty() => self.leave(effects),
            Action::EndOfInput => self.edit(Edit::DeleteRight),
            Action::Newline => self.edit(Edit::Insert('\n')),
            Action::Home => self.edit(Edit::LineStart),
            Action::End => self.edit(Edit::LineEnd),
            Action::Edit(edit) => self.edit(edit),
            // Nothing is sent to a chat that the user has not seen.
            _ => {}
        }
    }

    fn chat_key(
        &mut self,
        action: Action,
        before: Leaving,
        wall: SystemTime,
        effects: &mut Vec<Effect>,
    ) {
        if self.composer.history_search().is_some() && self.history_search_key(action) {
            return;
        }
        let empty = self.composer.draft().is_empty();
        match action {
            Action::Send => self.send(wall, effects),
            Action::Leave => self.close_or_escape(before, effects),
            Action::Cancel => _ = self.close_topmost(),
            Action::EndOfInput if empty => self.quit(before.is_warned(), effects),
            Action::EndOfInput => self.edit(Edit::DeleteRight),
            Action::Newline => self.edit(Edit::Insert('\n')),
            Action::Edit(edit) => self.edit(edit),
            Action::Up => self.composer.up(),
            Action::Down => self.composer.down(),
            Action::Earlier => self.composer.earlier(),
            Action::Later => self.composer.later(),
            Action::SearchHistory => self.composer.search_history(),
            Action::Complete => self.complete(false),
            Action::CompleteBack => self.complete(true),
            Action::Editor => effects.push(Effect::Editor(self.composer.draft().to_owned())),
            Action::PageUp => self.timeline.page_up(),
            Action::PageDown => self.timeline.page_down(),
            Action::RowUp => self.timeline.up(1),
            Action::RowDown => self.timeline.down(1),
            Action::Home if empty => self.timeline.oldest(),
            Action::End if empty => self.go_to_newest(),
            Action::Home => self.edit(Edit::LineStart),
            Action::End => self.edit(Edit::LineEnd),
            Action::Diagram if self.pane == MainPane::Diagram => self.pane = MainPane::Messages,
            Action::Diagram => self.pane = MainPane::Diagram,
            // The others are taken by the reading, or before.
            _ => {}
        }
    }

    /// A key during a search of the history. Returns whether the key is done with: a key that is no
    /// part of the search takes the match and then does what it usually does.
    fn history_search_key(&mut self, action: Action) -> bool {
        match action {
            Action::SearchHistory => self.composer.search_history(),
            Action::SearchHistoryNewer => self.composer.search_history_newer(),
            // The line may be longer than its preview, so a first Enter shows it and does not send
            // it.
            Action::Send | Action::Complete => self.composer.take_found(),
            Action::Leave | Action::EndOfInput | Action::Cancel => _ = self.close_topmost(),
            // Scrolling does not touch the line.
            Action::PageUp | Action::PageDown | Action::RowUp | Action::RowDown => return false,
            Action::Edit(edit) if self.composer.edit_query(edit) => {}
            _ => {
                self.composer.take_found();
                return false;
            }
        }
        true
    }

    fn edit(&mut self, edit: Edit) {
        if !self.composer.edit(edit) {
            self.say("The line is full", true);
        }
    }

    fn complete(&mut self, back: bool) {
        let others = self.participants.iter().filter(|(_, own)| !own);
        if !self.composer.complete(back, others.map(|(name, _)| name)) {
            self.say("No name or command begins like this", false);
        }
    }

    fn send(&mut self, wall: SystemTime, effects: &mut Vec<Effect>) {
        if self.status.lost() {
            effects.push(Effect::Session(SessionCommand::Hurry));
        }
        match commands::parse(self.composer.draft()) {
            ParsedLine::Nothing => self.go_to_newest(),
            ParsedLine::Wrong(why) => self.say(why, true),
            ParsedLine::Help => {
                self.composer.take();
                self.help = Some(0);
            }
            ParsedLine::Time => {
                self.composer.take();
                self.timeline.note(self.recent.explain(), wall);
                self.go_to_newest();
            }
            ParsedLine::Who => {
                self.composer.take();
                for line in self.participants.list() {
                    self.timeline.note(line, wall);
                }
                self.go_to_newest();
            }
            ParsedLine::Clear => {
                self.composer.take();
                self.pane = MainPane::Messages;
                self.cancel_jump();
                self.timeline.clear();
            }
            ParsedLine::Search(text) => {
                self.composer.take();
                self.pane = MainPane::Messages;
                self.search_for(&text, effects);
            }
            ParsedLine::At(lamport) => {
                self.composer.take();
                self.pane = MainPane::Messages;
                self.go_to(lamport, effects);
            }
            ParsedLine::Quit => {
                self.composer.take();
                self.quit_by_word(effects);
            }
            ParsedLine::Message(_) if self.over.is_some() || self.leaving.is_under_way() => {
                let key = self.leave_key();
                let why = format!("Not sent: you are no longer in the chat, {key} leaves");
                self.say(why, true);
            }
            ParsedLine::Message(_) if !self.timeline.has_space() => {
                self.say("Not sent: too many lines wait for the server already", true);
            }
            ParsedLine::Message(text) => {
                self.composer.take();
                self.tickets += 1;
                let ticket = Ticket(self.tickets);
                self.cancel_jump();
                self.timeline.send(ticket, text.clone(), wall);
                effects.push(Effect::Session(SessionCommand::Publish { ticket, text }));
            }
        }
    }
}

#[cfg(test)]
mod tests;
