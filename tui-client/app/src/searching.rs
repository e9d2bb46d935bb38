//! Keys in the prompt of the search of the messages.

use super::{
    App, Effect,
    composer::{Edit, Editor},
    keys::Action,
    timeline::Direction,
};

impl App {
    pub(super) fn open_search(&mut self) {
        self.hint = None;
        self.chat.open_search();
    }

    /// Opens the search with this query.
    pub(super) fn search_for(&mut self, text: &str, effects: &mut Vec<Effect>) {
        self.open_search();
        if !text.is_empty() {
            self.paste_query(text, effects);
        }
    }

    /// A key while the prompt is open. It takes every key, even those without an action.
    pub(super) fn search_key(&mut self, action: Option<Action>, effects: &mut Vec<Effect>) {
        let Some(action) = action else { return };
        match action {
            Action::Send => self.chat.accept_search(),
            Action::Leave | Action::Cancel => {
                self.closed();
                self.chat.abandon_search(effects);
            }
            Action::Up | Action::Search | Action::Earlier | Action::SelectOlder => {
                self.search_on(Direction::Older, effects);
            }
            Action::Down | Action::Later | Action::SelectNewer => {
                self.search_on(Direction::Newer, effects);
            }
            Action::Home => self.edit_search(|line| _ = line.edit(Edit::LineStart), effects),
            Action::End => self.edit_search(|line| _ = line.edit(Edit::LineEnd), effects),
            Action::EndOfInput => {
                self.edit_search(|line| _ = line.edit(Edit::DeleteRight), effects);
            }
            // A query is one line.
            Action::Edit(Edit::Insert(c)) if c.is_control() => {}
            Action::Edit(edit) => self.edit_search(|line| _ = line.edit(edit), effects),
            // These have no meaning in a prompt. They do not close it either, so that a slip loses
            // nothing.
            Action::Newline
            | Action::Help
            | Action::Diagram
            | Action::Repaint
            | Action::SearchHistory
            | Action::SearchHistoryNewer
            | Action::Complete
            | Action::CompleteBack
            | Action::Editor
            | Action::Suspend
            | Action::Prefix(_)
            | Action::PageUp
            | Action::PageDown
            | Action::RowUp
            | Action::RowDown
            | Action::FindOlder
            | Action::FindNewer
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

    /// Pastes into the query, which is one line.
    pub(super) fn paste_query(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        self.edit_search(|line| _ = line.insert(&text), effects);
    }

    fn edit_search(&mut self, change: impl FnOnce(&mut Editor), effects: &mut Vec<Effect>) {
        let hint = self.chat.edit_search(change, &self.options.keys, effects);
        self.change_hint(hint);
    }

    /// Goes to the next match in this direction.
    pub(super) fn search_on(&mut self, direction: Direction, effects: &mut Vec<Effect>) {
        let hint = self.chat.search_on(direction, &self.options.keys, effects);
        self.change_hint(hint);
    }
}
