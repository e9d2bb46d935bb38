//! The chats of a server, for those who do not decide: found by their names, and opened if need be.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chitty_chat::{secret::FillRandom, text::ChatName};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::{Handle, SequencerGone, request::ChatRequest};
use crate::{
    log::{CreateError, Log, Store},
    replay::{ReplayError, replay},
};
use chitty_room::Fold;

/// All chats of a server. A clone is the same. When all of them and all handles are dropped, the
/// sequencer ends.
#[derive(Clone)]
pub struct Chats {
    store: Arc<dyn Store>,
    lobby: Handle,
    /// The chats that are open, except for the lobby.
    open: Arc<Mutex<HashMap<ChatName, Handle>>>,
    openings: mpsc::Sender<Opening>,
}

/// Why a chat was not opened.
#[derive(Debug, Error)]
pub enum ChatError {
    /// There is no chat of this name.
    #[error("there is no chat {0} here")]
    Unknown(ChatName),
    /// It is not there yet, and cannot be created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// Its log cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The server is shutting down.
    #[error(transparent)]
    Gone(#[from] SequencerGone),
}

/// A chat that a caller wants to be open, with its replayed log.
pub(super) struct Opening {
    pub(super) name: ChatName,
    pub(super) log: Arc<dyn Log>,
    pub(super) fold: Fold,
    /// What the handle sends requests with.
    pub(super) requests: mpsc::Sender<ChatRequest>,
    pub(super) reply: oneshot::Sender<Result<Handle, ReplayError>>,
}

impl Chats {
    pub(super) fn new(
        store: Arc<dyn Store>,
        lobby: Handle,
        others: Vec<Handle>,
        openings: mpsc::Sender<Opening>,
    ) -> Self {
        let others = others.into_iter();
        let open = others.map(|chat| (chat.name().clone(), chat)).collect();
        Self {
            store,
            lobby,
            open: Arc::new(Mutex::new(open)),
            openings,
        }
    }

    /// The lobby, which is always open.
    pub const fn lobby(&self) -> &Handle {
        &self.lobby
    }

    /// The chat of this name. If it is not open, its log is replayed first, beside the sequencer.
    ///
    /// # Errors
    /// There is no such chat, or it cannot be opened.
    pub async fn open(&self, name: &ChatName) -> Result<Handle, ChatError> {
        if let Some(chat) = self.find_open(name) {
            return Ok(chat);
        }
        match self.store.log(name) {
            Some(log) => self.open_log(name, log).await,
            None => Err(ChatError::Unknown(name.clone())),
        }
    }

    /// The chat of this name, which is created if there is none.
    ///
    /// # Errors
    /// It cannot be created or opened.
    pub async fn create(
        &self,
        name: &ChatName,
        random: FillRandom<'_>,
    ) -> Result<Handle, ChatError> {
        if let Some(chat) = self.find_open(name) {
            return Ok(chat);
        }
        let created = self.store.create(name, random);
        self.open_log(name, created.await?).await
    }

    fn find_open(&self, name: &ChatName) -> Option<Handle> {
        if name.is_lobby() {
            return Some(self.lobby.clone());
        }
        self.handles().get(name).cloned()
    }

    async fn open_log(&self, name: &ChatName, log: Arc<dyn Log>) -> Result<Handle, ChatError> {
        let fold = replay(&*log).await?;
        let (reply, answer) = oneshot::channel();
        let opening = Opening {
            name: name.clone(),
            log,
            fold,
            requests: self.lobby.requests(),
            reply,
        };
        let sent = self.openings.send(opening).await;
        sent.map_err(|_| SequencerGone)?;
        let chat = answer.await.map_err(|_| SequencerGone)??;
        self.handles().insert(name.clone(), chat.clone());
        Ok(chat)
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<ChatName, Handle>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
