//! Scrolling. The place is an entry, not a distance from the end, so it stays when lines arrive.

use super::Timeline;

/// The row at the bottom of the pane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    /// The number of the entry.
    pub(super) entry: i64,
    /// Which of its rows, counted from the first row of its text. Rows that appear above the text
    /// (a date) or below it therefore move nothing.
    pub(super) row: isize,
}

/// What is below the pane while the user has scrolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Below {
    /// How many entries have arrived and were not on screen yet.
    pub new: u64,
    /// How many of them mention the user.
    pub mentions: usize,
}

impl Timeline {
    /// What is below the pane; `None` if the newest line is on screen.
    pub fn below(&self) -> Option<Below> {
        (self.anchor.is_some() || !self.is_attached()).then(|| Below {
            new: self.arrived.saturating_sub(self.seen),
            mentions: self.mentions.len(),
        })
    }

    /// Shows the newest line and follows those that arrive.
    pub(in crate::app) fn follow(&mut self) {
        self.attach();
        self.anchor = None;
        self.selected = None;
        self.settle();
    }

    /// Follows on an empty pane: the earlier lines are above it.
    pub(in crate::app) fn clear(&mut self) {
        self.follow();
        self.cleared = Some(self.number(self.entries.len()));
    }

    /// Scrolls to the oldest loaded line.
    pub(in crate::app) fn oldest(&mut self) {
        self.anchor = self.top();
        self.settle();
    }

    /// Scrolls up by a page; a row or two of the old page stay visible.
    pub(in crate::app) fn page_up(&mut self) {
        self.up(self.stride());
    }

    /// Scrolls down by a page.
    pub(in crate::app) fn page_down(&mut self) {
        self.down(self.stride());
    }

    /// Scrolls up by this many rows.
    pub(in crate::app) fn up(&mut self, mut rows: usize) {
        let (mut index, mut row) = self.bottom();
        while rows > row {
            if index == 0 {
                break;
            }
            rows -= row + 1;
            index -= 1;
            while index > 0 && self.height(index) == 0 {
                index -= 1;
            }
            row = self.height(index).saturating_sub(1);
        }
        self.anchor = Some(self.at(index, row.saturating_sub(rows)));
        self.settle();
    }

    /// Scrolls down by this many rows.
    pub(in crate::app) fn down(&mut self, mut rows: usize) {
        let (mut index, mut row) = self.bottom();
        while index < self.count() {
            let left = self.height(index).saturating_sub(row + 1);
            if rows <= left {
                row += rows;
                break;
            }
            if index + 1 >= self.count() {
                row += left;
                break;
            }
            index += 1;
            while index + 1 < self.count() && self.height(index) == 0 {
                index += 1;
            }
            rows -= left + 1;
            row = 0;
        }
        self.anchor = Some(self.at(index.min(self.count().saturating_sub(1)), row));
        self.settle();
    }

    /// The range of indices on screen, and how many rows of the first one are above the pane.
    pub(super) fn rows_on_screen(&self) -> (usize, usize, usize) {
        if self.count() == 0 || self.page == 0 {
            return (0, 0, 0);
        }
        let (bottom, row) = self.bottom();
        let floor = self.floor();
        if bottom < floor {
            return (floor, floor, 0);
        }
        let (mut from, mut rows) = (bottom, row + 1);
        while rows < self.page && from > floor {
            from -= 1;
            rows += self.height(from);
        }
        (from, bottom + 1, rows.saturating_sub(self.page))
    }

    /// The first index that may be on screen.
    fn floor(&self) -> usize {
        self.cleared.map_or(0, |cleared| {
            let index = usize::try_from(cleared - self.first).unwrap_or(0);
            index.min(self.entries.len())
        })
    }

    /// Restores the invariants after a change: the pane is full, it follows again once the newest
    /// row is on screen, and what is on screen counts as seen.
    pub(super) fn settle(&mut self) {
        // The order matters: first an anchor is found if one is needed, then it is checked, and
        // only then what is on screen counts as seen. Apart from the end of the chat there is
        // nothing to follow, so the pane stands at the last loaded row.
        if self.anchor.is_none() && !self.is_attached() {
            self.anchor = self
                .count()
                .checked_sub(1)
                .map(|last| self.at(last, usize::MAX));
        }
        if self.anchor.is_none() {
            self.anchor = self.selection_at_top();
        }
        if let Some(anchor) = self.anchor {
            // Scrolling up shows everything again after `/clear`.
            self.cleared = None;
            let (index, row) = self.bottom();
            let newest = self.is_attached()
                && self.visible_after(index).is_none()
                && row + 1 >= self.height(index);
            // An anchor at the newest row would keep the pane from following.
            if anchor.entry >= self.first && newest {
                self.anchor = None;
            } else if anchor.entry < self.first || self.rows_above() < self.page {
                // The entry was dropped, or the pane has grown.
                self.anchor = self.top();
            }
        }
        if self.anchor.is_none() && self.is_attached() {
            // Widening the column of authors breaks rows anew, which moves nothing that is being
            // read.
            self.seen = self.arrived;
            self.widen();
        } else {
            let (index, _) = self.bottom();
            // The line of a run covers all its entries.
            let run = match self.entries.get(index).map(|entry| entry.run) {
                Some(super::PresenceRun::Head(len)) if !self.expanded => len - 1,
                _ => 0,
            };
            let last = (index + run).min(self.entries.len().saturating_sub(1));
            let arrival = self.entries.get(last).map_or(0, |entry| entry.arrival);
            self.seen = self.seen.max(arrival);
        }
        while self
            .mentions
            .front()
            .is_some_and(|&mention| mention <= self.seen)
        {
            self.mentions.pop_front();
        }
    }

    /// The anchor that keeps the selected line on screen, once it reaches the top of the pane.
    fn selection_at_top(&self) -> Option<Anchor> {
        let index = self.index_of(self.selected?)?;
        let (from, to, above) = self.rows_on_screen();
        let leaves = index < from || (index == from && above > 0 && index + 1 < to);
        (leaves && self.height(index) > 0).then(|| self.at_top(index))
    }

    /// The anchor with the first row of this entry at the top of the pane.
    pub(super) fn at_top(&self, index: usize) -> Anchor {
        let mut rows = self.page;
        let mut last = index;
        for below in index..self.count() {
            last = below;
            let height = self.height(below);
            if rows <= height {
                break;
            }
            rows -= height;
        }
        self.at(last, rows.saturating_sub(1))
    }

    /// The next entry that has rows.
    pub(super) fn visible_after(&self, index: usize) -> Option<usize> {
        (index + 1..self.count()).find(|&index| self.height(index) > 0)
    }

    pub(super) fn count(&self) -> usize {
        let pending = if self.is_attached() {
            self.pending.len()
        } else {
            0
        };
        self.entries.len() + pending
    }

    /// The number of the entry at this index.
    pub(super) fn number(&self, index: usize) -> i64 {
        self.first + i64::try_from(index).unwrap_or(i64::MAX)
    }

    /// The index of the entry with this number.
    pub(super) fn index_of(&self, number: i64) -> Option<usize> {
        let index = usize::try_from(number - self.first).ok()?;
        (index < self.count()).then_some(index)
    }

    fn stride(&self) -> usize {
        self.page.saturating_sub(2).max(1)
    }

    /// The anchor at this row of this entry, counted with the rows above its text.
    pub(super) fn at(&self, index: usize, row: usize) -> Anchor {
        let row = row.min(self.height(index).saturating_sub(1));
        Anchor {
            entry: self.number(index),
            row: row.cast_signed() - self.head(index).cast_signed(),
        }
    }

    /// The index and row at the bottom of the pane.
    pub(super) fn bottom(&self) -> (usize, usize) {
        let mut last = self.count().saturating_sub(1);
        while last > 0 && self.height(last) == 0 {
            last -= 1;
        }
        let (index, row) = match self.anchor {
            None => (last, usize::MAX),
            Some(anchor) => match self.index_of(anchor.entry) {
                Some(index) => {
                    let row = anchor.row + self.head(index).cast_signed();
                    (index, usize::try_from(row).unwrap_or(0))
                }
                None => (last, usize::MAX),
            },
        };
        (index, row.min(self.height(index).saturating_sub(1)))
    }

    /// How many rows there are from the top of the timeline to the bottom of the pane, at most a
    /// page.
    fn rows_above(&self) -> usize {
        let (mut index, row) = self.bottom();
        let mut rows = row + 1;
        while rows < self.page && index > 0 {
            index -= 1;
            rows += self.height(index);
        }
        rows
    }

    /// The anchor with the oldest row at the top of the pane; `None` if everything fits.
    fn top(&self) -> Option<Anchor> {
        let mut rows = self.page;
        for index in 0..self.count() {
            let height = self.height(index);
            if rows <= height {
                let newest =
                    self.is_attached() && self.visible_after(index).is_none() && rows == height;
                return (!newest).then(|| self.at(index, rows.saturating_sub(1)));
            }
            rows -= height;
        }
        let last = self.count().checked_sub(1)?;
        (!self.is_attached()).then(|| self.at(last, usize::MAX))
    }
}
