//! Scrolling: where the pane stands, counted in rows of entries.

use super::{Timeline, entry::PresenceRun, numbered::EntryNumber, unread::Below, viewport::Anchor};

impl Timeline {
    /// What is below the pane; `None` if the newest line is on screen.
    pub fn below(&self) -> Option<Below> {
        let shows_newest = self.viewport.is_following() && self.is_attached();
        (!shows_newest).then(|| self.unread.below())
    }

    /// Shows the newest line and follows those that arrive.
    pub(crate) fn follow(&mut self) {
        self.attach();
        self.viewport.follow();
        self.selection.clear();
        self.settle();
    }

    /// Follows on an empty pane: the earlier lines are above it.
    pub(crate) fn clear(&mut self) {
        self.follow();
        self.viewport
            .clear(self.entries().number(self.entries().len()));
    }

    /// Scrolls to the oldest loaded line.
    pub(crate) fn oldest(&mut self) {
        self.viewport.stay_at(self.top());
        self.settle();
    }

    /// Scrolls up by a page; a row or two of the old page stay visible.
    pub(crate) fn page_up(&mut self) {
        self.up(self.viewport.stride());
    }

    /// Scrolls down by a page.
    pub(crate) fn page_down(&mut self) {
        self.down(self.viewport.stride());
    }

    /// Scrolls up by this many rows.
    pub(crate) fn up(&mut self, mut rows: usize) {
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
        let anchor = self.at(index, row.saturating_sub(rows));
        self.viewport.stay_at(Some(anchor));
        self.settle();
    }

    /// Scrolls down by this many rows.
    pub(crate) fn down(&mut self, mut rows: usize) {
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
        let anchor = self.at(index.min(self.count().saturating_sub(1)), row);
        self.viewport.stay_at(Some(anchor));
        self.settle();
    }

    /// The range of indices on screen, and how many rows of the first one are above the pane.
    pub(super) fn rows_on_screen(&self) -> (usize, usize, usize) {
        let page = self.viewport.page();
        if self.count() == 0 || page == 0 {
            return (0, 0, 0);
        }
        let (bottom, row) = self.bottom();
        let floor = self.floor();
        if bottom < floor {
            return (floor, floor, 0);
        }
        let (mut from, mut rows) = (bottom, row + 1);
        while rows < page && from > floor {
            from -= 1;
            rows += self.height(from);
        }
        (from, bottom + 1, rows.saturating_sub(page))
    }

    /// The first index that may be on screen.
    fn floor(&self) -> usize {
        self.viewport.cleared().map_or(0, |cleared| {
            let index = self.entries().index_of(cleared).unwrap_or(0);
            index.min(self.entries().len())
        })
    }

    /// Restores the invariants after a change: the pane is full, it follows again once the newest
    /// row is on screen, and what is on screen counts as seen.
    pub(super) fn settle(&mut self) {
        // The order matters: first an anchor is found if one is needed, then it is checked, and
        // only then what is on screen counts as seen.
        self.find_anchor();
        self.check_anchor();
        self.see_screen();
    }

    fn find_anchor(&mut self) {
        if self.viewport.is_following() && !self.is_attached() {
            // Apart from the end of the chat there is nothing to follow, so the pane stands at the
            // last loaded row.
            let last = self.count().checked_sub(1);
            let anchor = last.map(|last| self.at(last, usize::MAX));
            self.viewport.stay_at(anchor);
        }
        if self.viewport.is_following() {
            self.viewport.stay_at(self.selection_at_top());
        }
    }

    fn check_anchor(&mut self) {
        let Some(anchor) = self.viewport.anchor() else {
            return;
        };
        let (index, row) = self.bottom();
        let is_newest = self.is_attached()
            && self.visible_after(index).is_none()
            && row + 1 >= self.height(index);
        let is_dropped = self.entries().has_dropped(anchor.entry);
        if is_newest && !is_dropped {
            // An anchor at the newest row would keep the pane from following.
            self.viewport.follow();
        } else if is_dropped || self.rows_above() < self.viewport.page() {
            // The entry was dropped, or the pane has grown.
            self.viewport.stay_at(self.top());
        }
    }

    fn see_screen(&mut self) {
        if self.viewport.is_following() && self.is_attached() {
            self.unread.see_all();
            // Widening the column of authors breaks rows anew, which moves nothing that is being
            // read.
            self.layout.widen();
            return;
        }
        let (index, _) = self.bottom();
        // The line of a run covers all its entries.
        let run = match self.entries().get(index).map(|entry| entry.run) {
            Some(PresenceRun::Head(len)) if !self.layout.is_expanded() => len - 1,
            _ => 0,
        };
        let last = (index + run).min(self.entries().len().saturating_sub(1));
        let arrival = self.entries().get(last).map_or(0, |entry| entry.arrival);
        self.unread.see(arrival);
    }

    /// The anchor that keeps the selected line on screen, once it reaches the top of the pane.
    fn selection_at_top(&self) -> Option<Anchor> {
        let index = self.index_of(self.selection.entry()?)?;
        let (from, to, above) = self.rows_on_screen();
        let leaves = index < from || (index == from && above > 0 && index + 1 < to);
        (leaves && self.height(index) > 0).then(|| self.at_top(index))
    }

    /// The anchor with the first row of this entry at the top of the pane.
    pub(super) fn at_top(&self, index: usize) -> Anchor {
        let mut rows = self.viewport.page();
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
        self.entries().len() + pending
    }

    /// The index of the entry or pending line with this number.
    pub(super) fn index_of(&self, number: EntryNumber) -> Option<usize> {
        let index = self.entries().index_of(number)?;
        (index < self.count()).then_some(index)
    }

    /// The anchor at this row of this entry, counted with the rows above its text.
    pub(super) fn at(&self, index: usize, row: usize) -> Anchor {
        let row = row.min(self.height(index).saturating_sub(1));
        Anchor {
            entry: self.entries().number(index),
            row: row.cast_signed() - self.head(index).cast_signed(),
        }
    }

    /// The index and row at the bottom of the pane.
    pub(super) fn bottom(&self) -> (usize, usize) {
        let mut last = self.count().saturating_sub(1);
        while last > 0 && self.height(last) == 0 {
            last -= 1;
        }
        let (index, row) = match self.viewport.anchor() {
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
        while rows < self.viewport.page() && index > 0 {
            index -= 1;
            rows += self.height(index);
        }
        rows
    }

    /// The anchor with the oldest row at the top of the pane; `None` if everything fits.
    fn top(&self) -> Option<Anchor> {
        let mut rows = self.viewport.page();
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
