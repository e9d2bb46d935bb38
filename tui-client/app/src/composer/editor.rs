//! The editing commands of readline, applied to a [`Draft`].

use std::ops::Range;

use tui_input::InputRequest;

use super::{
    draft::Draft,
    kill_ring::{CutSide, KillRing},
    undo::UndoStep,
    words,
};

/// A change of the draft, or a move of its caret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Insert a typed character.
    Insert(char),
    /// Move left by a character.
    Left,
    /// Move right by a character.
    Right,
    /// Move left by a word.
    WordLeft,
    /// Move right by a word.
    WordRight,
    /// Move to the start of the line.
    LineStart,
    /// Move to the end of the line.
    LineEnd,
    /// Move to the start of the text.
    Start,
    /// Move to the end of the text.
    End,
    /// Delete the character before the caret.
    DeleteLeft,
    /// Delete the character after the caret.
    DeleteRight,
    /// Cut the word before the caret.
    CutWordLeft,
    /// Cut the word after the caret.
    CutWordRight,
    /// Cut everything between the last space and the caret.
    CutSpacedLeft,
    /// Cut the part of the line before the caret.
    CutLineLeft,
    /// Cut the part of the line after the caret.
    CutLineRight,
    /// Insert the text that was cut last.
    Yank,
    /// Replace the text just inserted by the cut before it.
    YankEarlier,
    /// Swap the characters around the caret.
    Transpose,
    /// Swap the words around the caret.
    TransposeWords,
    /// Change the word after the caret to upper case.
    Uppercase,
    /// Change the word after the caret to lower case.
    Lowercase,
    /// Capitalize the word after the caret.
    Capitalize,
    /// Undo the last change.
    Undo,
    /// Redo the change that was undone last.
    Redo,
}

/// The last edit, as far as the next one depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LastEdit {
    Cut,
    /// The range of the inserted text, and how many cuts are newer than it.
    Yank(Range<usize>, usize),
    Other,
}

/// A draft with the editing commands of readline.
#[derive(Debug)]
pub struct Editor {
    pub(super) draft: Draft,
    kills: KillRing,
    last: LastEdit,
}

impl Editor {
    /// An editor with this text, cut to at most this many characters.
    pub(crate) fn new(text: &str, most: usize) -> Self {
        let text = text.chars().take(most).collect();
        Self {
            draft: Draft::new(text, most),
            kills: KillRing::default(),
            last: LastEdit::Other,
        }
    }

    /// The draft: the text and its caret.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Applies an edit. Returns whether it fits.
    pub(crate) fn edit(&mut self, edit: Edit) -> bool {
        // Every edit ends a sequence of cuts or yanks, unless it continues it below.
        let last = std::mem::replace(&mut self.last, LastEdit::Other);
        let caret = self.draft.caret();
        let line = self.draft.line();
        match edit {
            Edit::Insert(c) => return self.draft.insert(c),
            Edit::Left => self.draft.step(InputRequest::GoToPrevChar),
            Edit::Right => self.draft.step(InputRequest::GoToNextChar),
            Edit::WordLeft => self.draft.go(self.draft.word_start(caret)),
            Edit::WordRight => self.draft.go(self.draft.word_end(caret)),
            Edit::LineStart => self.draft.go(line.start),
            Edit::LineEnd => self.draft.go(line.end),
            Edit::Start => self.draft.step(InputRequest::GoToStart),
            Edit::End => self.draft.step(InputRequest::GoToEnd),
            Edit::DeleteLeft => _ = self.erase_left(UndoStep::Erasing),
            Edit::DeleteRight => _ = self.erase_right(UndoStep::Erasing),
            Edit::CutWordLeft => self.kill(self.draft.word_start(caret)..caret, &last),
            Edit::CutWordRight => self.kill(caret..self.draft.word_end(caret), &last),
            Edit::CutSpacedLeft => {
                let start = words::spaced_start(self.draft.text(), caret);
                self.kill(start..caret, &last);
            }
            // At the start or end of a line, the command cuts the line break itself.
            Edit::CutLineLeft if line.start == caret => {
                let cut = self.erase_left(UndoStep::Own);
                self.keep(cut, CutSide::Before, &last);
            }
            Edit::CutLineRight if line.end == caret => {
                let cut = self.erase_right(UndoStep::Own);
                self.keep(cut, CutSide::After, &last);
            }
            Edit::CutLineLeft => self.kill(line.start..caret, &last),
            Edit::CutLineRight => self.kill(caret..line.end, &last),
            Edit::Yank => return self.yank(caret..caret, 0, UndoStep::Own),
            Edit::YankEarlier => match last {
                LastEdit::Yank(range, index) => {
                    return self.yank(range, index + 1, UndoStep::Instead);
                }
                LastEdit::Cut | LastEdit::Other => {}
            },
            Edit::Transpose => return self.draft.transpose(),
            Edit::TransposeWords => return self.draft.transpose_words(),
            Edit::Uppercase => return self.change_word(str::to_uppercase),
            Edit::Lowercase => return self.change_word(str::to_lowercase),
            Edit::Capitalize => return self.change_word(capitalized),
            Edit::Undo => self.draft.undo(),
            Edit::Redo => self.draft.redo(),
        }
        true
    }

    /// Ends the current run of edits because something other than an edit happened.
    pub(super) fn rest(&mut self) {
        self.last = LastEdit::Other;
        self.draft.go(self.draft.caret());
    }

    /// Inserts as much of a text as fits. Returns whether all of it did.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        self.put(self.draft.caret()..self.draft.caret(), text)
    }

    /// Replaces the whole text by as much of another as fits. Returns whether all of it did.
    pub(super) fn set(&mut self, text: &str) -> bool {
        self.put(0..self.draft.text().len(), text)
    }

    fn put(&mut self, range: Range<usize>, text: &str) -> bool {
        self.rest();
        let space = self.draft.space() + self.draft.text()[range.clone()].chars().count();
        let end = text
            .char_indices()
            .nth(space)
            .map_or(text.len(), |(end, _)| end);
        self.draft.replace(range, &text[..end], UndoStep::Own) && end == text.len()
    }

    fn erase_left(&mut self, step: UndoStep) -> String {
        self.draft.erase(InputRequest::DeletePrevChar, step)
    }

    fn erase_right(&mut self, step: UndoStep) -> String {
        self.draft.erase(InputRequest::DeleteNextChar, step)
    }

    fn kill(&mut self, range: Range<usize>, last: &LastEdit) {
        let side = if range.end == self.draft.caret() {
            CutSide::Before
        } else {
            CutSide::After
        };
        let cut = self.draft.cut(range, UndoStep::Own);
        self.keep(cut, side, last);
    }

    fn keep(&mut self, cut: String, side: CutSide, last: &LastEdit) {
        self.kills.push(cut, side, *last == LastEdit::Cut);
        self.last = LastEdit::Cut;
    }

    fn yank(&mut self, range: Range<usize>, index: usize, step: UndoStep) -> bool {
        let Some(cut) = self.kills.get(index) else {
            return true;
        };
        let start = range.start;
        if !self.draft.replace(range, cut, step) {
            return false;
        }
        self.last = LastEdit::Yank(start..start + cut.len(), index);
        true
    }

    fn change_word(&mut self, change: impl Fn(&str) -> String) -> bool {
        let caret = self.draft.caret();
        let end = self.draft.word_end(caret);
        let changed = change(&self.draft.text()[caret..end]);
        self.draft.replace(caret..end, &changed, UndoStep::Own)
    }
}

fn capitalized(word: &str) -> String {
    let mut begun = false;
    word.chars()
        .flat_map(|c| {
            let first = !begun && c.is_alphanumeric();
            begun |= first;
            let small = (!first).then(|| c.to_lowercase());
            let capital = first.then(|| c.to_uppercase());
            small
                .into_iter()
                .flatten()
                .chain(capital.into_iter().flatten())
        })
        .collect()
}
