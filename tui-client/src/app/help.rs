//! The help: every command and key, from the tables that these are looked up in.

use std::borrow::Cow;

use super::{
    commands::COMMANDS,
    keys::{Action, Keymap, Mode},
    wrap,
};
use crate::view::glyphs;

/// The help as it fits a screen.
#[derive(Debug)]
pub struct Page {
    /// The columns between the sides of its frame.
    pub width: usize,
    /// The rows that are visible at once.
    pub height: usize,
    /// Whether there is room for a frame.
    pub framed: bool,
    /// All rows.
    pub rows: Vec<Row>,
}

/// A row of the help.
#[derive(Debug, PartialEq, Eq)]
pub enum Row {
    /// What the rows below are about.
    Title(&'static str),
    /// Keys, and what they do from this column on.
    Entry {
        /// The keys or the command.
        keys: Cow<'static, str>,
        /// The column of `what`.
        column: usize,
        /// What they do; empty where it has rows of its own.
        what: &'static str,
    },
    /// More of what the keys above do.
    More(String),
    /// Between two parts.
    Gap,
}

/// Beside the text: the frame, and a margin.
const MARGIN: usize = 3;

/// A part of the help: its title, and its keys or commands with what they do.
type Part = (&'static str, Vec<(Cow<'static, str>, &'static str)>);

impl Page {
    /// The help on a screen of so many columns and rows.
    pub fn new(width: u16, height: u16, keys: &Keymap) -> Self {
        let (screen, height) = (usize::from(width), usize::from(height));
        let parts = parts(keys);
        let entries = || parts.iter().flat_map(|(_, entries)| entries);
        let column = entries().map(|(keys, _)| glyphs::width(keys)).max();
        let column = column.unwrap_or(0) + 2;
        let what = entries().map(|(_, what)| what.len()).max().unwrap_or(0);

        let margin = if screen > 30 { MARGIN } else { 1 };
        let width = (column + what).min(screen.saturating_sub(2 * margin));
        // Where the two do not fit side by side, they are one above the other.
        let column = (width >= column + what).then_some(column);
        let mut rows = Vec::new();
        for (title, entries) in parts {
            if !rows.is_empty() {
                rows.push(Row::Gap);
            }
            rows.push(Row::Title(title));
            for (keys, what) in entries {
                entry(keys, what, column, width, &mut rows);
            }
        }
        let framed = height > 4;
        let height = height.saturating_sub(if framed { 2 } else { 0 });
        Self {
            width,
            height: height.min(rows.len()),
            framed,
            rows,
        }
    }

    /// The last row that can be the first one on screen.
    pub fn last_top(&self) -> usize {
        self.rows.len() - self.height
    }
}

fn parts(keys: &Keymap) -> [Part; 3] {
    let commands = COMMANDS.iter().map(|help| (help.command.into(), help.what));
    let of = |mode| keys.rows(mode).map(|(keys, what)| (keys.into(), what));
    let back = keys.key(Action::Leave).into_iter();
    let back = back.map(|key| (key.to_string().into(), "back to the draft"));
    [
        ("Commands", commands.collect()),
        ("Keys", of(Mode::Chat).collect()),
        (
            "On a selected line",
            of(Mode::Selected).chain(back).collect(),
        ),
    ]
}

fn entry(
    keys: Cow<'static, str>,
    what: &'static str,
    column: Option<usize>,
    width: usize,
    rows: &mut Vec<Row>,
) {
    if let Some(column) = column {
        rows.push(Row::Entry { keys, column, what });
    } else {
        rows.push(Row::Entry {
            keys,
            column: 0,
            what: "",
        });
        let more = wrap::rows(what, width.saturating_sub(2), 0);
        rows.extend(more.into_iter().map(Row::More));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_command_is_in_it_at_any_size() {
        let map = Keymap::default();
        for (width, height) in [(200, 60), (80, 24), (40, 10), (20, 5), (1, 1), (0, 0)] {
            let page = Page::new(width, height, &map);
            for (wanted, _) in parts(&map).into_iter().flat_map(|(_, entries)| entries) {
                let known = |row: &Row| matches!(row, Row::Entry { keys, .. } if *keys == wanted);
                assert!(page.rows.iter().any(known), "{wanted} at {width}x{height}");
            }
            assert!(page.height <= page.rows.len());
        }
    }
}
