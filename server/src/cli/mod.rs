//! The command line, and a process's life around a server.

mod args;
mod process;
mod values;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
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
use color_eyre::eyre::{Result, WrapErr as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use self::{args::Args, values::Limited};

pub(crate) use self::process::outlive_size_limits;
use self::process::{END_WITHIN, allow_open_files, end_within, signal};
use crate::{
    app::{self, ServeError},
    data::{DataDir, DataError, default_data_dir},
    failure::describe,
    log::{Log, MemoryLog, SqliteLog},
    sequencer::{End, SequencerError},
    threads,
};

/// Another process has the data folder (`EX_TEMPFAIL` of sysexits.h): whoever started this server
/// connects to that one, or tries again.
pub const EXIT_LOCKED: u8 = 75;

/// Runs a server until a signal, its idle end, or a failure.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.detach {
        // So that neither Ctrl-C nor the closing of the terminal reaches it. It fails only where
        // the process leads a group already, and is detached then.
        let _ = rustix::process::setsid();
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
    let Err(error) = result else {
        return Ok(ExitCode::SUCCESS);
    };
    if matches!(error.downcast_ref(), Some(ServeError::Sequencer(_))) {
        // It was said when it happened.
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

/// At once: the end of the process may have to wait for its peers.
fn tell_failure(failure: &SequencerError) {
    error!(error = %failure, "the server failed");
    say(&failure.to_string());
}

/// On standard error, which nobody may read: that is no reason not to serve.
pub fn say(what: &str) {
    let _ = writeln!(io::stderr(), "chitty-server: {}", display::safe(what));
}

async fn serve(args: &Args, log: Arc<dyn Log>, log_path: &Path) -> Result<()> {
    let listener = TcpListener::bind(args.listen).await.wrap_err_with(|| {
        format!(
            "cannot listen on {}; choose another address with --listen",
            args.listen
        )
    })?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let signals = shutdown.clone();
    tokio::spawn(async move {
        let Ok(signal) = signal().await else { return };
        end_within(END_WITHIN);
        info!(target: CALL, call = "Server", step = "stopping", signal);
        signals.cancel();
    });
    announce(address, &*log, log_path);
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

fn announce(address: SocketAddr, log: &dyn Log, log_path: &Path) {
    let extent = log.extent();
    info!(
        target: CALL, call = "Server", step = "started", address = %address,
        epoch = &*log.epoch(), position = extent.head.get(), first = extent.first.get(),
    );
    // Whoever started it may not listen: that is no reason not to serve.
    let _ = writeln!(
        io::stdout(),
        "chitty-server listens on {address}\n  join it:  chitty --server http://{address}\n  \
         its log:  {}",
        log_path.display()
    );
}
