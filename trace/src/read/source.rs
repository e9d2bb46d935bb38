//! The logs that lines come from. Steps do not hold the text of their lines: it is read again from
//! here when it is to be shown.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

use super::step::LineLocation;

/// The longest line in bytes that a lookup returns; longer ones are cut.
const MAX_LINE: u64 = 64 * 1024;
/// How many bytes are read at once.
const BUFFER: usize = 256 * 1024;

/// A log file, or text in memory that stands for one.
#[derive(Clone, Debug)]
pub struct LogSource {
    name: String,
    content: SourceContent,
}

#[derive(Clone, Debug)]
enum SourceContent {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

impl LogSource {
    /// The log file at this path.
    pub fn file(path: PathBuf) -> Self {
        Self {
            name: path.display().to_string(),
            content: SourceContent::File(path),
        }
    }

    /// A log in memory, as if a file of this name had this content.
    pub fn memory(name: &str, content: &str) -> Self {
        Self {
            name: name.to_owned(),
            content: SourceContent::Memory(content.as_bytes().into()),
        }
    }

    /// The name for messages: the path of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens the log for reading from its beginning.
    pub(super) fn open(&self) -> io::Result<impl BufRead + Seek + use<>> {
        let reader: Box<dyn ReadSeek> = match &self.content {
            SourceContent::File(path) => Box::new(File::open(path)?),
            SourceContent::Memory(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
        };
        Ok(BufReader::with_capacity(BUFFER, reader))
    }
}

/// How many files a lookup keeps open at once.
const MAX_OPEN: usize = 32;

/// Looks up lines by their location. Lookups in ascending order within a file are cheap, since each
/// file stays open where it was last read.
#[derive(Default)]
pub struct LineLookup {
    /// The open files by number, each with its offset.
    open: HashMap<u32, (u64, Box<dyn BufReadSeek>)>,
}

trait BufReadSeek: BufRead + Seek {}
impl<T: BufRead + Seek> BufReadSeek for T {}

impl LineLookup {
    /// The line without its line feed; `None` if the file is gone or cannot be read any more.
    pub fn get(&mut self, sources: &[LogSource], location: LineLocation) -> Option<String> {
        let (at, mut reader) = if let Some(open) = self.open.remove(&location.file) {
            open
        } else {
            let source = sources.get(location.file as usize)?;
            let reader: Box<dyn BufReadSeek> = Box::new(source.open().ok()?);
            (0, reader)
        };
        if at != location.offset {
            reader.seek(SeekFrom::Start(location.offset)).ok()?;
        }
        let mut line = Vec::new();
        let read = (&mut reader)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .ok()?;
        // Simply all of them: lookups come in the order of files, so that old ones are not needed.
        if self.open.len() >= MAX_OPEN {
            self.open.clear();
        }
        self.open
            .insert(location.file, (location.offset + read as u64, reader));
        let line = without_mark(&line);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

/// Removes the byte-order mark that some editors put at the beginning of a file. It is removed from
/// every line, since a file can be the concatenation of several.
pub(super) fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
}
