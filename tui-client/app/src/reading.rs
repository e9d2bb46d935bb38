//! Keys in the messages: scrolling, selecting, copying.

use super::{
    App, Effect, MainPane, Tone, composer::Edit, keys::Action, mode::KeyPress, timeline::Direction,
};

impl App {
    /// A key that is about reading. Returns whether the key is done with.
    pub(super) fn reading_key(
        &mut self,
        action: Option<Action>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(action) = action else { return false };
        if action.moves() {
            self.chat.cancel_jump();
        }
        // These are about the messages, and nothing is done to them behind the diagram.
        if self.pane == MainPane::Diagram
            && (action.scrolls() || matches!(action, Action::Search | Action::SelectOlder))
        {
            self.pane = MainPane::Messages;
        }
        match action {
            Action::Search => self.open_search(),
            Action::SelectOlder => self.chat.timeline.select_older(),
            // Nothing is selected, so there is nothing below it.
            Action::SelectNewer => {}
            Action::Newest => self.chat.go_to_newest(),
            Action::Oldest => self.chat.go_to_oldest(effects),
            Action::Home if self.chat.composer.draft().is_empty() => {
                self.chat.go_to_oldest(effects);
            }
            Action::Participants => self.options.participants = !self.options.participants,
            Action::ParticipantsUp => return self.page_participants(-1),
            Action::ParticipantsDown => return self.page_participants(1),
            Action::MessagesOnly if self.is_messages_only() => self.show_all_panes(effects),
            Action::MessagesOnly => self.show_messages_only(effects),
            Action::Mouse => self.toggle_mouse(effects),
            Action::Expand => {
                let expanded = !self.chat.timeline.expanded();
                self.chat.timeline.expand(expanded);
            }
            Action::PageUp | Action::RowUp => {
                self.chat.fetch_history();
                return false;
            }
            _ => return false,
        }
        self.hint = None;
        true
    }

    /// A key while a line is selected. Returns whether the key is done with.
    pub(super) fn selecting_key(&mut self, press: KeyPress, effects: &mut Vec<Effect>) -> bool {
        if press.action.is_some_and(Action::moves) {
            self.chat.cancel_jump();
        }
        self.hint = None;
        match press.typed() {
            Some(c) if press.on_selection.is_some() => self.letters.push(c, self.now),
            Some(_) => {}
            None => self.letters.clear(),
        }
        let Some(action) = press.on_selection.or(press.action) else {
            return false;
        };
        match action {
            Action::SelectOlder => self.chat.timeline.select_older(),
            Action::SelectNewer => {
                if !self.chat.timeline.select_newer() {
                    self.chat.timeline.deselect();
                }
            }
            Action::CopyText => self.copy(
                self.chat.timeline.selected_text(),
                "The text is in the clipboard, if the terminal allows it",
                effects,
            ),
            Action::CopyTime => {
                let reference = self.chat.timeline.selected_reference();
                let said = reference
                    .as_ref()
                    .map(|reference| format!("Copied: {reference}"));
                self.copy(reference, &said.unwrap_or_default(), effects);
            }
            Action::Search => self.open_search(),
            Action::FindOlder => self.search_on(Direction::Older, effects),
            Action::FindNewer => self.search_on(Direction::Newer, effects),
            Action::Leave | Action::Cancel => {
                self.closed();
                self.chat.timeline.deselect();
                self.chat.end_search();
            }
            // The user begins to write, so the selection has served its purpose: Enter sends again.
            Action::Edit(_)
            | Action::Newline
            | Action::Complete
            | Action::CompleteBack
            | Action::SearchHistory => {
                self.chat.timeline.deselect();
                self.write_letters();
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Puts the letters into the draft that were taken for keys of the selected line, if they were
    /// the start of a message.
    fn write_letters(&mut self) {
        for c in self.letters.take(self.now).chars() {
            self.chat.composer.edit(Edit::Insert(c));
        }
    }

    fn copy(&mut self, text: Option<String>, said: &str, effects: &mut Vec<Effect>) {
        match text {
            Some(text) => {
                effects.push(Effect::Copy(text));
                self.say(said, Tone::Info);
            }
            None => self.say("This line has no time in this chat", Tone::Error),
        }
    }

    /// Scrolls the participants down by this many pages; a negative number scrolls up. Returns true,
    /// because the key is done with.
    fn page_participants(&mut self, pages: isize) -> bool {
        let Some(rows) = self.participant_rows() else {
            let hint = "The participants are not on screen: /who lists them";
            self.say(hint, Tone::Info);
            return true;
        };
        let page = rows.saturating_sub(2).max(1).cast_signed();
        self.chat.participants.scroll(pages * page, rows);
        self.hint = None;
        true
    }

    /// The rows for participants, if their pane is on screen.
    pub(super) fn participant_rows(&self) -> Option<usize> {
        let side = self.side()?;
        Some(self.chat.participants.rows(side.height.into()))
    }
}
