//! The command line.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::{Parser, builder::Styles};
use http::Uri;

/// Chitty-Chat in a terminal: enters a chat and shows it on the full screen.
#[derive(Clone, Debug, Parser)]
#[command(name = "chitty", version, styles = Styles::styled(), after_help = EXAMPLES)]
pub struct Args {
    /// The server to use, as http://host:port. Without one, a server of your own on this machine
    /// is used, and started if there is none.
    #[arg(long, value_name = "URL", env = "CHITTY_SERVER", value_parser = server)]
    pub server: Option<Uri>,

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

    /// How many earlier events to show on joining.
    #[arg(long, value_name = "N", env = "CHITTY_BACKLOG", default_value_t = 200)]
    pub backlog: u32,
}

const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);

const EXAMPLES: &str = "\
Examples:
  chitty --name ada
          enter the chat on this machine
  chitty --server http://chat.example.org:50051 --name ada
          enter a chat elsewhere
  chitty --local 127.0.0.1:50052 --data ./second
          a second chat on this machine

In the chat, F1 or /help lists the keys and commands, and Esc leaves.";

/// The address of a server: scheme, host and port, and nothing else.
fn server(url: &str) -> Result<Uri, String> {
    let example = "as in http://127.0.0.1:50051";
    let uri: Uri = url
        .parse()
        .map_err(|error| format!("{error}; give scheme, host and port, {example}"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(format!("https is not supported yet; use http, {example}")),
        _ => return Err(format!("the URL must begin with http://, {example}")),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(format!("the URL has no host, {example}"));
    }
    if uri.port_u16().is_none_or(|port| port == 0) {
        return Err(format!("the URL has no port, {example}"));
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(format!(
            "the URL must not have a user or password in it, {example}"
        ));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(format!("the URL ends with the port, {example}"));
    }
    Ok(uri)
}

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
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn servers_are_told_from_what_is_none() {
        for good in [
            "http://127.0.0.1:50051",
            "http://chat.example.org:1/",
            "http://[::1]:50051",
        ] {
            assert!(server(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost",
            "localhost:50051",
            "127.0.0.1:50051",
            "https://host:1",
            "ftp://host:1",
            "http://host",
            "http://host:0",
            "http://host:99999",
            "http://:50051",
            "http://user:secret@host:1",
            "http://host:1/path",
            "http://host:1/?query",
        ] {
            let why = server(bad).expect_err(bad);
            assert!(why.contains("http://127.0.0.1:50051"), "{bad}: {why}");
        }
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
        let help = Args::command().render_long_help().to_string();
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
