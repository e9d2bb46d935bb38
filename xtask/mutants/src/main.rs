//! How strong the tests are: small mistakes are put into the code, and for each of them some test
//! has to fail.
//!
//! cargo-mutants says which mistakes there are. It would build the tests anew for each of them; here
//! all of them are in one build, each behind a switch, and only those tests are run that come to it.

mod apart;
mod compile;
mod list;
mod part;
mod report;
mod switch;
mod tests;

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Parser, builder::PossibleValuesParser};
use color_eyre::eyre::Result;

use self::{
    list::Mutant,
    part::{PACKAGES, Package},
    report::{Fate, Report},
    tests::Tests,
};

/// Puts small mistakes into the code, and tells which of them no test notices
#[derive(Parser)]
struct Args {
    /// Which parts of the code; all of them if none is named
    #[arg(value_parser = PossibleValuesParser::new(part::names()))]
    parts: Vec<String>,

    /// Only the mutants with this in their names, such as a file's name; may be repeated
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,

    /// Leave out those that have to be built one by one
    #[arg(long)]
    quick: bool,
}

impl Args {
    fn wants(&self, mutant: &Mutant) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| mutant.name.contains(text))
    }

    /// The mutants of a package that are to be looked at.
    fn mutants(&self, package: &Package) -> Result<Vec<Mutant>> {
        let mut mutants = Vec::new();
        for part in package.parts {
            if self.parts.is_empty() || self.parts.iter().any(|name| name == part.name) {
                mutants.extend(list::list(package, part)?);
            }
        }
        mutants.retain(|mutant| self.wants(mutant));
        Ok(mutants)
    }
}

fn main() -> Result<ExitCode> {
    color_eyre::install()?;
    let args = Args::parse();
    let mut has_survivor = false;
    for package in PACKAGES {
        let mutants = args.mutants(package)?;
        if !mutants.is_empty() {
            has_survivor |= measure(package, &mutants, args.quick)?;
        }
    }
    Ok(if has_survivor {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Whether one survived.
fn measure(package: &Package, mutants: &[Mutant], quick: bool) -> Result<bool> {
    println!("{}: {} mutants", package.name, mutants.len());
    let folder = PathBuf::from("target/mutants");
    let compiled = compile::compile(package, mutants, &folder)?;
    let own = folder.join(package.name);
    fs::create_dir_all(&own)?;
    let own = fs::canonicalize(own)?;
    let tests = Tests::survey(package, mutants, &compiled, &own)?;
    println!("{}: {} tests", package.name, tests.count());
    let mut report = Report::new(&own)?;
    for (number, mutant) in mutants.iter().enumerate() {
        if compiled.unviable.contains(&number) {
            report.add(mutant, &Fate::Unviable)?;
        } else if !compiled.apart.contains(&number) {
            report.add(mutant, &tests.judge(number)?)?;
        }
    }
    if quick {
        for number in &compiled.apart {
            report.add(&mutants[*number], &Fate::LeftOut)?;
        }
    } else {
        for (number, fate) in apart::judge(package, mutants, &compiled.apart, &own)? {
            report.add(&mutants[number], &fate)?;
        }
    }
    Ok(report.finish())
}
