//! The draft, and the lines sent before.

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

pub(crate) use self::complete::CompletionStep;
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

/// The longest draft, in characters: more than anybody types, and far more than can be sent.
pub const MAX_DRAFT: usize = 4096;

/// Stands for the draft among the ids of the history: it is newer than every line.
const DRAFT: LineId = LineId::MAX;

/// The draft with its caret, its history and its completion.
#[derive(Debug)]
pub struct Composer {
    editor: Editor,
    history: History,
    /// The id of the line that is being edited, or [`DRAFT`].
    line: LineId,
    /// The draft, and the history's lines that were changed, while another line is being edited.
    parked: BTreeMap<LineId, Draft>,
    search: Option<HistorySearch>,
    completion: Option<Completion>,
    /// What the last key did, as far as the next one depends on it.
    moved: LastMove,
    laid: DraftLayout,
    columns: usize,
}

/// How the last key moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastMove {
    /// To another line of the history.
    History,
    /// Up or down by rows, starting in this column.
    Rows(usize),
    Otherwise,
}

/// A search of the history, for the view.
#[derive(Debug)]
pub struct HistoryMatch<'a> {
    /// The text that is searched for.
    pub query: &'a str,
    /// The line that was found, and the range of the query in it.
    pub found: Option<(&'a str, Range<usize>)>,
    /// Whether there is no further match.
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
    /// The text that is being written.
    pub fn draft(&self) -> &str {
        self.editor.draft().text()
    }

    /// How many characters can still be added; if negative, how many are too many.
    pub fn left(&self) -> isize {
        let used = commands::outgoing(self.draft()).chars().count();
        MessageText::MAX_CHARS
            .cast_signed()
            .saturating_sub_unsigned(used)
    }

    /// The rows of the draft, or of the search query, as of the last layout.
    pub fn laid(&self) -> &DraftLayout {
        &self.laid
    }

    /// The search of the history, if one is open.
    pub fn history_search(&self) -> Option<HistoryMatch<'_>> {
        let search = self.search.as_ref()?;
        let found = search.found.and_then(|id| self.history.get(id));
        Some(HistoryMatch {
            query: search.query(),
            found: found.and_then(|line| Some((line, history::find(line, search.query())?))),
            end: search.end,
        })
    }

    /// The completions of the word at the caret, while they are offered.
    pub fn completion(&self) -> Option<&Completion> {
        self.completion.as_ref()
    }

    /// Breaks the text that is being written into rows of this many columns.
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
        // Most inputs leave the text as it is, so the last layout is kept if it still fits.
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

    /// Applies an edit to the draft. Returns whether it fits.
    pub(super) fn edit(&mut self, edit: Edit) -> bool {
        self.completion = None;
        self.moved = LastMove::Otherwise;
        self.editor.edit(edit)
    }

    /// Inserts pasted text at the caret. Returns whether all of it fits.
    pub(super) fn paste(&mut self, text: &str) -> bool {
        self.stay();
        self.editor.insert(&normal(text))
    }

    /// Replaces the draft by this text in one undo step. Returns whether all of it fits.
    pub(super) fn replace(&mut self, text: &str) -> bool {
        self.stay();
        self.editor.set(&normal(text))
    }

    /// Moves the edited line into the history. If it was a line of the history, the parked draft
    /// returns.
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

    /// Adds this line to the history as the newest one, which Up recalls first.
    pub(super) fn remember(&mut self, line: String) {
        self.history.remember(line);
    }

    /// Moves up by a row; from the first row, recalls an earlier line.
    pub(super) fn up(&mut self) {
        match self.laid.caret.0.checked_sub(1) {
            Some(row) if self.moved != LastMove::History => self.go_to_row(row),
            _ => self.earlier(),
        }
    }

    /// Moves down by a row; from the last row, recalls a later line.
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

    /// Recalls an earlier line; the text that was being edited is kept.
    pub(super) fn earlier(&mut self) {
        if let Some(id) = self.history.older(self.line) {
            self.show(id);
        }
    }

    /// Recalls a later line, or the draft after the newest one.
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
        // A recalled line that was edited is parked with its undo history; an unedited one is not
        // worth the memory.
        let left = std::mem::replace(&mut self.editor.draft, draft);
        let unchanged = self.history.get(self.line) == Some(left.text());
        if !unchanged {
            self.parked.insert(self.line, left);
        }
        self.line = id;
        self.moved = LastMove::History;
    }

    /// Opens a search of the history, or goes to an older match if one is open.
    pub(super) fn search_history(&mut self) {
        self.stay();
        let search = self.search.get_or_insert_default();
        search.older(&self.history);
    }

    /// Goes to a newer match if a search of the history is open.
    pub(super) fn search_history_newer(&mut self) {
        if let Some(search) = &mut self.search {
            search.newer(&self.history);
        }
    }

    /// Applies an edit to the query. Returns whether the edit was meant for it.
    pub(super) fn edit_query(&mut self, edit: Edit) -> bool {
        self.search
            .as_mut()
            .is_some_and(|search| search.edit(edit, &self.history))
    }

    /// Appends pasted text to the query if a search is open.
    pub(super) fn paste_query(&mut self, text: &str) {
        if let Some(search) = &mut self.search {
            search.paste(text, &self.history);
        }
    }

    /// Closes the search and takes the line that it shows.
    pub(super) fn take_found(&mut self) {
        match self.search.take().and_then(|search| search.found) {
            // The line that is being edited may differ from the history's copy of it.
            Some(id) if id == self.line => {
                let line = self.history.get(id).unwrap_or_default();
                self.editor.set(line);
            }
            Some(id) => self.show(id),
            None => {}
        }
    }

    /// Completes the word at the caret, or replaces it by another offer. Returns whether there is
    /// one.
    pub(super) fn complete<'a>(
        &mut self,
        step: CompletionStep,
        names: impl Iterator<Item = &'a str>,
    ) -> bool {
        let mut undo_step = UndoStep::Instead;
        let completion = self.completion.take().or_else(|| {
            undo_step = UndoStep::Own;
            let (before, after) = self.editor.draft().halves();
            Completion::new(before, after, names)
        });
        self.stay();
        let Some(mut completion) = completion else {
            return false;
        };
        let word = completion.turn(step);
        let place = completion.place.clone();
        if self.editor.draft.replace(place.clone(), &word, undo_step) {
            completion.place = place.start..place.start + word.len();
        }
        // A single offer leaves nothing to choose from.
        self.completion = (completion.offers().len() > 1).then_some(completion);
        true
    }

    /// Closes the search or the offers and undoes their effect. Returns whether one was open.
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

    /// Ends whatever depends on the last key because something other than an edit happened.
    fn stay(&mut self) {
        self.completion = None;
        self.moved = LastMove::Otherwise;
        self.editor.rest();
    }
}

/// Normalizes pasted text: one kind of line break, no control characters, and no line breaks at the
/// end, which copied text often has.
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
