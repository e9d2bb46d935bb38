//! Where a process's lines go: first to memory, then to a file, and nowhere after it was closed.

use std::{
    io, mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::{
    escape,
    file::{RotatingFile, Rotation},
    gap::Gap,
    health::LogTrouble,
    line::LineRecord,
    progress::{Progress, Watcher},
    queue::LineQueue,
};

/// Bytes of lines that are held before a file is open.
const MAX_HELD: usize = 1024 * 1024;
/// The message in place of lines that could not be held.
const NOT_HELD: &str = "more lines than can be held before the log is open";

/// The destination of the layer's records, which [`Log`](super::Log) opens.
pub(super) struct Outlet {
    clock: fn() -> SystemTime,
    run: Arc<str>,
    state: Mutex<OutletState>,
    watcher: Arc<Watcher>,
}

struct OutletState {
    lines: LineSink,
    /// The file that could not be opened yet, if there is one.
    pending: Option<PendingFile>,
}

enum LineSink {
    Holding(HeldRecords),
    Open(OpenLog),
    Closed,
}

/// A file that is still to be opened, and why it could not be.
struct PendingFile {
    who: String,
    directory: PathBuf,
    reason: String,
}

/// Records that wait for a file.
#[derive(Default)]
struct HeldRecords {
    records: Vec<LineRecord>,
    bytes: usize,
    gap: Gap,
}

struct OpenLog {
    /// The name, encoded as in a line.
    who: String,
    path: PathBuf,
    queue: LineQueue,
}

impl Outlet {
    pub(super) fn new(clock: fn() -> SystemTime, run: Arc<str>) -> Self {
        Self {
            clock,
            run,
            state: Mutex::new(OutletState {
                lines: LineSink::Holding(HeldRecords::default()),
                pending: None,
            }),
            watcher: Arc::default(),
        }
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    pub(super) fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    pub(super) fn emit(&self, record: LineRecord) {
        match &mut self.state().lines {
            LineSink::Holding(held) => held.push(record, &self.run),
            LineSink::Open(opened) => opened.queue.send(&record, &opened.who, &self.run),
            LineSink::Closed => {}
        }
    }

    /// Opens the file. Lines go there from now on, beginning with those held. If it fails,
    /// [`Outlet::check`] tries again.
    pub(super) fn open(
        &self,
        who: &str,
        directory: &Path,
    ) -> Result<PathBuf, (PathBuf, io::Error)> {
        let opened = self.try_open(who, directory);
        self.state().pending = opened.as_ref().err().map(|(_, error)| PendingFile {
            who: who.to_owned(),
            directory: directory.to_owned(),
            reason: error.to_string(),
        });
        if opened.is_err() {
            self.watcher.wake();
        }
        opened
    }

    fn try_open(&self, who: &str, directory: &Path) -> Result<PathBuf, (PathBuf, io::Error)> {
        let path = path_of(who, directory);
        if self.path().as_ref() == Some(&path) {
            return Ok(path);
        }
        let opened = OpenLog::new(who, &path, self.clock, &self.watcher)
            .map_err(|error| (path.clone(), error))?;
        // The old file is closed without the lock, because that can take a while.
        if let LineSink::Open(old) = self.replace_with(opened) {
            old.queue.close();
        }
        Ok(path)
    }

    fn replace_with(&self, mut opened: OpenLog) -> LineSink {
        let mut state = self.state();
        match &mut state.lines {
            LineSink::Holding(held) => {
                for record in held.records.drain(..) {
                    opened.queue.send(&record, &opened.who, &self.run);
                }
                // The records that could not be held come after those that were.
                let gap = mem::take(&mut held.gap);
                opened.queue.write_gap(gap, &opened.who, NOT_HELD);
            }
            LineSink::Open(_) => {}
            // The log was closed meanwhile.
            LineSink::Closed => return LineSink::Open(opened),
        }
        mem::replace(&mut state.lines, LineSink::Open(opened))
    }

    /// Retries what failed. Returns what does not work at the moment, and how many lines are
    /// missing from the file; `None` if the log is closed.
    pub(super) fn check(&self) -> Option<(Option<LogTrouble>, u64)> {
        let pending = match &*self.state() {
            OutletState {
                lines: LineSink::Closed,
                ..
            } => return None,
            OutletState { pending, .. } => pending
                .as_ref()
                .map(|pending| (pending.who.clone(), pending.directory.clone())),
        };
        if let Some((who, directory)) = pending {
            let _ = self.open(&who, &directory);
        }
        let mut state = self.state();
        if let LineSink::Open(opened) = &mut state.lines {
            opened.queue.poke();
        }
        drop(state);
        Some((self.trouble(), self.lost()))
    }

    /// What does not work at the moment.
    pub(super) fn trouble(&self) -> Option<LogTrouble> {
        let state = self.state();
        if let Some(PendingFile {
            who,
            directory,
            reason,
        }) = &state.pending
        {
            return Some(LogTrouble::new(path_of(who, directory), reason.clone()));
        }
        match &state.lines {
            LineSink::Open(opened) => {
                let reason = opened.queue.trouble()?;
                Some(LogTrouble::new(opened.path.clone(), reason))
            }
            LineSink::Holding(_) | LineSink::Closed => None,
        }
    }

    /// How many lines are missing from the file, or could not be held for it.
    pub(super) fn lost(&self) -> u64 {
        match &self.state().lines {
            LineSink::Open(opened) => opened.queue.lost(),
            LineSink::Holding(held) => held.gap.lines(),
            LineSink::Closed => 0,
        }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        match &self.state().lines {
            LineSink::Open(opened) => Some(opened.path.clone()),
            LineSink::Holding(_) | LineSink::Closed => None,
        }
    }

    pub(super) fn failure(&self) -> Option<(PathBuf, io::Error)> {
        match &self.state().lines {
            LineSink::Open(opened) => {
                let (kind, text) = opened.queue.failure()?;
                Some((opened.path.clone(), io::Error::new(kind, text)))
            }
            LineSink::Holding(_) | LineSink::Closed => None,
        }
    }

    pub(super) fn flush(&self) -> bool {
        let flush = match &self.state().lines {
            LineSink::Open(opened) => opened.queue.flush(),
            LineSink::Holding(_) | LineSink::Closed => return true,
        };
        flush.wait()
    }

    pub(super) fn close(&self) {
        let lines = mem::replace(&mut self.state().lines, LineSink::Closed);
        self.watcher.wake();
        if let LineSink::Open(opened) = lines {
            opened.queue.close();
        }
    }

    fn state(&self) -> MutexGuard<'_, OutletState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path_of(who: &str, directory: &Path) -> PathBuf {
    directory.join(format!("{}.log", escape::file_stem(who)))
}

impl HeldRecords {
    /// Holds a record. If there is no space, later records are dropped, because the first ones say
    /// most about how a process began.
    fn push(&mut self, record: LineRecord, run: &str) {
        let bytes = self.bytes + record.body.len() + size_of::<LineRecord>();
        if !self.gap.is_empty() || bytes > MAX_HELD {
            // The name is not known yet; `set_who` adds it.
            self.gap.add_record(&record, "", run);
            return;
        }
        self.bytes = bytes;
        self.records.push(record);
    }
}

impl OpenLog {
    fn new(
        who: &str,
        path: &Path,
        clock: fn() -> SystemTime,
        watcher: &Arc<Watcher>,
    ) -> io::Result<Self> {
        let progress = Arc::new(Progress::new(Arc::clone(watcher)));
        let file = RotatingFile::open(path, Rotation::default(), clock, Arc::clone(&progress))?;
        Ok(Self {
            who: escape::encode(who),
            path: path.to_owned(),
            queue: LineQueue::new(file, clock, progress)?,
        })
    }
}
