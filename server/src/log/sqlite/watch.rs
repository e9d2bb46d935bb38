//! Watches the files of an open log: whether they are still the same.
//!
//! A process can go on writing to a file that was deleted, moved or replaced: everything is
//! acknowledged, and lost when the process ends. A file that is overwritten in place is mixed with
//! what is written next. So the files are checked regularly between two commits. Any change at that
//! time is somebody else's.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{beside, mark};

/// The length in bytes of a write-ahead log's header
/// (<https://www.sqlite.org/fileformat2.html#walformat>). It gets new salts each time the log
/// restarts.
const HEADER: usize = 32;
/// The length in bytes of the header of each page in it.
const FRAME: u64 = 24;

/// What happened to a file.
#[derive(Debug, Error)]
pub(super) enum Changed {
    #[error("{} cannot be found any more: {source}", path.display())]
    Gone { path: PathBuf, source: io::Error },
    #[error("{} is not the file any more that was opened", path.display())]
    Replaced { path: PathBuf },
    #[error("{} was changed by somebody else", path.display())]
    Written { path: PathBuf },
}

/// The files of an open log, as it last left them.
#[derive(Debug)]
pub(super) struct Watched {
    chat: PathBuf,
    /// The file that each path led to.
    files: Vec<(PathBuf, FileId)>,
    /// The main file as the last checkpoint left it.
    main: FileStamp,
    log: File,
    /// The write-ahead log as the last commit left it.
    log_contents: Option<FileStamp>,
    log_path: PathBuf,
    page: u64,
    /// The number of pages in the write-ahead log.
    pages: u64,
    header: [u8; HEADER],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    size: u64,
    /// Time of the last modification, in seconds and nanoseconds.
    modified: (i64, i64),
}

impl Watched {
    /// Records the files of this chat, which is open, and `others`. `page` is the page size in
    /// bytes.
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

    /// Called after a commit, with the number of pages in the write-ahead log.
    pub(super) fn committed(&mut self, pages: u64) {
        // It has restarted, or was empty.
        if pages < self.pages || self.pages == 0 {
            // If it cannot be read, the next check finds that.
            let _ = self.log.read_exact_at(&mut self.header, 0);
        }
        self.pages = pages;
        self.log_contents = self.log_now();
    }

    /// Checks the write-ahead log. Called before a commit, which would hide changes by somebody
    /// else.
    pub(super) fn before_commit(&self) -> Result<(), Changed> {
        if self.log_now() == self.log_contents {
            Ok(())
        } else {
            let path = self.log_path.clone();
            Err(Changed::Written { path })
        }
    }

    fn log_now(&self) -> Option<FileStamp> {
        let metadata = self.log.metadata().ok()?;
        Some(contents(&metadata))
    }

    /// Called after a checkpoint, the only operation that writes to the main file.
    pub(super) fn checkpointed(&mut self) -> Result<(), Changed> {
        self.main = contents(&stat(&self.chat)?);
        Ok(())
    }

    /// Checks that all files are as they were left.
    pub(super) fn check(&self) -> Result<(), Changed> {
        for (path, expected) in &self.files {
            if identity(&stat(path)?) != *expected {
                return Err(Changed::Replaced { path: path.clone() });
            }
        }
        let changed = |path: &Path| Err(Changed::Written { path: path.into() });
        if contents(&stat(&self.chat)?) != self.main {
            return changed(&self.chat);
        }
        if self.pages > 0 && !self.log_is_ours() {
            return changed(&self.log_path);
        }
        self.before_commit()
    }

    /// Whether the write-ahead log's header is as it was, and its last page is where it was written
    /// and has the same salts. This finds changes that were made during a commit.
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

fn identity(metadata: &Metadata) -> FileId {
    FileId {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

fn contents(metadata: &Metadata) -> FileStamp {
    FileStamp {
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const PAGE: u64 = 512;

    /// The files of a chat that are watched.
    struct Files {
        folder: TempDir,
        chat: PathBuf,
        log: PathBuf,
    }

    impl Files {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let chat = folder.path().join("chat.db");
            let log = beside(&chat, "-wal");
            for (path, text) in [(&chat, "chat"), (&beside(&chat, "-shm"), ""), (&log, "")] {
                fs::write(path, text).expect("written");
            }
            fs::write(mark::mark_file(&chat), "mark").expect("written");
            Self { folder, chat, log }
        }

        fn watched(&self) -> Watched {
            let lock = self.folder.path().join("lock");
            fs::write(&lock, "").expect("written");
            Watched::new(&self.chat, &[lock], PAGE).expect("all are there")
        }

        /// A write-ahead log of these salts with so many pages, and as many bytes more.
        fn write_log(&self, salts: u8, pages: usize, more: usize) {
            let mut log = vec![1; HEADER];
            log[16..24].fill(salts);
            for _ in 0..pages {
                let mut frame = vec![2; 24 + 512];
                frame[8..16].fill(salts);
                log.extend(frame);
            }
            log.resize(log.len() + more, 3);
            write_over(&self.log, 0, &log);
        }
    }

    /// Into the same file, which keeps its time if it keeps its size.
    fn write_over(path: &Path, at: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(path).expect("ours");
        let before = file.metadata().expect("there");
        file.write_all_at(bytes, at).expect("written");
        if file.metadata().expect("there").len() == before.len() {
            let modified = before.modified().expect("known");
            file.set_modified(modified).expect("set");
        }
    }

    fn changed_file(result: Result<(), Changed>) -> Option<PathBuf> {
        match result.err()? {
            Changed::Written { path } => Some(path),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn files_that_nobody_touched_are_the_same() {
        let files = Files::new();
        let mut watched = files.watched();
        watched.check().expect("nothing happened");
        for pages in 1..4 {
            files.write_log(7, pages, 0);
            watched.committed(pages as u64);
            watched.check().expect("only what was committed");
            watched.before_commit().expect("only what was committed");
        }
        // It begins anew, and the rest of it is left there.
        files.write_log(8, 1, 0);
        watched.committed(1);
        watched.check().expect("only what was committed");
        write_over(&files.chat, 0, b"more of a chat");
        watched.checkpointed().expect("it is there");
        watched.check().expect("only what was folded in");
    }

    #[test]
    fn a_file_that_is_gone_or_another_one_is_found() {
        for name in [
            "chat.db",
            "chat.db-wal",
            "chat.db-shm",
            "chat.db-mark",
            "lock",
        ] {
            let files = Files::new();
            let watched = files.watched();
            let path = files.folder.path().join(name);
            let aside = files.folder.path().join("aside");
            fs::rename(&path, &aside).expect("renamed");
            let gone = watched.check().expect_err(name);
            assert!(
                matches!(&gone, Changed::Gone { path: gone, .. } if *gone == path),
                "{gone}"
            );
            fs::copy(&aside, &path).expect("copied");
            let replaced = watched.check().expect_err(name);
            assert!(
                matches!(&replaced, Changed::Replaced { path: other } if *other == path),
                "{replaced}"
            );
            fs::rename(&aside, &path).expect("renamed");
            watched.check().expect("it is back");
        }
    }

    #[test]
    fn a_chat_that_is_written_to_between_two_checkpoints_is_found() {
        let files = Files::new();
        let mut watched = files.watched();
        write_over(&files.chat, 4, b"more");
        assert_eq!(changed_file(watched.check()), Some(files.chat.clone()));
        watched.checkpointed().expect("it is there");
        watched.check().expect("it was folded in");
        // Of the same size, at another time.
        let file = File::options().write(true).open(&files.chat).expect("ours");
        file.set_modified(std::time::UNIX_EPOCH).expect("set");
        assert_eq!(changed_file(watched.check()), Some(files.chat.clone()));
        fs::remove_file(&files.chat).expect("there");
        watched.checkpointed().expect_err("it is gone");
    }

    #[test]
    fn a_write_ahead_log_that_somebody_else_writes_to_is_found() {
        let files = Files::new();
        let mut watched = files.watched();
        files.write_log(7, 2, 0);
        watched.committed(2);
        files.write_log(7, 3, 0);
        for found in [watched.before_commit(), watched.check()] {
            assert_eq!(changed_file(found), Some(files.log.clone()));
        }
    }

    /// What was done to it in the moment of a commit, and looks like part of that.
    #[test]
    fn a_write_ahead_log_is_known_by_its_header_and_its_last_page() {
        let last = HEADER as u64 + FRAME + PAGE;
        for (what, at) in [
            ("the first byte", 0),
            ("the last byte of the header", HEADER as u64 - 1),
            ("a salt of the header", 16),
            ("a salt of the last page", last + 8),
            ("the other salt of the last page", last + 15),
        ] {
            let files = Files::new();
            let mut watched = files.watched();
            files.write_log(7, 2, 0);
            watched.committed(2);
            write_over(&files.log, at, &[9]);
            watched
                .before_commit()
                .expect("its size and time are the same");
            assert_eq!(
                changed_file(watched.check()),
                Some(files.log.clone()),
                "{what}"
            );
        }
        // The bytes before these are not checked, nor the page's contents.
        for at in [HEADER as u64 + 8, last + 7, last + 16] {
            let files = Files::new();
            let mut watched = files.watched();
            files.write_log(7, 2, 0);
            watched.committed(2);
            write_over(&files.log, at, &[9]);
            watched.check().expect("not looked at");
        }
    }

    #[test]
    fn a_write_ahead_log_that_is_shorter_than_its_pages_is_found() {
        for (more, is_whole) in [(535, false), (536, true), (900, true)] {
            let files = Files::new();
            let mut watched = files.watched();
            files.write_log(7, 1, more);
            // The salts of the last page.
            write_over(&files.log, HEADER as u64 + FRAME + PAGE + 8, &[7; 8]);
            watched.committed(2);
            assert_eq!(watched.check().is_ok(), is_whole, "{more}");
        }
    }

    #[test]
    fn a_new_header_is_believed_only_if_the_log_began_anew() {
        for (pages, is_believed) in [(3, false), (2, false), (1, true)] {
            let files = Files::new();
            let mut watched = files.watched();
            files.write_log(7, 2, 0);
            watched.committed(2);
            files.write_log(8, 3, 0);
            watched.committed(pages);
            assert_eq!(watched.check().is_ok(), is_believed, "{pages} pages");
        }
    }
}
