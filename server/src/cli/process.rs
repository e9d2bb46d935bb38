//! The process: its limits, its signals, and its end.

use std::{io, sync::Arc, time::Duration};

use chitty_chat::signals;
use color_eyre::eyre::Result;
use nix::sys::signal::SigSet;
use rustix::{fs::Mode, process::Signal};
use tracing::warn;

use super::say;

/// Open files that the server needs for itself: the chat, its readers, log files, the runtime.
const OWN_FILES: usize = 32;

/// The longest time from a signal to the end of the process: less than the three seconds that are
/// promised.
pub(super) const END_WITHIN: Duration = Duration::from_millis(2900);

/// Raises the limit on open files, of which each connection is one; many systems allow 1,024 by
/// default. Returns how many connections there may be, so that files are left for the chat itself.
pub(super) fn allow_open_files(connections: usize) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = (connections + OWN_FILES) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        // If this fails, the old limit stays.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let Some(allowed) = getrlimit(Resource::Nofile).current else {
        return connections;
    };
    let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
    connections.min(allowed.saturating_sub(OWN_FILES).max(1))
}

/// Catches SIGXFSZ, which kills a process that exceeds the limit on file sizes (`ulimit -f`). With
/// the signal caught, the write fails instead, and is handled like a full disk.
pub(crate) fn outlive_size_limits() -> io::Result<()> {
    // The flag is never read: catching the signal is all that matters.
    let caught = Arc::default();
    signal_hook::flag::register(Signal::XFSZ.as_raw(), caught).map(drop)
}

/// Returns on Ctrl-C, SIGTERM, or a hang-up that is not ignored.
pub(super) async fn signal() -> Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // If the system does not say, it is left as it is.
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

/// Ends the process if it has not ended by then, whatever hangs: a disk, the log, a peer. As with a
/// kill, nothing that was acknowledged is lost.
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

/// Detaches from the process that started this server: from its terminal, its umask and its signal
/// mask. The client has already closed its files and left its folder before it starts a server.
pub(super) fn detach() {
    // A session of its own, so that neither Ctrl-C nor a hang-up of the terminal reaches it. It
    // fails only if the process leads a group already, and then it is detached.
    let _ = rustix::process::setsid();
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // The threads that are started after this inherit it.
    let _ = SigSet::empty().thread_set_mask();
}

/// Closes standard error once the server serves: nobody waits for the reason of a failed start any
/// more. What happens later is in the log file.
pub(super) fn leave_standard_error() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stderr(null)?)
}
