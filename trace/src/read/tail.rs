//! Log files that are still being written.

use std::{
    fs::File,
    io::{self, BufReader, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{LineLocation, LogSource, Trace, TraceReadError, find};

/// Reads on where it was, whatever the files are called by now.
#[derive(Debug)]
pub struct LogTailer {
    paths: Vec<PathBuf>,
    /// All that was read so far.
    pub trace: Trace,
    files: Vec<TailedFile>,
}

/// A file that was there when the folder was last looked at. It is kept open, so that it can be
/// read to its end when it is renamed, and no other file can have its number.
#[derive(Debug)]
struct TailedFile {
    identity: DeviceInode,
    file: File,
    /// Where it is read on.
    next: LineLocation,
    /// The run of the line before.
    last_run: Option<usize>,
    there: bool,
}

/// Which file it is, by the system's numbers.
type DeviceInode = (u64, u64);

impl LogTailer {
    /// Of these files and folders; nothing is read yet.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            trace: Trace::default(),
            files: Vec::new(),
        }
    }

    /// Reads what was written since; whether that was anything. A line whose end is not written
    /// yet is left for the next time.
    pub fn poll(&mut self) -> Result<bool, TraceReadError> {
        let new = self.look()?;
        let lines = self.trace.lines;
        // What was renamed is read to its end before what took its name.
        for file in &mut self.files {
            file.read_on(&mut self.trace)?;
        }
        self.files.retain(|file| file.there);
        for (path, file, identity) in new {
            let number = u32::try_from(self.trace.sources.len()).unwrap_or(u32::MAX);
            self.trace.sources.push(LogSource::file(path));
            let mut file = TailedFile {
                identity,
                file,
                next: LineLocation::start_of(number),
                last_run: None,
                there: true,
            };
            file.read_on(&mut self.trace)?;
            self.files.push(file);
        }
        for run in &mut self.trace.runs {
            run.finish();
        }
        Ok(self.trace.lines > lines)
    }

    /// Finds out which files are gone, renamed and new.
    fn look(&mut self) -> Result<Vec<(PathBuf, File, DeviceInode)>, TraceReadError> {
        let found = match find(&self.paths) {
            Ok(found) => found,
            // In the moment of its renaming a file has no successor yet.
            Err(error)
                if error.source.kind() == io::ErrorKind::NotFound && !self.files.is_empty() =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let mut new = Vec::new();
        for file in &mut self.files {
            file.there = false;
        }
        for path in found {
            let (file, identity, length) = match open(&path) {
                Ok(opened) => opened,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(TraceReadError { path, source }),
            };
            let mut known = self.files.iter_mut();
            match known.find(|known| known.identity == identity && known.next.offset <= length) {
                Some(known) => {
                    known.there = true;
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
