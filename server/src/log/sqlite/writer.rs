//! The one thread that writes. A commit blocks on the disk, so it is off the runtime's threads.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use chitty_chat::Position;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::{AppendError, Extent, Keep, LogFuture, MakeSnapshot, schema};
use crate::record::Record;

type Reply<T> = oneshot::Sender<Result<T, AppendError>>;

enum Job {
    Append {
        after: Position,
        batch: Arc<[Record]>,
        reply: Reply<()>,
    },
    Snapshot {
        at: Position,
        make: MakeSnapshot,
        reply: Reply<()>,
    },
    Trim {
        keep: Keep,
        covered: Position,
        reply: Reply<Extent>,
    },
}

/// The handle of the thread: it ends when the handle is dropped.
pub(super) struct Writer {
    jobs: Option<mpsc::SyncSender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn spawn(connection: Connection, extent: Arc<Mutex<Extent>>) -> io::Result<Self> {
        // The sequencer waits for each job, so there is never more than one.
        let (jobs, queue) = mpsc::sync_channel(1);
        let mut state = State {
            connection,
            extent,
            failed: None,
        };
        let thread = thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || {
                for job in queue {
                    state.run(job);
                }
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    pub(super) fn append(
        &self,
        after: Position,
        batch: Arc<[Record]>,
    ) -> LogFuture<Result<(), AppendError>> {
        self.submit(|reply| Job::Append {
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
        self.submit(|reply| Job::Snapshot { at, make, reply })
    }

    pub(super) fn trim(
        &self,
        keep: Keep,
        covered: Position,
    ) -> LogFuture<Result<Extent, AppendError>> {
        self.submit(|reply| Job::Trim {
            keep,
            covered,
            reply,
        })
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(Reply<T>) -> Job,
    ) -> LogFuture<Result<T, AppendError>> {
        let (reply, answer) = oneshot::channel();
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

impl Drop for Writer {
    fn drop(&mut self) {
        // The file is closed, and its write-ahead log folded in, before anybody else opens it.
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct State {
    connection: Connection,
    extent: Arc<Mutex<Extent>>,
    /// The first failure: after it nothing is written any more, since what a failed sync left on
    /// the disk is unknown.
    failed: Option<Arc<str>>,
}

impl State {
    fn run(&mut self, job: Job) {
        match job {
            Job::Append {
                after,
                batch,
                reply,
            } => {
                let _ = reply.send(self.attempt(|state| state.append(after, &batch)));
            }
            Job::Snapshot { at, make, reply } => {
                let _ = reply.send(self.attempt(|state| state.keep_snapshot(at, make)));
            }
            Job::Trim {
                keep,
                covered,
                reply,
            } => {
                let _ = reply.send(self.attempt(|state| state.trim(keep, covered)));
            }
        }
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
            WriteError::Sqlite(error) => {
                let reason: Arc<str> = error.to_string().into();
                self.failed = Some(Arc::clone(&reason));
                AppendError::Failed(reason)
            }
        })
    }

    fn append(&mut self, after: Position, batch: &[Record]) -> Result<(), WriteError> {
        let mut extent = self.check_tail(after)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO records (position, record) VALUES (?1, ?2)")?;
            for record in batch {
                let bytes = record.encode();
                insert.execute(params![schema::signed(record.event.position), bytes])?;
                extent.head = record.event.position;
                extent.bytes += bytes.len() as u64;
            }
        }
        transaction.commit()?;
        self.set_extent(extent);
        Ok(())
    }

    fn keep_snapshot(&mut self, at: Position, make: MakeSnapshot) -> Result<(), WriteError> {
        let held = self.extent().require_held(at);
        held.map_err(|_| WriteError::Conflict(self.extent().head))?;
        schema::keep_snapshot(&self.connection, &make())?;
        Ok(())
    }

    fn trim(&mut self, keep: Keep, covered: Position) -> Result<Extent, WriteError> {
        let extent = self.extent();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let trimmed = schema::trim(&transaction, keep, covered, extent)?;
        transaction.commit()?;
        self.set_extent(trimmed);
        Ok(trimmed)
    }

    /// This log's file has one writer, which is this thread: its memory is what is held.
    fn extent(&self) -> Extent {
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner)
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
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner) = extent;
    }
}

enum WriteError {
    Conflict(Position),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
