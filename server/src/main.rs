//! `chitty-server`: the headless server.

use std::process::ExitCode;

use clap::Parser;

/// The headless server of Chitty-Chat: one durable log, followed by everybody
#[derive(Parser)]
#[command(name = "chitty-server", version, about)]
struct Cli {
    #[command(flatten)]
    args: chitty_server::cli::Args,
}

fn main() -> color_eyre::Result<ExitCode> {
    color_eyre::install()?;
    chitty_server::cli::run(&Cli::parse().args)
}
