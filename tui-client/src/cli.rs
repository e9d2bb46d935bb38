//! The command line.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use crate::launch::ServerUrl;

/// The options of a client.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The server to use, as http://host:port. Without one, a server of your own on this machine
    /// is used, and started if there is none.
    #[arg(long, value_name = "URL", env = "CHITTY_SERVER")]
    pub server: Option<ServerUrl>,

    /// The name to be known by in the chat. Without one, a screen asks, offering the login name.
    #[arg(long, value_name = "NAME", env = "CHITTY_NAME")]
    pub name: Option<String>,

    /// Where the log file goes [default: ./logs, or the XDG state folder where there is no ./logs]
    #[arg(long, value_name = "DIR", env = "CHITTY_LOG_DIR")]
    pub log_dir: Option<PathBuf>,

    /// Where a server of your own keeps its chat [default: in the XDG data folder]
    #[arg(long, value_name = "DIR", env = "CHITTY_DATA")]
    pub data: Option<PathBuf>,

    /// Where a server of your own is looked for or started; an address of this machine only.
    #[arg(
        long,
        value_name = "ADDR",
        env = "CHITTY_LOCAL",
        default_value_t = LOCAL,
        value_parser = local
    )]
    pub local: SocketAddr,

    /// Seconds after which a server of your own ends when nobody is in the chat.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CHITTY_IDLE_EXIT",
        default_value_t = 60
    )]
    pub idle_exit: u64,

    /// How many earlier events to show on joining.
    #[arg(long, value_name = "N", env = "CHITTY_BACKLOG", default_value_t = 200)]
    pub backlog: u32,
}

const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);

/// For the end of the help.
pub const EXAMPLES: &str = "\
Examples:
  chitty --name ada
          enter the chat on this machine
  chitty --server http://chat.example.org:50051 --name ada
          enter a chat elsewhere
  chitty --local 127.0.0.1:50052 --data ./second
          a second chat on this machine

In the chat, F1 or /help lists the keys and commands, and Esc leaves.";

/// Whoever can reach a server can read and write its chat: one that starts by itself is for this
/// machine alone.
fn local(address: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = address
        .parse()
        .map_err(|_| "give an IP address and a port, as in 127.0.0.1:50051".to_owned())?;
    if !address.ip().is_loopback() {
        return Err(
            "only an address of this machine (127.0.0.1 or [::1]) is served this way; \
             start chitty-server for others"
                .into(),
        );
    }
    if address.port() == 0 {
        return Err("give the port, as in 127.0.0.1:50051: others must find it".into());
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    #[command(after_help = EXAMPLES)]
    struct Cli {
        #[command(flatten)]
        _args: Args,
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_this_machine_is_local() {
        for good in ["127.0.0.1:50051", "127.1.2.3:9", "[::1]:50051"] {
            assert!(local(good).is_ok(), "{good}");
        }
        for bad in [
            "0.0.0.0:50051",
            "192.0.2.1:1",
            "localhost:1",
            "127.0.0.1",
            "127.0.0.1:0",
            "",
        ] {
            assert!(local(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_help_shows_defaults_examples_and_variables() {
        let help = Cli::command().render_long_help().to_string();
        for part in [
            "127.0.0.1:50051",
            "default: 200",
            "Examples:",
            "CHITTY_SERVER",
            "CHITTY_NAME",
            "CHITTY_LOG_DIR",
            "CHITTY_DATA",
            "CHITTY_LOCAL",
        ] {
            assert!(help.contains(part), "{part}: {help}");
        }
    }
}
