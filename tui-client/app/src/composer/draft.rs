//! A text with a caret: moving, inserting, deleting, undoing.
//!
//! The buffer and the caret are tui-input's, and so are these steps: by character, by word to the
//! left, to the start and to the end, and the deletion of a character. The caret always stands
//! between two characters as people see them (grapheme clusters), never within one.
//!
//! What tui-input 0.15 lacks is added here and in [`words`], and nowhere else:
//!
//! - It has no undo, no limit, no lines within its text, and a single cut instead of a ring, which
//!   it does not hand over. Words and lines are therefore cut here, as ranges.
//! - It cannot replace a range: [`Draft::replace`] makes a new buffer.
//! - Inserting or deleting a character can join the text on both sides of the caret into one cluster,
//!   and a word boundary can lie within a cluster (Thai SARA AM). The caret would then be within the
//!   cluster, so it is moved out of it here.
//! - Its step by a word to the right goes to the start of the next word. readline goes to the end of
//!   the current one, which is what users expect: [`words::end`].
//! - It measures with `unicode-width` alone. [`super::draft_layout`] and the views compute the caret's
//!   column with the one measure that this project uses everywhere.

use std::ops::Range;

use tui_input::{Input, InputRequest};

use super::{
    undo::{UndoHistory, UndoStep},
    words,
};
use crate::glyphs;

/// A text with its caret and its undo history.
#[derive(Clone, Debug)]
pub struct Draft {
    line: Input,
    undo: UndoHistory,
    /// The longest text, in characters; more is not accepted.
    most: usize,
}

impl Draft {
    /// A draft with this text and the caret at its end.
    pub(crate) fn new(text: String, most: usize) -> Self {
        Self {
            line: Input::new(text),
            undo: UndoHistory::default(),
            most,
        }
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        self.line.value()
    }

    /// The text before the caret, and the text after it.
    pub fn halves(&self) -> (&str, &str) {
        self.text().split_at(self.caret())
    }

    /// The position of the caret, in bytes.
    pub fn caret(&self) -> usize {
        byte(self.text(), self.line.cursor())
    }

    /// How many characters can be added.
    pub(super) fn space(&self) -> usize {
        self.most.saturating_sub(self.text().chars().count())
    }

    /// Moves the caret to this byte, or to the end of the cluster that contains it. Ends a run of
    /// typing.
    pub(super) fn go(&mut self, at: usize) {
        self.undo.rest();
        self.place(boundary(self.text(), at));
    }

    /// Moves the caret with one of tui-input's steps. Ends a run of typing.
    pub(super) fn step(&mut self, request: InputRequest) {
        self.line.handle(request);
        self.go(self.caret());
    }

    /// The byte at which the word before this byte begins.
    pub(super) fn word_start(&self, at: usize) -> usize {
        let text = self.text();
        let mut line = self.line.clone();
        line.handle(InputRequest::SetCursor(text[..at].chars().count()));
        line.handle(InputRequest::GoToPrevWord);
        start(text, byte(text, line.cursor()))
    }

    /// The byte at which the word at or after this byte ends.
    pub(super) fn word_end(&self, at: usize) -> usize {
        boundary(self.text(), words::end(self.text(), at))
    }

    /// Replaces a range and moves the caret after the new text. Returns whether it fits; if it does
    /// not, nothing changes.
    pub(super) fn replace(&mut self, range: Range<usize>, with: &str, step: UndoStep) -> bool {
        let old = &self.text()[range.clone()];
        if old == with {
            self.place(boundary(self.text(), range.end));
            return true;
        }
        if !self.has_space(old.chars().count(), with.chars().count()) {
            return false;
        }
        self.remember(step);
        let mut text = self.text().to_owned();
        text.replace_range(range.clone(), with);
        let caret = boundary(&text, range.start + with.len());
        self.set(text, caret);
        true
    }

    /// Inserts a typed character at the caret. Returns whether it fits.
    pub(super) fn insert(&mut self, c: char) -> bool {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            return true;
        }
        if !self.has_space(0, 1) {
            return false;
        }
        // Undo goes back word by word.
        let word_begins = !c.is_whitespace() && self.halves().0.ends_with(char::is_whitespace);
        if word_begins {
            self.undo.rest();
        }
        self.remember(UndoStep::Typing);
        self.line.handle(InputRequest::InsertChar(c));
        self.place(boundary(self.text(), self.caret()));
        true
    }

    /// Deletes a character with one of tui-input's requests. Returns the deleted text.
    pub(super) fn erase(&mut self, request: InputRequest, step: UndoStep) -> String {
        let (text, caret) = (self.text().to_owned(), self.caret());
        if self.line.handle(request).is_none() {
            return String::new();
        }
        self.undo.before(step, &text, caret);
        let from = self.caret();
        let gone = text.len() - self.text().len();
        self.place(boundary(self.text(), from));
        text[from..from + gone].to_owned()
    }

    /// Deletes a range and returns its text.
    pub(super) fn cut(&mut self, range: Range<usize>, step: UndoStep) -> String {
        let cut = self.text()[range.clone()].to_owned();
        self.replace(range, "", step);
        cut
    }

    /// Undoes the last change.
    pub(super) fn undo(&mut self) {
        let moment = self.undo.back(self.line.value(), self.caret());
        self.restore(moment);
    }

    /// Repeats the change that was undone last.
    pub(super) fn redo(&mut self) {
        let moment = self.undo.again(self.line.value(), self.caret());
        self.restore(moment);
    }

    fn restore(&mut self, moment: Option<(String, usize)>) {
        if let Some((text, caret)) = moment {
            self.set(text, caret);
        }
    }

    fn has_space(&self, fewer: usize, more: usize) -> bool {
        more <= fewer + self.space()
    }

    fn remember(&mut self, step: UndoStep) {
        let caret = self.caret();
        self.undo.before(step, self.line.value(), caret);
    }

    fn set(&mut self, text: String, caret: usize) {
        self.line = Input::new(text);
        self.place(caret);
    }

    fn place(&mut self, caret: usize) {
        let characters = self.text()[..caret].chars().count();
        self.line.handle(InputRequest::SetCursor(characters));
    }

    /// The range of the line that contains the caret, without its line break.
    pub(super) fn line(&self) -> Range<usize> {
        let (before, after) = self.halves();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = after.find('\n').unwrap_or(after.len());
        start..before.len() + end
    }

    /// Swaps the characters around the caret, or the last two of the line if the caret is at its
    /// end.
    pub(super) fn transpose(&mut self) -> bool {
        let (line, text, caret) = (self.line(), self.text(), self.caret());
        let second = if caret == line.end {
            start(text, caret.saturating_sub(1))..caret
        } else {
            caret..boundary(text, caret + 1)
        };
        let first = start(text, second.start.saturating_sub(1))..second.start;
        if first.start < line.start || first.is_empty() || second.is_empty() {
            return true;
        }
        let swapped = [&text[second.clone()], &text[first.clone()]].concat();
        self.replace(first.start..second.end, &swapped, UndoStep::Own)
    }

    /// Swaps the word before the caret with the word after it, or the last two words at the end of
    /// the text.
    pub(super) fn transpose_words(&mut self) -> bool {
        let text = self.text();
        let end = self.word_end(self.caret());
        let start = self.word_start(end);
        let first = self.word_start(start);
        let first_end = self.word_end(first);
        if first == start || first_end > start || self.word_end(start) != end {
            return true;
        }
        let swapped = [
            &text[start..end],
            &text[first_end..start],
            &text[first..first_end],
        ]
        .concat();
        self.replace(first..end, &swapped, UndoStep::Own)
    }
}

/// This byte, or the end of the cluster that contains it.
fn boundary(text: &str, at: usize) -> usize {
    places(text)
        .find(|&place| place >= at)
        .unwrap_or(text.len())
}

/// This byte, or the start of the cluster that contains it.
fn start(text: &str, at: usize) -> usize {
    places(text)
        .take_while(|&place| place <= at)
        .last()
        .unwrap_or(0)
}

/// The bytes at which the caret can stand.
fn places(text: &str) -> impl Iterator<Item = usize> {
    let mut at = 0;
    let ends = glyphs::graphemes(text).map(move |(grapheme, _)| {
        at += grapheme.len();
        at
    });
    std::iter::once(0).chain(ends)
}

/// The byte offset after this many characters.
fn byte(text: &str, characters: usize) -> usize {
    text.char_indices()
        .nth(characters)
        .map_or(text.len(), |(at, _)| at)
}
