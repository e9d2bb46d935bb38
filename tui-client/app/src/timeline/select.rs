//! The selected line, and the search in the loaded part.

use chitty_chat::{
    Event, EventKind, LamportTime, Position,
    text::{action_of, caseless::Needle},
};

use super::{
    Timeline,
    entry::{EntryContent, TimelineEntry},
    selection::SelectedBy,
    viewport::Anchor,
};
use crate::glyphs;

/// How many rows are to be visible above and below a match.
const AROUND: usize = 5;

/// A direction in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Up, towards older events.
    Older,
    /// Down, towards newer events.
    Newer,
}

impl Timeline {
    /// The selected event; a line of the client's own has none.
    pub fn selected(&self) -> Option<&Event> {
        self.entries()
            .get(self.index_of(self.selection.entry()?)?)?
            .event()
    }

    /// The position of the selected event.
    pub fn selected_position(&self) -> Option<Position> {
        self.selected().map(|event| event.position)
    }

    /// Whether a line is selected.
    pub fn is_selecting(&self) -> bool {
        let selected = self.selection.entry();
        selected.is_some_and(|number| self.index_of(number).is_some())
    }

    /// The text of the selected line, as it is copied.
    pub fn selected_text(&self) -> Option<String> {
        let entry = self
            .entries()
            .get(self.index_of(self.selection.entry()?)?)?;
        let text = match &entry.content {
            EntryContent::Event(event) | EntryContent::Past(event) => said(event)?,
            EntryContent::Notice(text) | EntryContent::Rejected { text, .. } => text.clone(),
        };
        Some(glyphs::safe_lines(&text).into_owned())
    }

    /// The selected event's Lamport time, in the form in which users refer to it.
    pub fn selected_reference(&self) -> Option<String> {
        self.selected().map(|event| super::lamport(event.lamport))
    }

    /// The Lamport time of the event at a position, if it is loaded: "L12".
    pub fn time_of(&self, position: Position) -> Option<String> {
        self.lamport_of(position).map(super::lamport)
    }

    /// The Lamport time of the event at a position, if it is loaded.
    pub(crate) fn lamport_of(&self, position: Position) -> Option<LamportTime> {
        self.loaded.lamport_of(position)
    }

    /// Selects the line above the selected one, or the lowest one on screen.
    pub(crate) fn select_older(&mut self) {
        let (bottom, _) = self.bottom();
        let index = match self.selected_index() {
            // At the first line the selection stays where it is.
            Some(index) => (0..index)
                .rev()
                .find(|&index| self.height(index) > 0)
                .or(Some(index)),
            None => (0..self.entries().len().min(bottom + 1))
                .rev()
                .find(|&index| self.height(index) > 0),
        };
        if let Some(index) = index {
            self.select(index, SelectedBy::Hand);
        }
    }

    /// Selects the line below the selected one. Returns whether there is one.
    pub(crate) fn select_newer(&mut self) -> bool {
        let from = self.selected_index();
        let below = from.and_then(|index| self.visible_after(index));
        let below = below.filter(|&index| index < self.entries().len());
        if let Some(index) = below {
            self.select(index, SelectedBy::Hand);
        }
        below.is_some()
    }

    /// Selects the line at this row of the pane.
    pub(crate) fn select_row(&mut self, row: usize) {
        let (from, to, above) = self.rows_on_screen();
        let rows: usize = (from..to).map(|index| self.height(index)).sum();
        // A short timeline stands at the lower end of the pane.
        let empty = self.viewport.page().saturating_sub(rows - above.min(rows));
        let Some(mut row) = (row + above).checked_sub(empty) else {
            return;
        };
        for index in from..to.min(self.entries().len()) {
            let height = self.height(index);
            if row < height {
                return self.select(index, SelectedBy::Hand);
            }
            row -= height;
        }
    }

    pub(crate) fn deselect(&mut self) {
        self.selection.clear();
    }

    /// Selects a loaded event, and scrolls so that its surroundings are visible.
    pub(crate) fn select_position(&mut self, position: Position) {
        if let Some(mut index) = self.entries().locate(position) {
            while index > 0 && self.height(index) == 0 {
                index -= 1;
            }
            if !self.is_amid(index) {
                self.center(index);
            }
            self.select(index, SelectedBy::Search);
        }
    }

    /// The index of the selected entry.
    fn selected_index(&self) -> Option<usize> {
        self.index_of(self.selection.entry()?)
    }

    /// Whether the whole entry is on screen, away from the edges.
    fn is_amid(&self, index: usize) -> bool {
        let (from, to, above) = self.rows_on_screen();
        if !(from..to).contains(&index) {
            return false;
        }
        let rows = |range: std::ops::Range<usize>| -> usize {
            range.map(|index| self.height(index)).sum()
        };
        // A match at the very edge has no context; on a small pane the margin shrinks.
        let margin = AROUND.min(self.viewport.page() / 4);
        let bottom = self.viewport.page().min(rows(from..to) - above);
        let first = (rows(from..index) + self.head(index)).checked_sub(above);
        let last = (rows(from..index) + self.height(index)).saturating_sub(above);
        first.is_some_and(|first| first >= margin) && last + margin <= bottom
    }

    fn select(&mut self, index: usize, by: SelectedBy) {
        self.selection.select(self.entries().number(index), by);
        let (from, to, above) = self.rows_on_screen();
        if index + 1 >= to && index + 1 >= from {
            // The whole entry goes to the bottom; following resumes only at the newest line.
            self.viewport.stay_at(Some(self.at(index, usize::MAX)));
        } else if index < from || (index == from && above > 0) {
            self.viewport.stay_at(Some(self.at_top(index)));
        }
        self.settle();
    }

    /// Highlights all matches of this needle.
    pub(crate) fn highlight(&mut self, needle: Needle) {
        self.highlight = needle;
    }

    /// The next matching event in the loaded part, from a position towards older or newer ones.
    pub(crate) fn find(
        &self,
        needle: &Needle,
        from: Option<Position>,
        direction: Direction,
    ) -> Option<Position> {
        let hit = |entry: &TimelineEntry| {
            entry
                .event()
                .filter(|event| has(event, needle))
                .map(|e| e.position)
        };
        let beyond = |position: &Position| {
            from.is_none_or(|from| match direction {
                Direction::Older => *position < from,
                Direction::Newer => *position > from,
            })
        };
        let mut hits = self.entries().iter().filter_map(hit);
        match direction {
            Direction::Older => hits.rfind(beyond),
            Direction::Newer => hits.find(beyond),
        }
    }

    /// The newest matching event among those that end at the end of the chat.
    pub(crate) fn find_newest(&self, needle: &Needle) -> Option<Position> {
        let Some(tail) = self.loaded.tail() else {
            return self.find(needle, None, Direction::Older);
        };
        let events = tail.lines().iter().rev().filter_map(TimelineEntry::event);
        let mut hits = events.filter(|event| has(event, needle));
        hits.next().map(|event| event.position)
    }

    /// The event whose row is the last on screen, and which row; `None` at the end, or at a line
    /// that is no event.
    pub(crate) fn place(&self) -> Option<(Position, isize)> {
        let anchor = self.viewport.anchor()?;
        let position = self
            .entries()
            .get(self.index_of(anchor.entry)?)?
            .position()?;
        Some((position, anchor.row))
    }

    /// Whether an event is loaded.
    pub(crate) fn has(&self, position: Position) -> bool {
        self.entries().locate(position).is_some()
    }

    /// Returns to a place if it is loaded. Returns whether it is.
    pub(crate) fn go_back(&mut self, (position, row): (Position, isize)) -> bool {
        let Some(index) = self.entries().locate(position) else {
            return false;
        };
        let entry = self.entries().number(index);
        self.viewport.stay_at(Some(Anchor { entry, row }));
        self.settle();
        true
    }

    /// The newest event that is on screen.
    pub(crate) fn newest_on_screen(&self) -> Option<Position> {
        let (bottom, _) = self.bottom();
        self.entries()
            .range(0..bottom.checked_add(1)?)
            .rev()
            .find_map(TimelineEntry::position)
    }
}

/// The needle for a text, in the form in which texts are shown.
pub(crate) fn needle(text: &str) -> Needle {
    Needle::for_search(&glyphs::safe(text))
}

/// The text of an event, as the user reads it.
pub(crate) fn said(event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::Message { author, text, .. } => Some(match action_of(text) {
            Some(deed) => format!("{author} {deed}"),
            None => text.to_string(),
        }),
        _ => event.announcement(),
    }
}

/// Whether the needle is in an event's text or in its author's name.
pub(crate) fn has(event: &Event, needle: &Needle) -> bool {
    let author = match &event.kind {
        EventKind::Message { author, .. } => Some(author),
        _ => None,
    };
    let text = said(event).unwrap_or_default();
    needle.is_in(&glyphs::safe_lines(&text))
        || author.is_some_and(|author| needle.is_in(&glyphs::safe(author)))
}
