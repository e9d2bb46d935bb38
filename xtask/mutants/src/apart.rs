//! The mutants that cannot be switched on and off: cargo-mutants builds each by itself.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use color_eyre::eyre::{Result, WrapErr as _, eyre};
use serde::Deserialize;

use crate::{list::Mutant, part::Package, report::Fate};

/// What became of each of them, by its number.
pub(crate) fn judge(
    package: &Package,
    mutants: &[Mutant],
    apart: &BTreeSet<usize>,
    folder: &Path,
) -> Result<Vec<(usize, Fate)>> {
    if apart.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = Command::new("cargo");
    command
        .env(
            "CARGO_TARGET_DIR",
            std::path::absolute(folder.join("build"))?,
        )
        .args(["mutants", "--package", package.name])
        .arg("--output")
        .arg(folder);
    let files: BTreeSet<_> = apart.iter().map(|number| &mutants[*number].file).collect();
    for file in files {
        command.args(["--file", file]);
    }
    for number in apart {
        command.args(["--re", &format!("^{}$", escape(&mutants[*number].name))]);
    }
    // To building, too, or all other tests of the package would be built for each of them.
    for program in package.programs {
        command.arg(format!("--cargo-arg={program}"));
    }
    if package.others.is_empty() {
        command.args(["--", "--"]).args(test_names(mutants, apart));
    } else {
        // Without names: the filter of a test program does not know which program it is in.
        for tested in [&[package.name][..], package.others].concat() {
            command.args(["--test-package", tested]);
        }
    }
    // Those that survive make it fail; what it writes down says more.
    command.status().wrap_err("cargo-mutants cannot be run")?;
    let outcomes = fs::read(folder.join("mutants.out/outcomes.json"))?;
    let outcomes: Outcomes = serde_json::from_slice(&outcomes)?;
    let mut fates = Vec::new();
    for outcome in outcomes.outcomes {
        let Scenario::Mutant(of) = outcome.scenario else {
            continue;
        };
        let is_it = |number: &&usize| mutants[**number].name == of.name;
        // It tries fields that are left out of a struct whatever it is asked for.
        let Some(number) = apart.iter().find(is_it) else {
            continue;
        };
        let fate = match outcome.summary.as_str() {
            "CaughtMutant" => Fate::Caught("cargo-mutants".to_owned()),
            "MissedMutant" => Fate::Survived,
            "Timeout" => Fate::TimedOut,
            "Unviable" => Fate::Unviable,
            other => return Err(eyre!("{}: {other}", of.name)),
        };
        fates.push((*number, fate));
    }
    Ok(fates)
}

/// What the names of the tests have in them that are about any of these; none: all.
fn test_names(mutants: &[Mutant], apart: &BTreeSet<usize>) -> BTreeSet<&'static str> {
    let parts = apart.iter().filter_map(|number| mutants[*number].part);
    let names: Vec<_> = parts.map(|part| part.names).collect();
    if names.iter().any(|names| names.is_empty()) {
        return BTreeSet::new();
    }
    names.into_iter().flatten().copied().collect()
}

/// A regular expression for just this text.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        // `\<` and `\>` would be the beginning and the end of a word.
        if character.is_ascii_punctuation() && !"<>".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: String,
}

#[derive(Deserialize)]
enum Scenario {
    Baseline,
    Mutant(Named),
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_escaped_but_for_what_an_escape_would_give_a_meaning() {
        let name = "src/a.rs:1:2: replace << with >> in B<'a>::c";
        let escaped = escape(name);
        assert!(escaped.contains(" << with >> "), "{escaped}");
        assert!(escaped.starts_with(r"src\/a\.rs\:1"), "{escaped}");
    }
}
