//! Leaving without leaving by accident.
//!
//! Esc is the key that users press to get out of something, and also the byte that begins Alt with
//! a letter. With nothing open, it therefore announces that the client will leave, and waits: any
//! other key cancels that. A pause separates closing something from leaving, because one press too
//! many is common.

use std::time::Duration;

use super::{ActiveScreen, App, Effect, ExitReason, FAREWELL, MainPane, Tone};
use crate::{keys::Action, port::SessionCommand};

/// The time from the announcement until the client leaves.
pub(super) const ANNOUNCED: Duration = Duration::from_millis(1500);
/// For this long after something was closed, the key that closed it does not leave.
pub(super) const REST: Duration = Duration::from_secs(1);

/// How far the user is on the way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaving {
    /// The leave key was pressed with a draft or unsent lines: the next press discards them.
    warned: bool,
    /// `/quit` was typed with lines that wait: the next one discards them.
    quit_warned: bool,
    /// The time at which an announced leave happens.
    announced: Option<Duration>,
    /// The time at which something was last closed.
    closed: Option<Duration>,
    /// The time at which the screen ends, whatever the session does.
    by: Option<Duration>,
}

impl Leaving {
    /// Cancels an announced leave because of another key or a paste. Returns whether one was
    /// announced.
    pub(super) fn stay(&mut self) -> bool {
        self.warned = false;
        self.announced.take().is_some()
    }

    /// Whether the next press leaves and discards what is not sent.
    pub(super) const fn is_warned(&self) -> bool {
        self.warned
    }

    /// Whether the session was asked to leave.
    pub(super) const fn is_under_way(&self) -> bool {
        self.by.is_some()
    }

    /// The times at which something is due.
    pub(super) fn due(&self) -> impl Iterator<Item = Duration> {
        self.by.into_iter().chain(self.announced)
    }
}

impl App {
    /// Takes note that something was closed now.
    pub(super) fn closed(&mut self) {
        self.leaving.closed = Some(self.now);
    }

    /// The leave key: closes what is open first.
    pub(super) fn close_or_escape(&mut self, before: Leaving, effects: &mut Vec<Effect>) {
        if !self.close_topmost() {
            self.escape(before, effects);
        }
    }

    /// The leave key, pressed with nothing open. `before` is the state before this press.
    pub(super) fn escape(&mut self, before: Leaving, effects: &mut Vec<Effect>) {
        // The second press confirms the first.
        if before.announced.is_some() || before.warned {
            return self.leave(effects);
        }
        // Scrolled up, the user most likely wants back to the newest line.
        if self.screen == ActiveScreen::Chat && self.chat.timeline.below().is_some() {
            self.chat.go_to_newest();
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
                self.say(format!("{lost}: {key} again leaves without it"), Tone::Info);
            }
            // The session has ended, so nothing can be lost.
            None if self.chat.is_over() => self.leave(effects),
            None => {
                self.leaving.announced = Some(self.now + ANNOUNCED);
                self.say("Leaving … any key stays", Tone::Info);
            }
        }
    }

    /// Leaves by a command or by the end of the input; the draft does not matter for these.
    pub(super) fn quit(&mut self, was_warned: bool, effects: &mut Vec<Effect>) {
        if !was_warned && !self.chat.is_over() && self.lines_would_stay() {
            self.leaving.warned = true;
            self.leaving.quit_warned = true;
            let key = self.leave_key();
            let hint = format!("The lines marked … are not sent: {key} leaves without them");
            self.say(hint, Tone::Info);
        } else {
            self.leave(effects);
        }
    }

    /// `/quit`; the second one does not ask again.
    pub(super) fn quit_by_word(&mut self, effects: &mut Vec<Effect>) {
        let was_warned = std::mem::take(&mut self.leaving.quit_warned);
        self.quit(was_warned, effects);
    }

    pub(super) fn leave(&mut self, effects: &mut Vec<Effect>) {
        self.leaving.announced = None;
        if let Some(ended) = self.chat.over().cloned() {
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

    /// Closes the search of the history, the completion or the diagram. Returns whether one was
    /// open.
    pub(super) fn close_topmost(&mut self) -> bool {
        let closed = if self.chat.composer.cancel() {
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

    /// The name of the leave key, or `/quit` if no key leaves.
    pub(super) fn leave_key(&self) -> String {
        let key = self.options.keys.key(Action::Leave);
        key.map_or_else(|| "/quit".to_owned(), |key| key.to_string())
    }

    /// What would be lost by leaving now.
    fn unsent(&self) -> Option<&'static str> {
        if !self.chat.composer.draft().is_empty() {
            Some("What you wrote is not sent")
        } else if !self.chat.is_over() && self.lines_would_stay() {
            Some("The lines marked … are not sent")
        } else {
            None
        }
    }

    /// Whether lines would be discarded. Leaving waits for the outcome of one line that is being
    /// sent, but not for a connection, nor for a server that limits the rate.
    fn lines_would_stay(&self) -> bool {
        let pending = self.chat.timeline.pending();
        pending > 1 || (pending > 0 && !self.status.live())
    }
}
