//! The line being written, and the lines written before.

mod complete;
mod draft;
mod draft_layout;
mod editor;
mod history;
mod kill_ring;
mod search;
mod undo;
mod words;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::Range};

use chitty_chat::MessageText;

pub use self::{
    complete::Completion,
    draft::Draft,
    draft_layout::{DraftLayout, DraftSpan, SpanKind},
    editor::{Edit, Editor},
};
use self::{
    draft_layout::DraftBox,
    history::{History, LineId},
    search::HistorySearch,
    undo::UndoStep,
};
use super::commands;

/// In characters: more than anybody types, and far more than can be sent.
pub const MAX_DRAFT: usize = 4096;

/// Stands for the draft among the lines of the history: newer than all of them.
const DRAFT: LineId = LineId::MAX;

/// The draft, its caret, and the history.
#[derive(Debug)]
pub struct Composer {
    editor: Editor,
    history: History,
    /// Which line is being edited.
    line: LineId,
    /// The draft, and lines of the history that were changed, while another one is being edited.
    parked: BTreeMap<LineId, Draft>,
    search: Option<HistorySearch>,
    completion: Option<Completion>,
    /// What the key before did, where the next one depends on it.
    moved: LastMove,
    laid: DraftLayout,
    columns: usize,
}

/// How the key before moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastMove {
    /// Through the history.
    History,
    /// Up or down, from this column.
    Rows(usize),
    Otherwise,
}

/// A search of the history, as it is shown.
#[derive(Debug)]
pub struct HistoryMatch<'a> {
    /// What is looked for.
    pub query: &'a str,
    /// The line found, and where in it the query is.
    pub found: Option<(&'a str, Range<usize>)>,
    /// There is no further one.
    pub end: bool,
}

impl Default for Composer {
    fn default() -> Self {
        let mut composer = Self {
            editor: Editor::new("", MAX_DRAFT),
            history: History::default(),
            line: DRAFT,
            parked: BTreeMap::new(),
            search: None,
            completion: None,
            moved: LastMove::Otherwise,
            laid: DraftLayout::default(),
            columns: 0,
        };
        composer.lay(1);
        composer
    }
}

impl Composer {
    /// What is written so far.
    pub fn draft(&self) -> &str {
        self.editor.draft().text()
    }

    /// The characters that can still be added; negative: how many are too many.
    pub fn left(&self) -> isize {
        let used = commands::outgoing(self.draft()).chars().count();
        MessageText::MAX_CHARS
            .cast_signed()
            .saturating_sub_unsigned(used)
    }

    /// The draft in rows, or what is looked for, as it was laid last.
    pub fn laid(&self) -> &DraftLayout {
        &self.laid
    }

    /// The search, while it goes on.
    pub fn history_search(&self) -> Option<HistoryMatch<'_>> {
        let search = self.search.as_ref()?;
        let found = search.found.and_then(|id| self.history.get(id));
        Some(HistoryMatch {
            query: search.query(),
            found: found.and_then(|line| Some((line, history::find(line, search.query())?))),
            end: search.end,
        })
    }

    /// The ways in which the word at the caret can go on, while they are offered.
    pub fn completion(&self) -> Option<&Completion> {
        self.completion.as_ref()
    }

    /// Breaks into rows of so many columns what is being written.
    pub(super) fn lay(&mut self, columns: usize) {
        self.columns = columns;
        let (block, caret) = match &self.search {
            Some(search) => {
                let text = search.query();
                let limit = usize::MAX;
                (
                    DraftBox {
                        text,
                        columns,
                        limit,
                    },
                    search.caret(),
                )
            }
            None => (self.block(), self.editor.draft().caret()),
        };
        // Most of what happens around it does not change it.
        if !self.laid.is_of(block, caret) {
            self.laid = block.lay(caret);
        }
    }

    fn block(&self) -> DraftBox<'_> {
        let text = self.draft();
        DraftBox {
            text,
            columns: self.columns,
            limit: MessageText::MAX_CHARS + text.len() - commands::outgoing(text).len(),
        }
    }

    /// Edits the draft. Returns whether it had room for that.
    pub(super) fn edit(&mut self, edit: Edit) -> bool {
        self.completion = None;
        self.moved = LastMove::Otherwise;
        self.editor.edit(edit)
    }

    /// Inserts what was pasted at the caret. Returns whether it had room for all of it.
    pub(super) fn paste(&mut self, text: &str) -> bool {
        self.stay();
        self.editor.insert(&normal(text))
    }

    /// Puts this in the place of the draft, as one step. Returns whether it had room for all of
    /// it.
    pub(super) fn replace(&mut self, text: &str) -> bool {
        self.stay();
        self.editor.set(&normal(text))
    }

    /// Puts what is written into the history. The draft that another line was in the place of
    /// comes back.
    pub(super) fn take(&mut self) {
        self.stay();
        let mut draft = Draft::new(String::new(), MAX_DRAFT);
        if self.line != DRAFT
            && let Some(parked) = self.parked.remove(&DRAFT)
        {
            draft = parked;
        }
        self.line = DRAFT;
        self.parked.clear();
        let written = std::mem::replace(&mut self.editor.draft, draft);
        self.history.remember(written.text().to_owned());
    }

    /// Makes this the line that Up brings back first.
    pub(super) fn remember(&mut self, line: String) {
        self.history.remember(line);
    }

    /// To the row above; from the first one to an earlier line.
    pub(super) fn up(&mut self) {
        match self.laid.caret.0.checked_sub(1) {
            Some(row) if self.moved != LastMove::History => self.go_to_row(row),
            _ => self.earlier(),
        }
    }

    /// To the row below; from the last one to a later line.
    pub(super) fn down(&mut self) {
        let row = self.laid.caret.0 + 1;
        if row < self.laid.rows.len() && self.moved != LastMove::History {
            self.go_to_row(row);
        } else {
            self.later();
        }
    }

    fn go_to_row(&mut self, row: usize) {
        let column = match self.moved {
            LastMove::Rows(column) => column,
            _ => self.laid.caret.1,
        };
        let at = self.block().at(row, column);
        self.stay();
        self.editor.draft.go(at);
        self.moved = LastMove::Rows(column);
    }

    /// Shows an earlier line; what was written is kept.
    pub(super) fn earlier(&mut self) {
        if let Some(id) = self.history.older(self.line) {
            self.show(id);
        }
    }

    /// Shows a later line, at last the draft.
    pub(super) fn later(&mut self) {
        if self.line != DRAFT {
            self.show(self.history.newer(self.line).unwrap_or(DRAFT));
        }
    }

    fn show(&mut self, id: LineId) {
        self.stay();
        let draft = self.parked.remove(&id).unwrap_or_else(|| {
            let line = self.history.get(id).unwrap_or_default();
            Draft::new(line.to_owned(), MAX_DRAFT)
        });
        let left = std::mem::replace(&mut self.editor.draft, draft);
        let unchanged = self.history.get(self.line) == Some(left.text());
        if !unchanged {
            self.parked.insert(self.line, left);
        }
        self.line = id;
        self.moved = LastMove::History;
    }

    /// Begins to look for a line, or looks for an older one.
    pub(super) fn search_history(&mut self) {
        self.stay();
        let search = self.search.get_or_insert_default();
        search.older(&self.history);
    }

    /// Looks for a newer line, while a search goes on.
    pub(super) fn search_history_newer(&mut self) {
        if let Some(search) = &mut self.search {
            search.newer(&self.history);
        }
    }

    /// Takes an edit of what is looked for. Returns whether it is one.
    pub(super) fn edit_query(&mut self, edit: Edit) -> bool {
        self.search
            .as_mut()
            .is_some_and(|search| search.edit(edit, &self.history))
    }

    /// Takes more of what is looked for, while a search goes on. Returns whether one does.
    pub(super) fn paste_query(&mut self, text: &str) -> bool {
        let Some(search) = &mut self.search else {
            return false;
        };
        search.paste(text, &self.history);
        true
    }

    /// Ends the search with the line that it shows.
    pub(super) fn take_found(&mut self) {
        match self.search.take().and_then(|search| search.found) {
            // It may have been changed since.
            Some(id) if id == self.line => {
                let line = self.history.get(id).unwrap_or_default();
                self.editor.set(line);
            }
            Some(id) => self.show(id),
            None => {}
        }
    }

    /// Writes the rest of the word at the caret, or another one. Returns whether there is one.
    pub(super) fn complete<'a>(
        &mut self,
        back: bool,
        names: impl Iterator<Item = &'a str>,
    ) -> bool {
        let mut step = UndoStep::Instead;
        let completion = self.completion.take().or_else(|| {
            step = UndoStep::Own;
            let (before, after) = self.editor.draft().halves();
            Completion::new(before, after, names)
        });
        self.stay();
        let Some(mut completion) = completion else {
            return false;
        };
        let word = completion.turn(back);
        let place = completion.place.clone();
        if self.editor.draft.replace(place.clone(), &word, step) {
            completion.place = place.start..place.start + word.len();
        }
        // A choice of one is none.
        self.completion = (completion.offers().len() > 1).then_some(completion);
        true
    }

    /// Closes the search, or what is offered, as if it had not been opened. Returns whether there
    /// was anything open.
    pub(super) fn cancel(&mut self) -> bool {
        if let Some(completion) = self.completion.take() {
            let place = completion.place.clone();
            self.editor
                .draft
                .replace(place, completion.typed(), UndoStep::Instead);
            return true;
        }
        self.search.take().is_some()
    }

    /// Another thing than an edit comes.
    fn stay(&mut self) {
        self.completion = None;
        self.moved = LastMove::Otherwise;
        self.editor.rest();
    }
}

/// What comes from elsewhere, with line breaks of one kind, without control characters, and
/// without the line break that what is copied often ends with.
fn normal(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut text: String = text
        .chars()
        .map(|c| match c {
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
            c => c,
        })
        .filter(|&c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    text.truncate(text.trim_end_matches('\n').len());
    text
}
