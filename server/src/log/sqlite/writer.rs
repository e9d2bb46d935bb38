//! The one thread that writes. A commit blocks on the disk, so it must not run on the runtime's
//! threads.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use chitty_chat::Position;
use rusqlite::{Connection, TransactionBehavior, config::DbConfig};
use tokio::sync::oneshot;

use super::{
    AppendError, Extent, Keep, LogFuture, MakeSnapshot, Problem,
    mark::MarkFile,
    open, rows,
    watch::{Changed, Watched},
};
use chitty_room::record::{Batch, EncodedRecord};

/// Pages in the write-ahead log from which on it is checkpointed: SQLite's default.
const CHECKPOINT_PAGES: u64 = 1_000;

type WriteReply<T> = oneshot::Sender<Result<T, AppendError>>;

enum WriteJob {
    Append {
        after: Position,
        batch: Batch,
        reply: WriteReply<()>,
    },
    Snapshot {
        at: Position,
        make: MakeSnapshot,
        reply: WriteReply<()>,
    },
    Trim {
        keep: Keep,
        covered: Position,
        reply: WriteReply<Extent>,
    },
    CheckFiles {
        reply: WriteReply<()>,
    },
}

/// Everything that the thread needs to begin.
pub(super) struct OpenedChat {
    pub(super) connection: Connection,
    pub(super) extent: Arc<Mutex<Extent>>,
    /// The checksum chain at the head.
    pub(super) chain: u32,
    pub(super) mark: Option<MarkFile>,
    pub(super) watched: Watched,
}

/// The handle of the thread, which ends when the handle is dropped.
pub(super) struct LogWriter {
    jobs: Option<mpsc::SyncSender<WriteJob>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl LogWriter {
    pub(super) fn spawn(mut opened: OpenedChat) -> io::Result<Self> {
        // The sequencer waits for each of its jobs, and `Log::watch` for each check, so there are
        // never more than two.
        let (jobs, queue) = mpsc::sync_channel(2);
        let pages = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&pages);
        let count = move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            counted.store(pages.try_into().unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        // It replaces SQLite's own hook, which checkpoints silently when the log is long. To tell
        // SQLite's writing to the main file from somebody else's, it has to be known when a
        // checkpoint runs.
        opened
            .connection
            .wal_hook(Some(count))
            .map_err(io::Error::other)?;
        let mut state = WriterState {
            opened,
            pages,
            failed: None,
        };
        let thread = thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || {
                for job in queue {
                    state.run(job);
                }
                state.end();
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    pub(super) fn append(
        &self,
        after: Position,
        batch: Batch,
    ) -> LogFuture<Result<(), AppendError>> {
        self.submit(|reply| WriteJob::Append {
            after,
            batch,
            reply,
        })
    }

    pub(super) fn keep_snapshot(
        &self,
        at: Position,
        make: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        self.submit(|reply| WriteJob::Snapshot { at, make, reply })
    }

    pub(super) fn trim(
        &self,
        keep: Keep,
        covered: Position,
    ) -> LogFuture<Result<Extent, AppendError>> {
        self.submit(|reply| WriteJob::Trim {
            keep,
            covered,
            reply,
        })
    }

    /// Checks that the files are still those that were opened.
    pub(super) fn check_files(&self) -> LogFuture<Result<(), AppendError>> {
        self.submit(|reply| WriteJob::CheckFiles { reply })
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(WriteReply<T>) -> WriteJob,
    ) -> LogFuture<Result<T, AppendError>> {
        let (reply, answer) = oneshot::channel();
        // Sent at once and not when the future is first polled, so that jobs run in the order of
        // the calls.
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(job(reply)));
        Box::pin(async move {
            let gone = || AppendError::Failed("the thread that writes is gone".into());
            if !matches!(sent, Some(Ok(()))) {
                return Err(gone());
            }
            answer.await.unwrap_or_else(|_| Err(gone()))
        })
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // Waits until the file is closed and its write-ahead log checkpointed, before somebody else
        // opens it.
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct WriterState {
    opened: OpenedChat,
    /// Pages in the write-ahead log after the last commit.
    pages: Arc<AtomicU64>,
    /// The first failure. Nothing is written after it, because what a failed sync left on the disk
    /// is unknown.
    failed: Option<Arc<str>>,
}

impl WriterState {
    fn run(&mut self, job: WriteJob) {
        match job {
            WriteJob::Append {
                after,
                batch,
                reply,
            } => {
                let _ = reply.send(self.attempt(|state| state.append(after, &batch)));
            }
            WriteJob::Snapshot { at, make, reply } => {
                let _ = reply.send(self.attempt(|state| state.keep_snapshot(at, make)));
            }
            WriteJob::Trim {
                keep,
                covered,
                reply,
            } => {
                let _ = reply.send(self.attempt(|state| state.trim(keep, covered)));
            }
            WriteJob::CheckFiles { reply } => {
                let _ = reply.send(self.attempt(Self::check_files));
                return;
            }
        }
        // Nobody waits for this. If it fails, the next job or check returns the error.
        let _ = self.attempt(Self::settle);
    }

    fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, WriteError>,
    ) -> Result<T, AppendError> {
        if let Some(reason) = &self.failed {
            return Err(AppendError::Failed(Arc::clone(reason)));
        }
        work(self).map_err(|error| match error {
            WriteError::Conflict(tail) => AppendError::Conflict { tail },
            WriteError::Failed(reason) => {
                self.failed = Some(Arc::clone(&reason));
                AppendError::Failed(reason)
            }
        })
    }

    fn append(&mut self, after: Position, batch: &[EncodedRecord]) -> Result<(), WriteError> {
        let mut extent = self.check_tail(after)?;
        self.check(Watched::before_commit)?;
        // Copies of the extent and the chain, so that a batch that fails changes neither.
        let mut chain = self.opened.chain;
        let transaction = self
            .opened
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for record in batch {
            let (next, bytes) = rows::insert(&transaction, record, chain)?;
            chain = next;
            extent.head = record.event.position;
            extent.bytes += bytes as u64;
        }
        transaction.commit()?;
        // Before the commit is acknowledged, so that the mark is never older than what was
        // acknowledged.
        if let Some(mark) = &mut self.opened.mark {
            mark.write(extent.head, chain)
                .map_err(|error| failed(&format!("the mark cannot be written: {error}")))?;
        }
        self.opened.chain = chain;
        self.set_extent(extent);
        Ok(())
    }

    fn keep_snapshot(&mut self, at: Position, make: MakeSnapshot) -> Result<(), WriteError> {
        let held = self.extent().require_held(at);
        held.map_err(|_| WriteError::Conflict(self.extent().head))?;
        self.check(Watched::before_commit)?;
        rows::keep_snapshot(&mut self.opened.connection, &make())?;
        Ok(())
    }

    fn trim(&mut self, keep: Keep, covered: Position) -> Result<Extent, WriteError> {
        let extent = self.extent();
        self.check(Watched::before_commit)?;
        let transaction = self
            .opened
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let trimmed = rows::trim(&transaction, keep, covered, extent)?;
        transaction.commit()?;
        self.set_extent(trimmed);
        Ok(trimmed)
    }

    /// Records a commit, and checkpoints the write-ahead log if it is long.
    fn settle(&mut self) -> Result<(), WriteError> {
        let pages = self.pages.load(Ordering::Relaxed);
        self.opened.watched.committed(pages);
        if pages < CHECKPOINT_PAGES {
            return Ok(());
        }
        // Checked before the checkpoint, which would hide changes by somebody else.
        self.check_files()?;
        self.opened
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        self.opened
            .watched
            .checkpointed()
            .map_err(|changed| failed(&changed))
    }

    fn check_files(&mut self) -> Result<(), WriteError> {
        self.check(Watched::check)
    }

    /// Makes a last check before the file is closed and its write-ahead log checkpointed.
    fn end(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.attempt(Self::check_files)
        {
            open::say(&error.to_string());
        }
    }

    fn check(
        &mut self,
        whether: impl FnOnce(&Watched) -> Result<(), Changed>,
    ) -> Result<(), WriteError> {
        whether(&self.opened.watched).map_err(|changed| {
            // The files are somebody else's now, so nothing may be checkpointed into them.
            let _ = self
                .opened
                .connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            failed(&changed)
        })
    }

    /// The extent. This thread is the file's only writer, so the copy in memory is right.
    fn extent(&self) -> Extent {
        *self
            .opened
            .extent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn check_tail(&self, expected: Position) -> Result<Extent, WriteError> {
        let extent = self.extent();
        if extent.head == expected {
            Ok(extent)
        } else {
            Err(WriteError::Conflict(extent.head))
        }
    }

    fn set_extent(&self, extent: Extent) {
        *self
            .opened
            .extent
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = extent;
    }
}

enum WriteError {
    Conflict(Position),
    Failed(Arc<str>),
}

fn failed(reason: &impl ToString) -> WriteError {
    WriteError::Failed(reason.to_string().into())
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
        match error.sqlite_error_code() {
            Some(DiskFull | SystemIoFailure) => failed(&format!(
                "{error}; see whether the disk is full, or files are limited (ulimit -f)"
            )),
            _ => failed(&error),
        }
    }
}

impl From<Problem> for WriteError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Sqlite(error) => error.into(),
            problem => failed(&format!("the chat is damaged: {problem}")),
        }
    }
}
