//! A process among others: its limits, its signals, and its end.

use std::{io, sync::Arc, time::Duration};

use chitty_chat::signals;
use color_eyre::eyre::Result;
use nix::sys::signal::SigSet;
use rustix::{fs::Mode, process::Signal};
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
    signal_hook::flag::register(Signal::XFSZ.as_raw(), caught).map(drop)
}

/// Returns on Ctrl-C, SIGTERM, or a hang-up that is not ignored.
pub(super) async fn signal() -> Result<&'static str> {
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

/// Leaves whoever started this server, which outlives them: their terminal, and what they set for
/// themselves. What they had open and where they were is left by the client, before it starts a
/// server.
pub(super) fn detach() {
    // So that neither Ctrl-C nor the closing of the terminal reaches it. It fails only where the
    // process leads a group already, and is detached then.
    let _ = rustix::process::setsid();
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // Also for the threads that are started after this.
    let _ = SigSet::empty().thread_set_mask();
}

/// Once it serves, nobody reads the reasons why it does not: the file or the terminal that they
/// went to is given back. What happens later is in the log file.
pub(super) fn leave_standard_error() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stderr(null)?)
}
