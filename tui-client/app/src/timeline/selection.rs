//! The selected line.

use super::numbered::{EntryNumber, NumberShift};

/// How a line was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SelectedBy {
    /// The user selected it with a key or the mouse: the relations of other messages to it are
    /// shown.
    Hand,
    /// A search or a jump selected it.
    Search,
}

/// Which entry is selected.
#[derive(Debug, Default)]
pub(super) struct Selection(Option<(EntryNumber, SelectedBy)>);

impl Selection {
    /// The number of the selected entry.
    pub(super) fn entry(&self) -> Option<EntryNumber> {
        self.0.map(|(entry, _)| entry)
    }

    /// Whether the relations of other messages to the selected one are shown.
    pub(super) fn shows_relations(&self) -> bool {
        matches!(self.0, Some((_, SelectedBy::Hand)))
    }

    pub(super) fn select(&mut self, entry: EntryNumber, by: SelectedBy) {
        self.0 = Some((entry, by));
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Keeps the same entry selected although it has another number now.
    pub(super) fn shift(&mut self, shift: NumberShift) {
        self.renumber(|number| Some(number.shifted(shift)));
    }

    /// Selects the entry that now stands for the selected one, if there is one.
    pub(super) fn renumber(&mut self, number: impl FnOnce(EntryNumber) -> Option<EntryNumber>) {
        self.0 = self.0.and_then(|(entry, by)| Some((number(entry)?, by)));
    }
}
