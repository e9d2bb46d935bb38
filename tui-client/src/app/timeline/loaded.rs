//! The loaded part of the log, and the newest lines apart from it if the two do not meet. The rest
//! is fetched when the user scrolls there.

use std::collections::VecDeque;

use chitty_chat::{Event, EventKind, Position};

use super::{
    Timeline,
    entry::{EntryContent, TimelineEntry},
    runs,
    scroll::Anchor,
};
use crate::{glyphs, session::HistoryPage};

/// The largest number of loaded entries. The session cuts an event's texts to less than 1.6 KiB, so
/// the loaded part and the tail take at most 24 MiB.
pub(super) const MAX_ENTRIES: usize = 10_000;
/// If fewer entries than this are loaded beyond the pane, more are fetched.
const AHEAD: usize = 300;
/// The distance between the numbers of entries in different loaded parts.
pub(super) const APART: i64 = 1 << 32;

/// Which lines are being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetching {
    /// Those above the loaded part.
    Older,
    /// Those below the loaded part.
    Newer,
}

/// What is known of the log beyond the loaded part.
#[derive(Debug, Default)]
pub(super) struct LoadedRange {
    /// The oldest loaded position; `None` if nothing above it can be fetched.
    low: Option<Position>,
    /// The newest loaded position.
    high: Position,
    /// The server keeps nothing older than this.
    floor: Position,
    /// The page that was requested.
    asked: Option<HistoryPage>,
    /// Whether the last page failed: it is not requested again without a reason.
    refused: bool,
}

impl LoadedRange {
    /// The newest loaded position.
    pub(super) fn high(&self) -> Position {
        self.high
    }

    /// Sets the newest loaded position.
    pub(super) fn set_high(&mut self, high: Position) {
        self.high = high;
    }

    /// The range of another loaded part. A page that is in flight was for the old one.
    pub(super) fn replace(&mut self, low: Option<Position>, high: Position) {
        (self.low, self.high, self.asked) = (low, high, None);
    }
}

impl Timeline {
    /// Which lines are being fetched.
    pub fn fetching(&self) -> Option<Fetching> {
        self.reach.asked.map(|page| match page {
            HistoryPage::After(_) => Fetching::Newer,
            HistoryPage::Before(_) | HistoryPage::At(_) => Fetching::Older,
        })
    }

    /// Whether the chat's first line is loaded, or nothing above it can be fetched.
    pub(in crate::app) fn has_first(&self) -> bool {
        self.reach.low.is_none_or(|low| low <= self.reach.floor)
    }

    /// The oldest and the newest loaded position, each only if there is more to fetch beyond it.
    pub(in crate::app) fn ends(&self) -> (Option<Position>, Option<Position>) {
        let high = (!self.is_attached()).then_some(self.reach.high);
        (self.reach.low.filter(|_| !self.has_first()), high)
    }

    /// The oldest position among the newest lines, if there are older ones.
    pub(in crate::app) fn before_newest(&self) -> Option<Position> {
        match &self.tail {
            Some(tail) => Some(tail.from()).filter(|from| *from > self.reach.floor),
            None => self.ends().0,
        }
    }

    /// The page that scrolling will need soon. From now on it counts as requested.
    pub(in crate::app) fn wanted(&mut self) -> Option<HistoryPage> {
        if self.reach.asked.is_some() || self.reach.refused || self.page == 0 {
            return None;
        }
        let (from, to, _) = self.rows_on_screen();
        let (low, _) = self.ends();
        // While following, older lines are needed only if the first loaded one is on screen.
        let older = from.saturating_sub(self.past) < AHEAD && (self.anchor.is_some() || from == 0);
        let page = match low {
            Some(low) if older => HistoryPage::Before(low),
            _ if !self.is_attached() && self.entries.len().saturating_sub(to) < AHEAD => {
                HistoryPage::After(self.reach.high)
            }
            _ => return None,
        };
        self.reach.asked = Some(page);
        Some(page)
    }

    /// Allows pages to be requested again.
    pub(in crate::app) fn retry_pages(&mut self) {
        self.reach.refused = false;
    }

    /// Takes a page that [`Timeline::wanted`] requested. Returns whether it was that one.
    pub(in crate::app) fn paged(
        &mut self,
        page: HistoryPage,
        events: Option<&[Event]>,
        start: bool,
    ) -> bool {
        if self.reach.asked != Some(page) {
            return false;
        }
        self.reach.asked = None;
        let Some(events) = events else {
            self.reach.refused = true;
            return true;
        };
        match page {
            // The loaded part may have moved while the page was in flight: then it would leave a
            // gap.
            HistoryPage::Before(before) if self.reach.low == Some(before) => {
                self.prepend(events, before, start);
            }
            HistoryPage::After(after) if self.reach.high == after => self.append(events),
            _ => {}
        }
        self.settle();
        true
    }

    /// Goes to the event at this position, which is among `events` if it is not loaded.
    pub(in crate::app) fn jump(&mut self, events: &[Event], start: bool, to: Position) {
        if self.locate(to).is_none() && !events.is_empty() {
            self.detach();
            self.entries = self.entries_of(events);
            self.widen();
            self.past = 0;
            // Anchors and selections refer to numbers. A gap this large makes those of the old part
            // invalid without a search.
            self.first += APART;
            let low = events.first().map(|event| event.position);
            let high = events.last().map_or(Position::ZERO, |event| event.position);
            self.reach.replace(low, high);
            if start {
                self.reach.floor = self.reach.low.unwrap_or_default();
            }
            self.absorb_tail();
        }
        self.selected = None;
        if let Some(index) = self.locate(to) {
            self.center(index);
        }
    }

    /// The index of the event at this position.
    pub(super) fn locate(&self, position: Position) -> Option<usize> {
        self.entries
            .iter()
            .rposition(|entry| entry.position() == Some(position))
    }

    /// Takes note that the event at this position was received.
    pub(super) fn reached(&mut self, position: Position) {
        if self.is_attached() {
            self.reach.high = position;
            self.reach.low = self.reach.low.or(
                // Everything above belongs to another log.
                self.entries
                    .iter()
                    .all(|entry| entry.event().is_none())
                    .then_some(position),
            );
        }
    }

    /// Starts on another log: everything so far belongs to an earlier chat.
    pub(super) fn begin_another_log(&mut self) {
        if !self.is_attached() {
            self.attach();
            self.anchor = None;
        }
        self.reach = LoadedRange::default();
        self.pass();
    }

    /// Takes the oldest position that the server keeps, from a Welcome.
    pub(super) fn log_begins(&mut self, floor: Position) {
        self.reach.floor = self.reach.floor.max(floor);
        self.reach.asked = None;
        self.reach.refused = false;
    }

    /// Appends an entry that has just arrived.
    pub(super) fn push(&mut self, entry: TimelineEntry) {
        if let Some(tail) = &mut self.tail {
            tail.push(entry);
            return self.settle();
        }
        let entry = entry.after(self.entries.back());
        self.entries.push_back(entry);
        self.extend_run();
        if self.entries.len() > MAX_ENTRIES {
            // Somebody who reads far up must not lose those lines: the newest ones go to the tail
            // instead. Otherwise the oldest line is the one that nobody misses.
            let reading = self.anchor.and_then(|anchor| self.index_of(anchor.entry));
            if reading.is_some_and(|index| index < MAX_ENTRIES / 2) {
                self.detach();
            } else {
                self.drop_first();
            }
        }
        self.settle();
    }

    fn prepend(&mut self, events: &[Event], before: Position, start: bool) {
        let older: Vec<_> = events
            .iter()
            .filter(|event| event.position < before)
            .cloned()
            .collect();
        self.reach.low = older
            .first()
            .map_or(Some(before), |event| Some(event.position));
        if start || older.is_empty() {
            self.reach.floor = self.reach.low.unwrap_or_default();
        }
        let page = self.entries_of(&older);
        if let (Some(last), Some(first)) = (page.back(), self.entries.get_mut(self.past)) {
            // Only rows above its text change, so what is on screen stays in place.
            first.new_day = last.at.date() != first.at.date();
        }
        if self.entries.len() + page.len() > MAX_ENTRIES {
            self.detach();
            // The user reads at the upper end, so the lower end is dropped; it can be fetched
            // again.
            self.entries
                .truncate(MAX_ENTRIES.saturating_sub(page.len()));
            let newest = self.entries.iter().rev().find_map(TimelineEntry::position);
            self.reach.high = newest.unwrap_or(self.reach.high);
        }
        self.put_before(page);
    }

    fn append(&mut self, events: &[Event]) {
        let newer: Vec<_> = events
            .iter()
            .filter(|event| event.position > self.reach.high)
            .cloned()
            .collect();
        match newer.last() {
            Some(last) => self.reach.high = last.position,
            // The log ends here, whatever the tail says.
            None => {
                if let Some(tail) = &mut self.tail {
                    tail.reaches_down_to(self.reach.high.next());
                }
            }
        }
        let mut page = self.entries_of(&newer);
        if let (Some(last), Some(first)) = (self.entries.back(), page.front_mut()) {
            first.new_day = last.at.date() != first.at.date();
        }
        self.entries.append(&mut page);
        self.absorb_tail();
        while self.entries.len() > MAX_ENTRIES {
            self.drop_first();
        }
    }

    pub(super) fn drop_first(&mut self) {
        if self.entries.pop_front().is_none() {
            return;
        }
        self.first += 1;
        self.past = self.past.saturating_sub(1);
        if self.reach.low.is_some() {
            let oldest = self.entries.iter().find_map(TimelineEntry::position);
            self.reach.low = oldest.or(Some(self.reach.high.next()));
        }
        if let Some(first) = self.entries.front_mut() {
            first.new_day = true;
            if first.run == super::entry::PresenceRun::Member {
                // The line of the run was dropped with its head: the others are shown one by one.
                for entry in &mut self.entries {
                    if entry.run != super::entry::PresenceRun::Member {
                        break;
                    }
                    entry.run = super::entry::PresenceRun::Alone;
                    entry.height.0.set(None);
                }
            }
        }
    }

    fn entries_of(&mut self, events: &[Event]) -> VecDeque<TimelineEntry> {
        let mut entries: VecDeque<TimelineEntry> = VecDeque::with_capacity(events.len());
        for event in events
            .iter()
            .filter(|event| event.kind != EventKind::Unknown)
        {
            self.fit_columns(event);
            let at = self.local(event.at);
            let entry = TimelineEntry::new(EntryContent::Event(event.clone()), at, 0);
            let entry = entry.after(entries.back());
            entries.push_back(entry);
        }
        runs::group(&mut entries);
        entries
    }

    /// Widens the columns for this event; for its author, only once that moves nothing that is
    /// being read.
    pub(super) fn fit_columns(&mut self, event: &Event) {
        let author = match &event.kind {
            EventKind::Message { author, .. } => glyphs::width(&glyphs::safe(author)),
            _ => 0,
        };
        if self.columns.grow(event.lamport, author) {
            self.layout += 1;
        }
    }

    /// Gives the column of authors the width that it needs.
    pub(super) fn widen(&mut self) {
        if self.columns.widen() {
            self.layout += 1;
        }
    }

    pub(super) fn center(&mut self, index: usize) {
        self.anchor = Some(Anchor {
            entry: self.number(index),
            row: 0,
        });
        self.down(self.page / 2);
    }
}
