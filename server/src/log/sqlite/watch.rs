//! Whether the files of a log that is open are still the same.
//!
//! A file that was deleted, moved or replaced can be written to as if nothing was: everything is
//! acknowledged, and gone when the process ends. A file that is overwritten in place is mixed with
//! what comes next. So the files are looked at again and again, between two commits, when nobody
//! but somebody else can be writing to them.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{beside, mark};

/// The header of a write-ahead log: <https://www.sqlite.org/fileformat2.html#walformat>. It has
/// new salts each time that the log begins anew.
const HEADER: usize = 32;
/// The header of each page in it.
const FRAME: u64 = 24;

/// What happened to a file.
#[derive(Debug, Error)]
pub(super) enum Changed {
    #[error("{} cannot be found any more: {source}", path.display())]
    Gone { path: PathBuf, source: io::Error },
    #[error("{} is not the file any more that was opened", path.display())]
    Replaced { path: PathBuf },
    #[error("{} was changed by somebody else", path.display())]
    Changed { path: PathBuf },
}

/// The files of an open log, as they were when only it had written to them.
#[derive(Debug)]
pub(super) struct Watched {
    chat: PathBuf,
    /// Which file each name was.
    files: Vec<(PathBuf, Identity)>,
    /// The main file as the last checkpoint left it.
    main: Contents,
    log: File,
    /// The write-ahead log as the last commit left it.
    log_contents: Option<Contents>,
    log_path: PathBuf,
    page: u64,
    /// So many pages are in the write-ahead log.
    pages: u64,
    header: [u8; HEADER],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Contents {
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Watched {
    /// Takes note of the files of this chat, which is open, and of `others`. It has pages of so
    /// many bytes.
    pub(super) fn new(chat: &Path, others: &[PathBuf], page: u64) -> Result<Self, Changed> {
        let log_path = beside(chat, "-wal");
        let log = File::open(&log_path).map_err(|source| Changed::Gone {
            path: log_path.clone(),
            source,
        })?;
        let mut watched = Self {
            chat: chat.into(),
            files: Vec::new(),
            main: contents(&stat(chat)?),
            log_contents: log.metadata().ok().map(|metadata| contents(&metadata)),
            log,
            log_path,
            page,
            pages: 0,
            header: [0; HEADER],
        };
        let shared = beside(chat, "-shm");
        let own = [chat.into(), watched.log_path.clone(), shared];
        let mark = Some(mark::mark_file(chat)).filter(|mark| mark.exists());
        for path in own.into_iter().chain(mark).chain(others.iter().cloned()) {
            let identity = identity(&stat(&path)?);
            watched.files.push((path, identity));
        }
        Ok(watched)
    }

    /// After a commit: so many pages are in the write-ahead log now.
    pub(super) fn committed(&mut self, pages: u64) {
        // It began anew, or was empty.
        if pages < self.pages || self.pages == 0 {
            // If it cannot be read, the next look finds that.
            let _ = self.log.read_exact_at(&mut self.header, 0);
        }
        self.pages = pages;
        self.log_contents = self.log_now();
    }

    /// Before a commit, which would hide what somebody else did to the write-ahead log.
    pub(super) fn before_commit(&self) -> Result<(), Changed> {
        if self.log_now() == self.log_contents {
            Ok(())
        } else {
            let path = self.log_path.clone();
            Err(Changed::Changed { path })
        }
    }

    fn log_now(&self) -> Option<Contents> {
        let metadata = self.log.metadata().ok()?;
        Some(contents(&metadata))
    }

    /// After a checkpoint, which alone writes to the main file.
    pub(super) fn checkpointed(&mut self) -> Result<(), Changed> {
        self.main = contents(&stat(&self.chat)?);
        Ok(())
    }

    /// Whether all files are as they were.
    pub(super) fn look(&self) -> Result<(), Changed> {
        for (path, expected) in &self.files {
            if identity(&stat(path)?) != *expected {
                return Err(Changed::Replaced { path: path.clone() });
            }
        }
        let changed = |path: &Path| Err(Changed::Changed { path: path.into() });
        if contents(&stat(&self.chat)?) != self.main {
            return changed(&self.chat);
        }
        if self.pages > 0 && !self.log_is_ours() {
            return changed(&self.log_path);
        }
        self.before_commit()
    }

    /// The header is as it was, and the last page is where it was written, of the same log: finds
    /// what was changed in the very moment of a commit.
    fn log_is_ours(&self) -> bool {
        let mut header = [0; HEADER];
        let mut salts = [0; 8];
        let last = HEADER as u64 + (self.pages - 1) * (FRAME + self.page);
        let read = self
            .log
            .read_exact_at(&mut header, 0)
            .and_then(|()| self.log.read_exact_at(&mut salts, last + 8));
        let length = self.log.metadata().map_or(0, |metadata| metadata.len());
        read.is_ok()
            && header == self.header
            && header[16..24] == salts
            && length >= last + FRAME + self.page
    }
}

fn stat(path: &Path) -> Result<Metadata, Changed> {
    fs::symlink_metadata(path).map_err(|source| Changed::Gone {
        path: path.into(),
        source,
    })
}

fn identity(metadata: &Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

fn contents(metadata: &Metadata) -> Contents {
    Contents {
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    }
}
