//! The project's own commands: `cargo xtask check` is what CI runs.
//!
//! Deliberately without dependencies, so that it builds at once on a fresh machine.

mod conformance;
mod install;
mod mutants;
mod page;
mod report;
mod run;
mod screen;

use std::process::ExitCode;

use run::{Failed, Step, cargo, programs, shipped};

const HELP: &str = "\
cargo xtask COMMAND

  check         all that CI checks: installs what is missing, then formatting, lints, docs, tests,
                the page, a moment of the benchmark and of the attacks, and conformance
  page          the page of chitty trace --html, in Chromium
  report        makes the report's run, and from its logs docs/report/report.pdf; --pages FOLDER
                also as pictures, --input KEY=VALUE for authors, course, date, repository
  bench         what a delivery costs, beside other servers: the tables of docs/performance.md
  attack        what hostile peers cost the server: the table of docs/hostile.md
  conformance   a second implementation of the protocol, in Python, against the server
  mutants       how strong the tests are: mistakes that they notice, and those that they do not
  screen-bench  what the client's screen costs, beside other terminal chats
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let result = match command.as_deref() {
        Some("check") => check(),
        Some("report") => report::run(&arguments.collect::<Vec<_>>()),
        Some("page") => page::run(),
        Some("bench") => bench(&arguments.collect::<Vec<_>>()),
        Some("attack") => attack(&arguments.collect::<Vec<_>>()),
        Some("mutants") => mutants::run(&arguments.collect::<Vec<_>>()),
        Some("conformance") => install::conformance().and_then(|()| conformance::run()),
        Some("screen-bench") => screen::bench(&arguments.collect::<Vec<_>>()),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(what)) => {
            eprintln!("xtask: {what}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<(), Failed> {
    install::for_the_check()?;
    install::components()?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])?;
    Step::new("cargo")
        .args(&[
            "doc",
            "--workspace",
            "--no-deps",
            "--locked",
            "--document-private-items",
        ])
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    cargo(&["test", "--workspace", "--locked"])?;
    interleavings()?;
    page::run()?;
    bench(&["--smoke".to_owned()])?;
    attack(&["--smoke".to_owned()])?;
    conformance::run()
}

/// Tests the lock-free wake-ups in every order in which threads can run them. It needs a feature of
/// its own, because loom replaces the atomics.
fn interleavings() -> Result<(), Failed> {
    let of = ["--features", "loom", "--test", "interleavings"];
    cargo(&[&["test", "--locked", "-p", "chitty-wake"], &of[..]].concat())
}

/// The arguments are those of the benchmark.
fn bench(arguments: &[String]) -> Result<(), Failed> {
    if !is_smoke(arguments) {
        install::other_servers()?;
    }
    beside_the_server("chitty-bench", arguments)
}

/// The arguments are those of the load program.
fn attack(arguments: &[String]) -> Result<(), Failed> {
    install::namespaces()?;
    beside_the_server("chitty-attack", arguments)
}

/// Smoke runs use no release build: `cargo xtask bench --smoke`.
fn is_smoke(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == "--smoke")
}

/// Builds the server, and the program of a package beside it, and runs the latter with these
/// arguments.
fn beside_the_server(package: &str, arguments: &[String]) -> Result<(), Failed> {
    let folder = if is_smoke(arguments) {
        programs()?
    } else {
        shipped(&["chitty-server", package])?
    };
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    Step::new(folder.join(package)).args(&arguments).run()
}
