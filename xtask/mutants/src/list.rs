//! What cargo-mutants finds to change.

use std::process::Command;

use color_eyre::eyre::{Result, WrapErr as _, ensure};
use proc_macro2::LineColumn;
use serde::Deserialize;

use crate::part::{Package, Part};

/// A small mistake that is put into the code.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mutant {
    /// Where it is and what it does, in a line.
    pub(crate) name: String,
    /// The file, from the top of the workspace.
    pub(crate) file: String,
    pub(crate) genre: Genre,
    pub(crate) span: Extent,
    /// What is put in the place of the span.
    pub(crate) replacement: String,
    /// The part that it belongs to.
    #[serde(skip)]
    pub(crate) part: Option<&'static Part>,
}

impl Mutant {
    pub(crate) fn part_name(&self) -> &'static str {
        self.part.map_or("", |part| part.name)
    }

    /// Whether a test of this name is about its part.
    pub(crate) fn has_test(&self, name: &str) -> bool {
        self.part.is_none_or(|part| part.has_test(name))
    }
}

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
pub(crate) enum Genre {
    BinaryOperator,
    FnValue,
    MatchArm,
    MatchArmGuard,
    StructField,
    UnaryOperator,
}

/// From one place up to another.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Extent {
    pub(crate) start: Place,
    pub(crate) end: Place,
}

/// A line and a column, both from 1, in characters.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl From<LineColumn> for Place {
    fn from(place: LineColumn) -> Self {
        Self {
            line: place.line,
            column: place.column + 1,
        }
    }
}

/// All mutants of a part of a package.
pub(crate) fn list(package: &Package, part: &'static Part) -> Result<Vec<Mutant>> {
    let selected = ["--package", package.name, "--file", part.files];
    let output = Command::new("cargo")
        .args(["mutants", "--list", "--json"])
        .args(selected)
        .output()
        .wrap_err("cargo-mutants cannot be run")?;
    ensure!(
        output.status.success(),
        "cargo mutants --list: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut mutants: Vec<Mutant> = serde_json::from_slice(&output.stdout)
        .wrap_err("cargo-mutants lists what is not understood")?;
    for mutant in &mut mutants {
        mutant.part = Some(part);
    }
    Ok(mutants)
}
