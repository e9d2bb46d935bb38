//! A store: all chats of a server, each with a log of its own, and one commit for several of them.
//!
//! Deliberately absent: who may enter a chat, and what is said in it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chitty_chat::{Position, secret::FillRandom, text::ChatName};
use chitty_room::record::Batch;
use thiserror::Error;

use super::{AppendError, Log, LogFuture};

/// The logs of all chats of a server.
///
/// The lobby is always there; other chats are created. A chat that was created stays, and keeps its
/// epoch.
///
/// Another storage, such as a replicated stream whose messages carry records of several chats, can
/// implement it: as with a [`Log`], nothing outside of an implementation may assume that this
/// process is the only writer.
pub trait Store: Send + Sync + 'static {
    /// The names of all chats, the lobby first, and then in the order of their names.
    fn chats(&self) -> Vec<ChatName>;

    /// The lobby's log.
    fn lobby(&self) -> Arc<dyn Log>;

    /// The log of this chat; `None` if there is no such chat.
    fn log(&self, chat: &ChatName) -> Option<Arc<dyn Log>>;

    /// Creates a chat with an empty log and an epoch of its own, and returns when it is durable. If
    /// the chat is there already, its log is returned.
    fn create(
        &self,
        chat: &ChatName,
        random: FillRandom<'_>,
    ) -> LogFuture<Result<Arc<dyn Log>, CreateError>>;

    /// Appends to several logs with one commit: all of it or nothing. Each log has to end where its
    /// batch was decided. No chat comes twice.
    ///
    /// # Errors
    /// If one of the logs ends elsewhere, nothing was appended to any of them.
    fn append(&self, appends: Vec<ChatAppend>) -> LogFuture<Result<(), AppendError>>;

    /// Resolves when the store's files were deleted, replaced or changed by somebody else. Nothing
    /// is appended after that. `every` is how often they are checked; a store without files never
    /// resolves.
    fn watch(&self, every: Duration) -> LogFuture<AppendError> {
        let _ = every;
        Box::pin(std::future::pending())
    }
}

/// The chats that a store has at most, the lobby included.
pub const MOST_CHATS: usize = 1_000;

/// What an append adds to one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatAppend {
    /// The chat whose log it is.
    pub chat: ChatName,
    /// The position at which the log has to end.
    pub after: Position,
    /// The records that follow it.
    pub batch: Batch,
}

impl ChatAppend {
    /// Refuses appends of which two are to the same log.
    pub(super) fn require_distinct(appends: &[Self]) -> Result<(), AppendError> {
        let mut names = BTreeSet::new();
        match appends.iter().find(|append| !names.insert(&append.chat)) {
            None => Ok(()),
            Some(ChatAppend { chat, .. }) => {
                let reason = format!("one commit has two batches of {chat}; this is a bug");
                Err(AppendError::Failed(reason.into()))
            }
        }
    }
}

/// Why a chat was not created.
#[derive(Clone, Debug, Error)]
pub enum CreateError {
    /// There are too many chats.
    #[error("this server has {MOST_CHATS} chats, which is the most; use one of them")]
    Full,
    /// The store failed. Whether the chat was created is unknown.
    #[error("the store failed: {0}")]
    Failed(Arc<str>),
}
