//! Keys in the chat's draft, in the help and on the join screen, and what sending a line does.

use std::time::SystemTime;

use super::{
    App, Edited, Effect, MainPane, Tone,
    commands::{self, ParsedLine},
    composer::{CompletionStep, Edit},
    help,
    keys::Action,
    leaving::Leaving,
};
use crate::port::{SessionCommand, Ticket};

impl App {
    /// Takes the result of the user's editor.
    pub(super) fn edited(&mut self, edited: Result<Edited, String>) {
        match edited {
            Ok(Edited { text, whole }) => {
                self.chat.timeline.deselect();
                self.chat.composer.replace(&text);
                if let Some(file) = whole {
                    self.say(
                        format!("Only a part fits: all of it is in {file}"),
                        Tone::Error,
                    );
                }
            }
            Err(why) => self.say(format!("The draft is as it was: {why}"), Tone::Error),
        }
    }

    pub(super) fn help_key(&mut self, action: Action) {
        let page = usize::from(self.size.1 / 2).max(1);
        let last = help::HelpPage::new(self.size.0, self.size.1, &self.options.keys).last_top();
        self.help = self.help.and_then(|top| match action {
            Action::Up | Action::Earlier | Action::RowUp => Some(top.saturating_sub(1)),
            Action::Down | Action::Later | Action::RowDown => Some((top + 1).min(last)),
            Action::PageUp => Some(top.saturating_sub(page)),
            // The space bar as in a pager: no message begins with a space.
            Action::PageDown | Action::Edit(Edit::Insert(' ')) => Some((top + page).min(last)),
            Action::Home => Some(0),
            Action::End => Some(last),
            // Any other key closes the help.
            _ => None,
        });
        if self.help.is_none() {
            self.closed();
        }
    }

    /// A key on the join screen.
    pub(super) fn join_key(&mut self, action: Action, before: Leaving, effects: &mut Vec<Effect>) {
        match action {
            Action::Send => self.try_name(effects),
            Action::Leave => self.escape(before, effects),
            Action::EndOfInput if self.join.name().is_empty() => self.leave(effects),
            Action::EndOfInput => self.join.edit(Edit::DeleteRight),
            Action::Home => self.join.edit(Edit::LineStart),
            Action::End => self.join.edit(Edit::LineEnd),
            Action::Edit(edit) => self.join.edit(edit),
            // There is no chat on this screen, and a name has neither lines nor completions. The
            // first four are done in every mode.
            Action::Repaint
            | Action::Suspend
            | Action::Prefix(_)
            | Action::Help
            | Action::Newline
            | Action::Cancel
            | Action::Diagram
            | Action::Up
            | Action::Down
            | Action::Earlier
            | Action::Later
            | Action::SearchHistory
            | Action::SearchHistoryNewer
            | Action::Complete
            | Action::CompleteBack
            | Action::Editor
            | Action::PageUp
            | Action::PageDown
            | Action::RowUp
            | Action::RowDown
            | Action::Search
            | Action::FindOlder
            | Action::FindNewer
            | Action::SelectOlder
            | Action::SelectNewer
            | Action::CopyText
            | Action::CopyTime
            | Action::Oldest
            | Action::Newest
            | Action::Participants
            | Action::ParticipantsUp
            | Action::ParticipantsDown
            | Action::MessagesOnly
            | Action::Mouse
            | Action::Expand => {}
        }
    }

    /// A key while the server is asked for the name: text that is typed already becomes the draft.
    pub(super) fn joining_key(
        &mut self,
        action: Action,
        before: Leaving,
        effects: &mut Vec<Effect>,
    ) {
        match action {
            Action::Leave => self.escape(before, effects),
            Action::EndOfInput if self.chat.composer.draft().is_empty() => self.leave(effects),
            Action::EndOfInput => self.edit(Edit::DeleteRight),
            Action::Newline => self.edit(Edit::Insert('\n')),
            Action::Home => self.edit(Edit::LineStart),
            Action::End => self.edit(Edit::LineEnd),
            Action::Edit(edit) => self.edit(edit),
            // Nothing is sent to a chat that the user has not seen.
            Action::Send if !self.chat.composer.draft().is_empty() => {
                let key = self.options.keys.hint(Action::Send, "sends it");
                let key = key.map(|key| format!(": {key}")).unwrap_or_default();
                self.say(
                    format!("Not sent before you were in the chat{key}"),
                    Tone::Info,
                );
            }
            // There is nothing to read yet. The first four are done in every mode.
            Action::Repaint
            | Action::Suspend
            | Action::Prefix(_)
            | Action::Help
            | Action::Send
            | Action::Cancel
            | Action::Diagram
            | Action::Up
            | Action::Down
            | Action::Earlier
            | Action::Later
            | Action::SearchHistory
            | Action::SearchHistoryNewer
            | Action::Complete
            | Action::CompleteBack
            | Action::Editor
            | Action::PageUp
            | Action::PageDown
            | Action::RowUp
            | Action::RowDown
            | Action::Search
            | Action::FindOlder
            | Action::FindNewer
            | Action::SelectOlder
            | Action::SelectNewer
            | Action::CopyText
            | Action::CopyTime
            | Action::Oldest
            | Action::Newest
            | Action::Participants
            | Action::ParticipantsUp
            | Action::ParticipantsDown
            | Action::MessagesOnly
            | Action::Mouse
            | Action::Expand => {}
        }
    }

    /// A key of the chat that [`Self::reading_key`] has not taken.
    pub(super) fn chat_key(
        &mut self,
        action: Action,
        before: Leaving,
        wall: SystemTime,
        effects: &mut Vec<Effect>,
    ) {
        let empty = self.chat.composer.draft().is_empty();
        match action {
            Action::Send => self.send(wall, effects),
            Action::Leave => self.close_or_escape(before, effects),
            Action::Cancel => _ = self.close_topmost(),
            Action::EndOfInput if empty => self.quit(before.is_warned(), effects),
            Action::EndOfInput => self.edit(Edit::DeleteRight),
            Action::Newline => self.edit(Edit::Insert('\n')),
            Action::Edit(edit) => self.edit(edit),
            Action::Up => self.chat.composer.up(),
            Action::Down => self.chat.composer.down(),
            Action::Earlier => self.chat.composer.earlier(),
            Action::Later => self.chat.composer.later(),
            Action::SearchHistory => self.chat.composer.search_history(),
            Action::Complete => self.complete(CompletionStep::Next),
            Action::CompleteBack => self.complete(CompletionStep::Previous),
            Action::Editor => effects.push(Effect::Editor(self.chat.composer.draft().to_owned())),
            Action::PageUp => self.chat.timeline.page_up(),
            Action::PageDown => self.chat.timeline.page_down(),
            Action::RowUp => self.chat.timeline.up(1),
            Action::RowDown => self.chat.timeline.down(1),
            Action::Home if empty => self.chat.timeline.oldest(),
            Action::End if empty => self.chat.go_to_newest(),
            Action::Home => self.edit(Edit::LineStart),
            Action::End => self.edit(Edit::LineEnd),
            Action::Diagram if self.pane == MainPane::Diagram => self.pane = MainPane::Messages,
            Action::Diagram => {
                // Nothing is done to a line that is not on screen.
                self.chat.timeline.deselect();
                self.pane = MainPane::Diagram;
            }
            // The first four are done in every mode, and the fifth only in a search of the history. The
            // others are taken by `reading_key` or `selecting_key`: one that comes here has just
            // closed the search of the history, or brought the other panes back, and does no more.
            Action::Repaint
            | Action::Suspend
            | Action::Prefix(_)
            | Action::Help
            | Action::SearchHistoryNewer
            | Action::Search
            | Action::FindOlder
            | Action::FindNewer
            | Action::SelectOlder
            | Action::SelectNewer
            | Action::CopyText
            | Action::CopyTime
            | Action::Oldest
            | Action::Newest
            | Action::Participants
            | Action::ParticipantsUp
            | Action::ParticipantsDown
            | Action::MessagesOnly
            | Action::Mouse
            | Action::Expand => {}
        }
    }

    /// A key during a search of the history. Returns whether the key is done with: a key that is no
    /// part of the search takes the match and then does what it usually does.
    pub(super) fn history_search_key(&mut self, action: Action) -> bool {
        match action {
            Action::SearchHistory => self.chat.composer.search_history(),
            Action::SearchHistoryNewer => self.chat.composer.search_history_newer(),
            // The line may be longer than its preview, so a first Enter shows it and does not send
            // it.
            Action::Send | Action::Complete => self.chat.composer.take_found(),
            Action::Leave | Action::EndOfInput | Action::Cancel => _ = self.close_topmost(),
            // Scrolling does not touch the line.
            Action::PageUp | Action::PageDown | Action::RowUp | Action::RowDown => return false,
            Action::Edit(edit) if self.chat.composer.edit_query(edit) => {}
            _ => {
                self.chat.composer.take_found();
                return false;
            }
        }
        true
    }

    fn edit(&mut self, edit: Edit) {
        if !self.chat.composer.edit(edit) {
            self.say("The line is full", Tone::Error);
        }
    }

    fn complete(&mut self, step: CompletionStep) {
        let others = self.chat.participants.iter().filter(|(_, own)| !own);
        if !self
            .chat
            .composer
            .complete(step, others.map(|(name, _)| name))
        {
            self.say("No name or command begins like this", Tone::Info);
        }
    }

    fn send(&mut self, wall: SystemTime, effects: &mut Vec<Effect>) {
        if self.status.lost() {
            effects.push(Effect::Session(SessionCommand::Hurry));
        }
        match commands::parse(self.chat.composer.draft()) {
            ParsedLine::Nothing => self.chat.go_to_newest(),
            ParsedLine::Wrong(why) => self.say(why, Tone::Error),
            ParsedLine::Help => {
                self.chat.composer.take();
                self.help = Some(0);
            }
            ParsedLine::Time => {
                self.chat.composer.take();
                self.chat.explain_clock(wall);
            }
            ParsedLine::Who => {
                self.chat.composer.take();
                self.chat.list_participants(wall);
            }
            ParsedLine::Clear => {
                self.chat.composer.take();
                self.pane = MainPane::Messages;
                self.chat.clear();
            }
            ParsedLine::Search(text) => {
                self.chat.composer.take();
                self.pane = MainPane::Messages;
                self.search_for(&text, effects);
            }
            ParsedLine::At(lamport) => {
                self.chat.composer.take();
                self.pane = MainPane::Messages;
                self.chat.go_to(lamport, effects);
            }
            ParsedLine::Quit => {
                self.chat.composer.take();
                self.quit_by_word(effects);
            }
            ParsedLine::Message(_) if self.chat.is_over() || self.leaving.is_under_way() => {
                let key = self.leave_key();
                let why = format!("Not sent: you are no longer in the chat, {key} leaves");
                self.say(why, Tone::Error);
            }
            ParsedLine::Message(_) if !self.chat.timeline.has_space() => {
                self.say(
                    "Not sent: too many lines wait for the server already",
                    Tone::Error,
                );
            }
            ParsedLine::Message(text) => {
                self.chat.composer.take();
                self.tickets += 1;
                let ticket = Ticket(self.tickets);
                self.chat.send(ticket, text.clone(), wall);
                effects.push(Effect::Session(SessionCommand::Publish { ticket, text }));
            }
        }
    }
}

#[cfg(test)]
mod tests;
