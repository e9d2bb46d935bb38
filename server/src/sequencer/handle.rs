//! What callers see of the sequencer: a clone-able handle that hides the queue and the reply.

use std::{sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use crate::{
    follower::{Attachment, Hub},
    log::Log,
    room::{Command, Join, JoinGrant, Leave, Publish, Receipt, Refusal, View},
};

type ReplySender<T> = oneshot::Sender<Result<T, Refusal>>;

pub(super) enum Request {
    Join(Command, ReplySender<JoinReply>),
    Publish(Command, ReplySender<Receipt>),
    Leave(Command, ReplySender<Receipt>),
}

impl Request {
    pub(super) const fn command(&self) -> &Command {
        match self {
            Self::Join(command, _) | Self::Publish(command, _) | Self::Leave(command, _) => command,
        }
    }
}

/// The answer to a Join: what the stream begins with, and its place among the followers.
#[derive(Debug)]
pub struct JoinReply {
    /// What the stream begins with.
    pub granted: JoinGrant,
    /// Dropping it ends the stream's claim on the participation.
    pub attachment: Attachment,
}

/// No answer came: the server goes down. Whether the command was carried out is unknown.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the server goes down; try again")]
pub struct SequencerGone;

/// Why a command has no result.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// The room refused it; nothing changed.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The server goes down.
    #[error(transparent)]
    Gone(#[from] SequencerGone),
}

/// The way to a sequencer. When all are dropped, it ends.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    hub: Arc<Hub>,
    log: Arc<dyn Log>,
    view: watch::Receiver<Arc<View>>,
    started: Instant,
}

impl Handle {
    pub(super) const fn new(
        requests: mpsc::Sender<Request>,
        hub: Arc<Hub>,
        log: Arc<dyn Log>,
        view: watch::Receiver<Arc<View>>,
        started: Instant,
    ) -> Self {
        Self {
            requests,
            hub,
            log,
            view,
            started,
        }
    }

    /// The room as of the last batch that is durable: what can be answered from it needs no turn
    /// of the sequencer. Whatever was answered before this call is in it.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// The sequencer's clock ([`DecisionTime::mono`](crate::room::DecisionTime::mono)).
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Where followers get their events.
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The log behind it all.
    pub const fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Enters, or goes on. Answered when it is durable.
    pub async fn join(&self, join: Join) -> Result<JoinReply, RequestError> {
        self.ask(|reply| Request::Join(Command::Join(join), reply))
            .await
    }

    /// Writes. Answered when it is durable.
    pub async fn publish(&self, publish: Publish) -> Result<Receipt, RequestError> {
        self.ask(|reply| Request::Publish(Command::Publish(publish), reply))
            .await
    }

    /// Leaves. Answered when it is durable.
    pub async fn leave(&self, leave: Leave) -> Result<Receipt, RequestError> {
        self.ask(|reply| Request::Leave(Command::Leave(leave), reply))
            .await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(ReplySender<T>) -> Request,
    ) -> Result<T, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| SequencerGone)?;
        Ok(answer.await.map_err(|_| SequencerGone)??)
    }
}
