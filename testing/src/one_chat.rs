//! A store of one chat, for tests of a log.

use std::{future::ready, sync::Arc};

use chitty_chat::{secret::FillRandom, text::ChatName};
use chitty_server::log::{AppendError, ChatAppend, CreateError, Log, LogFuture, Store};

/// A store whose only chat is the lobby, in this log.
pub struct OneChat(pub Arc<dyn Log>);

impl Store for OneChat {
    fn chats(&self) -> Vec<ChatName> {
        vec![ChatName::LOBBY]
    }

    fn lobby(&self) -> Arc<dyn Log> {
        Arc::clone(&self.0)
    }

    fn log(&self, chat: &ChatName) -> Option<Arc<dyn Log>> {
        chat.is_lobby().then(|| self.lobby())
    }

    fn create(
        &self,
        chat: &ChatName,
        _: FillRandom<'_>,
    ) -> LogFuture<Result<Arc<dyn Log>, CreateError>> {
        Box::pin(ready(self.log(chat).ok_or(CreateError::Full)))
    }

    fn append(&self, appends: Vec<ChatAppend>) -> LogFuture<Result<(), AppendError>> {
        match <[ChatAppend; 1]>::try_from(appends) {
            Ok([append]) if append.chat.is_lobby() => self.0.append(append.after, append.batch),
            Ok(_) | Err(_) => {
                let reason = "this store has the lobby only";
                Box::pin(ready(Err(AppendError::Failed(reason.into()))))
            }
        }
    }
}
