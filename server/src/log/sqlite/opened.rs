//! A file that is open for writing, and its chats.

use std::sync::{Arc, Mutex, PoisonError};

use chitty_chat::text::ChatName;
use rusqlite::Connection;

use super::{Extent, key::ChatNumber, mark::MarkFile, watch::Watched};

/// A chat as the thread has it.
#[derive(Clone)]
pub(super) struct OpenedChat {
    pub(super) number: ChatNumber,
    pub(super) name: ChatName,
    pub(super) epoch: Arc<str>,
    /// What its log holds, shared with those who read it.
    pub(super) extent: Arc<Mutex<Extent>>,
    /// The checksum chain at the head.
    pub(super) chain: u32,
}

impl OpenedChat {
    /// The extent. The thread is the file's only writer, so the copy in memory is right.
    pub(super) fn extent(&self) -> Extent {
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_extent(&self, extent: Extent) {
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner) = extent;
    }
}

/// Everything that the thread needs to begin.
pub(super) struct OpenedFile {
    pub(super) connection: Connection,
    /// The lobby first.
    pub(super) chats: Vec<OpenedChat>,
    pub(super) mark: Option<MarkFile>,
    pub(super) watched: Watched,
}
