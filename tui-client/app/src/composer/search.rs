//! Incremental search of the history.

use super::{
    Edit, Editor,
    history::{History, LineId},
};

/// The longest query, in characters.
const MOST: usize = 64;

/// An open search.
#[derive(Debug)]
pub(super) struct HistorySearch {
    /// The query, with its caret.
    line: Editor,
    /// The line that matches.
    pub(super) found: Option<LineId>,
    /// Whether there is no other match in the direction of the last search.
    pub(super) end: bool,
}

impl Default for HistorySearch {
    fn default() -> Self {
        Self {
            line: Editor::new("", MOST),
            found: None,
            end: false,
        }
    }
}

impl HistorySearch {
    /// The text that is searched for.
    pub(super) fn query(&self) -> &str {
        self.line.draft().text()
    }

    /// The position of the query's caret, in bytes.
    pub(super) fn caret(&self) -> usize {
        self.line.draft().caret()
    }

    /// Applies an edit that inserts or deletes to the left. Returns whether it did: any other edit
    /// is meant for the line that was found.
    pub(super) fn edit(&mut self, edit: Edit, history: &History) -> bool {
        match edit {
            Edit::Insert(c) if c.is_control() => {}
            Edit::Insert(_)
            | Edit::DeleteLeft
            | Edit::CutWordLeft
            | Edit::CutSpacedLeft
            | Edit::CutLineLeft => self.change(history, |line| _ = line.edit(edit)),
            _ => return false,
        }
        true
    }

    /// Appends pasted text: its first line, as much of it as fits.
    pub(super) fn paste(&mut self, text: &str, history: &History) {
        let first = text.lines().next().unwrap_or_default();
        let first: String = first.chars().filter(|c| !c.is_control()).collect();
        self.change(history, |line| _ = line.insert(&first));
    }

    fn change(&mut self, history: &History, change: impl FnOnce(&mut Editor)) {
        let before = self.query().to_owned();
        change(&mut self.line);
        let query = self.query();
        if query == before {
            return;
        }
        // The current match may still match a longer query.
        let from = if query.starts_with(&before) {
            self.found.map_or(LineId::MAX, |found| found + 1)
        } else {
            LineId::MAX
        };
        self.search_from(from, history);
    }

    /// Goes to an older match.
    pub(super) fn older(&mut self, history: &History) {
        let from = self.found.unwrap_or(LineId::MAX);
        self.another(history.find_older(self.query(), from));
    }

    /// Goes to a newer match.
    pub(super) fn newer(&mut self, history: &History) {
        if let Some(from) = self.found {
            self.another(history.find_newer(self.query(), from));
        }
    }

    fn another(&mut self, other: Option<LineId>) {
        if self.query().is_empty() {
            return;
        }
        self.found = other.or(self.found);
        self.end = other.is_none();
    }

    fn search_from(&mut self, from: LineId, history: &History) {
        let found = || history.find_older(self.query(), from);
        self.found = (!self.query().is_empty()).then(found).flatten();
        self.end = false;
    }
}
