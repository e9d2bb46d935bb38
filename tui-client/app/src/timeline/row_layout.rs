//! What the rows of an entry depend on besides its content. A height that was measured is valid for
//! one version of the layout only; each change that may break rows anew makes a new version.

use std::cell::Cell;

use chitty_chat::LamportTime;

use super::block::MessageColumns;

/// The columns of the pane, and whether runs are folded.
#[derive(Debug, Default)]
pub(super) struct RowLayout {
    columns: MessageColumns,
    version: u32,
    /// Whether joins and leaves are shown one by one.
    expanded: bool,
    /// How many blocks were laid out, as a measure of the cost of a frame.
    #[cfg(test)]
    pub(super) laid_out: Cell<usize>,
}

/// The number of rows of an entry, with the version of the layout in which they were counted.
#[derive(Debug, Default)]
pub(super) struct MeasuredHeight(Cell<Option<(u32, usize)>>);

impl MeasuredHeight {
    /// Forgets the height, because the content has changed.
    pub(super) fn forget(&self) {
        self.0.set(None);
    }
}

impl RowLayout {
    pub(super) fn columns(&self) -> &MessageColumns {
        &self.columns
    }

    pub(super) fn is_expanded(&self) -> bool {
        self.expanded
    }

    pub(super) fn set_width(&mut self, width: usize) {
        let changed = self.columns.set_width(width);
        self.outdate_if(changed);
    }

    pub(super) fn expand(&mut self, expanded: bool) {
        self.expanded = expanded;
        self.outdate_if(true);
    }

    /// Widens the column of times for this one, and remembers the width of this author's name.
    pub(super) fn fit(&mut self, time: LamportTime, author: usize) {
        let changed = self.columns.grow(time, author);
        self.outdate_if(changed);
    }

    /// Gives the column of authors the width that it needs. Rows break anew, so this is for moments
    /// in which nothing is moved that is being read.
    pub(super) fn widen(&mut self) {
        let changed = self.columns.widen();
        self.outdate_if(changed);
    }

    /// The height in this layout, which is measured only if it is not known.
    pub(super) fn height(&self, known: &MeasuredHeight, measure: impl FnOnce() -> usize) -> usize {
        match known.0.get() {
            Some((version, height)) if version == self.version => height,
            _ => {
                let height = measure();
                known.0.set(Some((self.version, height)));
                height
            }
        }
    }

    fn outdate_if(&mut self, changed: bool) {
        self.version += u32::from(changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_height_is_measured_once_for_each_layout() {
        let mut layout = RowLayout::default();
        let known = MeasuredHeight::default();
        layout.set_width(80);
        assert_eq!(layout.height(&known, || 3), 3);
        layout.set_width(80);
        assert_eq!(layout.height(&known, || unreachable!("it is known")), 3);
        layout.set_width(40);
        assert_eq!(layout.height(&known, || 5), 5);
        known.forget();
        assert_eq!(layout.height(&known, || 6), 6);
    }
}
