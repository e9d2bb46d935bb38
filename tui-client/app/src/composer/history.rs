//! The lines sent before, for recall.

use std::{collections::VecDeque, ops::Range};

use chitty_chat::text::caseless::Needle;

/// The largest number of lines that are kept.
const MOST: usize = 500;

/// Identifies a line for good, even after it was forgotten; a newer line has a greater number.
pub(super) type LineId = u64;

/// The lines, oldest first, without repeats.
#[derive(Debug, Default)]
pub(super) struct History {
    lines: VecDeque<(LineId, String)>,
    next: LineId,
}

impl History {
    /// Adds a line as the newest one.
    pub(super) fn remember(&mut self, line: String) {
        if line.is_empty() {
            return;
        }
        self.lines.retain(|(_, known)| *known != line);
        self.lines.push_back((self.next, line));
        self.next += 1;
        if self.lines.len() > MOST {
            self.lines.pop_front();
        }
    }

    pub(super) fn get(&self, id: LineId) -> Option<&str> {
        let index = self.lines.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.lines.get(index).map(|(_, line)| line.as_str())
    }

    /// The newest line that is older than this one.
    pub(super) fn older(&self, id: LineId) -> Option<LineId> {
        let index = self.lines.partition_point(|(known, _)| *known < id);
        self.lines.get(index.checked_sub(1)?).map(|(id, _)| *id)
    }

    /// The oldest line that is newer than this one.
    pub(super) fn newer(&self, id: LineId) -> Option<LineId> {
        let index = self.lines.partition_point(|(known, _)| *known <= id);
        self.lines.get(index).map(|(id, _)| *id)
    }

    /// The newest line older than `id` that contains the query.
    pub(super) fn find_older(&self, query: &str, id: LineId) -> Option<LineId> {
        let older = self.lines.iter().rev().filter(|(known, _)| *known < id);
        first_with(query, older)
    }

    /// The oldest line newer than `id` that contains the query.
    pub(super) fn find_newer(&self, query: &str, id: LineId) -> Option<LineId> {
        let newer = self.lines.iter().filter(|(known, _)| *known > id);
        first_with(query, newer)
    }
}

fn first_with<'a>(
    query: &str,
    mut lines: impl Iterator<Item = &'a (LineId, String)>,
) -> Option<LineId> {
    let needle = Needle::new(query);
    lines
        .find(|(_, line)| needle.is_in(line))
        .map(|(id, _)| *id)
}

/// The range of the query in the line, ignoring case.
pub(super) fn find(line: &str, query: &str) -> Option<Range<usize>> {
    Needle::new(query).find(line).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_kept_once_and_found_in_any_case() {
        let mut history = History::default();
        for line in ["Ærø", "one", "two", "one"] {
            history.remember(line.into());
        }
        let newest = history.older(LineId::MAX).expect("there are lines");
        assert_eq!(history.get(newest), Some("one"));
        let older = history.older(newest).expect("an older line");
        assert_eq!(history.get(older), Some("two"));
        assert_eq!(history.newer(older), Some(newest));
        assert_eq!(history.newer(newest), None);
        let found = history.find_older("ÆR", LineId::MAX).expect("it is there");
        assert_eq!(history.get(found), Some("Ærø"));
        assert_eq!(history.find_newer("O", found), Some(older));
        assert_eq!(find("grüß Ærø", "ærØ"), Some(7..12));
        assert_eq!(find("abc", "abcd"), None);
        assert_eq!(find("ein Cafe\u{301}", "CAF\u{c9}"), Some(4..10));
    }

    #[test]
    fn it_is_bounded() {
        let mut history = History::default();
        for n in 0..2 * MOST {
            history.remember(n.to_string());
        }
        assert_eq!(history.lines.len(), MOST);
    }
}
