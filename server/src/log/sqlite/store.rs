//! The store in a SQLite file: its chats, and one commit for several of them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use chitty_chat::{
    files,
    secret::{self, FillRandom},
    text::ChatName,
};

use super::{
    AppendError, ChatAppend, CreateError, Log, LogFuture, OLDEST_SQLITE, OpenError, OpenFile,
    RecordFold, SqliteLog, Store, beside, damage::Damage, lock, open, prepare::prepare,
    readers::Readers, schema, writer::LogWriter,
};
use crate::data::DataDir;

/// The store in a SQLite file.
pub struct SqliteStore {
    file: Arc<OpenFile>,
    pub(super) lobby: SqliteLog,
    /// All chats, the lobby included.
    chats: Arc<Mutex<BTreeMap<ChatName, SqliteLog>>>,
}

impl SqliteStore {
    /// Opens the chats in this file, or creates one with an empty lobby. The caller must ensure that
    /// no other process has it open. No mark is created, so that a loss of the file's end would not
    /// be noticed afterwards. A server uses [`SqliteStore::serve`].
    ///
    /// `F` knows the rules that the records follow.
    pub fn open<F: RecordFold>(path: &Path, random: FillRandom<'_>) -> Result<Self, OpenError> {
        Self::open_with::<F>(path, false, &[], random)
    }

    /// Opens the chats in this folder, or creates an empty lobby, with a mark beside it.
    /// [`Store::watch`] reports when one of the files is deleted, replaced or changed.
    ///
    /// `F` knows the rules that the records follow.
    pub fn serve<F: RecordFold>(data: &DataDir, random: FillRandom<'_>) -> Result<Self, OpenError> {
        Self::open_with::<F>(&data.chat(), true, &data.watched(), random)
    }

    fn open_with<F: RecordFold>(
        path: &Path,
        create_mark: bool,
        watched: &[PathBuf],
        random: FillRandom<'_>,
    ) -> Result<Self, OpenError> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(OpenError::OldSqlite(rusqlite::version()));
        }
        for suffix in ["", "-wal", "-shm", "-journal", "-mark"] {
            let file = beside(path, suffix);
            // SQLite opens these files by their names, so they are checked before it does.
            files::check_own(&file).map_err(OpenError::file(&file))?;
        }
        let found = open::examine::<F>(path)?;
        for file in &found.foreign {
            open::put_aside(file)?;
        }
        let opened = prepare(path, &found, create_mark, watched, random)?;
        let readers = Readers::connect(path).map_err(schema::failed(path))?;
        let readers = Readers::spawn(readers).map_err(OpenError::file(path))?;
        let chats = opened.chats.clone();
        let writer = LogWriter::spawn(opened).map_err(OpenError::file(path))?;
        let file = Arc::new(OpenFile {
            readers: Arc::new(readers),
            writer: Arc::new(writer),
            damage: Arc::new(Damage::new(path)),
        });
        let logs = chats.into_iter().map(|chat| {
            let log = SqliteLog::new(&file, chat);
            (log.name.clone(), log)
        });
        let chats: BTreeMap<_, _> = logs.collect();
        // Every file has a lobby, which its examination requires.
        let lobby = chats.get(&ChatName::LOBBY).cloned();
        let lobby = lobby.ok_or_else(|| OpenError::Foreign { path: path.into() })?;
        Ok(Self {
            file,
            lobby,
            chats: Arc::new(Mutex::new(chats)),
        })
    }

    fn chats(&self) -> MutexGuard<'_, BTreeMap<ChatName, SqliteLog>> {
        lock(&self.chats)
    }
}

impl Store for SqliteStore {
    fn chats(&self) -> Vec<ChatName> {
        self.chats().keys().cloned().collect()
    }

    fn lobby(&self) -> Arc<dyn Log> {
        Arc::new(self.lobby.clone())
    }

    fn log(&self, chat: &ChatName) -> Option<Arc<dyn Log>> {
        let log = self.chats().get(chat).cloned()?;
        Some(Arc::new(log))
    }

    fn create(
        &self,
        chat: &ChatName,
        random: FillRandom<'_>,
    ) -> LogFuture<Result<Arc<dyn Log>, CreateError>> {
        let created = self
            .file
            .writer
            .create(chat.clone(), secret::epoch(random).into());
        let (file, chats) = (Arc::clone(&self.file), Arc::clone(&self.chats));
        Box::pin(async move {
            let log = SqliteLog::new(&file, created.await?);
            lock(&chats).insert(log.name.clone(), log.clone());
            let log: Arc<dyn Log> = Arc::new(log);
            Ok(log)
        })
    }

    fn append(&self, appends: Vec<ChatAppend>) -> LogFuture<Result<(), AppendError>> {
        self.file.writer.append(appends)
    }

    fn watch(&self, every: Duration) -> LogFuture<AppendError> {
        let writer = Arc::clone(&self.file.writer);
        Box::pin(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = writer.check_files().await {
                    return error;
                }
            }
        })
    }
}
