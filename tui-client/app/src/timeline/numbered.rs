//! Entries, and the numbers by which the rest of the timeline refers to them.
//!
//! An entry keeps its number while it is loaded. Only this file turns numbers into indices, and only
//! this file inserts and removes entries, so the two cannot come apart:
//!
//! - the entry at index `i` has the number `first + i`;
//! - the entries before index `past` belong to a chat that the server had before.

use std::{collections::VecDeque, ops::Range};

use chitty_chat::{LamportTime, Position};

use super::{
    entry::{PresenceRun, TimelineEntry},
    runs,
};

/// The distance between the numbers of entries in different loaded parts. It is so large that a
/// number of the old part is invalid in the new one without a search.
const APART: i64 = 1 << 32;

/// The number of an entry. Numbers after the last entry belong to the pending lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryNumber(i64);

/// What happened to the numbers when lines were inserted between two chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberShift {
    /// Numbers below this one have changed.
    below: i64,
    /// How much smaller they are now.
    by: i64,
}

impl EntryNumber {
    /// The number that the same entry has after the shift.
    pub(super) fn shifted(self, shift: NumberShift) -> Self {
        Self(self.0 - if self.0 < shift.below { shift.by } else { 0 })
    }
}

/// The entries that must stay in place while lines arrive.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PinnedEntries {
    /// The entry at the bottom of the pane, if the user has scrolled up.
    pub(super) anchor: Option<EntryNumber>,
    /// The selected entry.
    pub(super) selected: Option<EntryNumber>,
    /// The arrival number of the entry that the unread line stands above.
    pub(super) first_unread: Option<u64>,
}

/// Entries with consecutive numbers.
///
/// A signed number with a moving `first` makes both ends cheap: dropping the oldest entry raises
/// `first`, inserting older ones lowers it, and no number that somebody holds has to change.
#[derive(Debug, Default)]
pub(super) struct NumberedEntries {
    entries: VecDeque<TimelineEntry>,
    /// How many entries at the front belong to a chat that the server had before.
    past: usize,
    /// The number of the first entry. Dropping an entry at the front only raises it.
    first: i64,
}

/// Reading entries, and numbers for indices.
impl NumberedEntries {
    /// The number of entries, without the tail.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry at this index.
    pub(super) fn get(&self, index: usize) -> Option<&TimelineEntry> {
        self.entries.get(index)
    }

    /// The entries, from the oldest on.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &TimelineEntry> {
        self.entries.iter()
    }

    /// The entries in a range of indices, which may reach beyond the last one.
    pub(super) fn range(
        &self,
        indices: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = &TimelineEntry> {
        let end = indices.end.min(self.entries.len());
        self.entries.range(indices.start.min(end)..end)
    }

    /// How many entries at the front belong to an earlier chat.
    pub(super) fn past(&self) -> usize {
        self.past
    }

    /// The number of the entry at this index.
    pub(super) fn number(&self, index: usize) -> EntryNumber {
        number(self.first, index)
    }

    /// The index that has this number; `None` if its entry was dropped. An index after the entries
    /// is one of the pending lines, which this part does not know.
    pub(super) fn index_of(&self, number: EntryNumber) -> Option<usize> {
        usize::try_from(number.0 - self.first).ok()
    }

    /// Whether the entry with this number was dropped.
    pub(super) fn has_dropped(&self, number: EntryNumber) -> bool {
        number.0 < self.first
    }

    /// The index of the event at this position.
    pub(super) fn locate(&self, position: Position) -> Option<usize> {
        self.entries
            .iter()
            .rposition(|entry| entry.position() == Some(position))
    }

    /// The Lamport time of the event at a position.
    pub(super) fn lamport_of(&self, position: Position) -> Option<LamportTime> {
        time_at(&self.entries, position)
    }

    /// The position of the oldest event of the current chat.
    pub(super) fn oldest(&self) -> Option<Position> {
        self.entries.iter().find_map(TimelineEntry::position)
    }

    /// The position of the newest event of the current chat.
    pub(super) fn newest(&self) -> Option<Position> {
        self.entries.iter().rev().find_map(TimelineEntry::position)
    }

    /// The number of the entry that shows this one: the head of its run, while runs are folded.
    pub(super) fn head_of(&self, number: EntryNumber) -> EntryNumber {
        let Some(mut index) = self.index_of(number) else {
            return number;
        };
        let is_member = |index| self.get(index).map(|entry| entry.run) == Some(PresenceRun::Member);
        while index > 0 && is_member(index) {
            index -= 1;
        }
        self.number(index)
    }
}

/// Inserting and removing entries.
impl NumberedEntries {
    /// Appends an entry that has just arrived.
    pub(super) fn push(&mut self, entry: TimelineEntry, pinned: &PinnedEntries) {
        let entry = entry.after(self.entries.back());
        self.entries.push_back(entry);
        // Folding takes rows away, so it must not happen at or below the row that somebody reads.
        let lowest = pinned.anchor.max(pinned.selected);
        let first = self.first;
        let is_pinned = |index| lowest.is_some_and(|lowest| lowest >= number(first, index));
        runs::extend(&mut self.entries, is_pinned, pinned.first_unread);
    }

    /// Inserts older lines of the current chat before its other lines. Lines of an earlier chat
    /// stay above them, and a user who reads there stays there: these lines get other numbers.
    pub(super) fn insert_after_past(&mut self, page: VecDeque<TimelineEntry>) -> NumberShift {
        let rows = i64::try_from(page.len()).unwrap_or(i64::MAX);
        let shift = NumberShift {
            below: self.number(self.past).0,
            by: rows,
        };
        if let (Some(last), Some(first)) = (page.back(), self.entries.get_mut(self.past)) {
            // Only rows above its text change, so what is on screen stays in place.
            first.new_day = last.at.date() != first.at.date();
        }
        self.first -= rows;
        // The page belongs between the past and the rest. Turning the past away makes that place
        // the front, where a deque inserts without moving the rest.
        self.entries.rotate_left(self.past);
        for entry in page.into_iter().rev() {
            self.entries.push_front(entry);
        }
        self.entries.rotate_right(self.past);
        shift
    }

    /// Appends entries that were made apart from these.
    pub(super) fn append(&mut self, mut entries: VecDeque<TimelineEntry>) {
        if let Some(first) = entries.front_mut() {
            let last = self.entries.back();
            first.new_day = last.is_none_or(|last| last.at.date() != first.at.date());
        }
        self.entries.append(&mut entries);
    }

    /// Takes these entries instead, `past` of which belong to an earlier chat. All numbers become
    /// invalid.
    pub(super) fn replace(&mut self, entries: VecDeque<TimelineEntry>, past: usize) {
        (self.entries, self.past) = (entries, past);
        self.first += APART;
        // Nothing stands above it now, so its date has to.
        if let Some(first) = self.entries.front_mut() {
            first.new_day = true;
        }
    }

    /// Drops the first entry. Returns whether there was one.
    pub(super) fn drop_first(&mut self) -> bool {
        if self.entries.pop_front().is_none() {
            return false;
        }
        self.first += 1;
        self.past = self.past.saturating_sub(1);
        if let Some(first) = self.entries.front_mut() {
            first.new_day = true;
        }
        runs::unfold_headless(&mut self.entries);
        true
    }

    /// Drops the entries from this index on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    /// Splits the entries from this index on off. Returns them, and how many of them belong to an
    /// earlier chat: its lines are at the front, so each part has its share of them.
    pub(super) fn split_off(&mut self, at: usize) -> (VecDeque<TimelineEntry>, usize) {
        let past = self.past.saturating_sub(at);
        self.past = self.past.min(at);
        (self.entries.split_off(at), past)
    }

    /// Moves all events to the past: the server has another chat now.
    pub(super) fn pass(&mut self) {
        for entry in &mut self.entries {
            entry.pass();
        }
    }

    /// Takes note that everything so far stands above the current chat, also the client's own line
    /// about the change.
    pub(super) fn end_past(&mut self) {
        self.past = self.entries.len();
    }
}

/// The number of the entry at an index, if the first entry has the number `first`.
fn number(first: i64, index: usize) -> EntryNumber {
    EntryNumber(first + i64::try_from(index).unwrap_or(i64::MAX))
}

/// The Lamport time of the event at a position. The events among the entries are in order; other
/// lines are not.
pub(super) fn time_at(
    entries: &VecDeque<TimelineEntry>,
    position: Position,
) -> Option<LamportTime> {
    let (mut low, mut high) = (0, entries.len());
    while low < high {
        let middle = low.midpoint(high);
        let event = entries.range(middle..high).find_map(TimelineEntry::event);
        match event {
            Some(event) if event.position == position => {
                return Some(event.lamport);
            }
            Some(event) if event.position < position => low = middle + 1,
            _ => high = middle,
        }
    }
    None
}
