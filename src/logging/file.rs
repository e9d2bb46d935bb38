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

/// Size in bytes at which the buffer is written out.
const BUFFER: usize = 64 * 1024;
/// Bytes that are kept while the file cannot be written. Lines beyond that are lost.
const MAX_UNWRITTEN: usize = 1024 * 1024;
/// How often it is checked that the path still leads to this file.
const CHECK_EVERY: Duration = Duration::from_secs(1);
const CHECK_EVERY_LINES: u64 = 1000;
/// After how many lines writing is tried again while the disk refuses.
const TRY_EVERY_LINES: u64 = 256;
/// The message in place of lines for which there was no space.
const MISSING: &str = "lines are missing here, because the file could not be written";

/// When a file is rotated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    /// The largest size of a file in bytes; a single line may be longer.
    pub(super) max_bytes: u64,
    /// How many older files are kept: `x.log.1`, the newest of them, to `x.log.<keep>`.
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

/// The file with its buffer. It takes whole lines, one in each call of `write`, and never fails:
/// errors are kept in the [`Progress`], and what could not be written is tried again.
pub(super) struct RotatingFile {
    path: LogPath,
    rotation: Rotation,
    clock: fn() -> SystemTime,
    progress: Arc<Progress>,
    folder: Folder,
    file: File,
    /// The size of the file, without the buffer.
    size: u64,
    buffer: Vec<u8>,
    /// The part of a line that is in the file already, while the rest is at the start of the
    /// buffer.
    torn: Vec<u8>,
    /// Lines for which there was no space, after those in the buffer.
    gap: Gap,
    buffered_lines: u64,
    lines_since_check: u64,
    lines_since_try: u64,
    checked_at: SystemTime,
    /// The last attempt to write failed.
    failing: bool,
    /// The file is due for rotation, which failed.
    overdue: bool,
}

/// The path of the file, as its folder and its name.
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

    /// Opens the folder and the file in it, and creates them if they do not exist.
    fn open(&self) -> io::Result<(Folder, File)> {
        make_folder(&self.folder)?;
        let folder = Folder::open(&self.folder).map_err(|error| about("its folder", &error))?;
        let file = folder.append(&self.name)?;
        Ok((folder, file))
    }

    /// The name of an older file, such as `x.log.3`.
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
    /// Opens the file for appending, and creates it with mode 0600, and its folder with mode 0700,
    /// if they do not exist. A file or folder of another user is refused, see
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

    /// Finds the end of the file, and terminates a line that a crash left torn.
    fn take_up(&mut self) -> io::Result<()> {
        self.size = self.file.metadata()?.len();
        let Some(last) = self.size.checked_sub(1) else {
            return Ok(());
        };
        let mut end = [b'\n'];
        self.file.read_at(&mut end, last)?;
        if end != [b'\n'] {
            // It ends the torn line, so that the next one begins on a line of its own.
            self.buffer.insert(0, b'\n');
        }
        Ok(())
    }

    /// Puts a line into the buffer, or counts it.
    fn take(&mut self, line: &[u8]) {
        self.buffered_lines += 1;
        self.lines_since_check += 1;
        self.lines_since_try += 1;
        // The notice of a gap comes before the lines after it.
        let is_open = self.gap.is_empty() || self.push_notice();
        if is_open && self.has_space(line.len()) {
            self.buffer.extend_from_slice(line);
        } else {
            self.gap.add_line(line);
            self.progress.lose(1);
        }
    }

    /// Whether there is space for so many more bytes. A file that cannot be rotated does not grow
    /// beyond the size of all files together.
    fn has_space(&self, bytes: usize) -> bool {
        let files = u64::from(self.rotation.keep) + 1;
        let most = self.rotation.max_bytes.saturating_mul(files);
        let filled = self.size + self.buffer.len() as u64 + bytes as u64;
        self.buffer.len() + bytes <= MAX_UNWRITTEN && (!self.overdue || filled <= most)
    }

    /// Puts the notice of a gap into the buffer, if there is space for it and for some lines after
    /// it.
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
            // As soon as writing works again, and not only with the next line.
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

    /// Writes as much of the buffer as the system takes; the rest stays.
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

    /// Opens the file again if its path leads to another one or to none, because somebody deleted
    /// it or another process rotated it.
    fn check(&mut self) -> io::Result<()> {
        let now = (self.clock)();
        let elapsed = now
            .duration_since(self.checked_at)
            // A clock that was set back counts as time that has passed, too.
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

    /// Whether the paths of the file and its folder still lead to what is open.
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
        // The old file has only the beginning of this line; the new one gets all of it.
        self.buffer.splice(0..0, self.torn.drain(..));
        self.take_up()
    }

    /// Rotates the file, unless another process has just done so. If that fails, lines still go to
    /// the old file, and the next check tries again.
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
            // Nothing is renamed over a file that is not this user's.
            let name = self.path.numbered(number);
            let check = self.folder.check(&name);
            check.map_err(|error| failed(&name, &error))?;
        }
        // From the oldest on, so that each name is free before the next file gets it.
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
    /// Whether to try to write: a disk that refuses is not tried with every line.
    fn may_try(&self) -> bool {
        !self.failing || self.lines_since_try >= TRY_EVERY_LINES
    }
}

#[cfg(test)]
mod tests;
