//! The help: every command and key, from the tables that these are looked up in.

use super::{
    commands::COMMANDS,
    keys::{BINDINGS, Help},
};

/// A row of the help page.
#[derive(Clone, Copy)]
pub enum Row {
    /// What the rows below are about.
    Title(&'static str),
    /// A key or a command.
    Entry(Help),
    /// Between two parts.
    Gap,
}

/// The page, from the top.
pub fn page() -> impl Iterator<Item = Row> {
    let commands = COMMANDS.iter().copied().map(Row::Entry);
    let keys = BINDINGS
        .iter()
        .filter_map(|binding| binding.help)
        .map(Row::Entry);
    [Row::Title("Commands")]
        .into_iter()
        .chain(commands)
        .chain([Row::Gap, Row::Title("Keys")])
        .chain(keys)
}

/// The columns that the page takes: of the keys, and of what they do.
pub fn columns() -> (usize, usize) {
    page().fold((0, 0), |(keys, what), row| match row {
        Row::Entry(help) => (keys.max(help.keys.len()), what.max(help.what.len())),
        Row::Title(_) | Row::Gap => (keys, what),
    })
}
