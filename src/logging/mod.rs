//! Log files: one event a line, by tracing and tracing-appender, without loss.
//!
//! `docs/log-format.md` has the grammar and the vocabulary. A line that records a service call is
//! an event with the target [`CALL`] and the fields `call` and `step`:
//!
//! ```
//! use chitty_chat::logging::CALL;
//!
//! tracing::info!(target: CALL, call = "Publish", step = "sent", lamport = 9, text = "hi there");
//! ```
//!
//! If several sessions share a process, each runs in a span that says whose lines they are:
//!
//! ```
//! use chitty_chat::logging::CALL;
//!
//! let session = tracing::info_span!(target: CALL, "session", who = "ada", run = "3f9a21c0");
//! ```

mod broadcast;
mod directory;
mod escape;
mod file;
mod gap;
mod health;
mod layer;
mod limit;
mod line;
mod outlet;
mod progress;
mod queue;

use std::{
    env, fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use thiserror::Error;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, registry};

use self::{layer::LineLayer, limit::Limit, outlet::Outlet};
use crate::secret;

pub use self::{
    broadcast::broadcast,
    directory::{LogDirectory, default_directory, prepare_directory},
    escape::file_stem,
    health::{LogNews, LogTrouble},
    line::{Line, LineHead, decode_who, parse_line, scan_line},
};

/// The tracing target of lines that record a service call; `docs/log-format.md` has their grammar.
pub const CALL: &str = "chitty::call";

/// The environment variable that asks for more or fewer diagnostics: `target=level`, separated by
/// commas.
pub const FILTER_VARIABLE: &str = "CHITTY_LOG";

/// The process's log. Dropping it writes the lines that are still queued, and closes it. Lines are
/// lost if no file was opened.
pub struct Log {
    outlet: Arc<Outlet>,
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file cannot be written.
    #[error("cannot write the log file {}: {source}; choose another folder with --log-dir", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder cannot be created, or is not safe.
    #[error("cannot keep log files in {}: {source}; choose another folder with --log-dir", path.display())]
    Directory {
        /// The path of the folder.
        path: PathBuf,
        /// What is wrong with it, including the owner if it belongs to another user.
        source: io::Error,
    },
    /// Another subscriber is installed already.
    #[error("logging was set up twice in one process; keep the first one")]
    Installed,
    /// The environment variable cannot be parsed.
    #[error(
        "{FILTER_VARIABLE}={value:?} is not understood; write it like \"info,h2=debug\", or unset it"
    )]
    Filter {
        /// The value of the variable.
        value: String,
    },
}

impl From<(PathBuf, io::Error)> for LogError {
    fn from((path, source): (PathBuf, io::Error)) -> Self {
        Self::File { path, source }
    }
}

impl Log {
    /// Collects all tracing events of this process from now on. They are held in memory, up to a
    /// limit, until [`Log::open`] names their file.
    #[expect(clippy::disallowed_methods, reason = "this is the edge")]
    pub fn install() -> Result<Self, LogError> {
        let filter = match env::var_os(FILTER_VARIABLE) {
            Some(value) => filter_from(&value.to_string_lossy())?,
            None => default_filter(),
        };
        let run = secret::run_id(&mut secret::os_random);
        let (log, subscriber) =
            Self::with_filter(SystemTime::now, &run, filter, Some(Limit::default()));
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Installed)?;
        Ok(log)
    }

    /// A log with its own clock and run id, and the subscriber that feeds it, which is not
    /// installed.
    pub fn new(clock: fn() -> SystemTime, run: &str) -> (Self, impl Subscriber + Send + Sync) {
        Self::with_filter(clock, run, default_filter(), None)
    }

    fn with_filter(
        clock: fn() -> SystemTime,
        run: &str,
        filter: Targets,
        limit: Option<Limit>,
    ) -> (Self, impl Subscriber + Send + Sync + use<>) {
        let outlet = Arc::new(Outlet::new(clock, layer::word(run)));
        let feeding = Arc::clone(&outlet);
        let layer = LineLayer::new(clock, limit, move |record| feeding.emit(record));
        (Self { outlet }, registry().with(filter).with(layer))
    }

    /// Opens `<directory>/<who, percent-encoded>.log`, and writes there, beginning with the lines
    /// held until now. Returns the file's path. A folder that is created here has mode 0700, a file
    /// 0600.
    ///
    /// A second call switches to another file. If it fails, everything stays as it was, and
    /// [`Log::watch`] tries again.
    pub fn open(&self, who: &str, directory: &Path) -> Result<PathBuf, LogError> {
        Ok(self.outlet.open(who, directory)?)
    }

    /// The file that is written to; `None` before [`Log::open`].
    pub fn path(&self) -> Option<PathBuf> {
        self.outlet.path()
    }

    /// The id of this run of the process: eight hexadecimal digits.
    pub fn run(&self) -> &str {
        self.outlet.run()
    }

    /// Watches the log on a thread of its own: reports once when it fails and once when it works
    /// again, and retries what failed.
    ///
    /// # Errors
    /// The system refuses another thread.
    pub fn watch(&self, report: impl FnMut(LogNews) + Send + 'static) -> io::Result<()> {
        health::watch(&self.outlet, report)
    }

    /// What does not work at the moment.
    pub fn trouble(&self) -> Option<LogTrouble> {
        self.outlet.trouble()
    }

    /// How many lines are missing from the file. The file says where.
    pub fn lost(&self) -> u64 {
        self.outlet.lost()
    }

    /// Waits up to two seconds until all lines so far were handed to the system; `false` if they
    /// were not. See [`Log::failure`] for lines that the system did not take.
    pub fn flush(&self) -> bool {
        self.outlet.flush()
    }

    /// The first failure to write to the open file. Lines are kept (up to 1 MiB) and written later,
    /// so the failure may be over.
    pub fn failure(&self) -> Option<LogError> {
        self.outlet.failure().map(LogError::from)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.outlet.close();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("run", &self.run())
            .field("path", &self.path())
            .finish()
    }
}

/// A subscriber that passes the same lines, each with its `\n`, to `sink`, for tests and for
/// programs without a log file.
pub fn subscriber<S: Fn(&str) + Send + Sync + 'static>(
    who: &str,
    run: &str,
    clock: fn() -> SystemTime,
    sink: S,
) -> impl Subscriber + Send + Sync + use<S> {
    let (who, run) = (escape::encode(who), layer::word(run));
    let layer = LineLayer::new(clock, None, move |record| sink(&record.render(&who, &run)));
    registry().with(default_filter()).with(layer)
}

/// The default filter: calls, diagnostics of this project from INFO, and those of others from WARN.
fn default_filter() -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("chitty", LevelFilter::INFO)
}

/// The default filter with these directives on top. Calls always stay, because they are the log.
fn filter_from(directives: &str) -> Result<Targets, LogError> {
    let asked: Targets = directives.parse().map_err(|_| LogError::Filter {
        value: directives.to_owned(),
    })?;
    let mut filter = default_filter();
    if let Some(level) = asked.default_level() {
        filter = filter.with_default(level).with_target("chitty", level);
    }
    Ok(filter
        .with_targets(asked.iter())
        .with_target(CALL, LevelFilter::INFO))
}

#[cfg(test)]
mod tests;
