//! The threads of a server, all of which are started with it.
//!
//! The system may refuse a thread later (`ulimit -u`, a limit on tasks of a service or container),
//! at a point where the server cannot go on without it: the runtime panics then. So the number of
//! threads is tried out first, and the blocking threads are kept alive.

use std::{
    io,
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

use crate::log::READERS;

/// Threads of the runtime for blocking work. The server itself has none, but libraries may.
const BLOCKING: usize = 1;
/// Threads beside the runtime's: the chat's readers and its writer, the log file's writer and its
/// watcher, the deadline for the end, and one to spare.
const OTHERS: usize = READERS + 5;
/// Longer than any server lives.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The system does not give a process enough threads.
#[derive(Debug, Error)]
#[error(
    "{whose} needs {needed} threads, and the system gives it {given}: {reason}; allow this user \
     more processes (ulimit -u), or the service or container more tasks"
)]
pub struct TooFew {
    whose: &'static str,
    needed: usize,
    given: usize,
    reason: io::Error,
}

/// Why there is no runtime.
#[derive(Debug, Error)]
pub enum ThreadsError {
    /// There are too few threads.
    #[error(transparent)]
    TooFew(#[from] TooFew),
    /// The system refused something else.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[from] io::Error),
}

/// Starts a runtime with all of its threads.
pub fn start() -> Result<Runtime, ThreadsError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers())
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(FOR_EVER)
        .enable_all()
        .build()?;
    // Each waits for all the others, so that one thread cannot run two of these.
    let barrier = Arc::new(Barrier::new(BLOCKING + 1));
    for _ in 0..BLOCKING {
        let barrier = Arc::clone(&barrier);
        runtime.spawn_blocking(move || barrier.wait());
    }
    barrier.wait();
    Ok(runtime)
}

/// Checks that a server can have its threads. To be called before anything is started.
pub fn check() -> Result<(), TooFew> {
    try_out("a server", workers() + BLOCKING + OTHERS)
}

fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Starts so many threads at once, and ends them. An error says that the system refused one;
/// `whose` names the process in it, such as "a server".
pub fn try_out(whose: &'static str, needed: usize) -> Result<(), TooFew> {
    let mut threads = Vec::with_capacity(needed);
    let mut failure = None;
    for given in 0..needed {
        let (end, ended) = mpsc::channel::<()>();
        // It ends when its sender does.
        match thread::Builder::new().spawn(move || ended.recv()) {
            Ok(thread) => threads.push((thread, end)),
            Err(reason) => {
                failure = Some(TooFew {
                    whose,
                    needed,
                    given,
                    reason,
                });
                break;
            }
        }
    }
    for (thread, end) in threads {
        drop(end);
        let _ = thread.join();
    }
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_tried_out_and_counted() {
        try_out("a test", 4).expect("this machine has threads");
        start().expect("this machine has threads");
        let few = TooFew {
            whose: "a server",
            needed: 13,
            given: 2,
            reason: io::ErrorKind::WouldBlock.into(),
        };
        let text = few.to_string();
        assert!(
            text.contains("a server needs 13 threads") && text.contains("ulimit -u"),
            "{text}"
        );
    }
}
