//! What is known of the log beyond the loaded part, and the page of it that was requested.

use chitty_chat::Position;

use crate::port::HistoryPage;

/// Which lines are being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetching {
    /// Those above the loaded part.
    Older,
    /// Those below the loaded part.
    Newer,
}

/// The positions of the loaded part, and the request for more.
#[derive(Debug, Default)]
pub(super) struct LoadedRange {
    /// The oldest loaded position; `None` if nothing above it can be fetched.
    low: Option<Position>,
    /// The newest loaded position.
    high: Position,
    /// The server keeps nothing older than this.
    floor: Position,
    /// The page that was requested. There is one at a time.
    asked: Option<HistoryPage>,
    /// Whether the last page failed: it is not requested again without a reason.
    refused: bool,
}

impl LoadedRange {
    pub(super) fn low(&self) -> Option<Position> {
        self.low
    }

    pub(super) fn high(&self) -> Position {
        self.high
    }

    pub(super) fn floor(&self) -> Position {
        self.floor
    }

    /// Whether nothing above the oldest loaded position can be fetched.
    pub(super) fn has_first(&self) -> bool {
        self.low.is_none_or(|low| low <= self.floor)
    }

    pub(super) fn fetching(&self) -> Option<Fetching> {
        self.asked.map(|page| match page {
            HistoryPage::After(_) => Fetching::Newer,
            HistoryPage::Before(_) | HistoryPage::At(_) => Fetching::Older,
        })
    }

    pub(super) fn may_request(&self) -> bool {
        self.asked.is_none() && !self.refused
    }

    pub(super) fn request(&mut self, page: HistoryPage) {
        self.asked = Some(page);
    }

    pub(super) fn retry(&mut self) {
        self.refused = false;
    }

    /// Takes note of the answer to a page. Returns whether it is the one that was requested.
    pub(super) fn answered(&mut self, page: HistoryPage, is_error: bool) -> bool {
        if self.asked != Some(page) {
            return false;
        }
        self.asked = None;
        self.refused |= is_error;
        true
    }

    /// Takes the oldest position that the server keeps. A new stream has begun, so a page that was
    /// requested on the old one may never come.
    pub(super) fn log_begins(&mut self, floor: Position) {
        self.floor = self.floor.max(floor);
        self.asked = None;
        self.refused = false;
    }

    /// Extends the range by an event that was received. The first one of a log is also its low end.
    pub(super) fn received(&mut self, position: Position, is_first: bool) {
        self.high = position;
        self.low = self.low.or(is_first.then_some(position));
    }

    pub(super) fn extend_up(&mut self, low: Position) {
        self.low = Some(low);
    }

    pub(super) fn ends_at(&mut self, high: Position) {
        self.high = high;
    }

    /// Takes note that the log has nothing before the range.
    pub(super) fn begins_here(&mut self) {
        self.floor = self.low.unwrap_or_default();
    }

    /// Takes note that an entry at the upper end was dropped, and which event is the oldest now.
    pub(super) fn dropped(&mut self, oldest: impl FnOnce() -> Option<Position>) {
        if self.low.is_some() {
            self.low = oldest().or(Some(self.high.next()));
        }
    }

    /// The range of another loaded part. A page that is in flight was for the old one.
    pub(super) fn replace(&mut self, low: Option<Position>, high: Position) {
        (self.low, self.high, self.asked) = (low, high, None);
    }
}
