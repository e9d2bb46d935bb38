//! Going to other parts of the chat, and the pages of history that this needs.

use chitty_chat::{Event, EventKind, LamportTime, Position};

use super::{ChatState, HintChange};
use crate::{
    Effect,
    keys::Keymap,
    port::{HistoryPage, SessionCommand},
    search,
};

/// The number of events in a page around the target of a jump.
const AROUND: u32 = 500;

/// A jump that waits for the page around its target.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingJump {
    to: LamportTime,
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

impl ChatState {
    /// Goes to the event at this time, or to the last one before it.
    pub(crate) fn go_to(&mut self, lamport: LamportTime, effects: &mut Vec<Effect>) {
        self.jump_to(lamport, OnArrival::Select, effects);
    }

    /// Requests the page around this time; the client goes there when it arrives.
    pub(super) fn jump_to(
        &mut self,
        to: LamportTime,
        on_arrival: OnArrival,
        effects: &mut Vec<Effect>,
    ) {
        self.reads_ahead = true;
        self.jump = Some(PendingJump { to, on_arrival });
        request(Some(HistoryPage::At(to)), AROUND, effects);
    }

    /// Cancels a jump whose page has not arrived, because the user has moved elsewhere.
    pub(crate) fn cancel_jump(&mut self) {
        self.jump = None;
    }

    /// Goes to the newest line.
    pub(crate) fn go_to_newest(&mut self) {
        self.cancel_jump();
        self.timeline.follow();
    }

    /// Goes to the first line that the server keeps.
    pub(crate) fn go_to_oldest(&mut self, effects: &mut Vec<Effect>) {
        self.cancel_jump();
        self.reads_ahead = true;
        self.timeline.deselect();
        if self.timeline.has_first() {
            self.timeline.oldest();
        } else {
            self.go_to(LamportTime::new(1), effects);
        }
    }

    /// Fetches history from now on, also if it failed before: the user scrolls up.
    pub(crate) fn fetch_history(&mut self) {
        self.reads_ahead = true;
        self.timeline.retry_pages();
    }

    /// Requests the pages that scrolling will need soon. `is_live` says that the client has caught
    /// up.
    pub(crate) fn read_ahead(&mut self, is_live: bool, effects: &mut Vec<Effect>) {
        // While the client catches up, it is not known yet which lines the pane will lack.
        let settled = self.timeline.below().is_some() || is_live;
        if settled && self.reads_ahead && self.welcomed && !self.is_over() {
            request(self.timeline.wanted(), AROUND, effects);
        }
    }

    /// Takes a page of history, for a jump, the search or the timeline.
    pub(crate) fn history(
        &mut self,
        page: HistoryPage,
        events: &Result<Vec<Event>, String>,
        start: bool,
        keys: &Keymap,
        effects: &mut Vec<Effect>,
    ) -> HintChange {
        let jump = self.jump.take_if(|jump| HistoryPage::At(jump.to) == page);
        if let Some(jump) = jump {
            return match events {
                Ok(events) => self.arrive(jump, events, start),
                Err(why) => HintChange::error(format!("Not found: {why}")),
            };
        }
        let is_search = self.search.awaits(page);
        let next = self.search.paged(&mut self.timeline, page, events, start);
        request(next, search::PAGE, effects);
        self.timeline.paged(page, events.as_deref().ok(), start);
        if is_search {
            self.report_outcome(keys, effects)
        } else {
            HintChange::Keep
        }
    }

    fn arrive(&mut self, jump: PendingJump, events: &[Event], start: bool) -> HintChange {
        let until = events.iter().rfind(|event| event.lamport <= jump.to);
        let Some(target) = until.or(events.first()).map(|event| event.position) else {
            return HintChange::error("The chat has no event there");
        };
        self.timeline.jump(events, start, target);
        if jump.to == LamportTime::new(1) {
            self.timeline.oldest();
        } else if jump.on_arrival == OnArrival::Select {
            self.timeline.select_position(shown(events, target));
            if events.iter().all(|event| event.lamport != jump.to) {
                // Before the oldest line that is kept, or beyond the newest, that is no small thing.
                let lamport = jump.to;
                return HintChange::info(format!(
                    "No event has the time L{lamport}: this is the nearest"
                ));
            }
        }
        HintChange::Keep
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
