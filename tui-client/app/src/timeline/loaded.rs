//! The loaded part of the log, and the newest lines apart from it if the two do not meet. The rest
//! is fetched when the user scrolls there.
//!
//! The events of the current chat that are loaded have consecutive positions, from `low` to `high`
//! of the range. Without a tail, the range ends at `last`.

mod range;

use std::{collections::VecDeque, ops::Range};

use chitty_chat::{LamportTime, Position};

pub use self::range::Fetching;
use self::range::LoadedRange;
use super::{
    entry::TimelineEntry,
    numbered::{NumberShift, NumberedEntries, PinnedEntries},
    tail::TimelineTail,
};
use crate::port::HistoryPage;

/// The largest number of loaded entries. The session cuts an event's texts to less than 1.6 KiB, so
/// the loaded part and the tail take at most 24 MiB.
pub(super) const MAX_ENTRIES: usize = 10_000;
/// The largest number of lines that are kept of a chat that the server had before.
pub(super) const PAST: usize = 1_000;
/// If fewer entries than this are loaded beyond the pane, more are fetched.
const AHEAD: usize = 300;

/// Consecutive events, as entries that can be inserted.
#[derive(Debug, Default)]
pub(super) struct EntryPage {
    /// The entries, from the oldest on. An event of an unknown kind has none.
    pub(super) entries: VecDeque<TimelineEntry>,
    /// The positions of the first and the last event, with those of unknown kinds.
    pub(super) ends: Option<(Position, Position)>,
}

/// The loaded part of the log, with the tail.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    entries: NumberedEntries,
    /// The newest lines, if the loaded part does not reach them.
    tail: Option<TimelineTail>,
    range: LoadedRange,
    /// The position of the last event that was received.
    last: Position,
}

impl Loaded {
    /// The entries, without the tail.
    pub(super) fn entries(&self) -> &NumberedEntries {
        &self.entries
    }

    /// The newest lines, if they are apart from the loaded part.
    pub(super) fn tail(&self) -> Option<&TimelineTail> {
        self.tail.as_ref()
    }

    /// The position of the last event that was received.
    pub(super) fn last(&self) -> Position {
        self.last
    }

    /// Whether the loaded part ends at the end of the chat.
    pub(super) fn is_attached(&self) -> bool {
        self.tail.is_none()
    }

    /// The Lamport time of the event at a position, if it is loaded or in the tail.
    pub(super) fn lamport_of(&self, position: Position) -> Option<LamportTime> {
        let tail = || self.tail.as_ref()?.lamport_of(position);
        self.entries.lamport_of(position).or_else(tail)
    }
}

/// The ends of the loaded part, and the pages beyond them.
impl Loaded {
    /// Which lines are being fetched.
    pub(super) fn fetching(&self) -> Option<Fetching> {
        self.range.fetching()
    }

    /// Whether the chat's first line is loaded, or nothing above it can be fetched.
    pub(super) fn has_first(&self) -> bool {
        self.range.has_first()
    }

    /// The oldest and the newest loaded position, each only if there is more to fetch beyond it.
    pub(super) fn ends(&self) -> (Option<Position>, Option<Position>) {
        let high = (!self.is_attached()).then_some(self.range.high());
        (self.range.low().filter(|_| !self.has_first()), high)
    }

    /// The oldest position among the newest lines, if there are older ones.
    pub(super) fn before_newest(&self) -> Option<Position> {
        match &self.tail {
            Some(tail) => Some(tail.from()).filter(|from| *from > self.range.floor()),
            None => self.ends().0,
        }
    }

    /// The page that is needed soon if these indices are on screen. From now on it counts as
    /// requested.
    pub(super) fn wanted(
        &mut self,
        on_screen: &Range<usize>,
        is_following: bool,
    ) -> Option<HistoryPage> {
        if !self.range.may_request() {
            return None;
        }
        let above = on_screen.start.saturating_sub(self.entries.past());
        let below = self.entries.len().saturating_sub(on_screen.end);
        // While following, older lines are needed only if the first loaded one is on screen.
        let older = above < AHEAD && (!is_following || on_screen.start == 0);
        let page = match self.ends() {
            (Some(low), _) if older => HistoryPage::Before(low),
            (_, Some(high)) if below < AHEAD => HistoryPage::After(high),
            _ => return None,
        };
        self.range.request(page);
        Some(page)
    }

    /// Allows pages to be requested again.
    pub(super) fn retry_pages(&mut self) {
        self.range.retry();
    }

    /// Takes note of the answer to a page, which may be an error. Returns whether this page was
    /// requested.
    pub(super) fn answered(&mut self, page: HistoryPage, is_error: bool) -> bool {
        self.range.answered(page, is_error)
    }

    /// Whether this page continues the loaded part: it may have moved while the page was in flight,
    /// and then the page would leave a gap.
    pub(super) fn adjoins(&self, page: HistoryPage) -> bool {
        match page {
            HistoryPage::Before(before) => self.range.low() == Some(before),
            HistoryPage::After(after) => self.range.high() == after,
            HistoryPage::At(_) => false,
        }
    }

    /// Takes the oldest position that the server keeps, from a Welcome.
    pub(super) fn log_begins(&mut self, floor: Position) {
        self.range.log_begins(floor);
    }

    /// Takes note that the stream continues after this position.
    pub(super) fn stream_continues_after(&mut self, position: Position) {
        self.last = self.last.max(position);
    }
}

/// Events that arrive, and pages that are fetched.
impl Loaded {
    /// Takes note that the event at this position was received. Returns whether it is new.
    pub(super) fn receive(&mut self, position: Position) -> bool {
        if position <= self.last {
            return false;
        }
        self.last = position;
        if self.is_attached() {
            // Without an event, everything above belongs to another log.
            let is_first = self.entries.iter().all(|entry| entry.event().is_none());
            self.range.received(position, is_first);
        }
        true
    }

    /// Appends an entry that has just arrived.
    pub(super) fn push(&mut self, entry: TimelineEntry, pinned: &PinnedEntries) {
        if let Some(tail) = &mut self.tail {
            return tail.push(entry);
        }
        self.entries.push(entry, pinned);
        if self.entries.len() > MAX_ENTRIES {
            // Somebody who reads far up must not lose those lines: the newest ones go to the tail
            // instead. Otherwise the oldest line is the one that nobody misses.
            let reading = pinned
                .anchor
                .and_then(|anchor| self.entries.index_of(anchor));
            if reading.is_some_and(|index| index < MAX_ENTRIES / 2) {
                self.detach();
            } else {
                self.drop_first();
            }
        }
    }

    /// Inserts a page before the oldest loaded event. `is_start` says that the log begins with it.
    pub(super) fn prepend(&mut self, page: EntryPage, is_start: bool) -> NumberShift {
        if let Some((low, _)) = page.ends {
            self.range.extend_up(low);
        }
        if is_start || page.ends.is_none() {
            self.range.begins_here();
        }
        let page = page.entries;
        if self.entries.len() + page.len() > MAX_ENTRIES {
            self.detach();
            // The user reads at the upper end, so the lower end is dropped; it can be fetched
            // again.
            self.entries
                .truncate(MAX_ENTRIES.saturating_sub(page.len()));
            if let Some(newest) = self.entries.newest() {
                self.range.ends_at(newest);
            }
        }
        self.entries.insert_after_past(page)
    }

    /// Appends a page after the newest loaded event.
    pub(super) fn append(&mut self, page: EntryPage) {
        match (page.ends, &mut self.tail) {
            (Some((_, high)), _) => self.range.ends_at(high),
            // The log ends here, whatever the tail says.
            (None, Some(tail)) => tail.reaches_down_to(self.range.high().next()),
            (None, None) => {}
        }
        self.entries.append(page.entries);
        self.absorb_tail();
        while self.entries.len() > MAX_ENTRIES {
            self.drop_first();
        }
    }

    /// Loads this page instead of what is loaded. All numbers become invalid.
    pub(super) fn replace(&mut self, page: EntryPage, is_start: bool) {
        self.detach();
        self.entries.replace(page.entries, 0);
        let (low, high) = page.ends.unzip();
        self.range.replace(low, high.unwrap_or_default());
        if is_start {
            self.range.begins_here();
        }
        self.absorb_tail();
    }

    /// Drops the oldest entry, and moves the low end of the range to the oldest event that is left.
    fn drop_first(&mut self) {
        if self.entries.drop_first() {
            self.range.dropped(|| self.entries.oldest());
        }
    }
}

/// The tail.
impl Loaded {
    /// Loads the tail instead of what is loaded. Returns whether there was one: then all numbers
    /// have become invalid.
    pub(super) fn attach(&mut self) -> bool {
        let Some(tail) = self.tail.take() else {
            return false;
        };
        let from = tail.from();
        let (entries, past) = tail.into_entries();
        self.entries.replace(entries, past);
        let low = self.entries.oldest().unwrap_or(from);
        self.range.replace(Some(low), self.last);
        true
    }

    /// Splits the newest lines off into the tail.
    fn detach(&mut self) {
        if self.tail.is_some() {
            return;
        }
        self.tail = Some(TimelineTail::split_off(&mut self.entries, self.last));
        if let Some(newest) = self.entries.newest() {
            self.range.ends_at(newest);
        }
    }

    /// Joins the loaded part and the tail if they meet.
    fn absorb_tail(&mut self) {
        let high = self.range.high();
        let Some(tail) = self.tail.take_if(|tail| tail.from() <= high.next()) else {
            return;
        };
        // What the two have in common, and the notices among it, stand in the loaded part already.
        let (mut entries, _) = tail.into_entries();
        let is_common = |entry: &TimelineEntry| match entry.position() {
            Some(position) => position <= high,
            None => true,
        };
        let common = entries.iter().take_while(|entry| is_common(entry)).count();
        self.entries.append(entries.split_off(common));
        self.range.ends_at(self.last);
    }
}

/// Lines of a chat that the server had before: they can still be read, above all lines of the
/// current chat.
impl Loaded {
    /// Moves everything to the past: the server has another chat now, and positions begin anew.
    pub(super) fn begin_another_log(&mut self) {
        while self.entries.len() > PAST {
            self.drop_first();
        }
        self.entries.pass();
        self.range = LoadedRange::default();
        self.last = Position::ZERO;
    }

    /// Takes note that everything so far stands above the current chat, also the client's own line
    /// about the change.
    pub(super) fn end_past(&mut self) {
        self.entries.end_past();
    }
}

#[cfg(test)]
mod tests;
