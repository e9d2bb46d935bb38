//! The command line, and a process's life around a server.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chitty_chat::{
    files,
    logging::{self, CALL, Log as LogFile},
    secret, signals,
    text::display,
};
use clap::{
    Args as ClapArgs,
    builder::{BoolishValueParser, PathBufValueParser, TypedValueParser},
};
use color_eyre::eyre::{Result, WrapErr as _};
use nix::sys::signal::SigSet;
use rustix::{fs::Mode, process::Signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    app::{self, Config},
    data::{DataDir, DataError, default_data_dir},
    failure::describe,
    follower,
    listen::{Place, Sockets, own_addresses, ways_in},
    log::{Keep, Log, MemoryLog, SqliteLog},
    net,
    rate::Rate,
    room::Rules,
    sequencer::{self, End},
    threads,
};

/// Another process has the data folder (`EX_TEMPFAIL` of sysexits.h): whoever started this server
/// connects to that one, or tries again.
pub const EXIT_LOCKED: u8 = 75;

/// The options of a server.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Address or host name, and port, to listen on: 127.0.0.1 is for this machine only, 0.0.0.0
    /// or [::] for others, too. Port 0 picks a free one
    #[arg(
        long,
        env = "CHITTY_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:50051"
    )]
    pub listen: Place,

    /// Folder that the chat is kept in [default: chitty-chat in the XDG data folder]
    #[arg(long, env = "CHITTY_DATA", value_name = "DIR", value_parser = user_path())]
    pub data: Option<PathBuf>,

    /// Folder for log files, which must be yours or root's; others may write to it only if they
    /// cannot rename your files there, as in /tmp [default: ./logs if it is there, yours, and
    /// closed to others' writing, else chitty-chat in the XDG state folder]
    #[arg(long, env = "CHITTY_LOG_DIR", value_name = "DIR", value_parser = user_path())]
    pub log_dir: Option<PathBuf>,

    /// Keep the chat in memory only, and leave the data folder alone
    #[arg(long, env = "CHITTY_EPHEMERAL", value_parser = BoolishValueParser::new())]
    pub ephemeral: bool,

    /// Keep the newest events, so many (100000) or so many bytes (64MiB) [default: all]
    ///
    /// Up to a tenth more is kept in between. What is remembered of the rest, to tell retries and
    /// sessions, adds at most 20 MB.
    #[arg(long, env = "CHITTY_KEEP", value_name = "EVENTS|SIZE", value_parser = parse_keep)]
    pub keep: Option<Keep>,

    /// Seconds that a participant whose connection is lost has to come back
    #[arg(long, env = "CHITTY_GRACE", value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub grace: Duration,

    /// Seconds that those who were present have to come back after a restart
    #[arg(long, env = "CHITTY_RESTART_GRACE", value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub restart_grace: Duration,

    /// How many may be present at once
    #[arg(
        long,
        env = "CHITTY_MAX_PARTICIPANTS",
        value_name = "NUMBER",
        default_value_t = 10_000
    )]
    pub max_participants: usize,

    /// How many of them may join from one address [default: half of --max-participants, at most
    /// 1000]
    ///
    /// All loopback addresses count as one, and so does an IPv6 /64 network. An IPv6 /48 network
    /// may have twice as many.
    #[arg(
        long,
        env = "CHITTY_MAX_PARTICIPANTS_PER_ADDRESS",
        value_name = "NUMBER"
    )]
    pub max_participants_per_address: Option<usize>,

    /// Messages of a participant: so many a second, and after a pause so many at once; or off
    #[arg(long, env = "CHITTY_PUBLISH_RATE", value_name = "RATE/BURST|off", default_value = "5/10", value_parser = parse_rate)]
    pub publish_rate: Limited,

    /// Participants who join from one address: so many a second, and so many at once; or off
    ///
    /// Who resumes after a lost connection is not counted, but may do so twice a second at most.
    #[arg(long, env = "CHITTY_JOIN_RATE", value_name = "RATE/BURST|off", default_value = "10/50", value_parser = parse_rate)]
    pub join_rate: Limited,

    /// Connections in all
    #[arg(long, env = "CHITTY_MAX_CONNECTIONS", value_name = "NUMBER", default_value_t = net::Limits::default().connections)]
    pub max_connections: usize,

    /// Connections from one address
    #[arg(long, env = "CHITTY_MAX_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER", default_value_t = net::Limits::default().connections_per_source)]
    pub max_connections_per_address: usize,

    /// Connections without a participant: when there are more, the idlest is closed
    ///
    /// It is closed also when connections run out. A participant's connection never is.
    #[arg(long, env = "CHITTY_MAX_UNJOINED", value_name = "NUMBER", default_value_t = net::Limits::default().unjoined)]
    pub max_unjoined: usize,

    /// Seconds that a connection may last without a participant, or a call of one
    #[arg(long, env = "CHITTY_JOIN_WITHIN", value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub join_within: Duration,

    /// Memory for replies that are not taken yet, in all; at least 528KiB
    #[arg(long, env = "CHITTY_REPLY_BUDGET", value_name = "SIZE", default_value = "32MiB", value_parser = parse_size)]
    pub reply_budget: usize,

    /// Seconds that a new connection has to send its first request
    #[arg(long, env = "CHITTY_FIRST_REQUEST", value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub first_request: Duration,

    /// Seconds after which a participant that is behind and does not read is cut off
    #[arg(long, env = "CHITTY_STALL", value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub stall: Duration,

    /// End when nobody has been present for so many seconds [default: never]
    #[arg(long, env = "CHITTY_IDLE_EXIT", value_name = "SECONDS", value_parser = parse_seconds)]
    pub idle_exit: Option<Duration>,

    /// Leave the terminal's session, for a server that a client starts
    #[arg(long, hide = true)]
    pub detach: bool,
}

/// Streams of a participant: more often than by any backoff of a flapping link, and far less often
/// than in a loop.
const STREAM_RATE: Rate = Rate::per_second(2, 20);

/// From a signal to the end of the process.
const END_WITHIN: Duration = Duration::from_millis(2900);

/// More than an office or a lecture hall needs, and a tenth of the seats by default.
const MOST_PER_ADDRESS: usize = 1_000;

/// Whatever is configured, one address leaves room for others.
fn default_per_address(max_participants: usize) -> usize {
    max_participants.div_ceil(2).min(MOST_PER_ADDRESS)
}

/// Open files for the chat, its readers, log files and the runtime.
const OWN_FILES: usize = 32;

/// What no clock overflows by.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "give a number of seconds, such as 10")?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if time > LONGEST {
        return Err("give at most ten years".into());
    }
    Ok(time)
}

/// A limit on how often, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited(pub Option<Rate>);

fn parse_rate(text: &str) -> Result<Limited, String> {
    const HELP: &str = "give so many a second and so many at once, such as 5/10, or off";
    if text == "off" {
        return Ok(Limited(None));
    }
    let (rate, burst) = text.split_once('/').ok_or(HELP)?;
    let rate: f64 = rate.parse().map_err(|_| HELP)?;
    let burst: u32 = burst.parse().map_err(|_| HELP)?;
    match Duration::try_from_secs_f64(1.0 / rate) {
        Ok(interval) if burst > 0 && interval > Duration::ZERO => {
            Ok(Limited(Some(Rate { burst, interval })))
        }
        _ => Err(HELP.into()),
    }
}

fn parse_keep(text: &str) -> Result<Keep, String> {
    const HELP: &str = "give a number of events, such as 100000, or a size, such as 64MiB";
    let (number, unit) = split_unit(text).ok_or(HELP)?;
    if number == 0 {
        return Err("keep at least one event".into());
    }
    if unit.is_empty() {
        return Ok(Keep::Events(number));
    }
    let shift = shift_of(unit).ok_or(HELP)?;
    Ok(Keep::Bytes(
        number
            .checked_mul(1 << shift)
            .ok_or("that is more than any disk holds")?,
    ))
}

/// In bytes.
fn parse_size(text: &str) -> Result<usize, String> {
    const HELP: &str = "give a size, such as 32MiB";
    let (number, unit) = split_unit(text).ok_or(HELP)?;
    let shift = shift_of(unit).ok_or(HELP)?;
    number
        .checked_mul(1 << shift)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| "that is more than any memory holds".into())
}

/// A path that a user writes where no shell has read it, as in a variable.
pub(crate) fn user_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(files::user_path)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    Some((digits.parse().ok()?, &text[digits.len()..]))
}

/// A unit, as a power of 2.
fn shift_of(unit: &str) -> Option<u32> {
    match unit {
        "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    }
}

impl Args {
    fn config(&self) -> Config {
        let rules = Rules {
            grace: self.grace,
            restart_grace: self.restart_grace,
            max_participants: self.max_participants,
            max_participants_per_source: self
                .max_participants_per_address
                .unwrap_or_else(|| default_per_address(self.max_participants)),
            publish_rate: self.publish_rate.0,
            join_rate: self.join_rate.0,
            stream_rate: self.join_rate.0.map(|_| STREAM_RATE),
        };
        Config {
            sequencer: sequencer::Config {
                rules,
                keep: self.keep,
                idle_exit: self.idle_exit,
                wall: wall_clock,
            },
            followers: follower::Limits {
                stall: self.stall,
                ..follower::Limits::default()
            },
            connections: net::Limits {
                connections: self.max_connections,
                connections_per_source: self.max_connections_per_address,
                unjoined: self.max_unjoined,
                first_request: self.first_request,
                join_within: self.join_within,
                replies: self.reply_budget,
                ..net::Limits::default()
            },
            random: secret::os_random,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the edge")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// Runs a server until a signal, its idle end, or a failure.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.detach {
        detach();
    }
    outlive_size_limits()?;
    threads::check()?;
    let connections = allow_open_files(args.max_connections);
    let log_file = LogFile::install()?;
    let directory = logging::prepare_directory(args.log_dir.as_deref())?;
    if let Some(notice) = directory.notice() {
        say(&notice);
    }
    let log_path = log_file.open("server", &directory.path)?;
    log_file.watch(|news| say(&news.to_string()))?;
    if connections < args.max_connections {
        warn!(
            wanted = args.max_connections,
            connections,
            "fewer connections than configured: the system allows no more open files (ulimit -n)",
        );
    }
    let args = &Args {
        max_connections: connections,
        ..args.clone()
    };
    let runtime = threads::start()?;
    let opened = open_log(args);
    let (data, result) = match opened {
        Ok((data, log)) => (data, runtime.block_on(serve(args, log, &log_path))),
        Err(error) => (None, Err(error)),
    };
    // A reader of the log that hangs on the disk must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    // Not before the log is closed: then another server may have it.
    drop(data);
    if let Err(error) = &result {
        error!(error = describe(error), "the server failed");
    }
    match result {
        Err(error)
            if matches!(
                error.downcast_ref(),
                Some(DataError::Locked { .. } | DataError::Read { .. })
            ) =>
        {
            say(&describe(&error));
            Ok(ExitCode::from(EXIT_LOCKED))
        }
        result => result.map(|()| ExitCode::SUCCESS),
    }
}

/// Leaves whoever started this server, which outlives them: their terminal, and what they set for
/// themselves. What they had open and where they were is left by the client, before it starts a
/// server.
fn detach() {
    // So that neither Ctrl-C nor the closing of the terminal reaches it. It fails only where the
    // process leads a group already, and is detached then.
    let _ = rustix::process::setsid();
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // Also for the threads that are started after this.
    let _ = SigSet::empty().thread_set_mask();
}

/// Once it serves, nobody reads the reasons why it does not: the file or the terminal that they
/// went to is given back. What happens later is in the log file.
fn leave_standard_error() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stderr(null)?)
}

/// On standard error, which nobody may read: that is no reason not to serve.
pub fn say(what: &str) {
    let _ = writeln!(io::stderr(), "chitty-server: {}", display::safe(what));
}

/// A connection is an open file, of which many systems allow 1,024 unless asked for more. Returns
/// how many connections there may be, so that the chat always has files of its own.
fn allow_open_files(connections: usize) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = (connections + OWN_FILES) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        // Where that fails, the old limit goes on.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let Some(allowed) = getrlimit(Resource::Nofile).current else {
        return connections;
    };
    let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
    connections.min(allowed.saturating_sub(OWN_FILES).max(1))
}

/// Who writes beyond the size that files may have (`ulimit -f`) is killed by SIGXFSZ, unless it is
/// caught: then the write fails, as on a full disk, and is treated as that is.
pub(crate) fn outlive_size_limits() -> io::Result<()> {
    // The flag is not looked at: what matters is that the signal is caught.
    let caught = Arc::default();
    signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), caught).map(drop)
}

async fn serve(args: &Args, log: Arc<dyn Log>, log_path: &Path) -> Result<()> {
    let listener = Sockets::bind(&args.listen).await?;
    let shutdown = CancellationToken::new();
    let signals = shutdown.clone();
    tokio::spawn(async move {
        let Ok(signal) = signal().await else { return };
        end_within(END_WITHIN);
        info!(target: CALL, call = "Server", step = "stopping", signal);
        signals.cancel();
    });
    announce(&listener, &*log, log_path)?;
    if args.detach {
        leave_standard_error().wrap_err("cannot open /dev/null")?;
    }
    let end = app::serve(listener, log, args.config(), shutdown).await?;
    let reason = match end {
        End::Shutdown => "signal",
        End::Idle => "idle",
    };
    info!(target: CALL, call = "Server", step = "stopped", reason);
    Ok(())
}

fn open_log(args: &Args) -> Result<(Option<DataDir>, Arc<dyn Log>)> {
    if args.ephemeral {
        return Ok((None, Arc::new(MemoryLog::new(&mut secret::os_random))));
    }
    let directory = args.data.clone().unwrap_or_else(default_data_dir);
    let data = DataDir::open(&directory)?;
    let log = SqliteLog::serve(&data, &mut secret::os_random)?;
    Ok((Some(data), Arc::new(log)))
}

fn announce(sockets: &Sockets, log: &dyn Log, log_path: &Path) -> io::Result<()> {
    let extent = log.extent();
    let listening = sockets.addresses()?;
    let told: Vec<_> = listening.iter().map(ToString::to_string).collect();
    let address = told.join(",");
    info!(
        target: CALL, call = "Server", step = "started", address = %address,
        epoch = &*log.epoch(), position = extent.head.get(), first = extent.first.get(),
    );
    let (ways, note) = ways_in(&listening, sockets.takes_both(), &own_addresses());
    let ways = ways
        .iter()
        .map(|way| format!("chitty --server http://{way}"));
    let ways: Vec<_> = ways.chain(note.map(|note| format!("({note})"))).collect();
    // Whoever started it may not listen: that is no reason not to serve.
    let _ = writeln!(
        io::stdout(),
        "chitty-server listens on {}\n  join it:  {}\n  its log:  {}",
        told.join(", "),
        ways.join("\n            "),
        log_path.display()
    );
    Ok(())
}

/// Returns on Ctrl-C, SIGTERM, or a hang-up that is not ignored.
async fn signal() -> Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Where the system does not tell, it is left as it is.
    let mut hangup = if signals::is_ignored(Signal::HUP).unwrap_or(true) {
        None
    } else {
        Some(signal(SignalKind::hangup())?)
    };
    let hung_up = async {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        _ = hung_up => "SIGHUP",
    })
}

/// Ends the process if it has not ended by then, whatever hangs: a disk, the log, a peer. Nothing
/// that was acknowledged is lost by it, as by a kill.
fn end_within(time: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "on a thread of its own, in case that all others hang"
    )]
    let ending = std::thread::Builder::new()
        .name("deadline".into())
        .spawn(move || {
            std::thread::sleep(time);
            say("something does not answer, maybe a disk: ended without waiting for it");
            std::process::exit(1);
        });
    if let Err(error) = ending {
        warn!(%error, "there is no thread for the deadline of the end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_events_or_sizes() {
        assert_eq!(parse_keep("1000"), Ok(Keep::Events(1000)));
        assert_eq!(parse_keep("64MiB"), Ok(Keep::Bytes(64 << 20)));
        assert_eq!(parse_keep("1GiB"), Ok(Keep::Bytes(1 << 30)));
        for bad in ["", "0", "MiB", "10 MB", "-1", "99999999999GiB", "1e3", "٣"] {
            assert!(parse_keep(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(parse_size("32MiB"), Ok(32 << 20));
        assert_eq!(parse_size("0B"), Ok(0));
        for bad in ["", "32", "MiB", "1.5MiB", "99999999999GiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_so_many_a_second_and_so_many_at_once() {
        let rate = |per_second, burst| Ok(Limited(Some(Rate::per_second(per_second, burst))));
        assert_eq!(parse_rate("5/10"), rate(5, 10));
        assert_eq!(parse_rate("10/50"), rate(10, 50));
        let slow = Rate {
            burst: 1,
            interval: Duration::from_secs(2),
        };
        assert_eq!(parse_rate("0.5/1"), Ok(Limited(Some(slow))));
        assert_eq!(parse_rate("off"), Ok(Limited(None)));
        for bad in [
            "", "5", "/", "5/", "0/1", "5/0", "-1/1", "nan/1", "inf/1", "1e12/1", "5/10/2",
            "1e-30/1",
        ] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_may_be_parts_of_one() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "-1", "nan", "inf", "ten", "1e18"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
