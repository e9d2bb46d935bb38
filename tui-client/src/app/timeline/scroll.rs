//! Where one is in the timeline. The place is an entry, not a count of rows from the end, so it
//! stays when lines arrive.

use super::Timeline;

/// The row at the bottom of the pane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    /// The entry's number.
    entry: u64,
    /// Which of its rows.
    row: usize,
}

/// What is below the pane, while scrolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Below {
    /// Entries that arrived since, and were not on screen yet.
    pub new: u64,
}

impl Timeline {
    /// What is below the pane; `None`: the newest line is on screen.
    pub fn below(&self) -> Option<Below> {
        self.anchor.map(|_| Below {
            new: self.end().saturating_sub(self.seen),
        })
    }

    /// Shows the newest line, and those that come.
    pub(in crate::app) fn follow(&mut self) {
        self.anchor = None;
        self.settle();
    }

    /// To the oldest line.
    pub(in crate::app) fn oldest(&mut self) {
        self.anchor = self.top();
    }

    /// Towards older lines by a page, keeping a row or two of the old one.
    pub(in crate::app) fn page_up(&mut self) {
        self.up(self.stride());
    }

    /// Towards newer lines by a page.
    pub(in crate::app) fn page_down(&mut self) {
        self.down(self.stride());
    }

    /// Towards older lines.
    pub(in crate::app) fn up(&mut self, mut rows: usize) {
        let (mut index, mut row) = self.bottom();
        while rows > row {
            if index == 0 {
                break;
            }
            rows -= row + 1;
            index -= 1;
            row = self.height(index).saturating_sub(1);
        }
        self.anchor = Some(Anchor {
            entry: self.first + index as u64,
            row: row.saturating_sub(rows),
        });
        self.settle();
    }

    /// Towards newer lines.
    pub(in crate::app) fn down(&mut self, mut rows: usize) {
        let (mut index, mut row) = self.bottom();
        while index < self.count() {
            let left = self.height(index).saturating_sub(row + 1);
            if rows <= left {
                row += rows;
                break;
            }
            rows -= left + 1;
            row = 0;
            index += 1;
        }
        self.anchor = Some(Anchor {
            entry: self.first + index as u64,
            row,
        });
        self.settle();
    }

    /// The indices on screen, from and to (exclusive), and the rows of the first one that are above
    /// the pane.
    pub(super) fn window(&self) -> (usize, usize, usize) {
        if self.count() == 0 || self.page == 0 {
            return (0, 0, 0);
        }
        let (bottom, row) = self.bottom();
        let (mut from, mut rows) = (bottom, row + 1);
        while rows < self.page && from > 0 {
            from -= 1;
            rows += self.height(from);
        }
        (from, bottom + 1, rows.saturating_sub(self.page))
    }

    /// Keeps the pane full, follows again once the newest row is on screen, and takes note of what
    /// has been seen.
    pub(super) fn settle(&mut self) {
        if let Some(anchor) = self.anchor {
            let (index, row) = self.bottom();
            if anchor.entry >= self.first
                && index + 1 >= self.count()
                && row + 1 >= self.height(index)
            {
                self.anchor = None;
            } else if anchor.entry < self.first || self.rows_above() < self.page {
                // What was there is forgotten, or the pane has grown.
                self.anchor = self.top();
            }
        }
        self.seen = match self.anchor {
            None => self.end(),
            Some(anchor) => self.seen.max(anchor.entry + 1).min(self.end()),
        };
    }

    pub(super) fn count(&self) -> usize {
        self.entries.len() + self.pending.len()
    }

    /// The number that the next entry will have.
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn stride(&self) -> usize {
        self.page.saturating_sub(2).max(1)
    }

    /// Index and row at the bottom of the pane.
    fn bottom(&self) -> (usize, usize) {
        let last = self.count().saturating_sub(1);
        let (index, row) = match self.anchor {
            None => (last, usize::MAX),
            Some(anchor) => {
                let index = anchor.entry.saturating_sub(self.first);
                match usize::try_from(index) {
                    Ok(index) if index <= last => (index, anchor.row),
                    _ => (last, usize::MAX),
                }
            }
        };
        (index, row.min(self.height(index).saturating_sub(1)))
    }

    /// The rows from the top of the pane's last row on, at most a page of them.
    fn rows_above(&self) -> usize {
        let (mut index, row) = self.bottom();
        let mut rows = row + 1;
        while rows < self.page && index > 0 {
            index -= 1;
            rows += self.height(index);
        }
        rows
    }

    /// The place with the oldest row at the top of the pane; `None`: all fits.
    fn top(&self) -> Option<Anchor> {
        let mut rows = self.page;
        for index in 0..self.count() {
            let height = self.height(index);
            if rows <= height {
                let newest = index + 1 == self.count() && rows == height;
                return (!newest).then(|| Anchor {
                    entry: self.first + index as u64,
                    row: rows.saturating_sub(1),
                });
            }
            rows -= height;
        }
        None
    }
}
