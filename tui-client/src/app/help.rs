//! The help: every command and key, from the tables that these are looked up in.

use super::{
    commands::COMMANDS,
    keys::{BINDINGS, Help},
    reading::SELECTING,
    wrap,
};

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
        keys: &'static str,
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

impl Page {
    /// The help on a screen of so many columns and rows.
    pub fn new(width: u16, height: u16) -> Self {
        let (screen, height) = (usize::from(width), usize::from(height));
        let entries = || COMMANDS.iter().chain(SELECTING).copied().chain(keys());
        let column = entries().map(|help| help.keys.len()).max().unwrap_or(0) + 2;
        let what = entries().map(|help| help.what.len()).max().unwrap_or(0);

        let margin = if screen > 30 { MARGIN } else { 1 };
        let width = (column + what).min(screen.saturating_sub(2 * margin));
        // Where the two do not fit side by side, they are one above the other.
        let column = (width >= column + what).then_some(column);
        let mut rows = vec![Row::Title("Commands")];
        for help in COMMANDS {
            entry(*help, column, width, &mut rows);
        }
        rows.extend([Row::Gap, Row::Title("Keys")]);
        for help in keys() {
            entry(help, column, width, &mut rows);
        }
        rows.extend([Row::Gap, Row::Title("On a selected line")]);
        for help in SELECTING {
            entry(*help, column, width, &mut rows);
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

fn keys() -> impl Iterator<Item = Help> {
    BINDINGS.iter().filter_map(|binding| binding.help)
}

fn entry(help: Help, column: Option<usize>, width: usize, rows: &mut Vec<Row>) {
    let Help { keys, what } = help;
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
        for (width, height) in [(200, 60), (80, 24), (40, 10), (20, 5), (1, 1), (0, 0)] {
            let page = Page::new(width, height);
            for help in COMMANDS.iter().chain(SELECTING).copied().chain(keys()) {
                let known =
                    |row: &Row| matches!(row, Row::Entry { keys, .. } if *keys == help.keys);
                assert!(
                    page.rows.iter().any(known),
                    "{} at {width}x{height}",
                    help.keys
                );
            }
            assert!(page.height <= page.rows.len());
        }
    }
}
