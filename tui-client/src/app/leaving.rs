//! How the screen is left without leaving it by accident.
//!
//! Esc is the key that people press to get out of something, and the byte that begins Alt with a
//! letter. So at rest it announces that it leaves and waits: any other key stays. Closing
//! something and leaving are kept apart by a pause, because one press too many is common.

use std::time::Duration;

use super::{ActiveScreen, App, Effect, ExitReason, FAREWELL, MainPane};
use crate::{app::keys::Action, session::SessionCommand};

/// From the announcement until the chat is left.
pub(super) const ANNOUNCED: Duration = Duration::from_millis(1500);
/// After something was closed, the key that closed it does nothing at rest for this time.
pub(super) const REST: Duration = Duration::from_secs(1);

/// Where the user is on the way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaving {
    /// The key that leaves was pressed with a draft or unsent lines: the next press leaves them.
    warned: bool,
    /// `/quit` was sent with lines that wait: the next one leaves them.
    quit_warned: bool,
    /// When an announced leave happens.
    announced: Option<Duration>,
    /// When something was last closed.
    closed: Option<Duration>,
    /// When the screen goes, whatever the session does.
    by: Option<Duration>,
}

impl Leaving {
    /// Another key or a paste: whoever was about to leave stays. Returns whether a leave was
    /// announced.
    pub(super) fn stay(&mut self) -> bool {
        self.warned = false;
        self.announced.take().is_some()
    }

    /// Whether the next press leaves what would be lost.
    pub(super) const fn is_warned(&self) -> bool {
        self.warned
    }

    /// Whether the session was asked for a farewell.
    pub(super) const fn is_under_way(&self) -> bool {
        self.by.is_some()
    }

    /// When the next step is due.
    pub(super) fn due(&self) -> impl Iterator<Item = Duration> {
        self.by.into_iter().chain(self.announced)
    }
}

impl App {
    /// Something was closed at this moment.
    pub(super) fn closed(&mut self) {
        self.leaving.closed = Some(self.now);
    }

    /// The key that leaves: it closes what is open first.
    pub(super) fn close_or_escape(&mut self, before: Leaving, effects: &mut Vec<Effect>) {
        if !self.close_topmost() {
            self.escape(before, effects);
        }
    }

    /// The key that leaves, pressed where nothing is open. `before` is what earlier presses
    /// have said.
    pub(super) fn escape(&mut self, before: Leaving, effects: &mut Vec<Effect>) {
        if before.announced.is_some() || before.warned {
            return self.leave(effects);
        }
        if self.screen == ActiveScreen::Chat && self.timeline.below().is_some() {
            self.go_to_newest();
            return self.closed();
        }
        let rests = |closed: Duration| self.now.saturating_sub(closed) < REST;
        if self.leaving.closed.is_some_and(rests) {
            return;
        }
        match self.unsent() {
            Some(lost) => {
                self.leaving.warned = true;
                let key = self.leave_key();
                self.say(format!("{lost}: {key} again leaves without it"), false);
            }
            // The chat is over: there is nothing to stay for.
            None if self.over.is_some() => self.leave(effects),
            None => {
                self.leaving.announced = Some(self.now + ANNOUNCED);
                self.say("Leaving … any key stays", false);
            }
        }
    }

    /// Leaves by a word, or by the end of the input, which have nothing to do with the draft.
    pub(super) fn quit(&mut self, was_warned: bool, effects: &mut Vec<Effect>) {
        if !was_warned && self.over.is_none() && self.lines_would_stay() {
            self.leaving.warned = true;
            self.leaving.quit_warned = true;
            let key = self.leave_key();
            let hint = format!("The lines marked … are not sent: {key} leaves without them");
            self.say(hint, false);
        } else {
            self.leave(effects);
        }
    }

    /// `/quit`, the second of which does not ask again.
    pub(super) fn quit_by_word(&mut self, effects: &mut Vec<Effect>) {
        let was_warned = std::mem::take(&mut self.leaving.quit_warned);
        self.quit(was_warned, effects);
    }

    pub(super) fn leave(&mut self, effects: &mut Vec<Effect>) {
        self.leaving.announced = None;
        if let Some(ended) = self.over.clone() {
            effects.push(Effect::Quit(self.outcome(ended)));
        } else if !self.leaving.is_under_way() {
            self.leaving.by = Some(self.now + FAREWELL);
            self.status.leaving();
            effects.push(Effect::Session(SessionCommand::Leave));
        }
    }

    /// Does what is due by now.
    pub(super) fn leave_on_time(&mut self, effects: &mut Vec<Effect>) {
        if self.leaving.announced.is_some_and(|at| at <= self.now) {
            self.hint = None;
            self.leave(effects);
        }
        if self.leaving.by.is_some_and(|by| by <= self.now) {
            effects.push(Effect::Quit(ExitReason::Left));
        }
    }

    /// Closes the diagram, or the search or choice beside the draft; returns whether one was open.
    pub(super) fn close_topmost(&mut self) -> bool {
        let closed = if self.composer.cancel() {
            true
        } else if self.pane == MainPane::Diagram {
            self.pane = MainPane::Messages;
            true
        } else {
            false
        };
        if closed {
            self.closed();
        }
        closed
    }

    /// The name of the key that leaves, or the word where no key does.
    pub(super) fn leave_key(&self) -> String {
        let key = self.options.keys.key(Action::Leave);
        key.map_or_else(|| "/quit".to_owned(), |key| key.to_string())
    }

    /// What would be lost by leaving now.
    fn unsent(&self) -> Option<&'static str> {
        if !self.composer.draft().is_empty() {
            Some("What you wrote is not sent")
        } else if self.over.is_none() && self.lines_would_stay() {
            Some("The lines marked … are not sent")
        } else {
            None
        }
    }

    /// Leaving waits for the outcome of a line that is under way, but not for the link, nor for a
    /// server that wants fewer of them.
    fn lines_would_stay(&self) -> bool {
        let pending = self.timeline.pending();
        pending > 1 || (pending > 0 && !self.status.live())
    }
}
