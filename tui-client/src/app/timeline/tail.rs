//! The newest lines, which are kept apart while the loaded part does not reach them, so that
//! returning to the end of the chat needs no server.

use std::collections::VecDeque;

use chitty_chat::Position;

use super::{Timeline, entry::TimelineEntry, loaded::APART};

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

impl Timeline {
    /// Whether the loaded part ends at the end of the chat.
    pub(super) fn is_attached(&self) -> bool {
        self.tail.is_none()
    }

    /// Shows the newest lines, if they are not in the loaded part.
    pub(in crate::app) fn attach_again(&mut self) {
        if !self.is_attached() {
            self.follow();
        }
    }

    /// Returns to the end of the chat.
    pub(super) fn attach(&mut self) {
        let Some(tail) = self.tail.take() else { return };
        let selected = self.selected_position();
        let low = tail.entries.iter().find_map(TimelineEntry::position);
        self.reach.replace(low.or(Some(tail.from)), self.last);
        self.entries = tail.entries;
        self.past = tail.past;
        // Nothing stands above it now, so its date has to.
        if let Some(first) = self.entries.front_mut() {
            first.new_day = true;
        }
        self.first += APART;
        // Numbers of entries differ between the two parts; positions do not.
        self.selected = selected
            .and_then(|position| self.locate(position))
            .map(|index| self.number(index));
    }

    /// Joins the loaded part and the tail if they meet.
    pub(super) fn absorb_tail(&mut self) {
        let high = self.reach.high();
        if self
            .tail
            .as_ref()
            .is_none_or(|tail| tail.from > high.next())
        {
            return;
        }
        let Some(tail) = self.tail.take() else { return };
        // What the two have in common, and the notices among it, stand in the loaded part already.
        let mut rest = tail
            .entries
            .into_iter()
            .skip_while(|entry| entry.position().is_none_or(|position| position <= high));
        if let Some(mut entry) = rest.next() {
            entry.new_day = self
                .entries
                .back()
                .is_none_or(|last| last.at.date() != entry.at.date());
            self.entries.push_back(entry);
        }
        self.entries.extend(rest);
        self.reach.set_high(self.last);
    }

    /// Splits the newest lines off into the tail.
    pub(super) fn detach(&mut self) {
        if self.tail.is_some() {
            return;
        }
        let at = self.entries.len().saturating_sub(TAIL);
        let entries = self.entries.split_off(at);
        let from = entries.iter().find_map(TimelineEntry::position);
        let newest = self.entries.iter().rev().find_map(TimelineEntry::position);
        self.reach.set_high(newest.unwrap_or(self.reach.high()));
        self.tail = Some(TimelineTail {
            entries,
            from: from.unwrap_or(self.last.next()),
            // Lines of an earlier chat are at the front, so each part has its share of them.
            past: self.past.saturating_sub(at),
        });
        self.past = self.past.min(at);
    }
}

impl TimelineTail {
    pub(super) fn lines(&self) -> &VecDeque<TimelineEntry> {
        &self.entries
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> impl Iterator<Item = &TimelineEntry> {
        self.entries.iter()
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
