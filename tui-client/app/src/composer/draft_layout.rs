//! Breaks the text of the draft into the rows of its box.

use std::borrow::Cow;

use crate::glyphs;

/// Marks the place beyond which the text is too long to be sent.
const LIMIT: &str = "✗";
/// Marks a line break of the text.
const BREAK: &str = "⏎";

/// A text in rows, with the place of its caret.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DraftLayout {
    /// The rows, from the top; there is at least one.
    pub rows: Vec<Vec<DraftSpan>>,
    /// The row and the column of the caret, from 0 on.
    pub caret: (usize, usize),
    of: Option<LayoutInput>,
}

/// The input of a layout: text, columns, limit, and the caret's byte.
type LayoutInput = (String, usize, usize, usize);

impl DraftLayout {
    /// Whether a layout of this box with this caret would give the same result.
    pub(super) fn is_of(&self, block: DraftBox<'_>, caret: usize) -> bool {
        self.of.as_ref().is_some_and(|(text, columns, limit, at)| {
            (*columns, *limit, *at) == (block.columns, block.limit, caret) && text == block.text
        })
    }
}

/// A part of a row with one meaning.
#[derive(Debug, PartialEq, Eq)]
pub struct DraftSpan {
    /// The text of the part, safe to show.
    pub text: String,
    /// What the part means.
    pub kind: SpanKind,
}

/// What a part of a row means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Text that can be sent.
    Text,
    /// The limit sign, which is not part of the text. What follows cannot be sent.
    Limit,
    /// Text beyond the limit, which cannot be sent.
    Over,
    /// The sign for a line break of the text.
    Break {
        /// Whether the line break is beyond the limit.
        over: bool,
    },
}

/// A text and the box that it goes into.
#[derive(Clone, Copy, Debug)]
pub(super) struct DraftBox<'a> {
    pub(super) text: &'a str,
    pub(super) columns: usize,
    /// The longest text that can be sent, in characters.
    pub(super) limit: usize,
}

/// A grapheme, or the end of the text, with its row and column.
struct PlacedGrapheme<'a> {
    at: usize,
    row: usize,
    column: usize,
    shown: Cow<'a, str>,
    kind: SpanKind,
}

impl<'a> DraftBox<'a> {
    /// Breaks the text into rows, with the caret at this byte.
    pub(super) fn lay(self, caret: usize) -> DraftLayout {
        let mut laid = DraftLayout {
            rows: vec![Vec::new()],
            caret: (0, 0),
            of: Some((self.text.to_owned(), self.columns, self.limit, caret)),
        };
        self.walk(|spot| {
            laid.rows.resize_with(spot.row + 1, Vec::new);
            if spot.at <= caret {
                laid.caret = (spot.row, spot.column);
            }
            let row = &mut laid.rows[spot.row];
            match row.last_mut() {
                Some(piece) if piece.kind == spot.kind => piece.text.push_str(&spot.shown),
                _ if spot.shown.is_empty() => {}
                _ => row.push(DraftSpan {
                    text: spot.shown.into_owned(),
                    kind: spot.kind,
                }),
            }
        });
        laid
    }

    /// The byte in this row whose column is the nearest one at or left of `column`.
    pub(super) fn at(self, row: usize, column: usize) -> usize {
        let mut at = 0;
        let mut begun = false;
        self.walk(|spot| {
            let fits = spot.column <= column || !begun;
            if spot.row == row && spot.kind != SpanKind::Limit && fits {
                (at, begun) = (spot.at, true);
            }
        });
        at
    }

    fn walk(self, mut visit: impl FnMut(PlacedGrapheme<'a>)) {
        let columns = self.columns.max(1);
        let (mut at, mut row, mut used, mut chars) = (0, 0, 0, 0);
        let mut over = false;
        let mut place = |at, shown: Cow<'a, str>, kind, breaks: bool| {
            // At the end of the text the caret needs a cell of its own, as the next character will.
            let width = if shown.is_empty() {
                1
            } else {
                glyphs::width(&shown)
            };
            if used + width > columns && used > 0 {
                (row, used) = (row + 1, 0);
            }
            let column = used;
            used += width;
            visit(PlacedGrapheme {
                at,
                row,
                column,
                shown,
                kind,
            });
            if breaks {
                (row, used) = (row + 1, 0);
            }
        };
        for (grapheme, _) in glyphs::graphemes(self.text) {
            chars += grapheme.chars().count();
            // The limit counts characters, as the protocol does; a grapheme that crosses it is
            // beyond it as a whole.
            if chars > self.limit && !over {
                over = true;
                place(at, LIMIT.into(), SpanKind::Limit, false);
            }
            let kind = if over { SpanKind::Over } else { SpanKind::Text };
            if grapheme.contains('\n') {
                place(at, BREAK.into(), SpanKind::Break { over }, true);
            } else {
                place(at, glyphs::safe(grapheme), kind, false);
            }
            at += grapheme.len();
        }
        place(at, "".into(), SpanKind::Text, false);
    }
}
