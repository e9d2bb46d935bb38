//! Lines of a chat that the server had before: they can still be read, above all lines of the
//! current chat.

use std::collections::VecDeque;

use super::{Timeline, entry::TimelineEntry};

/// The largest number of lines that are kept of it.
pub(super) const PAST: usize = 1_000;

impl Timeline {
    /// Moves everything to the past: the server has another chat now.
    pub(super) fn pass(&mut self) {
        while self.entries.len() > PAST {
            self.drop_first();
        }
        for entry in &mut self.entries {
            entry.pass();
        }
    }

    /// Inserts older lines of the current chat before its other lines. Lines of an earlier chat
    /// stay above them, and a user who reads there stays there.
    pub(super) fn put_before(&mut self, page: VecDeque<TimelineEntry>) {
        let after = self.number(self.past);
        let rows = i64::try_from(page.len()).unwrap_or(i64::MAX);
        let moved = |number: i64| number - if number < after { rows } else { 0 };
        self.selected = self.selected.map(moved);
        if let Some(anchor) = &mut self.anchor {
            anchor.entry = moved(anchor.entry);
        }
        self.first -= rows;
        self.entries.rotate_left(self.past);
        for entry in page.into_iter().rev() {
            self.entries.push_front(entry);
        }
        self.entries.rotate_right(self.past);
    }
}
