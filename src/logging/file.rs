//! A log file under a stable name, so that `tail -F` goes on through rotation.
//!
//! Why not a crate: file-rotate swallows the errors of opening and rotates within a line, and
//! tracing-appender's rolling files have no name that stays.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{gap::Gap, progress::Progress};
use crate::files::{FileIdentity, Folder, make_folder};

/// Written out at the latest with this many bytes.
const BUFFER: usize = 64 * 1024;
/// What is kept while the file cannot be written; lines beyond it are lost.
const MAX_UNWRITTEN: usize = 1024 * 1024;
/// How often it is looked up whether the name still leads to this file.
const CHECK_EVERY: Duration = Duration::from_secs(1);
const CHECK_EVERY_LINES: u64 = 1000;
/// While the disk refuses, and lines come faster than they are written, it is tried so often.
const TRY_EVERY_LINES: u64 = 256;
/// What is said in the place of lines that there was no room for.
const MISSING: &str = "lines are missing here, because the file could not be written";

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
    path: LogPath,
    rotation: Rotation,
    clock: fn() -> SystemTime,
    progress: Arc<Progress>,
    folder: Folder,
    file: File,
    /// Of the file, without the buffer.
    size: u64,
    buffer: Vec<u8>,
    /// The beginning of the line whose rest is at the start of the buffer: the file has that much
    /// of it.
    torn: Vec<u8>,
    /// Lines that there was no room for, after those in the buffer.
    gap: Gap,
    buffered_lines: u64,
    lines_since_check: u64,
    lines_since_try: u64,
    checked_at: SystemTime,
    /// The last try to write failed.
    failing: bool,
    /// The file should have been put aside for a new one, which failed.
    overdue: bool,
}

/// Where the file is.
struct LogPath {
    folder: PathBuf,
    name: OsString,
}

impl LogPath {
    fn of(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Ok(Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The folder, made if it is not there, and the file in it.
    fn open(&self) -> io::Result<(Folder, File)> {
        make_folder(&self.folder)?;
        let folder = Folder::open(&self.folder).map_err(|error| about("its folder", &error))?;
        let file = folder.append(&self.name)?;
        Ok((folder, file))
    }

    /// `x.log.3`.
    fn numbered(&self, number: u32) -> OsString {
        let mut name = self.name.clone();
        name.push(format!(".{number}"));
        name
    }
}

/// The same error, with what it is about.
fn about(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

impl RotatingFile {
    /// Opens the file for appending. It is made, with mode 0600, if it is not there, and so is its
    /// folder, with mode 0700. A file or a folder that is not this user's own is refused, see
    /// [`files`](crate::files).
    pub(super) fn open(
        path: &Path,
        rotation: Rotation,
        clock: fn() -> SystemTime,
        progress: Arc<Progress>,
    ) -> io::Result<Self> {
        let path = LogPath::of(path)?;
        let (folder, file) = path.open()?;
        let mut opened = Self {
            path,
            rotation,
            clock,
            progress,
            folder,
            file,
            size: 0,
            buffer: Vec::new(),
            torn: Vec::new(),
            gap: Gap::default(),
            buffered_lines: 0,
            lines_since_check: 0,
            lines_since_try: 0,
            checked_at: clock(),
            failing: false,
            overdue: false,
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

    /// Puts a line into the buffer, or counts it.
    fn take(&mut self, line: &[u8]) {
        self.buffered_lines += 1;
        self.lines_since_check += 1;
        self.lines_since_try += 1;
        // The gap is told before what follows it.
        let is_open = self.gap.is_empty() || self.push_notice();
        if is_open && self.has_space(line.len()) {
            self.buffer.extend_from_slice(line);
        } else {
            self.gap.add_line(line);
            self.progress.lose(1);
        }
    }

    /// Whether so many bytes more may wait to be written. A file that cannot be put aside does not
    /// grow beyond what all of its files together may have.
    fn has_space(&self, bytes: usize) -> bool {
        let files = u64::from(self.rotation.keep) + 1;
        let most = self.rotation.max_bytes.saturating_mul(files);
        let filled = self.size + self.buffer.len() as u64 + bytes as u64;
        self.buffer.len() + bytes <= MAX_UNWRITTEN && (!self.overdue || filled <= most)
    }

    /// Puts the line that stands for missing ones into the buffer, if there is room for it and for
    /// some more.
    fn push_notice(&mut self) -> bool {
        if !self.has_space(BUFFER) {
            return false;
        }
        let notice = self.gap.take_notices((self.clock)(), MISSING);
        self.buffer.extend_from_slice(notice.as_bytes());
        true
    }

    fn write_out(&mut self) {
        self.lines_since_try = 0;
        let written = self.check().and_then(|()| self.write_buffer());
        let written = match written {
            // As soon as writing works, and not only with the next line.
            Ok(()) if !self.gap.is_empty() && self.push_notice() => self.write_buffer(),
            written => written,
        };
        self.failing = written.is_err();
        match written {
            Ok(()) if self.overdue => {}
            Ok(()) => self.progress.succeed(),
            Err(error) => self.progress.fail(&error),
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
        let written = &self.buffer[..done];
        if let Some(end) = written.iter().rposition(|byte| *byte == b'\n') {
            self.torn = written[end + 1..].to_vec();
        } else {
            self.torn.extend_from_slice(written);
        }
        self.buffer.drain(..done);
        self.size += done as u64;
        result
    }

    /// Opens the file anew if its name leads to another by now, or to none: somebody deleted it,
    /// or another process rotated it.
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
        if !self.is_current()? {
            return self.reopen();
        }
        self.size = self.file.metadata()?.len();
        if self.overdue {
            self.rotate();
        }
        Ok(())
    }

    /// Whether the file's name, and its folder's, still lead to what is open.
    fn is_current(&self) -> io::Result<bool> {
        let folder = match fs::metadata(&self.path.folder) {
            Ok(metadata) => identity(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let file = identity(&self.file.metadata()?);
        Ok(folder == self.folder.identity()? && self.folder.find(&self.path.name)? == Some(file))
    }

    fn reopen(&mut self) -> io::Result<()> {
        (self.folder, self.file) = self.path.open()?;
        self.overdue = false;
        // The other file has only the beginning of that line; this one gets the whole of it.
        self.buffer.splice(0..0, self.torn.drain(..));
        self.take_up()
    }

    /// Puts the file aside for a new one, unless another process has just done so. If that fails,
    /// lines go on to the old file, and it is tried again with the next check.
    fn rotate(&mut self) {
        let rotated = self.is_current().and_then(|current| {
            if current {
                self.rename()?;
            }
            self.reopen()
        });
        self.overdue = rotated.is_err();
        if let Err(error) = rotated {
            let error = about("it is full, and cannot be put aside for a new one", &error);
            self.progress.fail(&error);
        }
    }

    fn rename(&self) -> io::Result<()> {
        let failed = |name: &OsStr, error: &io::Error| about(&name.display().to_string(), error);
        for number in 1..=self.rotation.keep {
            // Not over what is not ours, nor what we did not make.
            let name = self.path.numbered(number);
            let check = self.folder.check(&name);
            check.map_err(|error| failed(&name, &error))?;
        }
        for number in (1..self.rotation.keep).rev() {
            let (from, to) = (self.path.numbered(number), self.path.numbered(number + 1));
            match self.folder.rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(&from, &error));
                }
                _ => {}
            }
        }
        self.folder.rename(&self.path.name, &self.path.numbered(1))
    }
}

fn identity(metadata: &fs::Metadata) -> FileIdentity {
    (metadata.dev(), metadata.ino())
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let filled = self.size + self.buffer.len() as u64;
        let is_full = filled > 0 && filled + line.len() as u64 > self.rotation.max_bytes;
        if is_full && !self.overdue && self.may_try() {
            self.write_out();
            if self.buffer.is_empty() {
                self.rotate();
            }
        }
        self.take(line);
        if self.buffer.len() >= BUFFER && self.may_try() {
            self.write_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let is_idle = self.buffer.is_empty() && self.buffered_lines == 0;
        if !is_idle || !self.gap.is_empty() || self.overdue {
            self.write_out();
        }
        Ok(())
    }
}

impl RotatingFile {
    /// A disk that refuses is not asked with every line.
    fn may_try(&self) -> bool {
        !self.failing || self.lines_since_try >= TRY_EVERY_LINES
    }
}

#[cfg(test)]
mod tests;
