//! Readers beside the writer, which WAL allows: a few threads, each with its own connection. Any
//! number of lagging followers costs no more than these.
//!
//! The threads are started with the log, because the system may refuse one later.

use std::{
    convert::Infallible,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, oneshot};

use super::ReadError;
use crate::log::READERS;

/// How long closing the log waits for a reader that hangs on the disk.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Cache of each reader in KiB: enough for the inner pages of the tree and a page of the log.
/// Records are read in order and seldom twice, and the kernel caches them, too.
const CACHE: i64 = 512;

type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

pub(super) struct Readers {
    /// One permit for each thread, so that a job that has one runs at once.
    permits: Arc<Semaphore>,
    /// `None` once the log is being closed.
    jobs: Option<Sender<ReadJob>>,
    /// Disconnected when all threads have closed their connections.
    closed: Receiver<Infallible>,
}

impl Readers {
    /// Opens a connection for each thread.
    pub(super) fn connect(path: &Path) -> rusqlite::Result<Vec<Connection>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(path, flags)?;
            // A negative size is in KiB, a positive one in pages.
            connection.pragma_update(None, "cache_size", -CACHE)?;
            Ok(connection)
        };
        (0..READERS).map(|_| connect()).collect()
    }

    pub(super) fn spawn(connections: Vec<Connection>) -> io::Result<Self> {
        let permits = Arc::new(Semaphore::new(connections.len()));
        let (jobs, queue) = crossbeam_channel::unbounded::<ReadJob>();
        let (open, closed) = crossbeam_channel::bounded(0);
        for connection in connections {
            let (queue, open) = (queue.clone(), open.clone());
            thread::Builder::new()
                .name("log-reader".into())
                .spawn(move || {
                    serve(&connection, &queue);
                    drop(connection);
                    drop(open);
                })?;
        }
        Ok(Self {
            permits,
            jobs: Some(jobs),
            closed,
        })
    }

    /// Runs a query on one of the threads, first come, first served. A query whose caller has given
    /// up is not begun.
    pub(super) async fn run<T: Send + 'static>(
        self: Arc<Self>,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(read_error)?;
        let (reply, answer) = oneshot::channel();
        let job = move |connection: &Connection| {
            // Held by the query itself, which goes on even if its caller has given up.
            let _permit = permit;
            if !reply.is_closed() {
                let _ = reply.send(query(connection));
            }
        };
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(Box::new(job)));
        if !matches!(sent, Some(Ok(()))) {
            return Err(ReadError("the threads that read are gone".into()));
        }
        answer.await.map_err(read_error)?.map_err(read_error)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let _ = self.closed.recv_timeout(CLOSE_WITHIN);
    }
}

fn serve(connection: &Connection, queue: &Receiver<ReadJob>) {
    for job in queue {
        // If it panics, the caller gets an error because the reply is dropped, and the thread goes
        // on.
        let _ = catch_unwind(AssertUnwindSafe(|| job(connection)));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
fn read_error(error: impl ToString) -> ReadError {
    ReadError(error.to_string().into())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    fn readers() -> (tempfile::TempDir, Arc<Readers>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("some.db");
        drop(Connection::open(&path).expect("a file"));
        let connections = Readers::connect(&path).expect("readable");
        let readers = Readers::spawn(connections).expect("threads");
        (folder, Arc::new(readers))
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_is_not_begun() {
        let (_folder, readers) = readers();
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (begun, mut busy) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..READERS {
            let (gate, begun) = (Arc::clone(&gate), begun.clone());
            tokio::spawn(Arc::clone(&readers).run(move |_| {
                begun.send(()).expect("waited for");
                let _ = gate.lock().expect("whole").recv();
                Ok(())
            }));
        }
        for _ in 0..READERS {
            busy.recv().await.expect("it begins");
        }
        let ran = Arc::new(AtomicUsize::new(0));
        let mut waiting: Vec<_> = (0..100)
            .map(|_| {
                let ran = Arc::clone(&ran);
                let read = Arc::clone(&readers).run(move |_| {
                    ran.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                });
                tokio::spawn(read)
            })
            .collect();
        tokio::task::yield_now().await;
        for read in &waiting[..99] {
            read.abort();
        }
        let kept = waiting.pop().expect("a hundred");
        for read in waiting {
            assert!(read.await.is_err(), "it was dropped");
        }
        drop(open);
        // It ends before the next one is counted: several threads read at once.
        assert!(kept.await.expect("it runs").is_ok());
        let last = Arc::clone(&readers).run(|_| Ok(7)).await;
        assert_eq!(last.expect("its turn"), 7);
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_query_that_panics_fails_alone() {
        let (_folder, readers) = readers();
        for _ in 0..2 * READERS {
            let read = Arc::clone(&readers).run::<()>(|_| panic!("a mistake"));
            assert!(read.await.is_err());
        }
        let read = Arc::clone(&readers).run(|_| Ok(7)).await;
        assert_eq!(read.expect("the threads go on"), 7);
    }
}
