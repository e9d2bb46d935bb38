//! Keys in the messages: scrolling, selecting, copying; and the pages of history that they need.

use chitty_chat::{Event, EventKind, LamportTime, Position};

use super::{
    App, Effect, MainPane, Tone, composer::Edit, keys::Action, mode::KeyPress, search,
    timeline::Direction,
};
use crate::session::{HistoryPage, SessionCommand};

/// The number of events in a page around the target of a jump.
const AROUND: u32 = 500;

/// A jump that waits for its page.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingJump {
    page: HistoryPage,
    on_arrival: OnArrival,
}

/// What happens to the target of a jump when its page has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnArrival {
    /// It is shown and selected.
    Select,
    /// It is only shown.
    Show,
}

impl App {
    /// A key that is about reading. Returns whether the key is done with.
    pub(super) fn reading_key(
        &mut self,
        action: Option<Action>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(action) = action else { return false };
        if action.moves() {
            self.cancel_jump();
        }
        if self.pane == MainPane::Diagram && matches!(action, Action::Search | Action::SelectOlder)
        {
            self.pane = MainPane::Messages;
        }
        match action {
            Action::Search => self.open_search(),
            Action::SelectOlder => self.timeline.select_older(),
            // Nothing is selected, so there is nothing below it.
            Action::SelectNewer => {}
            Action::Newest => self.go_to_newest(),
            Action::Oldest => self.go_to_oldest(effects),
            Action::Home if self.composer.draft().is_empty() => self.go_to_oldest(effects),
            Action::Participants => self.options.participants = !self.options.participants,
            Action::ParticipantsUp => return self.page_participants(-1),
            Action::ParticipantsDown => return self.page_participants(1),
            Action::MessagesOnly if self.is_messages_only() => self.show_all_panes(effects),
            Action::MessagesOnly => self.show_messages_only(effects),
            Action::Mouse => self.toggle_mouse(effects),
            Action::Expand => {
                let expanded = !self.timeline.expanded();
                self.timeline.expand(expanded);
            }
            Action::PageUp | Action::RowUp => {
                self.reads_ahead = true;
                self.timeline.retry_pages();
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
            self.cancel_jump();
        }
        self.hint = None;
        let Some(action) = press.on_selection.or(press.action) else {
            return false;
        };
        match action {
            Action::SelectOlder => self.timeline.select_older(),
            Action::SelectNewer => {
                if !self.timeline.select_newer() {
                    self.timeline.deselect();
                }
            }
            Action::CopyText => self.copy(
                self.timeline.selected_text(),
                "The text is in the clipboard, if the terminal allows it",
                effects,
            ),
            Action::CopyTime => {
                let reference = self.timeline.selected_reference();
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
                self.timeline.deselect();
                self.end_search();
            }
            // The user begins to write, so the selection has served its purpose.
            Action::Edit(Edit::Insert(_)) => {
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
        self.participants.scroll(pages * page, rows);
        self.hint = None;
        true
    }

    /// The rows for participants, if their pane is on screen.
    pub(super) fn participant_rows(&self) -> Option<usize> {
        let side = self.side()?;
        Some(self.participants.rows(side.height.into()))
    }

    /// Goes to the event at this time, or to the last one before it.
    pub(super) fn go_to(&mut self, lamport: LamportTime, effects: &mut Vec<Effect>) {
        self.jump_to(lamport, OnArrival::Select, effects);
    }

    /// Requests the page around this time; the client goes there when it arrives.
    pub(super) fn jump_to(
        &mut self,
        lamport: LamportTime,
        on_arrival: OnArrival,
        effects: &mut Vec<Effect>,
    ) {
        let page = HistoryPage::At(lamport);
        self.reads_ahead = true;
        self.jump = Some(PendingJump { page, on_arrival });
        request(Some(page), AROUND, effects);
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
        events: &Result<Vec<Event>, String>,
        start: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(jump) = self.jump.filter(|jump| jump.page == page) else {
            let ours = self.search.awaits(page);
            let next = self.search.paged(&mut self.timeline, page, events, start);
            request(next, search::PAGE, effects);
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
                self.say(format!("Not found: {why}"), Tone::Error);
            }
            return;
        };
        let until = events.iter().rfind(|event| event.lamport <= lamport);
        let Some(target) = until.or(events.first()).map(|event| event.position) else {
            return self.say("The chat has no event there", Tone::Error);
        };
        self.timeline.jump(events, start, target);
        if lamport == LamportTime::new(1) {
            self.timeline.oldest();
        } else if jump.on_arrival == OnArrival::Select {
            self.timeline.select_position(shown(events, target));
        }
    }

    /// Requests the pages that scrolling will need soon.
    pub(super) fn read_ahead(&mut self, effects: &mut Vec<Effect>) {
        // While the client catches up, it is not known yet which lines the pane will lack.
        let settled = self.timeline.below().is_some() || self.status.live();
        if settled && self.reads_ahead && self.welcomed && self.over.is_none() {
            request(self.timeline.wanted(), AROUND, effects);
        }
    }
}

/// The position of the nearest event at or before the target that has a line.
fn shown(events: &[Event], target: Position) -> Position {
    let lined = |event: &&Event| event.kind != EventKind::Unknown;
    events
        .iter()
        .filter(lined)
        .rfind(|event| event.position <= target)
        .map_or(target, |event| event.position)
}

/// Requests a page of history, if there is one to request.
pub(super) fn request(page: Option<HistoryPage>, limit: u32, effects: &mut Vec<Effect>) {
    let ask = |page| Effect::Session(SessionCommand::History { page, limit });
    effects.extend(page.map(ask));
}
