//! The command line.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use chitty_app::options::Options;
use chitty_chat::files;
use clap::builder::{BoolishValueParser, PathBufValueParser, TypedValueParser};

use crate::{
    config::{ColourTable, ConfigFile},
    launch::ServerUrl,
};

/// The options of a client.
#[derive(Clone, Debug, clap::Args)]
pub struct ClientArgs {
    /// The server to use, as http://host:port. Without one, a server of your own on this machine
    /// is used, and started if there is none.
    #[arg(long, value_name = "URL", env = "CHITTY_SERVER")]
    pub server: Option<ServerUrl>,

    /// The name to be known by in the chat. Without one, a screen asks, offering the login name.
    #[arg(long, value_name = "NAME", env = "CHITTY_NAME")]
    pub name: Option<String>,

    /// The folder for log files, which must be yours or root's; others may write to it only if
    /// they cannot rename your files there, as in /tmp [default: ./logs if it exists, is yours,
    /// and others cannot write to it, otherwise chitty-chat in the XDG state folder]
    #[arg(long, value_name = "DIR", env = "CHITTY_LOG_DIR", value_parser = path())]
    pub log_dir: Option<PathBuf>,

    /// Where a server of your own keeps its chat [default: in the XDG data folder]
    #[arg(long, value_name = "DIR", env = "CHITTY_DATA", value_parser = path())]
    pub data: Option<PathBuf>,

    /// Where a server of your own is looked for or started; an address of this machine only
    /// [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR", env = "CHITTY_LOCAL", value_parser = local)]
    pub local: Option<SocketAddr>,

    /// Seconds after which a server of your own ends when nobody is in the chat [default: 60]
    #[arg(long, value_name = "SECONDS", env = "CHITTY_IDLE_EXIT", value_parser = number::<u64>)]
    pub idle_exit: Option<u64>,

    /// How many earlier events to show on joining [default: 200; with --plain 0]
    #[arg(long, value_name = "N", env = "CHITTY_BACKLOG", value_parser = number::<u32>)]
    pub backlog: Option<u32>,

    /// Lines in and lines out instead of a screen: for screen readers, scripts and pipes. Each
    /// line of the input is sent; at its end, and when all is sent, the client leaves. The exit
    /// status is 1 if a line was not sent, and 69 if no server could be reached.
    #[arg(long, env = "CHITTY_PLAIN", value_parser = BoolishValueParser::new())]
    pub plain: bool,

    /// With --plain: seconds to wait for a server on entering, and again when it is lost after the
    /// end of the input; or forever. 0 gives up at the first failure [default: 30]
    #[arg(long, value_name = "SECONDS|forever", env = "CHITTY_WAIT", value_parser = wait)]
    pub wait: Option<Wait>,
    /// Signs and frames in ASCII, for terminals that draw them wrong: two cells wide, or not at all.
    /// What people write is not changed [default: where the locale is not UTF-8]
    #[arg(
        long,
        value_name = "BOOL",
        env = "CHITTY_ASCII",
        value_parser = BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub ascii: Option<bool>,

    /// The configuration file [default: chitty-chat/config.toml in the XDG configuration folder]
    #[arg(long, value_name = "FILE", env = "CHITTY_CONFIG", value_parser = path())]
    pub config: Option<PathBuf>,
}

/// The options in force: the command line and the environment, then the configuration file, then
/// the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// The server that was chosen.
    pub server: Option<ServerUrl>,
    /// The name that was given.
    pub name: Option<String>,
    /// The folder for the log file; `None` for the default one.
    pub log_dir: Option<PathBuf>,
    /// The folder in which a local server keeps its chat; `None` for the default one.
    pub data: Option<PathBuf>,
    /// The address of the local server.
    pub local: SocketAddr,
    /// After how many seconds without participants a local server ends.
    pub idle_exit: u64,
    /// How many earlier events to request on joining.
    pub backlog: u32,
    /// Whether lines are read and written instead of showing a screen.
    pub plain: bool,
    /// How long a plain client waits for a server; `None` to wait forever.
    pub wait: Option<Duration>,
    /// Whether signs and frames are ASCII; `None` if the locale decides.
    pub ascii: Option<bool>,
    /// The preferences for the screen and its surroundings.
    pub screen: Options,
    /// The colours of the screen.
    pub colours: ColourTable,
}

impl ClientArgs {
    /// The options in force: the command line and the environment take precedence over the file,
    /// and the file over the defaults.
    pub fn with(self, config: ConfigFile) -> ClientOptions {
        ClientOptions {
            server: self.server.or(config.server),
            name: self.name.or(config.name),
            log_dir: self.log_dir.or(config.log_dir),
            data: self.data.or(config.data),
            local: self.local.or(config.local).unwrap_or(LOCAL),
            idle_exit: self.idle_exit.or(config.idle_exit).unwrap_or(IDLE_EXIT),
            // A script wants only what happens from now on; a person wants some context.
            backlog: self.backlog.unwrap_or(match config.backlog {
                _ if self.plain => 0,
                Some(backlog) => backlog,
                None => BACKLOG,
            }),
            plain: self.plain,
            wait: self.wait.map_or(Some(WAIT), |Wait(wait)| wait),
            ascii: self.ascii.or(config.screen.ascii),
            screen: config.screen.options(config.keys),
            colours: config.colours,
        }
    }
}

const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);
const IDLE_EXIT: u64 = 60;
const BACKLOG: u32 = 200;
/// Longer than a server with a large chat takes to start.
const WAIT: Duration = Duration::from_secs(30);
/// The longest wait, short enough that no clock overflows.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long to wait; `None` means forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Option<Duration>);

/// Parses a path that no shell has expanded, as in an environment variable.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(files::user_path)
}

fn number<N: FromStr>(text: &str) -> Result<N, &'static str> {
    text.parse().map_err(|_| "give a whole number, such as 60")
}

fn wait(text: &str) -> Result<Wait, String> {
    if text == "forever" {
        return Ok(Wait(None));
    }
    let seconds = text.parse().map_err(|_| WAIT_HELP)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(wait) if wait <= LONGEST => Ok(Wait(Some(wait))),
        _ => Err(WAIT_HELP.into()),
    }
}

const WAIT_HELP: &str = "give a number of seconds, such as 10, or forever";

/// Examples for the end of the help.
pub const EXAMPLES: &str = "\
Examples:
  chitty --name ada
          enter the chat on this machine
  chitty --server http://chat.example.org:50051 --name ada
          enter a chat elsewhere
  chitty --local 127.0.0.1:50052 --data ./second
          a second chat on this machine
  echo 'the build is done' | chitty --plain --name builder
          send a line from a script

In the chat, /help lists the keys and commands, and /quit leaves.";

/// Parses the address of a local server. Everybody who can reach a server can read and write its
/// chat, so a server that starts by itself accepts only addresses of this machine.
pub(crate) fn local(address: &str) -> Result<SocketAddr, String> {
    // `localhost` means this machine, whatever the hosts file says (RFC 6761, section 6.3).
    let address = address.strip_prefix("localhost:").map_or_else(
        || address.to_owned(),
        |port| format!("{}:{port}", Ipv4Addr::LOCALHOST),
    );
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
    struct TestCli {
        #[command(flatten)]
        args: ClientArgs,
    }

    #[test]
    fn the_command_line_comes_first_then_the_file_then_the_default() {
        let args = |line: &str| TestCli::parse_from(line.split(' ')).args;
        let config = ConfigFile {
            name: Some("file".into()),
            backlog: Some(7),
            ..ConfigFile::default()
        };
        let options = args("chitty --name line").with(config.clone());
        assert_eq!(options.name.as_deref(), Some("line"));
        assert_eq!((options.backlog, options.idle_exit), (7, 60));
        assert_eq!(options.local, LOCAL);
        let options = args("chitty --plain").with(config.clone());
        assert_eq!(options.name.as_deref(), Some("file"));
        assert_eq!(options.backlog, 0);
        let options = args("chitty --plain --backlog 3").with(config);
        assert_eq!(options.backlog, 3);
        assert_eq!(args("chitty").with(ConfigFile::default()).backlog, 200);
    }

    #[test]
    fn ascii_is_wanted_or_not_or_left_to_the_locale() {
        let args = |line: &str| TestCli::parse_from(line.split(' ')).args;
        let mut config = ConfigFile::default();
        assert_eq!(args("chitty").with(config.clone()).ascii, None);
        assert_eq!(
            args("chitty --ascii").with(config.clone()).ascii,
            Some(true)
        );
        let no = args("chitty --ascii=no --name ada").with(config.clone());
        assert_eq!(no.ascii, Some(false));
        config.screen.ascii = Some(true);
        assert_eq!(args("chitty").with(config.clone()).ascii, Some(true));
        assert_eq!(args("chitty --ascii=0").with(config).ascii, Some(false));
    }

    #[test]
    fn the_definition_is_sound() {
        TestCli::command().debug_assert();
    }

    #[test]
    fn only_this_machine_is_local() {
        for good in [
            "127.0.0.1:50051",
            "127.1.2.3:9",
            "[::1]:50051",
            "localhost:1",
        ] {
            assert!(local(good).is_ok(), "{good}");
        }
        for bad in [
            "0.0.0.0:50051",
            "192.0.2.1:1",
            "localhost",
            "localhost:0",
            "127.0.0.1",
            "127.0.0.1:0",
            "",
        ] {
            assert!(local(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_help_shows_defaults_examples_and_variables() {
        let help = TestCli::command().render_long_help().to_string();
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
