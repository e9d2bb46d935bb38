//! The work of the thread that writes: commits, marks and checkpoints.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use chitty_chat::{Position, text::ChatName};
use rusqlite::{TransactionBehavior, config::DbConfig};

use super::{
    AppendError, ChatAppend, Extent, Keep, MOST_CHATS, MakeSnapshot, Problem,
    chat_row::{self, ChatRow},
    key::ChatNumber,
    open,
    opened::{OpenedChat, OpenedFile},
    rows,
    watch::{Changed, Watched},
    writer::WriteJob,
};

/// Pages in the write-ahead log from which on it is checkpointed: SQLite's default.
const CHECKPOINT_PAGES: u64 = 1_000;

/// What the thread has, and what it does.
pub(super) struct WriterState {
    opened: OpenedFile,
    /// Where each chat is in the list of opened chats.
    indices: HashMap<ChatName, usize>,
    /// Pages in the write-ahead log after the last commit.
    pages: Arc<AtomicU64>,
    /// The first failure. Nothing is written after it, because what a failed sync left on the disk
    /// is unknown.
    failed: Option<Arc<str>>,
}

impl WriterState {
    /// `pages` is set to the pages in the write-ahead log after each commit.
    pub(super) fn new(opened: OpenedFile, pages: Arc<AtomicU64>) -> Self {
        let names = opened.chats.iter().enumerate();
        Self {
            indices: names
                .map(|(index, chat)| (chat.name.clone(), index))
                .collect(),
            opened,
            pages,
            failed: None,
        }
    }

    pub(super) fn run(&mut self, job: WriteJob) {
        match job {
            WriteJob::Append { appends, reply } => {
                let _ = reply.send(self.attempt(|state| state.append(&appends)));
            }
            WriteJob::Create { name, epoch, reply } => {
                let _ = reply.send(self.attempt(|state| state.create(name, epoch)));
            }
            WriteJob::Snapshot {
                chat,
                at,
                make,
                reply,
            } => {
                let _ = reply.send(self.attempt(|state| state.keep_snapshot(chat, at, make)));
            }
            WriteJob::Trim {
                chat,
                keep,
                covered,
                reply,
            } => {
                let _ = reply.send(self.attempt(|state| state.trim(chat, keep, covered)));
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

    fn append(&mut self, appends: &[ChatAppend]) -> Result<(), WriteError> {
        let mut ends = self.check_tails(appends)?;
        self.check(Watched::before_commit)?;
        let transaction = self
            .opened
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (append, end) in appends.iter().zip(&mut ends) {
            for record in &*append.batch {
                let (chain, bytes) = rows::insert(&transaction, end.number, record, end.chain)?;
                end.chain = chain;
                end.extent.head = record.event.position;
                end.extent.bytes += bytes as u64;
            }
        }
        transaction.commit()?;
        // Before the commit is acknowledged, so that the mark is never older than what was
        // acknowledged.
        for end in &ends {
            self.mark(end.number, end.extent.head, end.chain)?;
        }
        for end in ends {
            let chat = &mut self.opened.chats[end.index];
            chat.chain = end.chain;
            chat.set_extent(end.extent);
        }
        Ok(())
    }

    /// The ends of the logs that are appended to. Refused if one of them ends elsewhere than its
    /// batch expects.
    fn check_tails(&self, appends: &[ChatAppend]) -> Result<Vec<LogEnd>, WriteError> {
        ChatAppend::require_distinct(appends)
            .map_err(|error| WriteError::Failed(error.to_string().into()))?;
        let end = |append: &ChatAppend| {
            let index = self.indices.get(&append.chat).copied();
            let index = index.ok_or_else(|| failed(&format!("{} is not there", append.chat)))?;
            let chat = &self.opened.chats[index];
            let extent = chat.extent();
            if extent.head != append.after {
                return Err(WriteError::Conflict(extent.head));
            }
            Ok(LogEnd {
                index,
                number: chat.number,
                extent,
                chain: chat.chain,
            })
        };
        appends.iter().map(end).collect()
    }

    fn mark(&mut self, chat: ChatNumber, head: Position, chain: u32) -> Result<(), WriteError> {
        match &mut self.opened.mark {
            Some(mark) => mark
                .write(chat, head, chain)
                .map_err(|error| unmarked(&error)),
            None => Ok(()),
        }
    }

    /// Creates a chat, or returns the one that is there; `None` if there are too many.
    fn create(
        &mut self,
        name: ChatName,
        epoch: Arc<str>,
    ) -> Result<Option<OpenedChat>, WriteError> {
        if let Some(index) = self.indices.get(&name) {
            return Ok(Some(self.opened.chats[*index].clone()));
        }
        let last = self.opened.chats.last().map(|chat| chat.number);
        let number = last.and_then(ChatNumber::next);
        let Some(number) = number.filter(|_| self.opened.chats.len() < MOST_CHATS) else {
            return Ok(None);
        };
        self.check(Watched::before_commit)?;
        let row = ChatRow::empty(number, name.clone(), Arc::clone(&epoch));
        // Before the chat is durable, so that there is space for its mark.
        if let Some(mark) = &mut self.opened.mark {
            let added = mark.add(number, Arc::clone(&epoch));
            added.map_err(|error| unmarked(&error))?;
        }
        row.write(&self.opened.connection)?;
        self.mark(number, Position::ZERO, row.chain)?;
        let chat = OpenedChat {
            number,
            name: name.clone(),
            epoch,
            extent: Arc::new(Mutex::new(Extent::EMPTY)),
            chain: row.chain,
        };
        self.indices.insert(name, self.opened.chats.len());
        self.opened.chats.push(chat.clone());
        Ok(Some(chat))
    }

    fn keep_snapshot(
        &mut self,
        chat: ChatNumber,
        at: Position,
        make: MakeSnapshot,
    ) -> Result<(), WriteError> {
        let extent = self.chat(chat)?.extent();
        let held = extent.require_held(at);
        held.map_err(|_| WriteError::Conflict(extent.head))?;
        self.check(Watched::before_commit)?;
        chat_row::keep_snapshot(&mut self.opened.connection, chat, &make())?;
        Ok(())
    }

    fn trim(
        &mut self,
        chat: ChatNumber,
        keep: Keep,
        covered: Position,
    ) -> Result<Extent, WriteError> {
        let extent = self.chat(chat)?.extent();
        self.check(Watched::before_commit)?;
        let transaction = self
            .opened
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let trimmed = rows::trim(&transaction, chat, keep, covered, extent)?;
        transaction.commit()?;
        self.chat(chat)?.set_extent(trimmed);
        Ok(trimmed)
    }

    fn chat(&self, number: ChatNumber) -> Result<&OpenedChat, WriteError> {
        let chats = &self.opened.chats;
        let index = chats.binary_search_by_key(&number, |chat| chat.number);
        let chat = index.ok().and_then(|index| chats.get(index));
        chat.ok_or_else(|| failed(&"the chat is not there"))
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
    pub(super) fn end(&mut self) {
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
}

/// Where a log ends, on the way to its next end. A copy, so that a batch that fails changes nothing.
struct LogEnd {
    index: usize,
    number: ChatNumber,
    extent: Extent,
    chain: u32,
}

enum WriteError {
    Conflict(Position),
    Failed(Arc<str>),
}

fn failed(reason: &impl ToString) -> WriteError {
    WriteError::Failed(reason.to_string().into())
}

fn unmarked(error: &io::Error) -> WriteError {
    failed(&format!("the mark cannot be written: {error}"))
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
