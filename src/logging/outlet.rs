//! Where a process's lines go: first into memory, then to a file, in the end nowhere.

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
    line::Record,
    progress::{Progress, Watcher},
    queue::Queue,
};

/// What is held before a file is open, in bytes of bodies.
const MAX_HELD: usize = 1024 * 1024;
/// What is said in the place of lines that there was no room for.
const NOT_HELD: &str = "more lines than can be held before the log is open";

/// What the layer puts records into, and [`Log`](super::Log) opens.
pub(super) struct Outlet {
    clock: fn() -> SystemTime,
    run: Arc<str>,
    state: Mutex<State>,
    watcher: Arc<Watcher>,
}

struct State {
    lines: Lines,
    /// The file that could not be opened yet.
    wanted: Option<Wanted>,
}

enum Lines {
    Holding(Held),
    Open(Opened),
    Closed,
}

/// A file that is still to be opened.
struct Wanted {
    who: String,
    directory: PathBuf,
    reason: String,
}

/// Records without a file yet.
#[derive(Default)]
struct Held {
    records: Vec<Record>,
    bytes: usize,
    gap: Gap,
}

struct Opened {
    /// Encoded.
    who: String,
    path: PathBuf,
    queue: Queue,
}

impl Outlet {
    pub(super) fn new(clock: fn() -> SystemTime, run: Arc<str>) -> Self {
        Self {
            clock,
            run,
            state: Mutex::new(State {
                lines: Lines::Holding(Held::default()),
                wanted: None,
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

    pub(super) fn emit(&self, record: Record) {
        match &mut self.state().lines {
            Lines::Holding(held) => held.push(record, &self.run),
            Lines::Open(opened) => opened.queue.send(&record, &opened.who, &self.run),
            Lines::Closed => {}
        }
    }

    /// Opens the file; lines go there from now on, those held first. If that fails, it is tried
    /// again by [`Outlet::check`].
    pub(super) fn open(
        &self,
        who: &str,
        directory: &Path,
    ) -> Result<PathBuf, (PathBuf, io::Error)> {
        let opened = self.try_open(who, directory);
        self.state().wanted = opened.as_ref().err().map(|(_, error)| Wanted {
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
        let opened = Opened::new(who, &path, self.clock, &self.watcher)
            .map_err(|error| (path.clone(), error))?;
        // The lock is not held while the old file is closed: that can take a while.
        if let Lines::Open(old) = self.replace_with(opened) {
            old.queue.close();
        }
        Ok(path)
    }

    fn replace_with(&self, mut opened: Opened) -> Lines {
        let mut state = self.state();
        match &mut state.lines {
            Lines::Holding(held) => {
                for record in held.records.drain(..) {
                    opened.queue.send(&record, &opened.who, &self.run);
                }
                // The records that are missing come after those that are there.
                let gap = mem::take(&mut held.gap);
                opened.queue.tell_gap(gap, &opened.who, NOT_HELD);
            }
            Lines::Open(_) => {}
            // It was too late.
            Lines::Closed => return Lines::Open(opened),
        }
        mem::replace(&mut state.lines, Lines::Open(opened))
    }

    /// Tries again what failed. Returns what does not work now, and how many lines are missing
    /// from the file; `None` when the log is closed.
    pub(super) fn check(&self) -> Option<(Option<LogTrouble>, u64)> {
        let wanted = match &*self.state() {
            State {
                lines: Lines::Closed,
                ..
            } => return None,
            State { wanted, .. } => wanted
                .as_ref()
                .map(|wanted| (wanted.who.clone(), wanted.directory.clone())),
        };
        if let Some((who, directory)) = wanted {
            let _ = self.open(&who, &directory);
        }
        let mut state = self.state();
        if let Lines::Open(opened) = &mut state.lines {
            opened.queue.poke();
        }
        drop(state);
        Some((self.trouble(), self.lost()))
    }

    /// What does not work now.
    pub(super) fn trouble(&self) -> Option<LogTrouble> {
        let state = self.state();
        if let Some(Wanted {
            who,
            directory,
            reason,
        }) = &state.wanted
        {
            return Some(LogTrouble::new(path_of(who, directory), reason.clone()));
        }
        match &state.lines {
            Lines::Open(opened) => {
                let reason = opened.queue.trouble()?;
                Some(LogTrouble::new(opened.path.clone(), reason))
            }
            Lines::Holding(_) | Lines::Closed => None,
        }
    }

    /// How many lines are missing from the file, or could not be held for it.
    pub(super) fn lost(&self) -> u64 {
        match &self.state().lines {
            Lines::Open(opened) => opened.queue.lost(),
            Lines::Holding(held) => held.gap.lines(),
            Lines::Closed => 0,
        }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        match &self.state().lines {
            Lines::Open(opened) => Some(opened.path.clone()),
            Lines::Holding(_) | Lines::Closed => None,
        }
    }

    pub(super) fn failure(&self) -> Option<(PathBuf, io::Error)> {
        match &self.state().lines {
            Lines::Open(opened) => {
                let (kind, text) = opened.queue.failure()?;
                Some((opened.path.clone(), io::Error::new(kind, text)))
            }
            Lines::Holding(_) | Lines::Closed => None,
        }
    }

    pub(super) fn flush(&self) -> bool {
        let flush = match &self.state().lines {
            Lines::Open(opened) => opened.queue.flush(),
            Lines::Holding(_) | Lines::Closed => return true,
        };
        flush.wait()
    }

    pub(super) fn close(&self) {
        let lines = mem::replace(&mut self.state().lines, Lines::Closed);
        self.watcher.wake();
        if let Lines::Open(opened) = lines {
            opened.queue.close();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path_of(who: &str, directory: &Path) -> PathBuf {
    directory.join(format!("{}.log", escape::file_stem(who)))
}

impl Held {
    /// The first lines say most about how a process began, so the later ones are dropped.
    fn push(&mut self, record: Record, run: &str) {
        let bytes = self.bytes + record.body.len() + size_of::<Record>();
        if !self.gap.is_empty() || bytes > MAX_HELD {
            // Whose they are is not known yet.
            self.gap.add_record(&record, "", run);
            return;
        }
        self.bytes = bytes;
        self.records.push(record);
    }
}

impl Opened {
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
            queue: Queue::new(file, clock, progress)?,
        })
    }
}
