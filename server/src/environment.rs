//! Options that come from environment variables.

use std::env;

use clap::{Command, builder::Resettable};

/// The same command, for which a variable that is set to nothing is not set.
///
/// Compose files and shells set a variable to nothing to say that it has no value
/// (`CHITTY_NAME= chitty`), and an option cannot have that value.
pub fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let is_empty = arg
                .get_env()
                .and_then(env::var_os)
                .is_some_and(|value| value.is_empty());
            if is_empty {
                arg.env(Resettable::Reset)
            } else {
                arg
            }
        })
        .mut_subcommands(without_empty_variables)
}
