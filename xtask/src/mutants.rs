//! Mutation tests: small mistakes are put into the code, and some test has to notice each of them.

use crate::run::{Failed, Step, cargo};

/// The arguments are those of the package `chitty-mutants`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    let version = Step::new("cargo").args(&["mutants", "--version"]);
    if !version.succeeds() {
        cargo(&["install", "--locked", "cargo-mutants"])?;
    }
    let mut command = vec!["run", "--locked", "--package", "chitty-mutants", "--"];
    command.extend(arguments.iter().map(String::as_str));
    cargo(&command)
}
