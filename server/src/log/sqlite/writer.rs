//! The one thread that writes. A commit blocks on the disk, so it must not run on the runtime's
//! threads.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use chitty_chat::{Position, text::ChatName};
use tokio::sync::oneshot;

use super::{
    AppendError, ChatAppend, CreateError, Extent, Keep, LogFuture, MakeSnapshot,
    key::ChatNumber,
    opened::{OpenedChat, OpenedFile},
    writer_state::WriterState,
};

pub(super) type WriteReply<T> = oneshot::Sender<Result<T, AppendError>>;

/// What the thread is asked to do, and the way back to the caller.
pub(super) enum WriteJob {
    Append {
        appends: Vec<ChatAppend>,
        reply: WriteReply<()>,
    },
    Create {
        name: ChatName,
        epoch: Arc<str>,
        reply: WriteReply<Option<OpenedChat>>,
    },
    Snapshot {
        chat: ChatNumber,
        at: Position,
        make: MakeSnapshot,
        reply: WriteReply<()>,
    },
    Trim {
        chat: ChatNumber,
        keep: Keep,
        covered: Position,
        reply: WriteReply<Extent>,
    },
    CheckFiles {
        reply: WriteReply<()>,
    },
}

/// The handle of the thread, which ends when the handle is dropped.
pub(super) struct LogWriter {
    jobs: Option<mpsc::SyncSender<WriteJob>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl LogWriter {
    pub(super) fn spawn(mut opened: OpenedFile) -> io::Result<Self> {
        // The sequencer waits for each of its jobs, and `Store::watch` for each check, so there are
        // seldom more than two: a third one is a chat that is created.
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
        let mut state = WriterState::new(opened, pages);
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

    pub(super) fn append(&self, appends: Vec<ChatAppend>) -> LogFuture<Result<(), AppendError>> {
        self.submit(|reply| WriteJob::Append { appends, reply })
    }

    /// Creates a chat, or returns the one that is there.
    pub(super) fn create(
        &self,
        name: ChatName,
        epoch: Arc<str>,
    ) -> LogFuture<Result<OpenedChat, CreateError>> {
        let created = self.submit(|reply| WriteJob::Create { name, epoch, reply });
        Box::pin(async move {
            match created.await {
                Ok(created) => created.ok_or(CreateError::Full),
                Err(AppendError::Failed(reason)) => Err(CreateError::Failed(reason)),
                Err(error) => Err(CreateError::Failed(error.to_string().into())),
            }
        })
    }

    pub(super) fn keep_snapshot(
        &self,
        chat: ChatNumber,
        at: Position,
        make: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        self.submit(|reply| WriteJob::Snapshot {
            chat,
            at,
            make,
            reply,
        })
    }

    pub(super) fn trim(
        &self,
        chat: ChatNumber,
        keep: Keep,
        covered: Position,
    ) -> LogFuture<Result<Extent, AppendError>> {
        self.submit(|reply| WriteJob::Trim {
            chat,
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
