//! A log file under a stable name, so that `tail -F` goes on through rotation.
//!
//! Why not a crate: file-rotate swallows the errors of opening and rotates within a line, and
//! tracing-appender's rolling files have no name that stays.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::progress::Progress;

/// Written out at the latest with this many bytes.
const BUFFER: usize = 64 * 1024;
/// What is kept while the file cannot be written; lines beyond it are lost.
const MAX_UNWRITTEN: usize = 1024 * 1024;
/// How often it is looked up whether the name still leads to this file.
const CHECK_EVERY: Duration = Duration::from_secs(1);
const CHECK_EVERY_LINES: u64 = 1000;

/// When a file is put aside for a new one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    /// A file grows to this many bytes, or to one line where that is longer.
    pub(super) max_bytes: u64,
    /// How many older files are kept: `x.log.1`, the youngest of them, to `x.log.<keep>`.
    pub(super) keep: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024 * 1024,
            keep: 5,
        }
    }
}

/// The file, behind a buffer. Takes whole lines, one per call of `write`, and never fails: what
/// went wrong is kept in the [`Progress`], and what could not be written is tried again.
pub(super) struct RotatingFile {
    path: PathBuf,
    rotation: Rotation,
    clock: fn() -> SystemTime,
    progress: Arc<Progress>,
    file: File,
    /// Of the file, without the buffer.
    size: u64,
    buffer: Vec<u8>,
    buffered_lines: u64,
    lines_since_check: u64,
    checked_at: SystemTime,
}

impl RotatingFile {
    /// Opens the file for appending; makes it, in mode 0600, and its folder, in mode 0700, where
    /// they are not there.
    pub(super) fn open(
        path: &Path,
        rotation: Rotation,
        clock: fn() -> SystemTime,
        progress: Arc<Progress>,
    ) -> io::Result<Self> {
        let file = open(path)?;
        let mut opened = Self {
            path: path.to_owned(),
            rotation,
            clock,
            progress,
            file,
            size: 0,
            buffer: Vec::new(),
            buffered_lines: 0,
            lines_since_check: 0,
            checked_at: clock(),
        };
        opened.take_up()?;
        Ok(opened)
    }

    /// Finds where the file ends, and ends a line there that a crash left torn.
    fn take_up(&mut self) -> io::Result<()> {
        self.size = self.file.metadata()?.len();
        let Some(last) = self.size.checked_sub(1) else {
            return Ok(());
        };
        let mut end = [b'\n'];
        self.file.read_at(&mut end, last)?;
        if end != [b'\n'] {
            self.buffer.insert(0, b'\n');
        }
        Ok(())
    }

    fn write_out(&mut self) {
        let written = self.check().and_then(|()| self.write_buffer());
        if let Err(error) = written {
            self.progress.fail(&error);
        }
        self.progress.advance(self.buffered_lines);
        self.buffered_lines = 0;
    }

    /// Writes as much of the buffer as goes; the rest stays.
    fn write_buffer(&mut self) -> io::Result<()> {
        let mut done = 0;
        let result = loop {
            if done == self.buffer.len() {
                break Ok(());
            }
            match self.file.write(&self.buffer[done..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.buffer.drain(..done);
        self.size += done as u64;
        result
    }

    /// Opens the file anew where its name leads to another by now, or to none: somebody deleted
    /// it, or another process rotated it.
    fn check(&mut self) -> io::Result<()> {
        let now = (self.clock)();
        let elapsed = now
            .duration_since(self.checked_at)
            .unwrap_or_else(|back| back.duration());
        if elapsed < CHECK_EVERY && self.lines_since_check < CHECK_EVERY_LINES {
            return Ok(());
        }
        self.checked_at = now;
        self.lines_since_check = 0;
        if self.is_current()? {
            self.size = self.file.metadata()?.len();
            return Ok(());
        }
        self.reopen()
    }

    fn is_current(&self) -> io::Result<bool> {
        let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        match fs::metadata(&self.path) {
            Ok(named) => Ok(identity(&named) == identity(&self.file.metadata()?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        self.take_up()
    }

    /// Puts the file aside for a new one, unless another process has just done so.
    fn rotate(&mut self) {
        let rotated = self.is_current().and_then(|current| {
            if current {
                self.rename()?;
            }
            self.reopen()
        });
        if let Err(error) = rotated {
            self.progress.fail(&error);
            // Lines go on to the old file; the next try is not at every line.
            self.size = 0;
        }
    }

    fn rename(&self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut path = self.path.clone().into_os_string();
            path.push(format!(".{number}"));
            PathBuf::from(path)
        };
        for number in (1..self.rotation.keep).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, numbered(1))
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let filled = self.size + self.buffer.len() as u64;
        if filled > 0 && filled + line.len() as u64 > self.rotation.max_bytes {
            self.write_out();
            if self.buffer.is_empty() {
                self.rotate();
            }
        }
        self.buffered_lines += 1;
        self.lines_since_check += 1;
        if self.buffer.len() + line.len() <= MAX_UNWRITTEN {
            self.buffer.extend_from_slice(line);
        }
        if self.buffer.len() >= BUFFER {
            self.write_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() || self.buffered_lines > 0 {
            self.write_out();
        }
        Ok(())
    }
}

/// Makes a folder for log files, where there is none, in mode 0700.
pub fn make_directory(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        make_directory(folder)?;
    }
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests;
