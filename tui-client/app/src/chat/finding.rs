//! Searching the messages of a chat, and what the outcome means for the user.

use chitty_chat::text::caseless::Needle;

use super::{
    ChatState, HintChange,
    history::{OnArrival, request},
};
use crate::{
    Effect,
    composer::Editor,
    keys::{Action, KeyContext, Keymap},
    search::{self, Search, SearchOrigin, SearchOutcome},
    timeline::Direction,
};

impl ChatState {
    /// The search of the messages.
    pub(crate) fn search(&self) -> &Search {
        &self.search
    }

    /// Opens the prompt of the search. The search begins where the user reads.
    pub(crate) fn open_search(&mut self) {
        self.cancel_jump();
        let here = match self.timeline.selected_position() {
            None if self.timeline.below().is_some() => self.timeline.newest_on_screen(),
            selected => selected,
        };
        self.search.open(here.map(|position| SearchOrigin {
            position,
            time: self.timeline.lamport_of(position),
            place: self.timeline.place(),
        }));
    }

    /// Edits the query, and searches for it if its text changed.
    pub(crate) fn edit_search(
        &mut self,
        change: impl FnOnce(&mut Editor),
        keys: &Keymap,
        effects: &mut Vec<Effect>,
    ) -> HintChange {
        if self.search.edit(change) {
            self.search_on(Direction::Older, keys, effects)
        } else {
            HintChange::Keep
        }
    }

    /// Goes to the next match in this direction.
    pub(crate) fn search_on(
        &mut self,
        direction: Direction,
        keys: &Keymap,
        effects: &mut Vec<Effect>,
    ) -> HintChange {
        if self.search.query().is_empty() {
            self.timeline.highlight(Needle::default());
            return HintChange::Keep;
        }
        let page = self.search.step(&mut self.timeline, direction);
        request(page, search::PAGE, effects);
        self.report_outcome(keys, effects)
    }

    /// Closes the prompt at the match; without one, there is nothing to search further.
    pub(crate) fn accept_search(&mut self) {
        self.search.accept();
        if !self.timeline.is_selecting() {
            self.end_search();
        }
    }

    /// Ends the search, and goes back to where the user was before it.
    pub(crate) fn abandon_search(&mut self, effects: &mut Vec<Effect>) {
        self.back_to_origin(effects);
        self.end_search();
    }

    /// Ends the search and removes its highlights.
    pub(crate) fn end_search(&mut self) {
        self.search.end();
        self.timeline.highlight(Needle::default());
    }

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

    /// How a search ended, as a hint, if its prompt, which would show it, is closed.
    pub(super) fn report_outcome(
        &mut self,
        keys: &Keymap,
        effects: &mut Vec<Effect>,
    ) -> HintChange {
        if self.search.is_typing() && *self.search.outcome() == SearchOutcome::Nothing {
            self.back_to_origin(effects);
        }
        if self.search.is_typing() || self.search.query().is_empty() {
            return HintChange::Keep;
        }
        let query = self.search.query();
        match (self.search.outcome(), self.search.direction()) {
            (SearchOutcome::None | SearchOutcome::Found, _) => HintChange::Clear,
            (SearchOutcome::Asking, Direction::Older) => HintChange::info("Searching further up …"),
            (SearchOutcome::Asking, Direction::Newer) => {
                HintChange::info("Searching further down …")
            }
            (SearchOutcome::Wrapped, Direction::Older) => {
                HintChange::info("Found again from the newest line on")
            }
            (SearchOutcome::Wrapped, Direction::Newer) => {
                HintChange::info("Found again from the oldest line on")
            }
            (SearchOutcome::Only, _) => HintChange::info(format!("No other line has {query:?}")),
            (SearchOutcome::NoMore, direction) => HintChange::info(no_more(query, direction, keys)),
            (SearchOutcome::Nothing, _) => HintChange::error(format!("No line has {query:?}")),
            (SearchOutcome::Failed(why), _) => HintChange::error(format!("Not found: {why}")),
        }
    }
}

/// Says that this end of the chat is reached, and which key continues from the other end.
fn no_more(query: &str, direction: Direction, keys: &Keymap) -> String {
    let (which, end, action) = match direction {
        Direction::Older => ("older", "newest", Action::FindOlder),
        Direction::Newer => ("newer", "oldest", Action::FindNewer),
    };
    let key = keys.key_in(KeyContext::Selected, action);
    let on = key.map(|key| format!(": {key} again goes on from the {end}"));
    format!("No {which} line has {query:?}{}", on.unwrap_or_default())
}
