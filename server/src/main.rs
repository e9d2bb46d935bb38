//! `chitty-server`: the headless server.

use std::process::ExitCode;

use chitty_server::{cli, maintain};
use clap::Parser;

/// The headless server of Chitty-Chat: one durable log, followed by everybody
#[derive(Parser)]
#[command(
    name = "chitty-server",
    version,
    about,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<maintain::Command>,
    #[command(flatten)]
    args: cli::Args,
}

fn main() -> color_eyre::Result<ExitCode> {
    color_eyre::install()?;
    let Cli { command, args } = Cli::parse();
    match command {
        None => cli::run(&args),
        Some(command) => Ok(maintain::run(&command)),
    }
}
