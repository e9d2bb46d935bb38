//! A process among others: its limits, its signals, and its end.

use std::{io, sync::Arc, time::Duration};

use color_eyre::eyre::Result;
use tracing::warn;

use super::say;

/// Open files for the chat, its readers, log files and the runtime.
const OWN_FILES: usize = 32;

/// From a signal to the end of the process: less than the three seconds that are promised.
pub(super) const END_WITHIN: Duration = Duration::from_millis(2900);

/// A connection is an open file, of which many systems allow 1,024 unless asked for more. Returns
/// how many connections there may be, so that the chat always has files of its own.
pub(super) fn allow_open_files(connections: usize) -> usize {
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

/// Returns on Ctrl-C, SIGTERM, or a hang-up that is not ignored.
pub(super) async fn signal() -> Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = if ignores_hangup() {
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
pub(super) fn end_within(time: Duration) {
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

/// By ignoring SIGHUP, `nohup` says that the server is to outlive its terminal; to listen for it
/// would undo that. Where the system does not tell (as only Linux does), it is left as it is.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is 1, the lowest bit.
    ignored.is_none_or(|mask| mask & 1 != 0)
}
