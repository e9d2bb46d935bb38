//! The threads of a server, all of which are started when it starts.
//!
//! A thread that is started later may be refused by the system (`ulimit -u`, a limit on tasks of a
//! service or container), at a place that cannot go on without it: the runtime panics there. So it
//! is found out first whether there are enough, and those that block are kept.

use std::{
    io,
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

use crate::log::READERS;

/// Threads of the runtime that may block. Nothing of the server does; libraries may.
const BLOCKING: usize = 1;
/// Beside the runtime's: the chat's readers and its writer, the log file's writer and who looks at
/// it, the deadline of the end, and one to spare.
const OTHERS: usize = READERS + 5;
/// Longer than any server lives.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// There are too few threads for a process.
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
    /// Threads.
    #[error(transparent)]
    TooFew(#[from] TooFew),
    /// Something else that the system does not give.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[from] io::Error),
}

/// A runtime with all of its threads.
pub fn start() -> Result<Runtime, ThreadsError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers())
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(FOR_EVER)
        .enable_all()
        .build()?;
    // Each waits for all the others, so that none of them does the work of two.
    let barrier = Arc::new(Barrier::new(BLOCKING + 1));
    for _ in 0..BLOCKING {
        let barrier = Arc::clone(&barrier);
        runtime.spawn_blocking(move || barrier.wait());
    }
    barrier.wait();
    Ok(runtime)
}

/// Whether a server can have its threads: to be asked before anything is started.
pub fn check() -> Result<(), TooFew> {
    try_out("a server", workers() + BLOCKING + OTHERS)
}

fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Starts so many at once, and ends them: an error if the system does not give them to this
/// process, such as "a server".
pub fn try_out(whose: &'static str, needed: usize) -> Result<(), TooFew> {
    let mut threads = Vec::with_capacity(needed);
    let mut failure = None;
    for given in 0..needed {
        let (end, told) = mpsc::channel::<()>();
        // It ends when its sender does.
        match thread::Builder::new().spawn(move || told.recv()) {
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
        let told = few.to_string();
        assert!(
            told.contains("a server needs 13 threads") && told.contains("ulimit -u"),
            "{told}"
        );
    }
}
