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

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::ExitCode,
};

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

    /// Only those that the last run did not try, or that no test noticed; the others are taken over
    #[arg(long)]
    again: bool,

    /// So many mutants are tried at a time
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
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
            has_survivor |= measure(package, &mutants, &args)?;
        }
    }
    Ok(if has_survivor {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Whether one survived.
fn measure(package: &Package, mutants: &[Mutant], args: &Args) -> Result<bool> {
    println!("{}: {} mutants", package.name, mutants.len());
    let folder = PathBuf::from("target/mutants");
    let own = folder.join(package.name);
    fs::create_dir_all(&own)?;
    let own = fs::canonicalize(own)?;
    let known = if args.again {
        report::known(&own, mutants)?
    } else {
        BTreeMap::new()
    };
    let mut report = Report::new(&own)?;
    for (number, fate) in &known {
        report.add(&mutants[*number], fate)?;
    }
    let compiled = compile::compile(package, mutants, known.keys().copied(), &folder)?;
    let tests = Tests::survey(mutants, &compiled)?;
    println!("{}: {} tests", package.name, tests.count());
    let is_new = |number: &usize| !known.contains_key(number);
    for number in compiled.unviable.iter().filter(|number| is_new(number)) {
        report.add(&mutants[*number], &Fate::Unviable)?;
    }
    let is_in_build =
        |number: &usize| !compiled.unviable.contains(number) && !compiled.apart.contains(number);
    let to_judge: Vec<usize> = (0..mutants.len())
        .filter(|number| is_new(number) && is_in_build(number))
        .collect();
    tests.judge_all(&to_judge, args.jobs, |number, fate| {
        report.add(&mutants[number], &fate)
    })?;
    let apart: BTreeSet<usize> = compiled.apart.into_iter().filter(is_new).collect();
    if args.quick {
        for number in apart {
            report.add(&mutants[number], &Fate::LeftOut)?;
        }
    } else {
        for (number, fate) in apart::judge(package, mutants, &apart, &own)? {
            report.add(&mutants[number], &fate)?;
        }
    }
    Ok(report.finish())
}
