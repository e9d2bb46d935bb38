//! Whether the log works, for users who see the screen and not the file.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    thread::{self, Thread},
    time::Duration,
};

use thiserror::Error;

use super::{LogDirectory, outlet::Outlet};

/// How often the log is checked, and failed operations are retried. A failure is noticed at once.
const EVERY: Duration = Duration::from_secs(1);

/// Why lines do not get into the log file at the moment. They are kept (up to 1 MiB), and counted
/// beyond that.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("cannot write the log file {}: {reason}; choose another folder with --log-dir", path.display())]
pub struct LogTrouble {
    /// The path of the file.
    pub path: PathBuf,
    /// What is wrong, including the owner if something belongs to another user.
    pub reason: String,
}

impl LogTrouble {
    pub(super) const fn new(path: PathBuf, reason: String) -> Self {
        Self { path, reason }
    }
}

/// News about the log for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogNews {
    /// The log files are not where users expect them.
    Elsewhere(LogDirectory),
    /// The log does not work from now on, or for a new reason.
    Fails(LogTrouble),
    /// The log works again. The file says where lines are missing.
    Works {
        /// The path of the file.
        path: PathBuf,
        /// How many lines are missing from it since it was opened.
        lost: u64,
    },
}

impl std::fmt::Display for LogNews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Elsewhere(directory) => match directory.notice() {
                Some(notice) => f.write_str(&notice),
                None => write!(f, "log files are in {}", directory.path.display()),
            },
            Self::Fails(trouble) => trouble.fmt(f),
            Self::Works { path, lost } => {
                write!(f, "the log file {} is written again", path.display())?;
                match lost {
                    0 => Ok(()),
                    1 => write!(f, "; 1 line is missing from it"),
                    lost => write!(f, "; {lost} lines are missing from it"),
                }
            }
        }
    }
}

/// Watches the log until it is closed, on a thread of its own, so that a file system that hangs
/// stops nothing else.
pub(super) fn watch(
    outlet: &Arc<Outlet>,
    mut report: impl FnMut(LogNews) + Send + 'static,
) -> io::Result<()> {
    let looked_at = Arc::downgrade(outlet);
    let thread = thread::Builder::new()
        .name("log watch".into())
        .spawn(move || {
            let mut watch = TroubleTracker::default();
            while let Some(outlet) = looked_at.upgrade() {
                let Some((trouble, lost)) = outlet.check() else {
                    return;
                };
                let path = outlet.path();
                drop(outlet);
                watch
                    .news(trouble, lost, path)
                    .into_iter()
                    .for_each(&mut report);
                thread::park_timeout(EVERY);
            }
        })?;
    let thread: Thread = thread.thread().clone();
    // A second watcher is not woken at once, but checks each second.
    let _ = outlet.watcher().0.set(thread);
    Ok(())
}

/// What was reported last, so that only news is reported.
#[derive(Default)]
struct TroubleTracker {
    trouble: Option<LogTrouble>,
}

impl TroubleTracker {
    /// The news since the last report, if there is any.
    fn news(
        &mut self,
        trouble: Option<LogTrouble>,
        lost: u64,
        path: Option<PathBuf>,
    ) -> Option<LogNews> {
        if trouble == self.trouble {
            return None;
        }
        let before = std::mem::replace(&mut self.trouble, trouble);
        match (&self.trouble, before) {
            (Some(trouble), _) => Some(LogNews::Fails(trouble.clone())),
            (None, before) => Some(LogNews::Works {
                path: path.or(before.map(|before| before.path))?,
                lost,
            }),
        }
    }
}
