//! Where lines come from, and can be looked up again: the steps do not hold them.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

use super::step::LineLocation;

/// No line is longer; what is looked up is cut there.
const MAX_LINE: u64 = 64 * 1024;
/// Read at once.
const BUFFER: usize = 256 * 1024;

/// A log.
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
    /// A file.
    pub fn file(path: PathBuf) -> Self {
        Self {
            name: path.display().to_string(),
            content: SourceContent::File(path),
        }
    }

    /// What a file of this name would hold.
    pub fn memory(name: &str, content: &str) -> Self {
        Self {
            name: name.to_owned(),
            content: SourceContent::Memory(content.as_bytes().into()),
        }
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn open(&self) -> io::Result<impl BufRead + Seek + use<>> {
        let reader: Box<dyn ReadSeek> = match &self.content {
            SourceContent::File(path) => Box::new(File::open(path)?),
            SourceContent::Memory(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
        };
        Ok(BufReader::with_capacity(BUFFER, reader))
    }
}

/// So many files are open at once.
const MANY: usize = 32;

/// Looks up lines by their places; cheap where those of each file come in their order.
#[derive(Default)]
pub struct LineLookup {
    /// By file, with where it is read next.
    open: HashMap<u32, (u64, Box<dyn BufReadSeek>)>,
}

trait BufReadSeek: BufRead + Seek {}
impl<T: BufRead + Seek> BufReadSeek for T {}

impl LineLookup {
    /// The line, without its end; `None` where it is not there any more.
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
        if self.open.len() >= MANY {
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

/// Without the byte-order mark that some editors put at the beginning of a file. It is taken from
/// every line, since files are put one after the other.
pub(super) fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
}
