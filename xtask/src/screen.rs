//! Measures what the client's screen costs.

use crate::{
    install,
    run::{Failed, cargo},
};

/// The arguments are those of the benchmark.
pub(crate) fn bench(arguments: &[String]) -> Result<(), Failed> {
    install::other_clients()?;
    // One build for both: they share most of what they are made of.
    cargo(&[
        "build",
        "--release",
        "--locked",
        "--package",
        "chitty",
        "--package",
        "chitty-screen-bench",
    ])?;
    let mut command = vec![
        "run",
        "--release",
        "--locked",
        "--package",
        "chitty-screen-bench",
        "--",
    ];
    command.extend(arguments.iter().map(String::as_str));
    cargo(&command)
}
