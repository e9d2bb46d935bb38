//! The kill ring: the texts that were cut, newest first.

use std::collections::VecDeque;

const MOST: usize = 16;

/// On which side of the caret the cut text stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutSide {
    Before,
    After,
}

/// The ring of cut texts.
#[derive(Debug, Default)]
pub(super) struct KillRing(VecDeque<String>);

impl KillRing {
    /// Adds a cut. If it `goes_on` where the last one ended, the two become one.
    pub(super) fn push(&mut self, cut: String, side: CutSide, goes_on: bool) {
        if cut.is_empty() {
            return;
        }
        match (self.0.front_mut(), side) {
            (Some(last), CutSide::Before) if goes_on => last.insert_str(0, &cut),
            (Some(last), CutSide::After) if goes_on => last.push_str(&cut),
            _ => {
                self.0.push_front(cut);
                self.0.truncate(MOST);
            }
        }
    }

    /// The cut with this index, counted from the newest one; the index wraps around.
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let index = index.checked_rem(self.0.len())?;
        self.0.get(index).map(String::as_str)
    }
}
