//! What a text was before each change.

use std::collections::VecDeque;

/// In bytes, over all moments: the oldest are forgotten first.
const MOST: usize = 64 * 1024;
/// What a moment costs beside its text, in bytes.
const EACH: usize = 64;

/// How a change goes together with the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UndoStep {
    /// Undone together with what was typed just before.
    Typing,
    /// Undone together with what was deleted just before.
    Erasing,
    /// Undone alone.
    Own,
    /// Instead of the change before it.
    Instead,
}

/// A text and its caret, before a change.
type UndoPoint = (String, usize);

/// The moments before this one, and those that were undone.
#[derive(Clone, Debug, Default)]
pub(super) struct UndoHistory {
    past: VecDeque<UndoPoint>,
    future: Vec<UndoPoint>,
    /// The run of changes that goes on.
    run: Option<UndoStep>,
    bytes: usize,
}

impl UndoHistory {
    /// A change is about to come.
    pub(super) fn before(&mut self, step: UndoStep, text: &str, caret: usize) {
        let run = matches!(step, UndoStep::Typing | UndoStep::Erasing);
        let goes_on = step == UndoStep::Instead && !self.past.is_empty()
            || run && self.run == Some(step) && self.future.is_empty();
        self.future.clear();
        self.run = run.then_some(step);
        if goes_on {
            return;
        }
        self.bytes += text.len() + EACH;
        self.past.push_back((text.to_owned(), caret));
        while self.bytes > MOST && self.past.len() > 1 {
            if let Some((text, _)) = self.past.pop_front() {
                self.bytes -= text.len() + EACH;
            }
        }
    }

    /// The run of changes is over.
    pub(super) fn rest(&mut self) {
        self.run = None;
    }

    /// The moment before the last change.
    pub(super) fn back(&mut self, text: &str, caret: usize) -> Option<UndoPoint> {
        self.rest();
        let moment = self.past.pop_back()?;
        self.bytes -= moment.0.len() + EACH;
        self.future.push((text.to_owned(), caret));
        Some(moment)
    }

    /// The moment that was undone last.
    pub(super) fn again(&mut self, text: &str, caret: usize) -> Option<UndoPoint> {
        self.rest();
        let moment = self.future.pop()?;
        self.bytes += text.len() + EACH;
        self.past.push_back((text.to_owned(), caret));
        Some(moment)
    }
}
