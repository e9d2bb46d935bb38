//! Keys and mouse in the messages: scrolling, selecting, copying, searching.

use chitty_chat::{LamportTime, Position, text::caseless::Needle};

use super::{
    ActiveScreen, App, Effect, MainPane,
    composer::{Edit, Editor},
    keys::{Action, Mode},
    search::{self, SearchOrigin, SearchOutcome},
};
use crate::session::{HistoryPage, SessionCommand};

/// The rows by which the wheel scrolls.
const WHEEL: usize = 3;
/// The number of events in a page around the target of a jump.
const AROUND: u32 = 500;

/// An action of the mouse, at a column and row of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouse {
    /// The wheel was turned up here.
    WheelUp(u16, u16),
    /// The wheel was turned down here.
    WheelDown(u16, u16),
    /// The left button was pressed here.
    Press(u16, u16),
}

/// A jump that waits for its page.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingJump {
    page: HistoryPage,
    /// Whether the target is selected on arrival.
    selects: bool,
}

impl App {
    /// Does what is about reading, or about the selected line. Returns whether it was that.
    pub(super) fn reading_key(
        &mut self,
        action: Option<Action>,
        selected: Option<Action>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.screen != ActiveScreen::Chat || self.help.is_some() {
            return false;
        }
        if self.search.is_typing() {
            self.search_key(action, effects);
            return true;
        }
        if moves(action) {
            self.cancel_jump();
        }
        if self.is_messages_only() && !keeps_messages_only(action) {
            self.show_messages_only(false, effects);
            self.closed();
            return matches!(action, Some(Action::Leave));
        }
        if self.timeline.is_selecting() && self.selecting_key(selected.or(action), effects) {
            return true;
        }
        if self.pane == MainPane::Diagram
            && matches!(action, Some(Action::Search | Action::SelectOlder))
        {
            self.pane = MainPane::Messages;
        }
        match action {
            Some(Action::Search) => self.open_search(),
            Some(Action::SelectOlder) => self.timeline.select_older(),
            Some(Action::SelectNewer) => {}
            Some(Action::Newest) => self.go_to_newest(),
            Some(Action::Oldest) => self.go_to_oldest(effects),
            Some(Action::Home) if self.composer.draft().is_empty() => self.go_to_oldest(effects),
            Some(Action::Participants) => self.options.participants = !self.options.participants,
            Some(Action::ParticipantsUp) => return self.scroll_participants(false),
            Some(Action::ParticipantsDown) => return self.scroll_participants(true),
            Some(Action::MessagesOnly) => {
                self.show_messages_only(!self.is_messages_only(), effects);
            }
            Some(Action::Mouse) => self.toggle_mouse(effects),
            Some(Action::Expand) => {
                let expanded = !self.timeline.expanded();
                self.timeline.expand(expanded);
            }
            Some(Action::PageUp | Action::RowUp) => {
                self.reads_ahead = true;
                self.timeline.retry_pages();
                return false;
            }
            _ => return false,
        }
        self.hint = None;
        true
    }

    fn selecting_key(&mut self, action: Option<Action>, effects: &mut Vec<Effect>) -> bool {
        self.hint = None;
        match action {
            Some(Action::SelectOlder) => self.timeline.select_older(),
            Some(Action::SelectNewer) => {
                if !self.timeline.select_newer() {
                    self.timeline.deselect();
                }
            }
            Some(Action::CopyText) => self.copy(
                self.timeline.selected_text(),
                "The text is in the clipboard, if the terminal allows it",
                effects,
            ),
            Some(Action::CopyTime) => {
                let reference = self.timeline.selected_reference();
                let said = reference
                    .as_ref()
                    .map(|reference| format!("Copied: {reference}"));
                self.copy(reference, &said.unwrap_or_default(), effects);
            }
            Some(Action::Search) => self.open_search(),
            Some(Action::FindOlder) => self.search_on(true, effects),
            Some(Action::FindNewer) => self.search_on(false, effects),
            Some(Action::Leave | Action::Cancel) => {
                self.closed();
                self.timeline.deselect();
                self.end_search();
            }
            // The user begins to write, so the selection has served its purpose.
            Some(Action::Edit(Edit::Insert(_))) => {
                self.timeline.deselect();
                return false;
            }
            _ => return false,
        }
        true
    }

    fn copy(&mut self, text: Option<String>, said: &str, effects: &mut Vec<Effect>) {
        match text {
            Some(text) => {
                effects.push(Effect::Copy(text));
                self.say(said, false);
            }
            None => self.say("This line has no time in this chat", true),
        }
    }

    fn open_search(&mut self) {
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
            self.search_edit(|line| paste(line, text), effects);
        }
    }

    fn search_key(&mut self, action: Option<Action>, effects: &mut Vec<Effect>) {
        match action {
            Some(Action::Send) => {
                self.search.accept();
                if !self.timeline.is_selecting() {
                    self.end_search();
                }
            }
            Some(Action::Leave | Action::Cancel) => {
                self.closed();
                self.back_to_origin(effects);
                self.end_search();
            }
            Some(Action::Up | Action::Search | Action::Earlier | Action::SelectOlder) => {
                self.search_on(true, effects);
            }
            Some(Action::Down | Action::Later | Action::SelectNewer) => {
                self.search_on(false, effects);
            }
            Some(Action::Home) => self.search_edit(|line| _ = line.edit(Edit::LineStart), effects),
            Some(Action::End) => self.search_edit(|line| _ = line.edit(Edit::LineEnd), effects),
            Some(Action::EndOfInput) => {
                self.search_edit(|line| _ = line.edit(Edit::DeleteRight), effects);
            }
            Some(Action::Edit(Edit::Insert(c))) if c.is_control() => {}
            Some(Action::Edit(edit)) => self.search_edit(|line| _ = line.edit(edit), effects),
            _ => {}
        }
    }

    /// Pastes into the query if the prompt is open. Returns whether it is.
    pub(super) fn paste_search(&mut self, text: &str, effects: &mut Vec<Effect>) -> bool {
        let open = self.search.is_typing();
        if open {
            self.search_edit(|line| paste(line, text), effects);
        }
        open
    }

    fn search_edit(&mut self, change: impl FnOnce(&mut Editor), effects: &mut Vec<Effect>) {
        if self.search.edit(change) {
            self.search_on(true, effects);
        }
    }

    fn search_on(&mut self, older: bool, effects: &mut Vec<Effect>) {
        if self.search.query().is_empty() {
            self.timeline.highlight(Needle::default());
            return;
        }
        let page = self.search.step(&mut self.timeline, older);
        ask(page, search::PAGE, effects);
        self.report_outcome(effects);
    }

    /// Ends the search and removes its highlights.
    fn end_search(&mut self) {
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
                self.ask_for(time, false, effects);
            }
            _ => self.timeline.jump(&[], false, origin.position),
        }
    }

    /// Shows how a search ended as a hint, if its prompt, which would show it, is closed.
    fn report_outcome(&mut self, effects: &mut Vec<Effect>) {
        if self.search.is_typing() && *self.search.outcome() == SearchOutcome::Nothing {
            self.back_to_origin(effects);
        }
        if self.search.is_typing() || self.search.query().is_empty() {
            return;
        }
        let query = self.search.query();
        let older = self.search.is_older();
        let (text, error) = match self.search.outcome() {
            SearchOutcome::None | SearchOutcome::Found => return self.hint = None,
            SearchOutcome::Asking => (
                format!("Searching further {} …", if older { "up" } else { "down" }),
                false,
            ),
            SearchOutcome::Wrapped if older => {
                ("Found again from the newest line on".into(), false)
            }
            SearchOutcome::Wrapped => ("Found again from the oldest line on".into(), false),
            SearchOutcome::Only => (format!("No other line has {query:?}"), false),
            SearchOutcome::NoMore => {
                let (direction, end, action) = if older {
                    ("older", "newest", Action::FindOlder)
                } else {
                    ("newer", "oldest", Action::FindNewer)
                };
                let key = self.options.keys.key_in(Mode::Selected, action);
                let on = key.map(|key| format!(": {key} again goes on from the {end}"));
                let on = on.unwrap_or_default();
                (format!("No {direction} line has {query:?}{on}"), false)
            }
            SearchOutcome::Nothing => (format!("No line has {query:?}"), true),
            SearchOutcome::Failed(why) => (format!("Not found: {why}"), true),
        };
        self.say(text, error);
    }

    /// Scrolls the participants by a page.
    fn scroll_participants(&mut self, down: bool) -> bool {
        let Some(rows) = self.participant_rows() else {
            self.say("The participants are not on screen: /who lists them", false);
            return true;
        };
        let page = rows.saturating_sub(2).max(1).cast_signed();
        self.participants
            .scroll(if down { page } else { -page }, rows);
        self.hint = None;
        true
    }

    /// The rows for participants, if their pane is on screen.
    fn participant_rows(&self) -> Option<usize> {
        let side = self.side()?;
        Some(self.participants.rows(side.height.into()))
    }

    /// Goes to the event at this time, or to the last one before it.
    pub(super) fn go_to(&mut self, lamport: LamportTime, effects: &mut Vec<Effect>) {
        self.ask_for(lamport, true, effects);
    }

    /// Requests the page around this time; when it arrives, the client goes there, and selects the
    /// event if `selects` is set.
    fn ask_for(&mut self, lamport: LamportTime, selects: bool, effects: &mut Vec<Effect>) {
        let page = HistoryPage::At(lamport);
        self.reads_ahead = true;
        self.jump = Some(PendingJump { page, selects });
        ask(Some(page), AROUND, effects);
    }

    /// Cancels a jump whose page has not arrived, because the user has moved elsewhere.
    pub(super) fn cancel_jump(&mut self) {
        self.jump = None;
    }

    /// Goes to the newest line.
    pub(super) fn go_to_newest(&mut self) {
        self.cancel_jump();
        self.timeline.follow();
    }

    fn go_to_oldest(&mut self, effects: &mut Vec<Effect>) {
        self.cancel_jump();
        self.reads_ahead = true;
        self.timeline.deselect();
        if self.timeline.has_first() {
            self.timeline.oldest();
        } else {
            self.go_to(LamportTime::new(1), effects);
        }
    }

    /// Takes a page of history, for a jump, the search or the timeline.
    pub(super) fn history(
        &mut self,
        page: HistoryPage,
        events: &Result<Vec<chitty_chat::Event>, String>,
        start: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(jump) = self.jump.filter(|jump| jump.page == page) else {
            let ours = self.search.awaits(page);
            let next = self.search.paged(&mut self.timeline, page, events, start);
            ask(next, search::PAGE, effects);
            let events = events.as_deref().ok();
            self.timeline.paged(page, events, start);
            if ours {
                self.report_outcome(effects);
            }
            return;
        };
        self.jump = None;
        let (HistoryPage::At(lamport), Ok(events)) = (page, events) else {
            if let Err(why) = events {
                self.say(format!("Not found: {why}"), true);
            }
            return;
        };
        let until = events.iter().rfind(|event| event.lamport <= lamport);
        let Some(target) = until.or(events.first()).map(|event| event.position) else {
            return self.say("The chat has no event there", true);
        };
        self.timeline.jump(events, start, target);
        if lamport == LamportTime::new(1) {
            self.timeline.oldest();
        } else if jump.selects {
            self.timeline.select_position(shown(events, target));
        }
    }

    /// Requests the pages that scrolling will need soon.
    pub(super) fn read_ahead(&mut self, effects: &mut Vec<Effect>) {
        // While the client catches up, it is not known yet which lines the pane will lack.
        let settled = self.timeline.below().is_some() || self.status.live();
        if settled && self.reads_ahead && self.welcomed && self.over.is_none() {
            ask(self.timeline.wanted(), AROUND, effects);
        }
    }

    /// Applies a mouse action. Returns whether the screen changed.
    pub(super) fn mouse(&mut self, mouse: Mouse) -> bool {
        if self.screen != ActiveScreen::Chat || self.help.is_some() {
            return false;
        }
        let messages = self.panes.messages;
        match mouse {
            Mouse::WheelUp(x, y) | Mouse::WheelDown(x, y) if self.is_at_participants(x, y) => {
                let rows = self.participant_rows().unwrap_or_default();
                let by = WHEEL.cast_signed();
                let up = matches!(mouse, Mouse::WheelUp(..));
                self.participants.scroll(if up { -by } else { by }, rows);
            }
            Mouse::WheelUp(..) => {
                self.cancel_jump();
                self.reads_ahead = true;
                self.timeline.retry_pages();
                self.timeline.up(WHEEL);
            }
            Mouse::WheelDown(..) => {
                self.cancel_jump();
                self.timeline.down(WHEEL);
            }
            Mouse::Press(x, y) if messages.contains((x, y).into()) => {
                self.cancel_jump();
                self.timeline.select_row((y - messages.y).into());
            }
            Mouse::Press(x, y) if self.panes.status.contains((x, y).into()) => {
                self.go_to_newest();
            }
            Mouse::Press(..) => return false,
        }
        true
    }

    fn is_at_participants(&self, x: u16, y: u16) -> bool {
        self.side().is_some_and(|side| side.contains((x, y).into()))
    }

    fn toggle_mouse(&mut self, effects: &mut Vec<Effect>) {
        self.options.mouse = !self.options.mouse;
        effects.push(Effect::Mouse(
            self.options.mouse && !self.is_messages_only(),
        ));
        let keys = &self.options.keys;
        let (said, back) = if self.options.mouse {
            let back = keys.hint(Action::Mouse, "gives it back to the terminal");
            ("The mouse scrolls and selects here", back)
        } else {
            let back = keys.hint(Action::Mouse, "takes it back");
            ("The mouse is the terminal's", back)
        };
        let back = back.map(|back| format!("; {back}")).unwrap_or_default();
        self.say(format!("{said}{back}"), false);
    }

    /// Shows only the messages, for the terminal's own selection, or everything again.
    pub(super) fn show_messages_only(&mut self, bare: bool, effects: &mut Vec<Effect>) {
        self.pane = if bare {
            MainPane::MessagesOnly
        } else {
            MainPane::Messages
        };
        self.timeline.deselect();
        if self.options.mouse {
            effects.push(Effect::Mouse(!bare));
        }
    }
}

/// The position of the nearest event at or before the target that has a line.
fn shown(events: &[chitty_chat::Event], target: Position) -> Position {
    let lined = |event: &&chitty_chat::Event| event.kind != chitty_chat::EventKind::Unknown;
    events
        .iter()
        .filter(lined)
        .rfind(|event| event.position <= target)
        .map_or(target, |event| event.position)
}

/// Pastes into a query, which is one line.
fn paste(line: &mut Editor, text: &str) {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    line.insert(&text);
}

fn ask(page: Option<HistoryPage>, limit: u32, effects: &mut Vec<Effect>) {
    let ask = |page| Effect::Session(SessionCommand::History { page, limit });
    effects.extend(page.map(ask));
}

/// Whether the action scrolls the messages.
fn scrolls(action: Option<Action>) -> bool {
    matches!(
        action,
        Some(
            Action::PageUp
                | Action::PageDown
                | Action::RowUp
                | Action::RowDown
                | Action::Newest
                | Action::Oldest
        )
    )
}

/// Whether the action moves the user to another part of the chat.
fn moves(action: Option<Action>) -> bool {
    scrolls(action) || matches!(action, Some(Action::SelectOlder | Action::SelectNewer))
}

/// Whether the messages stay alone on screen after the action.
fn keeps_messages_only(action: Option<Action>) -> bool {
    scrolls(action)
        || matches!(
            action,
            Some(
                Action::MessagesOnly
                    | Action::Home
                    | Action::End
                    | Action::Expand
                    | Action::Repaint
                    | Action::Prefix(_)
            )
        )
}
