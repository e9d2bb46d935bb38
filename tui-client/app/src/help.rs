//! The help: first the signs on the screen, then the most important keys, then every command and
//! key, made from the tables in which these are looked up.

use std::borrow::Cow;

use chitty_chat::signs::{self, Sign};

use super::{
    commands::COMMANDS,
    keys::{Action, KeyContext, KeyRow, Keymap},
    wrap,
};
use crate::glyphs;

/// The help, laid out for a screen.
#[derive(Debug)]
pub struct HelpPage {
    /// The columns between the sides of the frame.
    pub width: usize,
    /// The rows that are visible at once.
    pub height: usize,
    /// Whether there is space for a frame.
    pub framed: bool,
    /// All rows.
    pub rows: Vec<HelpRow>,
}

/// A row of the laid-out help.
#[derive(Debug, PartialEq, Eq)]
pub enum HelpRow {
    /// The title of the rows below.
    Title(&'static str),
    /// Keys or a command, with what they do.
    Entry {
        /// The keys or the command, as the user types them.
        keys: Cow<'static, str>,
        /// The column at which `what` begins.
        column: usize,
        /// What they do; empty if it has rows of its own.
        what: Cow<'static, str>,
    },
    /// A further row of what the keys above do.
    More {
        /// The column at which the text begins.
        column: usize,
        /// A part of what they do.
        what: String,
    },
    /// An empty row between two sections.
    Gap,
}

/// Columns beside the text: the frame and a margin.
const MARGIN: usize = 3;

/// A section of the help.
pub struct HelpSection {
    /// The heading.
    pub title: &'static str,
    /// The table of the configuration file that changes these keys.
    pub table: Option<&'static str>,
    /// The rows.
    pub entries: Vec<HelpEntry>,
}

/// A key or a command with its explanation.
pub struct HelpEntry {
    /// The keys or the command, as the user types them.
    pub keys: Cow<'static, str>,
    /// What they do or mean.
    pub what: &'static str,
    /// The names of the bindings in the configuration file.
    pub names: Vec<&'static str>,
}

impl HelpPage {
    /// Lays the help out for a screen of this size.
    pub fn new(width: u16, height: u16, keys: &Keymap) -> Self {
        let (screen, height) = (usize::from(width), usize::from(height));
        let parts = parts(keys);
        let margin = if screen > 30 { MARGIN } else { 1 };
        let space = screen.saturating_sub(2 * margin);
        let all = || parts.iter().flat_map(|part| &part.entries);
        let column = column(all());
        let what = all().map(|entry| glyphs::width(entry.what)).max();
        let wanted = column + what.unwrap_or(0);
        let width = wanted.min(space);
        let mut rows = Vec::new();
        for part in parts {
            if !rows.is_empty() {
                rows.push(HelpRow::Gap);
            }
            rows.push(HelpRow::Title(part.title));
            // On a narrow screen each section gets a column width of its own.
            let column = if wanted <= space {
                column
            } else {
                self::column(part.entries.iter())
            };
            for HelpEntry { keys, what, .. } in part.entries {
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

/// The column at which the explanations begin.
fn column<'a>(entries: impl Iterator<Item = &'a HelpEntry>) -> usize {
    entries
        .map(|entry| glyphs::width(&entry.keys))
        .max()
        .unwrap_or(0)
        + 2
}

/// The keys that matter most: the first bindings of their rows.
const MAIN: [Action; 10] = [
    Action::Send,
    Action::Newline,
    Action::Complete,
    Action::Up,
    Action::PageUp,
    Action::Search,
    Action::SelectOlder,
    Action::Help,
    Action::Diagram,
    Action::Leave,
];

fn is_main(row: &KeyRow) -> bool {
    let first = row.bindings.first();
    first.is_some_and(|binding| MAIN.contains(&binding.action))
}

/// All sections of the help with these keys.
pub fn parts(keys: &Keymap) -> [HelpSection; 6] {
    let commands = COMMANDS.iter().map(|help| HelpEntry {
        keys: help.command.into(),
        what: help.what,
        names: Vec::new(),
    });
    let back = keys.key(Action::Leave).map(|key| HelpEntry {
        keys: key.to_string().into(),
        what: "back to the draft",
        names: Vec::new(),
    });
    let part = |title, table, entries| HelpSection {
        title,
        table,
        entries,
    };
    let mut main = of(keys, KeyContext::Chat, is_main);
    main.sort_by_key(|(row, _)| {
        let first = row.bindings.first();
        MAIN.iter()
            .position(|action| first.is_some_and(|first| first.action == *action))
    });
    let rest = of(keys, KeyContext::Chat, |row| !is_main(row));
    let selected = of(keys, KeyContext::Selected, |_| true);
    let entries = |rows: Vec<(_, HelpEntry)>| rows.into_iter().map(|(_, entry)| entry);
    [
        part("Signs", None, signs::SCREEN.map(sign).into()),
        part(
            "Signs in the diagram",
            None,
            signs::client_diagram().map(sign).collect(),
        ),
        part("The first keys", Some("keys"), entries(main).collect()),
        part("Commands", None, commands.collect()),
        part("More keys", Some("keys"), entries(rest).collect()),
        part(
            "On a selected line",
            Some("keys.selected"),
            entries(selected).chain(back).collect(),
        ),
    ]
}

fn sign(sign: Sign) -> HelpEntry {
    HelpEntry {
        keys: sign.sign.into(),
        what: sign.means,
        names: Vec::new(),
    }
}

/// The rows of this context that `which` selects, as entries of the help.
fn of(
    keys: &Keymap,
    context: KeyContext,
    which: impl Fn(&KeyRow) -> bool,
) -> Vec<(&'static KeyRow, HelpEntry)> {
    let rows = keys.rows(context).filter(|(_, row)| which(row));
    let entry = |(keys, row): (String, &'static KeyRow)| {
        let entry = HelpEntry {
            keys: keys.into(),
            what: row.what,
            names: row.bindings.iter().map(|binding| binding.name).collect(),
        };
        (row, entry)
    };
    rows.map(entry).collect()
}

/// An explanation stands beside its keys if it gets this many columns; otherwise it goes below
/// them.
const LEAST: usize = 14;

fn entry(
    keys: Cow<'static, str>,
    what: &'static str,
    column: usize,
    width: usize,
    rows: &mut Vec<HelpRow>,
) {
    let space = width.saturating_sub(column);
    let beside = space >= glyphs::width(what) || space >= LEAST;
    let indent = if beside { column } else { 2 };
    let mut more = wrap::rows(what, width.saturating_sub(indent), 0)
        .into_iter()
        .peekable();
    rows.push(HelpRow::Entry {
        keys,
        column,
        what: more.next_if(|_| beside).unwrap_or_default().into(),
    });
    rows.extend(more.map(|what| HelpRow::More {
        column: indent,
        what,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_command_is_in_it_at_any_size() {
        let map = Keymap::default();
        for (width, height) in [(200, 60), (80, 24), (40, 10), (20, 5), (1, 1), (0, 0)] {
            let page = HelpPage::new(width, height, &map);
            for wanted in parts(&map).iter().flat_map(|part| &part.entries) {
                let known = |row: &HelpRow| matches!(row, HelpRow::Entry { keys, .. } if *keys == wanted.keys);
                let wanted = &wanted.keys;
                assert!(page.rows.iter().any(known), "{wanted} at {width}x{height}");
            }
            assert!(page.height <= page.rows.len());
        }
    }

    #[test]
    fn signs_are_first_and_then_the_ten_keys_that_matter() {
        let map = Keymap::default();
        let parts = parts(&map);
        let first: Vec<_> = parts[0].entries.iter().map(|entry| &*entry.keys).collect();
        assert_eq!(first[..2], ["L412", "∥2"]);
        let names: Vec<_> = parts[2]
            .entries
            .iter()
            .map(|entry| entry.names[0])
            .collect();
        assert_eq!(names.len(), MAIN.len());
        assert_eq!((names[0], names[9]), ("send", "leave"));
        // No row is missing or repeated.
        let keys = [&parts[2], &parts[4]].map(|part| part.entries.len());
        assert_eq!(
            keys.iter().sum::<usize>(),
            map.rows(KeyContext::Chat).count()
        );
    }

    #[test]
    fn what_keys_do_is_read_whole_at_any_width() {
        let map = Keymap::default();
        for width in [20, 32, 40, 50, 60, 80, 200] {
            let page = HelpPage::new(width, 24, &map);
            let mut explained = String::new();
            for row in &page.rows {
                let (column, what) = match row {
                    HelpRow::Entry { column, what, .. } => (*column, &**what),
                    HelpRow::More { column, what } => (*column, &**what),
                    _ => continue,
                };
                assert!(
                    what.is_empty() || column + glyphs::width(what) <= page.width,
                    "{row:?}"
                );
                explained.extend([what, " "]);
            }
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let explained = words(&explained);
            for entry in parts(&map).iter().flat_map(|part| &part.entries) {
                assert!(
                    explained.contains(&words(entry.what)),
                    "{} at {width}",
                    entry.what
                );
            }
        }
    }

    /// The manual has these tables. If this fails, copy what it prints into the manual.
    #[test]
    fn the_manual_has_the_same() {
        let manual = include_str!("../../../docs/manual.md");
        for part in parts(&Keymap::default()) {
            let head = match part.table {
                Some(table) => format!("| key | does | in `[{table}]` |\n| --- | --- | --- |\n"),
                None if part.title.starts_with("Signs") => {
                    "| sign | means |\n| --- | --- |\n".to_owned()
                }
                None => "| command | does |\n| --- | --- |\n".to_owned(),
            };
            let row = |HelpEntry { keys, what, names }| {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                let names = names.join(", ");
                let last = part.table.map(|_| format!(" {names} |"));
                format!("| `{keys}` | {what} |{}\n", last.unwrap_or_default())
            };
            let rows: String = part.entries.into_iter().map(row).collect();
            let table = head + &rows;
            assert!(manual.contains(&table), "{table}");
        }
    }
}
