//! The command line, and the environment variables of its options.

use std::{env, ffi::OsStr};

use clap::{
    Command, Error, Parser,
    builder::{Resettable, StyledStr},
    error::{ContextKind, ContextValue},
};

/// Parses this process's command line and environment. If they are invalid, prints why and exits.
pub fn parse<T: Parser>() -> T {
    let mut command = without_empty_variables(T::command());
    let parsed = command
        .clone()
        .try_get_matches()
        .and_then(|matches| T::from_arg_matches(&matches));
    parsed.unwrap_or_else(|mut error| {
        command.build();
        name_variable(&mut error, &command);
        name_option_of_server(&mut error, &command);
        error.exit()
    })
}

/// Names the environment variable whose value is refused. clap's message names only the option,
/// which the user did not write.
fn name_variable(error: &mut Error, command: &Command) {
    let (Some(ContextValue::String(option)), Some(ContextValue::String(value))) = (
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidValue),
    ) else {
        return;
    };
    let has_it = |variable: &OsStr| env::var_os(variable).is_some_and(|set| set == value.as_str());
    let name = option.split([' ', '=']).next().unwrap_or_default();
    let is_written = env::args_os().any(|written| written.to_string_lossy().starts_with(name));
    let variables = all_args(command).filter(|arg| arg.to_string() == *option);
    let mut variables = variables.filter_map(clap::Arg::get_env);
    if let Some(variable) = variables
        .find(|variable| has_it(variable))
        .filter(|_| !is_written)
    {
        let tip = format!("{} is set to that in the environment", variable.display());
        suggest(error, tip);
    }
}

/// Suggests `--server` if a server's address was given in the place of a command.
fn name_option_of_server(error: &mut Error, command: &Command) {
    let has_option = command
        .get_arguments()
        .any(|arg| arg.get_long() == Some("server"));
    let places = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg];
    let mut written = places.iter().filter_map(|place| error.get(*place));
    let address = written.find_map(|written| match written {
        ContextValue::String(text) => server_address(text),
        _ => None,
    });
    if let Some(address) = address.filter(|_| has_option) {
        suggest(error, format!("name a server with --server {address}"));
    }
}

fn suggest(error: &mut Error, tip: String) {
    let tips = vec![StyledStr::from(tip)];
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
}

/// A text that looks like `http://host:port` or `host:port`, as the former.
fn server_address(text: &str) -> Option<String> {
    if text.starts_with("http://") {
        return Some(text.to_owned());
    }
    let (host, port) = text.rsplit_once(':')?;
    let is_address = !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok();
    is_address.then(|| format!("http://{text}"))
}

fn all_args(command: &Command) -> impl Iterator<Item = &clap::Arg> {
    let of_commands = command.get_subcommands().flat_map(Command::get_arguments);
    command.get_arguments().chain(of_commands)
}

/// The same command, which treats an empty variable like one that is not set.
///
/// Compose files and shells use an empty variable to say that it has no value (`CHITTY_NAME=
/// chitty`), and no option accepts an empty one.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_the_place_of_a_command_is_a_server() {
        for (text, address) in [
            ("http://127.0.0.1:50051", Some("http://127.0.0.1:50051")),
            (
                "chat.example.org:50051",
                Some("http://chat.example.org:50051"),
            ),
            ("[::1]:50051", Some("http://[::1]:50051")),
            ("serve", None),
            (":50051", None),
            ("--name <NAME>", None),
            ("host:port", None),
        ] {
            assert_eq!(server_address(text).as_deref(), address, "{text}");
        }
    }
}
