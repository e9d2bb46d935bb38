//! The pages of history that the timeline needs and gets.

use std::collections::VecDeque;

use chitty_chat::{Event, EventKind, Position};

use super::{
    Timeline,
    entry::{EntryContent, TimelineEntry},
    loaded::{EntryPage, Fetching},
    runs,
    viewport::Anchor,
};
use crate::{glyphs, port::HistoryPage};

impl Timeline {
    /// Which lines are being fetched.
    pub fn fetching(&self) -> Option<Fetching> {
        self.loaded.fetching()
    }

    /// Whether the chat's first line is loaded, or nothing above it can be fetched.
    pub(crate) fn has_first(&self) -> bool {
        self.loaded.has_first()
    }

    /// The oldest and the newest loaded position, each only if there is more to fetch beyond it.
    pub(crate) fn ends(&self) -> (Option<Position>, Option<Position>) {
        self.loaded.ends()
    }

    /// The oldest position among the newest lines, if there are older ones.
    pub(crate) fn before_newest(&self) -> Option<Position> {
        self.loaded.before_newest()
    }

    /// The page that scrolling will need soon. From now on it counts as requested.
    pub(crate) fn wanted(&mut self) -> Option<HistoryPage> {
        if self.viewport.page() == 0 {
            return None;
        }
        let (from, to, _) = self.rows_on_screen();
        self.loaded
            .wanted(&(from..to), self.viewport.is_following())
    }

    /// Allows pages to be requested again.
    pub(crate) fn retry_pages(&mut self) {
        self.loaded.retry_pages();
    }

    /// Takes a page that [`Timeline::wanted`] requested. Returns whether it was that one.
    pub(crate) fn paged(
        &mut self,
        page: HistoryPage,
        events: Option<&[Event]>,
        start: bool,
    ) -> bool {
        if !self.loaded.answered(page, events.is_none()) {
            return false;
        }
        let Some(events) = events else {
            return true;
        };
        if self.loaded.adjoins(page) {
            self.insert(page, events, start);
        }
        self.settle();
        true
    }

    fn insert(&mut self, page: HistoryPage, events: &[Event], start: bool) {
        let events = events.iter();
        match page {
            HistoryPage::Before(before) => {
                let page = self.page_of(events.filter(|event| event.position < before));
                let shift = self.loaded.prepend(page, start);
                self.viewport.shift(shift);
                self.selection.shift(shift);
            }
            HistoryPage::After(after) => {
                let page = self.page_of(events.filter(|event| event.position > after));
                self.loaded.append(page);
            }
            HistoryPage::At(_) => {}
        }
    }

    /// Goes to the event at this position, which is among `events` if it is not loaded.
    pub(crate) fn jump(&mut self, events: &[Event], start: bool, to: Position) {
        if self.entries().locate(to).is_none() && !events.is_empty() {
            let page = self.page_of(events.iter());
            self.layout.widen();
            self.loaded.replace(page, start);
        }
        self.selection.clear();
        if let Some(index) = self.entries().locate(to) {
            self.center(index);
        }
    }

    /// Lays events out for insertion, and fits the columns to them.
    fn page_of<'a>(&mut self, events: impl Iterator<Item = &'a Event>) -> EntryPage {
        let mut entries: VecDeque<TimelineEntry> = VecDeque::new();
        let mut ends = None;
        for event in events {
            let (low, _) = ends.unwrap_or((event.position, event.position));
            ends = Some((low, event.position));
            if event.kind == EventKind::Unknown {
                continue;
            }
            self.fit_columns(event);
            let at = self.local(event.at);
            let entry = TimelineEntry::new(EntryContent::Event(event.clone()), at, 0);
            let entry = entry.after(entries.back());
            entries.push_back(entry);
        }
        runs::group(&mut entries);
        EntryPage { entries, ends }
    }

    /// Widens the columns for this event; for its author, only once that moves nothing that is
    /// being read.
    pub(super) fn fit_columns(&mut self, event: &Event) {
        let author = match &event.kind {
            EventKind::Message { author, .. } => glyphs::width(&glyphs::safe(author)),
            _ => 0,
        };
        self.layout.fit(event.lamport, author);
    }

    /// Scrolls so that this entry stands in the middle of the pane.
    pub(super) fn center(&mut self, index: usize) {
        self.viewport.stay_at(Some(Anchor {
            entry: self.entries().number(index),
            row: 0,
        }));
        self.down(self.viewport.page() / 2);
    }
}
