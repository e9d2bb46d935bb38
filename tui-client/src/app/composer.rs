//! The line being written, and the lines written before.

use std::collections::VecDeque;

use chitty_chat::MessageText;
use tui_input::{Input, InputRequest};

use super::commands;
use crate::view::glyphs;

/// In bytes: more than anybody types, and far more than can be sent.
const MAX_DRAFT: usize = 4096;
/// Lines that Up can bring back.
const MAX_HISTORY: usize = 100;

/// The draft, its caret, and the history.
#[derive(Debug, Default)]
pub struct Composer {
    input: Input,
    history: VecDeque<String>,
    /// Which line of the history is shown, and the draft that it took the place of.
    browsing: Option<(usize, String)>,
}

/// The draft, broken into rows for a box of some width.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Laid {
    /// At least one.
    pub rows: Vec<Vec<Piece>>,
    /// Row and column.
    pub caret: (usize, usize),
}

/// A part of a row.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Safe to show.
    pub text: String,
    /// Beyond what can be sent.
    pub over: bool,
}

impl Composer {
    /// What is written so far.
    pub fn draft(&self) -> &str {
        self.input.value()
    }

    /// The characters that can still be added; negative: how many are too many.
    pub fn left(&self) -> isize {
        let used = commands::outgoing(self.draft()).chars().count();
        MessageText::MAX_CHARS
            .cast_signed()
            .saturating_sub_unsigned(used)
    }

    /// Edits the draft. Returns whether it had room for that.
    pub(super) fn edit(&mut self, request: InputRequest) -> bool {
        let before = self.input.clone();
        self.input.handle(request);
        if self.draft().len() > MAX_DRAFT.max(before.value().len()) {
            self.input = before;
            return false;
        }
        true
    }

    /// Inserts what was pasted at the caret. Returns whether it had room for all of it.
    pub(super) fn paste(&mut self, text: &str) -> bool {
        let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
        text.retain(|c| !c.is_control() || matches!(c, '\n' | '\t'));
        let room = MAX_DRAFT.saturating_sub(self.draft().len());
        let mut fitting = text.len().min(room);
        while !text.is_char_boundary(fitting) {
            fitting -= 1;
        }
        let whole = fitting == text.len();
        text.truncate(fitting);

        let cursor = self.input.cursor();
        let at = byte_of(self.draft(), cursor);
        let (head, tail) = self.draft().split_at(at);
        let draft = [head, &text, tail].concat();
        let cursor = cursor + text.chars().count();
        self.set(draft);
        self.input.handle(InputRequest::SetCursor(cursor));
        whole
    }

    /// Empties the draft into the history.
    pub(super) fn take(&mut self) {
        let line = self.input.value_and_reset();
        self.browsing = None;
        self.remember(line);
    }

    /// Makes this the line that Up brings back first.
    pub(super) fn remember(&mut self, line: String) {
        self.history.retain(|known| *known != line);
        self.history.push_back(line);
        if self.history.len() > MAX_HISTORY {
            self.history.pop_front();
        }
        // The indices have moved.
        if let Some((_, kept)) = self.browsing.take() {
            self.set(kept);
        }
    }

    /// Shows an earlier line; the draft is kept.
    pub(super) fn earlier(&mut self) {
        let (at, kept) = match self.browsing.take() {
            Some((at, kept)) => (at, kept),
            None => (self.history.len(), self.draft().to_owned()),
        };
        let at = match at.checked_sub(1) {
            Some(earlier) => {
                let line = self.history.get(earlier).cloned().unwrap_or_default();
                self.set(line);
                earlier
            }
            None => at,
        };
        if at < self.history.len() {
            self.browsing = Some((at, kept));
        }
    }

    /// Shows a later line, at last the draft.
    pub(super) fn later(&mut self) {
        let Some((at, kept)) = self.browsing.take() else {
            return;
        };
        if let Some(line) = self.history.get(at + 1).cloned() {
            self.set(line);
            self.browsing = Some((at + 1, kept));
        } else {
            self.set(kept);
        }
    }

    /// The draft in rows of `columns`.
    pub fn lay(&self, columns: usize) -> Laid {
        let columns = columns.max(1);
        let limit = MessageText::MAX_CHARS + usize::from(self.draft().starts_with("//"));
        let mut laid = Laid {
            rows: vec![Vec::new()],
            caret: (0, 0),
        };
        let (mut used, mut index) = (0, 0);
        for (grapheme, _) in glyphs::graphemes(self.draft()) {
            let breaks = grapheme.contains('\n');
            let shown = if breaks {
                "⏎".into()
            } else {
                glyphs::safe(grapheme)
            };
            let width = glyphs::width(&shown);
            if used + width > columns && used > 0 {
                laid.rows.push(Vec::new());
                used = 0;
            }
            if index <= self.input.cursor() {
                laid.caret = (laid.rows.len() - 1, used);
            }
            index += grapheme.chars().count();
            append(&mut laid.rows, &shown, index > limit);
            used += width;
            if breaks {
                laid.rows.push(Vec::new());
                used = 0;
            }
        }
        if self.input.cursor() >= index {
            if used >= columns {
                laid.rows.push(Vec::new());
                used = 0;
            }
            laid.caret = (laid.rows.len() - 1, used);
        }
        laid
    }

    fn set(&mut self, draft: String) {
        // Keeps what was cut, unlike a new `Input`.
        self.input = std::mem::take(&mut self.input).with_value(draft);
    }
}

fn append(rows: &mut [Vec<Piece>], shown: &str, over: bool) {
    let Some(row) = rows.last_mut() else { return };
    match row.last_mut() {
        Some(piece) if piece.over == over => piece.text.push_str(shown),
        _ => row.push(Piece {
            text: shown.to_owned(),
            over,
        }),
    }
}

fn byte_of(text: &str, chars: usize) -> usize {
    text.char_indices()
        .nth(chars)
        .map_or(text.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(draft: &str) -> Composer {
        let mut composer = Composer::default();
        composer.paste(draft);
        composer
    }

    #[test]
    fn characters_are_counted_as_scalar_values() {
        assert_eq!(with("").left(), 128);
        assert_eq!(with(&"Æ".repeat(65)).left(), 63);
        assert_eq!(with("e\u{301}").left(), 126);
        assert_eq!(with(&"x".repeat(130)).left(), -2);
        assert_eq!(with("//x").left(), 126);
    }

    #[test]
    fn what_is_too_long_is_kept_and_marked() {
        let laid = with(&"x".repeat(130)).lay(200);
        let over: Vec<_> = laid.rows[0]
            .iter()
            .map(|p| (p.text.len(), p.over))
            .collect();
        assert_eq!(over, [(128, false), (2, true)]);
    }

    #[test]
    fn a_paste_keeps_lines_drops_controls_and_is_capped() {
        let composer = with("a\r\nb\rc\u{1b}[31m\u{7}\td");
        assert_eq!(composer.draft(), "a\nb\nc[31m\td");
        let mut composer = with("é");
        assert!(!composer.paste(&"日".repeat(3000)));
        assert!(composer.draft().len() <= MAX_DRAFT);
        assert!(!composer.edit(InputRequest::InsertChar('日')));
    }

    #[test]
    fn a_paste_lands_at_the_caret() {
        let mut composer = with("ad");
        composer.edit(InputRequest::GoToPrevChar);
        composer.paste("bc");
        composer.edit(InputRequest::InsertChar('!'));
        assert_eq!(composer.draft(), "abc!d");
    }

    #[test]
    fn browsing_the_history_keeps_the_draft() {
        let mut composer = Composer::default();
        for line in ["one", "two"] {
            composer.paste(line);
            composer.take();
        }
        composer.paste("draft");
        composer.earlier();
        assert_eq!(composer.draft(), "two");
        composer.earlier();
        composer.earlier();
        assert_eq!(composer.draft(), "one");
        composer.later();
        composer.later();
        assert_eq!(composer.draft(), "draft");
        composer.later();
        assert_eq!(composer.draft(), "draft");
    }

    #[test]
    fn the_caret_is_where_the_next_character_comes() {
        assert_eq!(with("日本").lay(10).caret, (0, 4));
        assert_eq!(with("e\u{301}x").lay(10).caret, (0, 2));
        assert_eq!(with("abcd").lay(4).caret, (1, 0));
        assert_eq!(with("a\nb").lay(10).caret, (1, 1));
    }

    proptest! {
        #[test]
        fn laying_out_never_panics_and_rows_fit(draft in any::<String>(), columns in 0..30_usize, back in 0..20_usize) {
            let mut composer = with(&draft);
            for _ in 0..back {
                composer.edit(InputRequest::GoToPrevChar);
            }
            let laid = composer.lay(columns);
            prop_assert!(laid.caret.0 < laid.rows.len());
            prop_assert!(laid.caret.1 <= columns.max(2));
        }
    }
}
