//! What was cut, newest first.

use std::collections::VecDeque;

const MOST: usize = 16;

/// Where what is cut stood, seen from the caret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutSide {
    Before,
    After,
}

/// The ring of cuts.
#[derive(Debug, Default)]
pub(super) struct KillRing(VecDeque<String>);

impl KillRing {
    /// Takes a cut; one that `goes_on` where the last one ended is one with it.
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

    /// The cut before so many others; around the ring.
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let index = index.checked_rem(self.0.len())?;
        self.0.get(index).map(String::as_str)
    }
}
