//! Reads log files that are still being written, and are rotated meanwhile.

use std::{
    fs::File,
    io::{self, BufReader, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{LineLocation, LogSource, Trace, TraceReadError, find};

/// Reads a set of log files on as they grow. It recognises a file by its device and inode number, so
/// that a renamed file is read on where the reading stopped.
#[derive(Debug)]
pub struct LogTailer {
    paths: Vec<PathBuf>,
    /// Everything that was read so far.
    pub trace: Trace,
    files: Vec<TailedFile>,
}

/// A file that was there when the folder was last listed. It is kept open, for two reasons: it can be
/// read to its end after it was renamed or removed, and no other file can get its inode number.
#[derive(Debug)]
struct TailedFile {
    identity: DeviceInode,
    file: File,
    /// Where the next poll continues reading.
    next: LineLocation,
    /// The run of the line before, to which a hole belongs if the next line does not parse.
    last_run: Option<usize>,
    /// The file was found in the last listing.
    listed: bool,
}

/// What identifies a file on this machine: its device and inode numbers.
type DeviceInode = (u64, u64);

impl LogTailer {
    /// Makes a tailer of these files and folders. Nothing is read yet.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            trace: Trace::default(),
            files: Vec::new(),
        }
    }

    /// Reads what was written since the last poll. Returns whether there were new lines. A line
    /// whose line feed is not written yet is left for the next poll.
    ///
    /// # Errors
    ///
    /// Fails if a file or folder cannot be read.
    pub fn poll(&mut self) -> Result<bool, TraceReadError> {
        let new = self.list()?;
        let lines = self.trace.lines;
        // Known files first: a file that was rotated away is read to its end before the new file that
        // took its name, so that the lines of a run stay in order.
        for file in &mut self.files {
            file.read_on(&mut self.trace)?;
        }
        // What is gone was read to its end above, and gets no more lines.
        self.files.retain(|file| file.listed);
        for (path, file, identity) in new {
            let number = u32::try_from(self.trace.sources.len()).unwrap_or(u32::MAX);
            self.trace.sources.push(LogSource::file(path));
            let mut file = TailedFile {
                identity,
                file,
                next: LineLocation::start_of(number),
                last_run: None,
                listed: true,
            };
            file.read_on(&mut self.trace)?;
            self.files.push(file);
        }
        for run in &mut self.trace.runs {
            run.finish();
        }
        Ok(self.trace.lines > lines)
    }

    /// Lists the files again: marks those that are gone, updates the names of renamed ones, and
    /// returns the new ones.
    fn list(&mut self) -> Result<Vec<(PathBuf, File, DeviceInode)>, TraceReadError> {
        let found = match find(&self.paths) {
            Ok(found) => found,
            // During a rotation there is a moment without a file of that name.
            Err(error)
                if error.source.kind() == io::ErrorKind::NotFound && !self.files.is_empty() =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let mut new = Vec::new();
        for file in &mut self.files {
            file.listed = false;
        }
        for path in found {
            let (file, identity, length) = match open(&path) {
                Ok(opened) => opened,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(TraceReadError { path, source }),
            };
            let mut known = self.files.iter_mut();
            // A file that is shorter than what was read of it was truncated: it is read as a new one.
            match known.find(|known| known.identity == identity && known.next.offset <= length) {
                Some(known) => {
                    known.listed = true;
                    self.trace.rename(known.next.file, path);
                }
                None => new.push((path, file, identity)),
            }
        }
        Ok(new)
    }
}

fn open(path: &Path) -> io::Result<(File, DeviceInode, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, (metadata.dev(), metadata.ino()), metadata.len()))
}

impl TailedFile {
    /// Reads the complete lines that were added.
    fn read_on(&mut self, trace: &mut Trace) -> Result<(), TraceReadError> {
        let mut read = || {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(self.next.offset))?;
            let mut reader = BufReader::new(file);
            trace.read_lines(&mut self.next, &mut self.last_run, &mut reader, true)
        };
        read().map_err(|source| TraceReadError {
            path: trace
                .sources
                .get(self.next.file as usize)
                .map_or("", LogSource::name)
                .into(),
            source,
        })
    }
}
