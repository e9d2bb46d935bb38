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

/// A part of the help.
pub(crate) struct Part {
    pub(crate) title: &'static str,
    /// The table of the configuration that changes it.
    pub(crate) table: Option<&'static str>,
    pub(crate) entries: Vec<Entry>,
}

/// A key or a command.
pub(crate) struct Entry {
    /// As people write it.
    pub(crate) keys: Cow<'static, str>,
    pub(crate) what: &'static str,
    /// What the configuration calls it.
    pub(crate) names: Vec<&'static str>,
}

impl Page {
    /// The help on a screen of so many columns and rows.
    pub fn new(width: u16, height: u16, keys: &Keymap) -> Self {
        let (screen, height) = (usize::from(width), usize::from(height));
        let parts = parts(keys);
        let entries = || parts.iter().flat_map(|part| &part.entries);
        let column = entries().map(|entry| glyphs::width(&entry.keys)).max();
        let column = column.unwrap_or(0) + 2;
        let what = entries().map(|entry| entry.what.len()).max().unwrap_or(0);

        let margin = if screen > 30 { MARGIN } else { 1 };
        let width = (column + what).min(screen.saturating_sub(2 * margin));
        // Where the two do not fit side by side, they are one above the other.
        let column = (width >= column + what).then_some(column);
        let mut rows = Vec::new();
        for part in parts {
            if !rows.is_empty() {
                rows.push(Row::Gap);
            }
            rows.push(Row::Title(part.title));
            for Entry { keys, what, .. } in part.entries {
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

/// All of the help, with these keys.
pub(crate) fn parts(keys: &Keymap) -> [Part; 3] {
    let commands = COMMANDS.iter().map(|help| Entry {
        keys: help.command.into(),
        what: help.what,
        names: Vec::new(),
    });
    let of = |mode| {
        keys.rows(mode).map(|(keys, row)| Entry {
            keys: keys.into(),
            what: row.what,
            names: row.bindings.iter().map(|binding| binding.name).collect(),
        })
    };
    let back = keys.key(Action::Leave).map(|key| Entry {
        keys: key.to_string().into(),
        what: "back to the draft",
        names: Vec::new(),
    });
    [
        Part {
            title: "Commands",
            table: None,
            entries: commands.collect(),
        },
        Part {
            title: "Keys",
            table: Some("keys"),
            entries: of(Mode::Chat).collect(),
        },
        Part {
            title: "On a selected line",
            table: Some("keys.selected"),
            entries: of(Mode::Selected).chain(back).collect(),
        },
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
            for wanted in parts(&map).iter().flat_map(|part| &part.entries) {
                let known =
                    |row: &Row| matches!(row, Row::Entry { keys, .. } if *keys == wanted.keys);
                let wanted = &wanted.keys;
                assert!(page.rows.iter().any(known), "{wanted} at {width}x{height}");
            }
            assert!(page.height <= page.rows.len());
        }
    }

    /// Its tables are these: what this prints when it fails is to be put there.
    #[test]
    fn the_readme_has_the_same() {
        let readme = include_str!("../../../README.md");
        for part in parts(&Keymap::default()) {
            let head = match part.table {
                Some(table) => format!("| key | does | in `[{table}]` |\n| --- | --- | --- |\n"),
                None => "| command | does |\n| --- | --- |\n".to_owned(),
            };
            let row = |Entry { keys, what, names }| {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                let names = names.join(", ");
                let last = part.table.map(|_| format!(" {names} |"));
                format!("| `{keys}` | {what} |{}\n", last.unwrap_or_default())
            };
            let rows: String = part.entries.into_iter().map(row).collect();
            let table = head + &rows;
            assert!(readme.contains(&table), "{table}");
        }
    }
}
