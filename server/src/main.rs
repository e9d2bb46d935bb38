//! `chitty-server`: the headless server.

use std::process::ExitCode;

use chitty_server::{
    cli, environment,
    failure::{self, describe},
    maintain,
};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  chitty-server                                  a chat that is kept, on this machine only
  chitty-server --listen 0.0.0.0:50051           also for other machines: members only
  chitty-server --ephemeral --log-dir /tmp/logs  a chat that is gone when the server ends
  chitty-server --keep 1000000                   keep the newest million events
  chitty-server backup chat-monday.db            copy the chat, also while it goes on
  chitty-server check chat-monday.db             read all of it, and say whether it is in order
  chitty-server health                           ask the server on this machine whether it serves";

/// The headless server of Chitty-Chat: one durable log, followed by everybody
#[derive(Parser)]
#[command(
    name = "chitty-server",
    version,
    about,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
struct ServerCli {
    #[command(subcommand)]
    command: Option<maintain::MaintainCommand>,
    #[command(flatten)]
    args: cli::ServeArgs,
}

fn main() -> ExitCode {
    let ServerCli { command, args } = environment::parse();
    let ended = failure::install().and_then(|()| match command {
        None => cli::run(&args),
        Some(command) => Ok(maintain::run(&command)),
    });
    ended.unwrap_or_else(|error| {
        cli::say(&describe(&error));
        ExitCode::FAILURE
    })
}
