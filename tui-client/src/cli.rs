//! The command line.

use std::{
    ffi::OsStr,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use chitty_app::options::Options;
use chitty_chat::{files, link::SCHEME};
use clap::{
    builder::{BoolishValueParser, PathBufValueParser, StringValueParser, TypedValueParser},
    error::ErrorKind,
};

use crate::{
    config::{ColourTable, ConfigFile},
    launch::{self, ServerUrl},
};

/// The options of a client.
#[derive(Clone, Debug, clap::Args)]
pub struct ClientArgs {
    /// The link to a chat, or the host of a server that is known. In an argument, a secret can be
    /// read by other users of this machine: `chitty join` asks for the link instead
    #[arg(
        value_name = "LINK|HOST",
        env = launch::LINK,
        hide_env_values = true,
        value_parser = ServerUrlParser
    )]
    pub link: Option<ServerUrl>,

    /// The server to use: a link (chitty://…), HOST:PORT of a server that is known,
    /// http://host:port without encryption, or unix:PATH. Without one, a server of your own on this
    /// machine is used, and started if there is none.
    #[arg(
        long,
        value_name = "URL",
        env = "CHITTY_SERVER",
        hide_env_values = true,
        value_parser = ServerUrlParser
    )]
    pub server: Option<ServerUrl>,

    /// The file with the key by which servers know this device, for bots; it is made if it does not
    /// exist [default: a key for each server, in the XDG data folder]
    #[arg(long, value_name = "FILE", env = "CHITTY_KEY", value_parser = path())]
    pub key: Option<PathBuf>,

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

    /// Where a server of your own is looked for or started, instead of at its socket; an address of
    /// this machine only, which all its users can reach
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
    /// The file with the key of this device, if it is not one for each server.
    pub key: Option<PathBuf>,
    /// The address of the local server, if it is not reached by its socket.
    pub local: Option<SocketAddr>,
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
            server: self.link.or(self.server).or(config.server),
            key: self.key.or(config.key),
            name: self.name.or(config.name),
            log_dir: self.log_dir.or(config.log_dir),
            data: self.data.or(config.data),
            local: self.local.or(config.local),
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
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(files::user_path)
}

/// Parses the URL of a server, or a link. An error does not repeat a link, which may have a secret.
#[derive(Clone, Copy, Debug)]
struct ServerUrlParser;

impl TypedValueParser for ServerUrlParser {
    type Value = ServerUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<ServerUrl, clap::Error> {
        let text = value.to_string_lossy();
        if !text.to_ascii_lowercase().contains(SCHEME) {
            let parser = StringValueParser::new().try_map(|text| text.parse::<ServerUrl>());
            return parser.parse_ref(command, argument, value);
        }
        text.parse::<ServerUrl>().map_err(|error| {
            let message = format!("{error}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
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
  chitty join
          enter a chat elsewhere by the link that somebody sent you
  chitty chat.example.org
          enter it again
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
        assert_eq!(options.local, None);
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
    fn a_link_comes_before_a_server_and_its_secret_is_not_repeated() {
        let pin = "2".repeat(22);
        let link = format!("chitty://chat/#{pin}.{pin}");
        let parsed = |words: &[&str]| TestCli::try_parse_from(words).map(|cli| cli.args);
        let args = parsed(&["chitty", &link, "--server", "other:1"]).expect("both");
        let options = args.with(ConfigFile::default());
        assert!(matches!(options.server, Some(ServerUrl::Link(_))));
        assert!(
            !format!("{options:?}").contains(&format!(".{pin}")),
            "{options:?}"
        );
        for words in [
            &["chitty", &link[..link.len() - 2]][..],
            &["chitty", "--server", &link[..link.len() - 2]],
        ] {
            let error = parsed(words).expect_err("cut").to_string();
            assert!(
                error.contains("its last 2 characters are missing"),
                "{error}"
            );
            assert!(!error.contains("2222"), "{error}");
        }
        let error = parsed(&["chitty", "--server", "ftp://x"]).expect_err("wrong");
        assert!(error.to_string().contains("--server"), "{error}");
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
            "chitty join",
            "default: 200",
            "Examples:",
            "CHITTY_SERVER",
            "CHITTY_LINK",
            "CHITTY_KEY",
            "CHITTY_NAME",
            "CHITTY_LOG_DIR",
            "CHITTY_DATA",
            "CHITTY_LOCAL",
        ] {
            assert!(help.contains(part), "{part}: {help}");
        }
    }
}
