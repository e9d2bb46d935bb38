//! The undo history of a text.

use std::collections::VecDeque;

/// The largest size of the history, in bytes; the oldest undo points are forgotten first.
const MOST: usize = 64 * 1024;
/// The cost of an undo point apart from its text, in bytes.
const EACH: usize = 64;

/// How a change is grouped with the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UndoStep {
    /// It is undone together with what was typed just before it.
    Typing,
    /// It is undone together with what was deleted just before it.
    Erasing,
    /// It is undone by itself.
    Own,
    /// It replaces the change before it: one undo takes back both.
    Instead,
}

/// A text and its caret before a change.
type UndoPoint = (String, usize);

/// The undo points before the current text, and the texts that were undone.
#[derive(Clone, Debug, Default)]
pub(super) struct UndoHistory {
    past: VecDeque<UndoPoint>,
    future: Vec<UndoPoint>,
    /// The group that the next change may join.
    run: Option<UndoStep>,
    bytes: usize,
}

impl UndoHistory {
    /// Records the text before a change of this kind.
    pub(super) fn before(&mut self, step: UndoStep, text: &str, caret: usize) {
        let run = matches!(step, UndoStep::Typing | UndoStep::Erasing);
        // A group ends with anything but the same kind of change, and after an undo.
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

    /// Ends the current group of changes.
    pub(super) fn rest(&mut self) {
        self.run = None;
    }

    /// Goes back to the text before the last change.
    pub(super) fn back(&mut self, text: &str, caret: usize) -> Option<UndoPoint> {
        self.rest();
        let moment = self.past.pop_back()?;
        self.bytes -= moment.0.len() + EACH;
        self.future.push((text.to_owned(), caret));
        Some(moment)
    }

    /// Goes forward to the text that was undone last.
    pub(super) fn again(&mut self, text: &str, caret: usize) -> Option<UndoPoint> {
        self.rest();
        let moment = self.future.pop()?;
        self.bytes += text.len() + EACH;
        self.past.push_back((text.to_owned(), caret));
        Some(moment)
    }
}
