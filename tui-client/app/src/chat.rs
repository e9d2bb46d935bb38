//! A chat as the client has it: everything that belongs to the conversation and not to the screen
//! that shows it. What the user has open, the layout and the preferences are the app's.
//!
//! It takes every notice that is about the chat, requests its pages of history, and returns what
//! the app should say to the user as a [`HintChange`].

mod finding;
mod history;

use std::time::{Duration, SystemTime};

use chitty_chat::{Event, LamportTime, MessageText, Position};
use jiff::tz::TimeZone;

use self::history::PendingJump;
use super::{
    composer::Composer, hint::HintChange, new_since_draft::NewSinceDraft,
    participants::Participants, recent::Recent, search::Search, timeline::Timeline,
};
use crate::port::{ClockCause, Ended, Ticket, WelcomeNotice};

/// The state of a chat.
#[derive(Debug)]
pub(super) struct ChatState {
    pub(super) composer: Composer,
    pub(super) timeline: Timeline,
    pub(super) participants: Participants,
    recent: Recent,
    new_since_draft: NewSinceDraft,
    search: Search,
    /// The jump that waits for its page. Whatever else moves the pane cancels it.
    jump: Option<PendingJump>,
    /// The accepted name; empty before the first Welcome.
    name: String,
    welcomed: bool,
    /// Whether history may be fetched before the user scrolls up to it.
    reads_ahead: bool,
    /// How many events were missed while the link was down and are being caught up with.
    missed: u64,
    over: Option<Ended>,
}

impl ChatState {
    /// A chat before its first Welcome. `reads_ahead` says whether history may be fetched before
    /// the user scrolls up to it.
    pub(super) fn new(zone: TimeZone, reads_ahead: bool) -> Self {
        Self {
            composer: Composer::default(),
            timeline: Timeline::new(zone),
            participants: Participants::default(),
            recent: Recent::default(),
            new_since_draft: NewSinceDraft::default(),
            search: Search::default(),
            jump: None,
            name: String::new(),
            welcomed: false,
            reads_ahead,
            missed: 0,
            over: None,
        }
    }

    /// The accepted name; empty before the first Welcome.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the user has seen the chat.
    pub(super) fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Why the participation is over, if it is.
    pub(super) fn over(&self) -> Option<&Ended> {
        self.over.as_ref()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// The newest events, for the diagram and `/time`.
    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// How many messages of others have come since the draft was begun.
    pub(super) fn new_since_draft(&self) -> u64 {
        self.new_since_draft.count()
    }

    /// Takes note of whether the draft is empty now.
    pub(super) fn settle_draft(&mut self) {
        let is_empty = self.composer.draft().is_empty();
        self.new_since_draft.draft(is_empty);
    }

    /// Shows a line as not sent yet.
    pub(super) fn send(&mut self, ticket: Ticket, text: MessageText, wall: SystemTime) {
        self.cancel_jump();
        self.timeline.send(ticket, text, wall);
    }

    /// Clears the pane: the earlier lines are above it.
    pub(super) fn clear(&mut self) {
        self.cancel_jump();
        self.timeline.clear();
    }

    /// Adds the explanation of the clock's last step.
    pub(super) fn explain_clock(&mut self, wall: SystemTime) {
        self.timeline.note(self.recent.explain(), wall);
        self.go_to_newest();
    }

    /// Adds the list of the participants.
    pub(super) fn list_participants(&mut self, wall: SystemTime) {
        for line in self.participants.list() {
            self.timeline.note(line, wall);
        }
        self.go_to_newest();
    }
}

/// What the session reports about the chat.
impl ChatState {
    /// Takes note that the session follows the log at its end.
    pub(super) fn link_is_live(&mut self, wall: SystemTime) {
        self.caught_up(wall);
        self.timeline.retry_pages();
    }

    /// Reports how much happened while the link was down.
    fn caught_up(&mut self, wall: SystemTime) {
        let note = match std::mem::take(&mut self.missed) {
            0 => return,
            1 => "Caught up: 1 event came meanwhile.".to_owned(),
            events => format!("Caught up: {events} events came meanwhile."),
        };
        self.timeline.note(note, wall);
    }

    /// Takes note that the participant's clock moved without an event.
    pub(super) fn clock_moved(&mut self, clock: LamportTime, cause: ClockCause) {
        self.recent.moved(clock, cause);
    }

    /// Begins the chat, or continues it after a loss of the link.
    pub(super) fn welcome(&mut self, welcome: &WelcomeNotice, wall: SystemTime) {
        // After another log the timeline says itself what is missing.
        if self.welcomed && !welcome.another_log {
            self.missed = welcome.head.next().get().saturating_sub(welcome.next.get());
        }
        if welcome.another_log {
            self.search.restart();
            self.cancel_jump();
        }
        self.timeline.welcome(welcome, wall);
        self.recent.welcome(welcome);
        self.participants.welcome(welcome);
        self.name = welcome.name.to_string();
        self.welcomed = true;
    }

    /// Takes the next event, and the clock after it. `own` is the ticket of a line of the user's;
    /// `live` says that the event is no history.
    pub(super) fn event(
        &mut self,
        event: Event,
        clock: LamportTime,
        own: Option<Ticket>,
        live: bool,
        now: Duration,
    ) {
        self.participants.fade(now);
        if live {
            self.participants.apply(&event, now);
        }
        self.recent.event(&event, clock, live);
        // The user's own lines do not interrupt a draft, and history that comes with the Welcome is no
        // news to a draft that was begun before it.
        if live && own.is_none() {
            self.new_since_draft.event(&event);
        }
        self.timeline.event(event, own);
    }

    /// Takes note that a line was rejected. It can be brought back into the draft.
    pub(super) fn rejected(&mut self, ticket: Ticket, reason: String, wall: SystemTime) {
        if let Some(text) = self.timeline.reject(ticket, reason, wall) {
            self.composer.remember(text);
        }
    }

    /// Takes note that a line is in the log at a position that the timeline does not show.
    pub(super) fn accepted(&mut self, ticket: Ticket, position: Position, wall: SystemTime) {
        self.timeline.accept(ticket, position, wall);
    }

    /// Takes note that the participation is over: nobody is known to be present any more.
    pub(super) fn end(&mut self, ended: Ended) {
        self.participants.clear();
        self.over = Some(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Effect,
        keys::Keymap,
        port::{HistoryPage, SessionCommand},
        testing::{at, message, welcome},
    };

    /// A chat with the last of fifty events, of which the first can be fetched.
    fn chat() -> ChatState {
        let mut chat = ChatState::new(TimeZone::UTC, true);
        chat.timeline.resize(80, 5);
        let mut late = welcome("ada", 50, &[]);
        late.next = 40.into();
        chat.welcome(&late, at(50));
        for position in 40..=50 {
            let event = message(position, position, "bob", "hi");
            chat.event(event, 60.into(), None, true, Duration::ZERO);
        }
        chat
    }

    fn jump(chat: &mut ChatState) -> HistoryPage {
        let mut effects = Vec::new();
        chat.go_to(5.into(), &mut effects);
        match effects.as_slice() {
            [Effect::Session(SessionCommand::History { page, .. })] => *page,
            other => panic!("{other:?} is not one request"),
        }
    }

    fn answer(chat: &mut ChatState, page: HistoryPage) -> HintChange {
        let events = (1..10).map(|position| message(position, position, "bob", "hi"));
        chat.history(
            page,
            &Ok(events.collect()),
            true,
            &Keymap::default(),
            &mut Vec::new(),
        )
    }

    #[test]
    fn a_jump_goes_where_its_page_is() {
        let mut chat = chat();
        let page = jump(&mut chat);
        assert_eq!(answer(&mut chat, page), HintChange::Keep);
        assert_eq!(chat.timeline.selected_position(), Some(5.into()));
    }

    #[test]
    fn a_jump_that_something_else_overtakes_moves_nothing() {
        for overtake in [
            ChatState::go_to_newest as fn(&mut ChatState),
            ChatState::open_search,
            ChatState::clear,
            |chat| {
                let mut other = welcome("ada", 1, &[]);
                other.another_log = true;
                chat.welcome(&other, at(60));
            },
        ] {
            let mut chat = chat();
            let page = jump(&mut chat);
            overtake(&mut chat);
            assert_eq!(answer(&mut chat, page), HintChange::Keep);
            assert_eq!(chat.timeline.selected_position(), None);
            assert_eq!(chat.timeline.below(), None);
        }
    }

    #[test]
    fn what_was_missed_is_reported_once_the_link_is_live() {
        let mut chat = chat();
        let mut again = welcome("ada", 50, &[]);
        (again.next, again.head) = (51.into(), 53.into());
        chat.welcome(&again, at(60));
        chat.link_is_live(at(61));
        chat.link_is_live(at(62));
        let (blocks, _) = chat.timeline.visible();
        let lines: Vec<String> = blocks.iter().map(|block| block.lines().collect()).collect();
        let reports = lines.iter().filter(|line| line.contains("Caught up"));
        assert_eq!(
            reports.collect::<Vec<_>>(),
            ["Caught up: 3 events came meanwhile."]
        );
    }
}
