//! The newest lines, which are kept apart while the loaded part does not reach them, so that
//! returning to the end of the chat needs no server.

use std::collections::VecDeque;

use chitty_chat::{LamportTime, Position};

use super::{
    entry::TimelineEntry,
    numbered::{NumberedEntries, time_at},
};

/// How many of the newest lines are kept while the loaded part is elsewhere.
const TAIL: usize = 2_000;

/// The newest lines, while the loaded part is elsewhere.
#[derive(Debug)]
pub(super) struct TimelineTail {
    entries: VecDeque<TimelineEntry>,
    /// The tail has all events from this position on.
    from: Position,
    /// How many entries at the front belong to a chat that the server had before.
    past: usize,
}

impl TimelineTail {
    /// Splits the newest entries off. `last` is the position of the last event that was received.
    pub(super) fn split_off(loaded: &mut NumberedEntries, last: Position) -> Self {
        let (entries, past) = loaded.split_off(loaded.len().saturating_sub(TAIL));
        let from = entries.iter().find_map(TimelineEntry::position);
        Self {
            from: from.unwrap_or(last.next()),
            entries,
            past,
        }
    }

    /// The entries, and how many of them belong to an earlier chat.
    pub(super) fn into_entries(self) -> (VecDeque<TimelineEntry>, usize) {
        (self.entries, self.past)
    }

    /// The entries, from the oldest on.
    pub(super) fn lines(&self) -> &VecDeque<TimelineEntry> {
        &self.entries
    }

    /// The Lamport time of the event at a position.
    pub(super) fn lamport_of(&self, position: Position) -> Option<LamportTime> {
        time_at(&self.entries, position)
    }

    /// The first position from which on the tail has all events.
    pub(super) fn from(&self) -> Position {
        self.from
    }

    /// Takes note that the log has no events between this position and the tail's first one.
    pub(super) fn reaches_down_to(&mut self, position: Position) {
        self.from = position;
    }

    /// Appends an entry that has just arrived.
    pub(super) fn push(&mut self, entry: TimelineEntry) {
        let entry = entry.after(self.entries.back());
        self.entries.push_back(entry);
        if self.entries.len() > TAIL {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(position) = self.entries.pop_front().and_then(|gone| gone.position()) {
            self.from = position.next();
        }
        self.past = self.past.saturating_sub(1);
    }
}
