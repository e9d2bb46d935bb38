//! Breaks texts into the rows of a pane.

use std::ops::Range;

use crate::glyphs;

/// The rows of `text` in a pane of `columns`; the first row has `taken` columns less. A row breaks
/// at the last space that fits, or within a word that is wider than a row. There is at least one
/// row.
///
/// Line breaks of the text are kept; each row is safe to show.
pub fn rows(text: &str, columns: usize, taken: usize) -> Vec<String> {
    let text = glyphs::safe_lines(text);
    let spans = spans(&text, columns, taken);
    spans
        .into_iter()
        .map(|span| text[span].to_owned())
        .collect()
}

/// The rows as ranges of a text that is safe already. The characters at which it breaks are in none
/// of them.
pub fn spans(text: &str, columns: usize, taken: usize) -> Vec<Range<usize>> {
    let columns = columns.max(1);
    let mut rows = Vec::new();
    let mut available = columns.saturating_sub(taken);
    if available == 0 {
        rows.push(0..0);
        available = columns;
    }
    let mut start = 0;
    for line in text.split('\n') {
        break_line(line, start, columns, available, &mut rows);
        start += line.len() + 1;
        available = columns;
    }
    rows
}

fn break_line(line: &str, at: usize, columns: usize, first: usize, rows: &mut Vec<Range<usize>>) {
    let mut available = first;
    let (mut row, mut end, mut used) = (at..at, at, 0);
    // The byte after the last space within the row.
    let mut space = None;
    for (grapheme, width) in glyphs::graphemes(line) {
        let next = end + grapheme.len();
        if used + width > available && !row.is_empty() {
            if grapheme == " " {
                // A space at the edge is the break itself.
                rows.push(std::mem::replace(&mut row, next..next));
                (end, used, available, space) = (next, 0, columns, None);
                continue;
            }
            let break_at = space.unwrap_or(end);
            rows.push(row.start..break_at);
            row = break_at..end;
            used = glyphs::width(&line[break_at - at..end - at]);
            (available, space) = (columns, None);
            if used + width > available && !row.is_empty() {
                // The word that was moved to this row fills it.
                rows.push(std::mem::replace(&mut row, end..end));
                used = 0;
            }
        } else if used + width > available && available < columns {
            // Not even one grapheme fits beside what the first row begins with.
            rows.push(end..end);
            available = columns;
        }
        (row.end, end) = (next, next);
        used += width;
        if grapheme == " " {
            space = Some(end);
        }
    }
    rows.push(row);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_break_at_spaces_and_within_long_words() {
        assert_eq!(rows("one two three", 8, 0), ["one two ", "three"]);
        assert_eq!(rows("one two three", 7, 0), ["one two", "three"]);
        assert_eq!(rows("abcdefghij", 4, 0), ["abcd", "efgh", "ij"]);
        assert_eq!(rows("日本語", 5, 0), ["日本", "語"]);
        assert_eq!(rows("a\nb", 9, 0), ["a", "b"]);
        assert_eq!(rows("", 9, 0), [""]);
        assert_eq!(rows(" abc日", 4, 0), [" ", "abc", "日"]);
    }

    #[test]
    fn the_first_row_may_be_shorter() {
        assert_eq!(rows("one two", 8, 5), ["one", "two"]);
        assert_eq!(rows("three", 8, 8), ["", "three"]);
        assert_eq!(rows("日", 8, 7), ["", "日"]);
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide_and_nothing_but_spaces_is_lost(text in "\\PC{0,60}", columns in 2..40_usize, taken in 0..50_usize) {
            let rows = rows(&text, columns, taken);
            for row in &rows {
                // A grapheme can be wider than any pane; it then has a row to itself.
                prop_assert!(glyphs::width(row) <= columns || glyphs::graphemes(row).count() == 1, "{row:?}");
            }
            let squeeze = |s: &str| s.replace(' ', "");
            prop_assert_eq!(squeeze(&rows.concat()), squeeze(&glyphs::safe_lines(&text)));
        }
    }
}
