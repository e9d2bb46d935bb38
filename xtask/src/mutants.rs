//! How strong the tests are: small mistakes are put into the code, one at a time, and some test has
//! to notice each of them.

use crate::run::{Failed, Step, cargo};

/// A part of the code, and the quickest tests that can notice a mistake in it.
struct Part {
    name: &'static str,
    package: &'static str,
    files: &'static str,
    tests: &'static [&'static str],
    /// What the names of these tests have in them; none: all.
    names: &'static [&'static str],
}

const PARTS: &[Part] = &[
    Part {
        name: "lamport",
        package: "chitty-chat",
        files: "src/lamport.rs",
        tests: &["--lib"],
        names: &["lamport::", "causality::", "event::"],
    },
    Part {
        name: "causality",
        package: "chitty-chat",
        files: "src/causality.rs",
        tests: &["--lib"],
        names: &["causality::"],
    },
    Part {
        name: "room",
        package: "chitty-server",
        files: "server/src/room/**/*.rs",
        tests: &["--lib"],
        names: &["room::", "sequencer::", "service::"],
    },
    Part {
        name: "sequencer",
        package: "chitty-server",
        files: "server/src/sequencer/**/*.rs",
        tests: &["--lib", "--test=rpc"],
        names: &[],
    },
    Part {
        name: "log",
        package: "chitty-server",
        files: "server/src/log/**/*.rs",
        tests: &["--lib"],
        names: &["log::", "maintain::"],
    },
    Part {
        name: "session",
        package: "chitty",
        files: "tui-client/src/session/**/*.rs",
        tests: &["--lib", "--test=session"],
        names: &[],
    },
];

/// The first argument names the part, or there is none: then it is all of them. The rest goes to
/// cargo-mutants.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    if !Step::new("cargo")
        .args(&["mutants", "--version"])
        .succeeds()
    {
        cargo(&["install", "--locked", "cargo-mutants"])?;
    }
    let is_name = |name: &&String| !name.starts_with('-');
    let wanted = arguments.first().filter(is_name);
    let options: Vec<_> = arguments[usize::from(wanted.is_some())..]
        .iter()
        .map(String::as_str)
        .collect();
    let parts: Vec<_> = PARTS
        .iter()
        .filter(|part| wanted.is_none_or(|wanted| wanted == part.name))
        .collect();
    if parts.is_empty() {
        let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
        let names = names.join(", ");
        return Err(Failed::new(format_args!("there are these parts: {names}")));
    }
    let runs = parts.iter().map(|part| part.run(&options));
    // Those that survive fail the run of their part, and not of the others.
    let results: Vec<_> = runs.collect();
    results.into_iter().collect()
}

impl Part {
    fn run(&self, options: &[&str]) -> Result<(), Failed> {
        let output = format!("target/mutants/{}", self.name);
        Step::new("mkdir").args(&["-p", &output]).run()?;
        let selected = ["mutants", "--package", self.package, "--file", self.files];
        let output = ["--output", &output];
        // To building, too, or all other tests of the package would be built for each mistake.
        let tests = self.tests.iter().map(|test| format!("--cargo-arg={test}"));
        let arguments = [&selected, &output[..], options].concat();
        let step = tests.fold(Step::new("cargo").args(&arguments), Step::arg);
        step.args(&["--", "--"]).args(self.names).run()
    }
}
