//! Where a process's lines go: first into memory, then to a file, in the end nowhere.

use std::{
    io::{self, Write as _},
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::{
    escape,
    file::{RotatingFile, Rotation},
    line::{Origin, Record},
    progress::Progress,
};

/// What is held before a file is open, in bytes of bodies.
const MAX_HELD: usize = 1024 * 1024;
/// Lines on their way to the thread that writes; who logs beyond them waits.
const MAX_QUEUED: usize = 8192;
/// How long a flush or a close waits for a file system that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the layer puts records into, and [`Log`](super::Log) opens.
pub(super) struct Outlet {
    clock: fn() -> SystemTime,
    run: Arc<str>,
    state: Mutex<State>,
}

enum State {
    Holding(Held),
    Open(Opened),
    Closed,
}

/// Records without a file yet.
#[derive(Default)]
struct Held {
    records: Vec<Record>,
    bytes: usize,
    dropped: u64,
}

struct Opened {
    /// Encoded.
    who: String,
    path: PathBuf,
    writer: NonBlocking,
    guard: WorkerGuard,
    progress: Arc<Progress>,
    sent: u64,
}

impl Outlet {
    pub(super) fn new(clock: fn() -> SystemTime, run: Arc<str>) -> Self {
        Self {
            clock,
            run,
            state: Mutex::new(State::Holding(Held::default())),
        }
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    pub(super) fn emit(&self, record: Record) {
        match &mut *self.state() {
            State::Holding(held) => held.push(record),
            State::Open(opened) => opened.send(&record, &self.run),
            State::Closed => {}
        }
    }

    /// Opens the file; lines go there from now on, those held first.
    pub(super) fn open(
        &self,
        who: &str,
        directory: &Path,
    ) -> Result<PathBuf, (PathBuf, io::Error)> {
        let path = directory.join(format!("{}.log", escape::file_stem(who)));
        if self.path().as_ref() == Some(&path) {
            return Ok(path);
        }
        let opened = Opened::new(who, &path, self.clock).map_err(|error| (path.clone(), error))?;
        // The lock is not held while the old file is closed: that can take a while.
        if let State::Open(old) = self.replace_with(opened) {
            old.close();
        }
        Ok(path)
    }

    fn replace_with(&self, mut opened: Opened) -> State {
        let mut state = self.state();
        if let State::Holding(held) = &mut *state {
            let dropped = held.dropped;
            for record in held.records.drain(..) {
                opened.send(&record, &self.run);
            }
            if dropped > 0 {
                opened.send(&self.notice(dropped), &self.run);
            }
        }
        mem::replace(&mut *state, State::Open(opened))
    }

    /// Says how many lines there was no room for.
    fn notice(&self, dropped: u64) -> Record {
        Record {
            time: (self.clock)(),
            origin: Origin::default(),
            body: format!(
                "log warn target={} message=\"more lines than can be held before the log is open\" dropped={dropped}",
                module_path!()
            ),
        }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        match &*self.state() {
            State::Open(opened) => Some(opened.path.clone()),
            State::Holding(_) | State::Closed => None,
        }
    }

    pub(super) fn failure(&self) -> Option<(PathBuf, io::Error)> {
        match &*self.state() {
            State::Open(opened) => {
                let (kind, text) = opened.progress.failure()?;
                Some((opened.path.clone(), io::Error::new(kind, text)))
            }
            State::Holding(_) | State::Closed => None,
        }
    }

    pub(super) fn flush(&self) -> bool {
        let (progress, sent) = match &*self.state() {
            State::Open(opened) => (Arc::clone(&opened.progress), opened.sent),
            State::Holding(_) | State::Closed => return true,
        };
        progress.wait_for(sent, PATIENCE)
    }

    pub(super) fn close(&self) {
        let state = mem::replace(&mut *self.state(), State::Closed);
        if let State::Open(opened) = state {
            opened.close();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The first lines say most about how a process began, so the later ones are dropped.
    fn push(&mut self, record: Record) {
        let bytes = self.bytes + record.body.len() + size_of::<Record>();
        if self.dropped > 0 || bytes > MAX_HELD {
            self.dropped += 1;
            return;
        }
        self.bytes = bytes;
        self.records.push(record);
    }
}

impl Opened {
    fn new(who: &str, path: &Path, clock: fn() -> SystemTime) -> io::Result<Self> {
        let progress = Arc::new(Progress::default());
        let file = RotatingFile::open(path, Rotation::default(), clock, Arc::clone(&progress))?;
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(false)
            .buffered_lines_limit(MAX_QUEUED)
            .thread_name("log")
            .finish(file);
        Ok(Self {
            who: escape::encode(who),
            path: path.to_owned(),
            writer,
            guard,
            progress,
            sent: 0,
        })
    }

    fn send(&mut self, record: &Record, run: &str) {
        let line = record.render(&self.who, run);
        if self.writer.write_all(line.as_bytes()).is_ok() {
            self.sent += 1;
        }
    }

    fn close(self) {
        if self.progress.wait_for(self.sent, PATIENCE) {
            drop(self.guard);
        } else {
            // The file system does not answer. Dropping the guard would wait once more, and print
            // to the terminal about it.
            mem::forget(self.guard);
        }
    }
}
