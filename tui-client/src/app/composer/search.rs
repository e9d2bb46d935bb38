//! Looking back for a line, letter by letter.

use super::history::{History, LineId};

/// In characters.
const MOST: usize = 64;

/// A search that goes on.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// What is looked for.
    pub(super) query: String,
    /// The line that is shown.
    pub(super) found: Option<LineId>,
    /// There is no other one in the direction that was asked for last.
    pub(super) end: bool,
}

impl Search {
    /// One more letter.
    pub(super) fn push(&mut self, c: char, history: &History) {
        if !c.is_control() && self.query.chars().count() < MOST {
            self.query.push(c);
            // The line shown may still be the one.
            let from = self.found.map_or(LineId::MAX, |found| found + 1);
            self.look(from, history);
        }
    }

    /// One letter less.
    pub(super) fn pop(&mut self, history: &History) {
        self.query.pop();
        self.look(LineId::MAX, history);
    }

    /// An older line with the same in it.
    pub(super) fn older(&mut self, history: &History) {
        let from = self.found.unwrap_or(LineId::MAX);
        self.another(history.find_older(&self.query, from));
    }

    /// A newer line with the same in it.
    pub(super) fn newer(&mut self, history: &History) {
        if let Some(from) = self.found {
            self.another(history.find_newer(&self.query, from));
        }
    }

    fn another(&mut self, other: Option<LineId>) {
        if self.query.is_empty() {
            return;
        }
        self.found = other.or(self.found);
        self.end = other.is_none();
    }

    fn look(&mut self, from: LineId, history: &History) {
        let found = || history.find_older(&self.query, from);
        self.found = (!self.query.is_empty()).then(found).flatten();
        self.end = false;
    }
}
