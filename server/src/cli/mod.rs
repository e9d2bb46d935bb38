//! The command line, and the life of the process around a server.

mod args;
mod entrances;
mod process;
mod values;

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use chitty_chat::{
    logging::{self, CALL, Log as LogFile},
    secret,
    text::display,
};
use chitty_room::{Access, Fold};
use color_eyre::eyre::{Result, WrapErr as _};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use self::{
    args::ServeArgs,
    values::{DataArgs, Limited},
};

use self::entrances::Entrances;
use self::process::{
    END_WITHIN, allow_open_files, detach, end_within, leave_standard_error, signal,
};
pub(crate) use self::{
    process::outlive_size_limits,
    values::{parse_seconds, user_path},
};
use crate::{
    app::{self, ServeError},
    data::{DataDir, DataError, default_data_dir},
    failure::describe,
    log::{Log, MemoryStore, SqliteStore, Store},
    operator,
    sequencer::{SequencerError, StopReason},
    threads,
};

/// The exit code if another process uses the data folder (`EX_TEMPFAIL` of sysexits.h). The program
/// that started this server connects to the other one, or tries again.
pub const EXIT_LOCKED: u8 = 75;

/// Runs a server until a signal, the idle time, or a failure ends it.
pub fn run(args: &ServeArgs) -> Result<ExitCode> {
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
    // With as many connections as the system allows.
    let args = &ServeArgs {
        max_connections: connections,
        ..args.clone()
    };
    let runtime = threads::start()?;
    let opened = open_store(args);
    let (data, result) = match opened {
        Ok((data, store)) => {
            let served = serve(args, store, data.as_ref(), &log_path);
            let result = runtime.block_on(served);
            (data, result)
        }
        Err(error) => (None, Err(error)),
    };
    // A reader of the log that hangs on the disk must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(200));
    // The folder is unlocked only after the log is closed, because another server may open it then.
    drop(data);
    let Err(error) = result else {
        return Ok(ExitCode::SUCCESS);
    };
    if matches!(error.downcast_ref(), Some(ServeError::Sequencer(_))) {
        // It was reported when it happened.
        return Ok(ExitCode::FAILURE);
    }
    error!(error = describe(&error), "the server failed");
    let is_locked = matches!(
        error.downcast_ref(),
        Some(DataError::Locked { .. } | DataError::Read { .. })
    );
    if is_locked {
        say(&describe(&error));
        return Ok(ExitCode::from(EXIT_LOCKED));
    }
    Err(error)
}

/// Reports a failure at once, because the process may have to wait for its peers before it ends.
fn report_failure(failure: &SequencerError) {
    error!(error = %failure, "the server failed");
    say(&failure.to_string());
}

/// Writes to standard error. It is no reason to stop if nobody reads it.
pub fn say(what: &str) {
    let _ = writeln!(io::stderr(), "chitty-server: {}", display::safe(what));
}

async fn serve(
    args: &ServeArgs,
    store: Arc<dyn Store>,
    data: Option<&DataDir>,
    log_path: &Path,
) -> Result<()> {
    let (listener, entrances) = entrances::open(args, data).await?;
    let shutdown = CancellationToken::new();
    let signals = shutdown.clone();
    tokio::spawn(async move {
        let Ok(signal) = signal().await else { return };
        end_within(END_WITHIN);
        info!(target: CALL, call = "Server", step = "stopping", signal);
        signals.cancel();
    });
    announce(&entrances, &*store.lobby(), log_path);
    if let (Access::Closed, Some(data)) = (entrances.access, data) {
        tokio::spawn(operator::greet(data.path().to_owned()));
    }
    if args.detach {
        leave_standard_error().wrap_err("cannot open /dev/null")?;
    }
    let end = app::serve(listener, store, args.config(entrances.access), shutdown).await?;
    let reason = match end {
        StopReason::Shutdown => "signal",
        StopReason::Idle => "idle",
    };
    info!(target: CALL, call = "Server", step = "stopped", reason);
    Ok(())
}

fn open_store(args: &ServeArgs) -> Result<(Option<DataDir>, Arc<dyn Store>)> {
    if args.ephemeral {
        return Ok((None, Arc::new(MemoryStore::new(&mut secret::os_random))));
    }
    let directory = args.data.clone().unwrap_or_else(default_data_dir);
    let data = DataDir::open(&directory)?;
    let store = SqliteStore::serve::<Fold>(&data, &mut secret::os_random)?;
    Ok((Some(data), Arc::new(store)))
}

fn announce(entrances: &Entrances, log: &dyn Log, log_path: &Path) {
    let extent = log.extent();
    let addresses = entrances.listening.iter().map(ToString::to_string);
    let address = addresses.collect::<Vec<_>>().join(",");
    info!(
        target: CALL, call = "Server", step = "started", address = %address,
        epoch = &*log.epoch(), position = extent.head.get(), first = extent.first.get(),
    );
    // Standard output may be closed, which is no reason not to serve.
    let _ = io::stdout().write_all(entrances.text(log_path).as_bytes());
}
