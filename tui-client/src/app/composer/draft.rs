//! A text with a caret: moving, inserting, deleting, undoing.
//!
//! The caret stands between what people see as characters, never within one.

use std::ops::Range;

use super::{
    undo::{Step, Undo},
    words,
};
use crate::view::glyphs;

/// A text, its caret, and how it came about.
#[derive(Clone, Debug)]
pub struct Draft {
    text: String,
    /// In bytes.
    caret: usize,
    undo: Undo,
    /// In characters: more is not taken.
    most: usize,
}

impl Draft {
    /// A text as it is, with the caret at its end.
    pub(in crate::app) fn new(text: String, most: usize) -> Self {
        Self {
            caret: text.len(),
            text,
            undo: Undo::default(),
            most,
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text before the caret, and the text behind it.
    pub fn halves(&self) -> (&str, &str) {
        self.text.split_at(self.caret)
    }

    /// Where the caret is, in bytes.
    pub fn caret(&self) -> usize {
        self.caret
    }

    /// How many characters can be added.
    pub(super) fn room(&self) -> usize {
        self.most.saturating_sub(self.text.chars().count())
    }

    /// Moves the caret to this byte, or behind the character that it is within. Ends a run of
    /// typing.
    pub(super) fn go(&mut self, at: usize) {
        self.undo.rest();
        self.caret = boundary(&self.text, at);
    }

    /// Puts a text in the place of another; the caret is behind it. Returns whether it had room
    /// for that; without, nothing changes.
    pub(super) fn replace(&mut self, range: Range<usize>, with: &str, step: Step) -> bool {
        let old = &self.text[range.clone()];
        if old != with {
            let (fewer, more) = (old.chars().count(), with.chars().count());
            if more > fewer + self.room() {
                return false;
            }
            self.undo.before(step, &self.text, self.caret);
            self.text.replace_range(range.clone(), with);
        }
        self.caret = boundary(&self.text, range.start + with.len());
        true
    }

    /// Takes what was typed, at the caret.
    pub(super) fn insert(&mut self, c: char) -> bool {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            return true;
        }
        // Undone word by word.
        let word_begins = !c.is_whitespace() && self.halves().0.ends_with(char::is_whitespace);
        if word_begins {
            self.undo.rest();
        }
        self.replace(
            self.caret..self.caret,
            c.encode_utf8(&mut [0; 4]),
            Step::Typing,
        )
    }

    /// Takes out a part, which is returned.
    pub(super) fn cut(&mut self, range: Range<usize>, step: Step) -> String {
        let cut = self.text[range.clone()].to_owned();
        self.replace(range, "", step);
        cut
    }

    /// Back before the last change.
    pub(super) fn undo(&mut self) {
        let moment = self.undo.back(&self.text, self.caret);
        self.restore(moment);
    }

    /// The change that was undone last, again.
    pub(super) fn redo(&mut self) {
        let moment = self.undo.again(&self.text, self.caret);
        self.restore(moment);
    }

    fn restore(&mut self, moment: Option<(String, usize)>) {
        if let Some((text, caret)) = moment {
            (self.text, self.caret) = (text, caret);
        }
    }

    /// From the caret to the character before.
    pub(super) fn before(&self) -> Range<usize> {
        let start = glyphs::graphemes(self.halves().0)
            .last()
            .map_or(0, |(last, _)| self.caret - last.len());
        start..self.caret
    }

    /// From the caret over the character behind it.
    pub(super) fn behind(&self) -> Range<usize> {
        let next = glyphs::graphemes(self.halves().1).next();
        self.caret..self.caret + next.map_or(0, |(next, _)| next.len())
    }

    /// The line that the caret is in, without its end.
    pub(super) fn line(&self) -> Range<usize> {
        let (before, behind) = self.halves();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = behind.find('\n').unwrap_or(behind.len());
        start..self.caret + end
    }

    /// Swaps the characters around the caret, or the last two of a line.
    pub(super) fn transpose(&mut self) -> bool {
        let line = self.line();
        let mut second = self.behind();
        if self.caret == line.end {
            second = self.before();
        }
        let first = glyphs::graphemes(&self.text[line.start..second.start.max(line.start)])
            .last()
            .map(|(first, _)| second.start - first.len()..second.start);
        let Some(first) = first.filter(|_| !second.is_empty()) else {
            return true;
        };
        let swapped = [&self.text[second.clone()], &self.text[first.clone()]].concat();
        self.replace(first.start..second.end, &swapped, Step::Own)
    }

    /// Swaps the word before the caret with the one behind it, or the last two.
    pub(super) fn transpose_words(&mut self) -> bool {
        let text = &self.text;
        let end = words::end(text, self.caret);
        let start = words::start(text, end);
        let first = words::start(text, start);
        let first_end = words::end(text, first);
        if first == start || first_end > start || words::end(text, start) != end {
            return true;
        }
        let swapped = [
            &text[start..end],
            &text[first_end..start],
            &text[first..first_end],
        ]
        .concat();
        self.replace(first..end, &swapped, Step::Own)
    }
}

/// The place itself, or the next one that is not within a character.
fn boundary(text: &str, at: usize) -> usize {
    let mut end = 0;
    for (grapheme, _) in glyphs::graphemes(text) {
        if end >= at {
            break;
        }
        end += grapheme.len();
    }
    end
}
