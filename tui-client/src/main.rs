//! `chitty`: the full-screen client, with a server for users who have none.
//!
//! This is the only place where client and server meet, so that one file is a whole chat.

#[path = "main/entrance.rs"]
mod entrance;

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chitty::{
    cli::{self, ClientArgs, ClientOptions},
    config::{self, ConfigFile},
    enter::{Entrance, Terminal},
    launch::ServerUrl,
    locale::CharacterSet,
    manual,
    osc::Notifier,
    plain::{self, PlainConfig, PlainOutcome},
    run::{self, ScreenConfig, run},
    session::{self, Ended, SessionConfig, SessionHandle},
    trust::Trust,
    trust_commands::{self, KeyArgs, TrustArgs},
    view::Depth,
};
use chitty_app::ExitReason;
use chitty_chat::{
    ParticipantName,
    logging::{self, Log, LogNews},
    secret::os_random,
    text::display,
};
use chitty_server::{
    environment,
    failure::{self, describe},
};
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use color_eyre::eyre::{OptionExt as _, Result, WrapErr as _};
use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use self::entrance::{find_entrance, known_by};

/// Chitty-Chat in a terminal: enters a chat and shows it on the full screen
#[derive(Parser)]
#[command(
    name = "chitty",
    version,
    after_help = cli::EXAMPLES,
    args_conflicts_with_subcommands = true
)]
struct ChittyCli {
    #[command(subcommand)]
    command: Option<CliCommand>,
    #[command(flatten)]
    args: ClientArgs,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  chitty serve                                  a chat that is kept, on this machine only
  chitty serve --listen 0.0.0.0:50051           also for other machines: members only
  chitty serve --ephemeral --log-dir /tmp/logs  a chat that is gone when the server ends
  chitty serve --keep 1000000                   keep the newest million events

chitty-server also copies and checks chats: see chitty-server --help.";

#[derive(Subcommand)]
enum CliCommand {
    /// Enter a chat by a link, which the terminal asks for
    Join(Box<ClientArgs>),
    /// Trust a key of a server, because its owner vouches for it
    Trust(TrustArgs),
    /// Print the keys by which servers know this device, or write one for other programs
    Key(KeyArgs),
    /// Run the headless server, as chitty-server does
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<chitty_server::cli::ServeArgs>),
    /// Check log files against the rules of logical time
    Trace(chitty_trace::cli::TraceArgs),
    /// Show where the configuration file is, or an example of one
    Config(ConfigArgs),
    /// Print what a shell needs to complete this program's options
    Completions {
        /// For this shell.
        shell: Shell,
    },
    /// Print the manual page, for man -l -
    Man,
}

#[derive(clap::Args)]
struct ConfigArgs {
    /// Print a file with every key, its default and what it is for
    #[arg(long)]
    example: bool,
}

fn main() -> ExitCode {
    if let Err(error) = failure::install() {
        let _ = writeln!(io::stderr(), "chitty: {error}");
    }
    run_command(environment::parse()).unwrap_or_else(|error| {
        // An error that the user can correct needs no location in the source.
        let _ = writeln!(io::stderr(), "chitty: {}", describe(&error));
        ExitCode::FAILURE
    })
}

fn run_command(cli: ChittyCli) -> Result<ExitCode> {
    match cli {
        ChittyCli {
            command: Some(CliCommand::Serve(args)),
            ..
        } => chitty_server::cli::run(&args),
        ChittyCli {
            command: Some(CliCommand::Join(args)),
            ..
        } => with_config(*args, true),
        ChittyCli {
            command: Some(CliCommand::Trust(args)),
            ..
        } => print(trust_commands::trust(&known_by(None), &args)?.as_bytes()),
        ChittyCli {
            command: Some(CliCommand::Key(args)),
            ..
        } => print(trust_commands::key(&known_by(args.key.clone()), &args)?.as_bytes()),
        ChittyCli {
            command: Some(CliCommand::Trace(args)),
            ..
        } => Ok(chitty_trace::cli::run(&args)),
        ChittyCli {
            command: Some(CliCommand::Config(wanted)),
            ..
        } => show_config(&wanted),
        ChittyCli {
            command: Some(CliCommand::Completions { shell }),
            ..
        } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut ChittyCli::command(), "chitty", &mut text);
            print(&text)
        }
        ChittyCli {
            command: Some(CliCommand::Man),
            ..
        } => {
            let mut text = Vec::new();
            manual::write(ChittyCli::command(), &mut text)?;
            print(&text)
        }
        ChittyCli { args, .. } => with_config(args, false),
    }
}

/// Enters a chat; `joins` asks for a link if none is given.
fn with_config(mut args: ClientArgs, joins: bool) -> Result<ExitCode> {
    if joins && args.link.is_none() {
        let asked = Terminal::open().and_then(|mut terminal| terminal.link());
        let link = asked.wrap_err("there is no link to join by; CHITTY_LINK may have it")?;
        args.link = Some(ServerUrl::Link(link));
    }
    let mut config = ConfigFile::load(args.config.as_deref())?;
    config.screen = config.screen.within(|name| std::env::var(name).ok());
    chat(args.with(config))
}

fn print(text: &[u8]) -> Result<ExitCode> {
    match io::stdout().write_all(text) {
        // A reader such as `head` has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show_config(wanted: &ConfigArgs) -> Result<ExitCode> {
    if wanted.example {
        return print(config::example().as_bytes());
    }
    let path = config::default_path().ok_or_eyre("there is no home for a configuration file")?;
    let there = if path.exists() {
        ""
    } else {
        " (not there yet; `chitty config --example` prints one)"
    };
    print(format!("{}{there}\n", path.display()).as_bytes())
}

/// How many reports about the log may wait; a sender of more of them blocks.
const MANY_NEWS: usize = 8;

/// The exit status if no server could be reached (`EX_UNAVAILABLE` of sysexits.h): a script may try
/// again later.
const EXIT_UNREACHABLE: u8 = 69;

/// How long writing the last messages may take, because their reader may have stopped reading.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The name in the log's file name if nobody joined; no participant can have it.
const NOBODY: &str = "system";

/// The threads of a client: the log's writer and its watcher, the terminal's writer, and five that
/// block: standard input, output and error, name resolution, and the check of a server's owner.
const THREADS: usize = 8;

/// The exit status for an invalid option, also used here because nothing was started.
const EXIT_USAGE: u8 = 2;

fn chat(mut options: ClientOptions) -> Result<ExitCode> {
    let term = std::env::var("TERM").unwrap_or_default();
    if !options.plain
        && let Err(error) = run::has_screen(&term)
    {
        let _ = writeln!(io::stderr(), "chitty: {error}");
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    chitty_server::threads::try_out("a client", THREADS)?;
    let log = Arc::new(Log::install()?);
    let directory = logging::prepare_directory(options.log_dir.as_deref())?;
    let log_dir = directory.path.clone();
    let (report, news) = mpsc::channel(MANY_NEWS);
    if directory.passed_over.is_some() {
        report.try_send(LogNews::Elsewhere(directory))?;
    }
    // Without a receiver the chat is over.
    log.watch(move |news| drop(report.blocking_send(news)))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let trust = Arc::new(known_by(options.key.clone()));
    let entrance = runtime.block_on(find_entrance(&mut options, &trust, &log_dir))?;
    let back = entrance.back.clone();
    let plain = options.plain;
    let ended = runtime.block_on(async {
        let session = open_session(&options, entrance, &trust, &log, &log_dir);
        if plain {
            follow_plainly(options, session, news).await
        } else {
            let outcome = show(options, session, news).await?;
            Ok(PlainOutcome {
                outcome,
                unsent: 0,
                unreachable: false,
            })
        }
    });
    // A thread may block forever in a read of standard input.
    runtime.shutdown_background();
    if let Ok(PlainOutcome {
        outcome: ExitReason::NeverJoined(_),
        ..
    }) = ended
    {
        // The log of the failed attempt is useful.
        let _ = log.open(NOBODY, &log_dir);
    }
    let PlainOutcome {
        outcome,
        unsent,
        unreachable,
    } = ended?;
    let joined = !matches!(outcome, ExitReason::NeverJoined(_));
    let code = say_goodbye(outcome, &log, plain);
    if let Some(back) = back.filter(|_| joined && !plain) {
        let _ = writeln!(io::stdout(), "Come back by: {back}");
    }
    Ok(match (unreachable, unsent) {
        (true, _) => ExitCode::from(EXIT_UNREACHABLE),
        (false, 0) => code,
        (false, _) => ExitCode::FAILURE,
    })
}

fn open_session(
    options: &ClientOptions,
    Entrance {
        connector, memory, ..
    }: Entrance,
    trust: &Arc<Trust>,
    log: &Arc<Log>,
    log_dir: &Path,
) -> (String, SessionHandle) {
    let shown = connector.server().to_owned();
    let (trust, log, log_dir) = (Arc::clone(trust), Arc::clone(log), log_dir.to_owned());
    let session = session::spawn(SessionConfig {
        connector,
        random: Box::new(os_random),
        backlog: options.backlog,
        on_accepted: Box::new(move |name| {
            if let Err(error) = log.open(name, &log_dir) {
                tracing::error!(%error, "there is no log file");
            }
            if let Err(error) = memory.entered(&trust, name) {
                tracing::error!(%error, "the name is not remembered");
            }
        }),
        span: None,
    });
    (shown, session)
}

/// Runs the client on the full screen.
async fn show(
    options: ClientOptions,
    (server, session): (String, SessionHandle),
    log: mpsc::Receiver<LogNews>,
) -> Result<ExitReason> {
    let config = ScreenConfig {
        name: options.name,
        login: login(),
        server,
        time_zone: TimeZone::system(),
        wall: wall_clock,
        marks_pastes: run::marks_pastes(|name| std::env::var(name).ok()),
        notifier: Notifier::of(&std::env::var("TERM").unwrap_or_default()),
        backlog: options.backlog > 0,
        options: options.screen,
        palette: std::env::var_os("NO_COLOR")
            .is_none_or(|value| value.is_empty())
            .then(|| {
                let depth = Depth::of(|name| std::env::var(name).ok());
                options.colours.palette(depth)
            }),
        editor: ["VISUAL", "EDITOR"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|command| !command.trim().is_empty())
            .unwrap_or_else(|| "vi".into()),
        characters: CharacterSet::of(options.ascii, |name| std::env::var(name).ok()),
    };
    Ok(run(config, session, log).await?)
}

/// Runs the client without a screen.
async fn follow_plainly(
    options: ClientOptions,
    (_, session): (String, SessionHandle),
    log: mpsc::Receiver<LogNews>,
) -> Result<PlainOutcome> {
    let name = options.name.unwrap_or_else(login);
    let config = PlainConfig {
        name: ParticipantName::parse(&name)
            .wrap_err_with(|| format!("cannot enter as {name:?} (--name)"))?,
        time_zone: TimeZone::system(),
        wait: options.wait,
    };
    let leave = run::asked_to_leave().wrap_err("cannot listen for signals")?;
    Ok(plain::run(config, session, plain::streams(), leave, log).await)
}

fn login() -> String {
    whoami::username().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "this is the edge")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// Prints the last messages, after the terminal was restored.
fn say_goodbye(outcome: ExitReason, log: &Log, plain: bool) -> ExitCode {
    log.flush();
    let mut words = Vec::new();
    let code = match outcome {
        ExitReason::Left | ExitReason::Over(Ended::Left) => ExitCode::SUCCESS,
        ExitReason::Over(Ended::TakenOver) => {
            words.push("this chat goes on in another process".to_owned());
            ExitCode::FAILURE
        }
        ExitReason::Over(Ended::Removed(reason) | Ended::Failed(reason))
        | ExitReason::NeverJoined(reason) => {
            // The reason may come from the server.
            words.push(display::safe_lines(&reason).into_owned());
            ExitCode::FAILURE
        }
    };
    // The screen that showed the trouble is gone.
    let lost = log.lost();
    if let Some(trouble) = log.trouble() {
        words.push(display::safe(&trouble.to_string()).into_owned());
    } else if lost > 0 {
        words.push(format!("{lost} lines are missing from the log file"));
    }
    say_within(LAST_WORDS, words);
    if let Some(path) = log.path().filter(|_| !plain) {
        let _ = writeln!(
            io::stdout(),
            "The log of this chat is in {}",
            path.display()
        );
    }
    code
}

/// Prints these lines on standard error, but does not wait for a reader that stalls.
fn say_within(time: Duration, words: Vec<String>) {
    if words.is_empty() {
        return;
    }
    let (done, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in words {
            let _ = writeln!(io::stderr(), "chitty: {line}");
        }
        let _ = done.send(());
    });
    let _ = said.recv_timeout(time);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn each_help_is_of_the_program_that_is_asked() {
        let mut cli = ChittyCli::command();
        cli.clone().debug_assert();
        cli.build();
        let serve = cli.find_subcommand_mut("serve").expect("it is there");
        let help = serve.render_long_help().to_string();
        assert!(help.contains("Usage: chitty serve"), "{help}");
        assert!(help.contains("  chitty serve --listen"), "{help}");
        assert!(!help.contains("  chitty-server "), "{help}");
    }

    #[test]
    fn a_client_that_never_joined_has_no_participants_log() {
        chitty_chat::ParticipantName::parse(NOBODY).expect_err("reserved");
    }
}
