//! The draft in the user's own editor.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    process::ExitStatus,
    time::Duration,
};

use chitty_app::{Edited, composer::MAX_DRAFT};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use thiserror::Error;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How much of the file is read at most, in bytes.
const MOST: u64 = 1024 * 1024;
/// How long an editor may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why the editor returned no text.
#[derive(Debug, Error)]
pub(super) enum EditorError {
    #[error("cannot write a file for the editor: {0}; set TMPDIR to an existing folder")]
    File(#[source] io::Error),
    #[error("cannot start sh for the editor: {0}")]
    Start(#[source] io::Error),
    #[error("cannot wait for the editor: {0}")]
    Wait(#[source] io::Error),
    #[error("there is no editor {0}; set VISUAL or EDITOR to one")]
    None(String),
    #[error("the editor {0} ended with {1}")]
    Failed(String, ExitStatus),
    #[error("cannot read what the editor wrote: {0}")]
    Read(#[source] io::Error),
    #[error("what the editor wrote is not UTF-8")]
    NotText,
}

/// A running editor.
pub(super) struct Editing {
    command: String,
    child: Child,
    file: NamedTempFile,
}

impl Editing {
    /// Starts the editor on a private file that contains the draft. The command may have arguments.
    pub(super) fn start(command: &str, draft: &str) -> Result<Self, EditorError> {
        let file = tempfile::Builder::new()
            .prefix("chitty-")
            .suffix(".txt")
            .tempfile()
            .and_then(|mut file| file.write_all(draft.as_bytes()).map(|()| file))
            .map_err(EditorError::File)?;
        let child = Command::new("sh")
            .args(["-c", &format!("exec {command} \"$1\""), "sh"])
            .arg(file.path())
            .spawn()
            .map_err(EditorError::Start)?;
        Ok(Self {
            command: command.to_owned(),
            child,
            file,
        })
    }

    /// Waits for the editor to end. Dropping the future loses nothing.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// The text that the editor wrote.
    pub(super) fn result(self, status: io::Result<ExitStatus>) -> Result<Edited, EditorError> {
        let status = status.map_err(EditorError::Wait)?;
        match status.code() {
            Some(0) => {}
            // The status of sh if it does not find the command.
            Some(127) => return Err(EditorError::None(self.command)),
            _ => return Err(EditorError::Failed(self.command, status)),
        }
        // Opened by its path, because many editors write a new file and rename it.
        let mut bytes = Vec::new();
        File::open(self.file.path())
            .and_then(|file| file.take(MOST).read_to_end(&mut bytes))
            .map_err(EditorError::Read)?;
        let text = String::from_utf8(bytes).map_err(|_| EditorError::NotText)?;
        let whole = if text.trim_end_matches('\n').chars().count() > MAX_DRAFT {
            let (_, path) = self
                .file
                .keep()
                .map_err(|error| EditorError::Read(error.error))?;
            Some(path.display().to_string())
        } else {
            None
        };
        Ok(Edited { text, whole })
    }

    /// Asks the editor to end.
    pub(super) fn terminate(&self) {
        let process = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(process) = process.and_then(Pid::from_raw) {
            let _ = kill_process(process, Signal::TERM);
        }
    }

    /// Ends the editor, by force if necessary.
    pub(super) async fn close(mut self) {
        self.terminate();
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}
