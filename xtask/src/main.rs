//! The project's own commands: `cargo xtask check` is what CI runs.
//!
//! Deliberately without dependencies, so that it is there at once on a fresh machine.

mod conformance;
mod install;
mod page;
mod report;
mod run;
mod screen;

use std::process::ExitCode;

use run::{Failed, Step, cargo};

const HELP: &str = "\
cargo xtask COMMAND

  check         all that CI checks: installs what is missing, then formatting, lints, docs, tests,
                the page, a moment of the benchmark, and conformance
  page          the page of chitty trace --html, in Chromium
  report        makes the report's run, and from its logs docs/report/report.pdf
  bench         what a delivery costs, beside other servers: the tables of docs/performance.md
  conformance   a second implementation of the protocol, in Python, against the server
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
        Some("conformance") => install::packages().and_then(|()| conformance::run()),
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
    install::packages()?;
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
    page::run()?;
    bench(&["--smoke".to_owned()])?;
    conformance::run()
}

/// The arguments are those of the benchmark: `cargo xtask bench --smoke`, for which no release is
/// built.
fn bench(arguments: &[String]) -> Result<(), Failed> {
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    let profile = if smoke { "dev" } else { "release" };
    if !smoke {
        install::other_servers()?;
    }
    let options = ["--profile", profile, "--locked", "-p"];
    cargo(&[&["build"], &options[..], &["chitty-server"]].concat())?;
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    cargo(&[&["run"], &options[..], &["chitty-bench", "--"], &arguments].concat())
}
