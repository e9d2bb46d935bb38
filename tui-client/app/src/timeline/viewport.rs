//! What the pane shows: the newest lines, or the place to which the user has scrolled.
//!
//! The place is an entry, not a distance from the end, so it stays when lines arrive. While there
//! is an anchor, nothing is hidden by `/clear`.

use super::numbered::{EntryNumber, NumberShift};

/// The row at the bottom of the pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    /// The number of the entry.
    pub(super) entry: EntryNumber,
    /// Which of its rows, counted from the first row of its text. Rows that appear above the text
    /// (a date) or below it therefore move nothing.
    pub(super) row: isize,
}

/// The height of the pane, and its place in the timeline.
#[derive(Debug, Default)]
pub(super) struct Viewport {
    page: usize,
    /// `None` while the pane follows the newest line.
    anchor: Option<Anchor>,
    /// The screen was cleared: entries before this number are shown only after scrolling up.
    cleared: Option<EntryNumber>,
}

impl Viewport {
    /// The height of the pane, in rows.
    pub(super) fn page(&self) -> usize {
        self.page
    }

    /// The rows by which a page is scrolled: a row or two of the old page stay visible.
    pub(super) fn stride(&self) -> usize {
        self.page.saturating_sub(2).max(1)
    }

    pub(super) fn resize(&mut self, height: usize) {
        self.page = height;
    }

    /// The row at the bottom of the pane; `None` while it follows the newest line.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        self.anchor
    }

    pub(super) fn is_following(&self) -> bool {
        self.anchor.is_none()
    }

    /// The number of the first entry after the last `/clear`.
    pub(super) fn cleared(&self) -> Option<EntryNumber> {
        self.cleared
    }

    /// Stays at this row, or follows if there is none. Scrolling up shows everything again after
    /// `/clear`.
    pub(super) fn stay_at(&mut self, anchor: Option<Anchor>) {
        self.anchor = anchor;
        if anchor.is_some() {
            self.cleared = None;
        }
    }

    /// Follows the newest line.
    pub(super) fn follow(&mut self) {
        self.anchor = None;
    }

    /// Follows on an empty pane: entries before this number are above it.
    pub(super) fn clear(&mut self, from: EntryNumber) {
        self.anchor = None;
        self.cleared = Some(from);
    }

    /// Stays at the same row although its entry has another number now.
    pub(super) fn shift(&mut self, shift: NumberShift) {
        self.renumber(|number| number.shifted(shift));
    }

    /// Stays at the same row of the entry that now stands for the anchor's.
    pub(super) fn renumber(&mut self, number: impl FnOnce(EntryNumber) -> EntryNumber) {
        if let Some(anchor) = &mut self.anchor {
            anchor.entry = number(anchor.entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::numbered::NumberedEntries, *};

    #[test]
    fn a_cleared_pane_shows_everything_again_once_the_user_scrolls() {
        let number = |index| NumberedEntries::default().number(index);
        let mut viewport = Viewport::default();
        viewport.clear(number(7));
        viewport.stay_at(None);
        assert_eq!(viewport.cleared(), Some(number(7)));
        let entry = number(3);
        viewport.stay_at(Some(Anchor { entry, row: 0 }));
        viewport.follow();
        assert_eq!(viewport.cleared(), None);
    }
}
