//! Reading beside the writer: WAL lets readers and the writer be. Few connections, so that any
//! number of participants who are behind cost no more than these.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::ReadError;

/// So many read at once.
const MOST: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            permits: Arc::new(Semaphore::new(MOST)),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Runs a query on one of the connections, on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        self: Arc<Self>,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let readers = Arc::clone(&self);
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(read_error)?;
        tokio::task::spawn_blocking(move || {
            // Held by the query itself, which goes on when its caller does not wait any more.
            let _permit = permit;
            let connection = readers.take()?;
            let result = query(&connection);
            readers.give_back(connection);
            result
        })
        .await
        .map_err(read_error)?
        .map_err(read_error)
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        if let Some(connection) = self.lock().pop() {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&self.path, flags)
    }

    fn give_back(&self, connection: Connection) {
        self.lock().push(connection);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
fn read_error(error: impl ToString) -> ReadError {
    ReadError(error.to_string().into())
}
