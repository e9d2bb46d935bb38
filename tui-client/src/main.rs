//! `chitty`: the full-screen client, and a server for those who have none.
//!
//! The one place where the client and the server meet: one file is a whole chat.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::SystemTime,
};

use chitty::{
    app::Outcome,
    app::options::Options,
    cli::{self, Args},
    launch::{self, Local},
    osc::Notifier,
    run::{ScreenConfig, run},
    session::{self, Connector, Ended, SessionConfig},
};
use chitty_chat::{
    logging::{self, Log},
    secret::os_random,
};
use clap::{Parser, Subcommand};
use color_eyre::eyre::{Result, WrapErr as _};
use jiff::tz::TimeZone;

/// Chitty-Chat in a terminal: enters a chat and shows it on the full screen
#[derive(Parser)]
#[command(
    name = "chitty",
    version,
    after_help = cli::EXAMPLES,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    args: Args,
}

#[derive(Subcommand)]
enum Command {
    /// Run the headless server, as chitty-server does
    Serve(chitty_server::cli::Args),
    /// Check log files against the rules of logical time
    Trace(chitty_trace::cli::Args),
}

fn main() -> Result<ExitCode> {
    color_eyre::install()?;
    match Cli::parse() {
        Cli {
            command: Some(Command::Serve(args)),
            ..
        } => chitty_server::cli::run(&args),
        Cli {
            command: Some(Command::Trace(args)),
            ..
        } => Ok(chitty_trace::cli::run(&args)),
        Cli { args, .. } => chat(args),
    }
}

fn chat(args: Args) -> Result<ExitCode> {
    let log = Arc::new(Log::install()?);
    let log_dir = args
        .log_dir
        .clone()
        .unwrap_or_else(logging::default_directory);
    logging::make_directory(&log_dir).wrap_err_with(|| {
        format!(
            "cannot write log files in {}; choose another folder with --log-dir",
            log_dir.display()
        )
    })?;
    let connector = connector(&args, &log_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(enter(args, connector, Arc::clone(&log), log_dir.clone()));
    if matches!(outcome, Ok(Outcome::NeverJoined(_))) {
        // Nobody's log yet, but what was tried is of use.
        let _ = log.open("chitty", &log_dir);
    }
    Ok(say_goodbye(outcome?, &log))
}

/// The way to the server that was named, or to one of one's own.
fn connector(args: &Args, log_dir: &Path) -> Result<Connector> {
    if let Some(server) = &args.server {
        return Ok(launch::remote(server.clone()));
    }
    let program = std::env::current_exe().wrap_err("cannot find this program to start a server")?;
    let data = args
        .data
        .clone()
        .unwrap_or_else(chitty_server::data::default_data_dir);
    let arguments: Vec<OsString> = vec![
        "serve".into(),
        "--detach".into(),
        "--listen".into(),
        args.local.to_string().into(),
        "--data".into(),
        absolute(&data)?.into(),
        "--log-dir".into(),
        absolute(log_dir)?.into(),
        "--idle-exit".into(),
        args.idle_exit.to_string().into(),
    ];
    Ok(launch::local(Local {
        address: args.local,
        program,
        arguments,
    }))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).wrap_err_with(|| format!("{} is no folder", path.display()))
}

async fn enter(
    args: Args,
    connector: Connector,
    log: Arc<Log>,
    log_dir: PathBuf,
) -> Result<Outcome> {
    let server = connector.server().to_owned();
    let session = session::spawn(SessionConfig {
        connector,
        random: Box::new(os_random),
        backlog: args.backlog,
        on_accepted: Box::new(move |name| {
            if let Err(error) = log.open(name, &log_dir) {
                tracing::error!(%error, "there is no log file");
            }
        }),
        span: None,
    });
    let config = ScreenConfig {
        name: args.name,
        login: whoami::username().unwrap_or_default(),
        server,
        time_zone: TimeZone::system(),
        wall: wall_clock,
        notifier: Notifier::of(&std::env::var("TERM").unwrap_or_default()),
        options: Options::default(),
        colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let outcome = run(config, session).await?;
    Ok(outcome)
}

#[expect(clippy::disallowed_methods, reason = "this is the edge")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// The last words, on the terminal that is the user's again.
fn say_goodbye(outcome: Outcome, log: &Log) -> ExitCode {
    log.flush();
    let code = match outcome {
        Outcome::Left | Outcome::Over(Ended::Left) => ExitCode::SUCCESS,
        Outcome::Over(Ended::TakenOver) => {
            let _ = writeln!(io::stderr(), "chitty: this chat goes on in another process");
            ExitCode::FAILURE
        }
        Outcome::Over(Ended::Removed(reason) | Ended::Failed(reason))
        | Outcome::NeverJoined(reason) => {
            let _ = writeln!(io::stderr(), "chitty: {reason}");
            ExitCode::FAILURE
        }
    };
    if let Some(failure) = log.failure() {
        let _ = writeln!(io::stderr(), "chitty: {failure}");
    }
    if let Some(path) = log.path() {
        let _ = writeln!(
            io::stdout(),
            "The log of this chat is in {}",
            path.display()
        );
    }
    code
}
