//! The prompt of the search of the messages, and what its outcome means for the user.

use chitty_chat::text::caseless::Needle;

use super::{
    App, Effect, Tone,
    composer::{Edit, Editor},
    keys::{Action, KeyContext},
    reading::{OnArrival, request},
    search::{self, SearchOrigin, SearchOutcome},
    timeline::Direction,
};

impl App {
    pub(super) fn open_search(&mut self) {
        self.cancel_jump();
        let here = match self.timeline.selected_position() {
            None if self.timeline.below().is_some() => self.timeline.newest_on_screen(),
            selected => selected,
        };
        self.hint = None;
        self.search.open(here.map(|position| SearchOrigin {
            position,
            time: self.timeline.lamport_of(position),
            place: self.timeline.place(),
        }));
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
            Action::Send => {
                self.search.accept();
                if !self.timeline.is_selecting() {
                    self.end_search();
                }
            }
            Action::Leave | Action::Cancel => {
                self.closed();
                self.back_to_origin(effects);
                self.end_search();
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
        if self.search.edit(change) {
            self.search_on(Direction::Older, effects);
        }
    }

    /// Goes to the next match in this direction.
    pub(super) fn search_on(&mut self, direction: Direction, effects: &mut Vec<Effect>) {
        if self.search.query().is_empty() {
            self.timeline.highlight(Needle::default());
            return;
        }
        let page = self.search.step(&mut self.timeline, direction);
        request(page, search::PAGE, effects);
        self.report_outcome(effects);
    }

    /// Ends the search and removes its highlights.
    pub(super) fn end_search(&mut self) {
        self.search.end();
        self.timeline.highlight(Needle::default());
    }

    /// Goes back to where the user was before the search.
    fn back_to_origin(&mut self, effects: &mut Vec<Effect>) {
        self.timeline.deselect();
        let Some(origin) = self.search.origin() else {
            return self.timeline.follow();
        };
        match (origin.place, origin.time) {
            (Some(place), _) if self.timeline.go_back(place) => {}
            (_, Some(time)) if !self.timeline.has(origin.position) => {
                self.jump_to(time, OnArrival::Show, effects);
            }
            _ => self.timeline.jump(&[], false, origin.position),
        }
    }

    /// Shows how a search ended as a hint, if its prompt, which would show it, is closed.
    pub(super) fn report_outcome(&mut self, effects: &mut Vec<Effect>) {
        if self.search.is_typing() && *self.search.outcome() == SearchOutcome::Nothing {
            self.back_to_origin(effects);
        }
        if self.search.is_typing() || self.search.query().is_empty() {
            return;
        }
        let query = self.search.query();
        let direction = self.search.direction();
        let (text, tone) = match (self.search.outcome(), direction) {
            (SearchOutcome::None | SearchOutcome::Found, _) => return self.hint = None,
            (SearchOutcome::Asking, Direction::Older) => {
                ("Searching further up …".into(), Tone::Info)
            }
            (SearchOutcome::Asking, Direction::Newer) => {
                ("Searching further down …".into(), Tone::Info)
            }
            (SearchOutcome::Wrapped, Direction::Older) => {
                ("Found again from the newest line on".into(), Tone::Info)
            }
            (SearchOutcome::Wrapped, Direction::Newer) => {
                ("Found again from the oldest line on".into(), Tone::Info)
            }
            (SearchOutcome::Only, _) => (format!("No other line has {query:?}"), Tone::Info),
            (SearchOutcome::NoMore, _) => {
                let (which, end, action) = match direction {
                    Direction::Older => ("older", "newest", Action::FindOlder),
                    Direction::Newer => ("newer", "oldest", Action::FindNewer),
                };
                let key = self.options.keys.key_in(KeyContext::Selected, action);
                let on = key.map(|key| format!(": {key} again goes on from the {end}"));
                let on = on.unwrap_or_default();
                (format!("No {which} line has {query:?}{on}"), Tone::Info)
            }
            (SearchOutcome::Nothing, _) => (format!("No line has {query:?}"), Tone::Error),
            (SearchOutcome::Failed(why), _) => (format!("Not found: {why}"), Tone::Error),
        };
        self.say(text, tone);
    }
}
