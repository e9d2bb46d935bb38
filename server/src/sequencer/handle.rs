//! The handle by which others use the sequencer. It hides the queue and the reply channels.

use std::{sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::request::{ReplySender, Request};
use crate::{
    follower::{Attachment, Hub},
    log::Log,
};
use chitty_room::{Join, JoinGrant, Leave, Publish, Receipt, Refusal, View};

/// The reply to a Join: what the stream begins with, and its registration among the followers.
#[derive(Debug)]
pub struct JoinReply {
    /// What the stream begins with.
    pub granted: JoinGrant,
    /// The stream's registration. Dropping it detaches the stream.
    pub attachment: Attachment,
}

/// The server is shutting down, and there is no reply. Whether the request was carried out is
/// unknown.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the server goes down; try again")]
pub struct SequencerGone;

/// Why a request was not granted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// The room refused it; nothing changed.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The server is shutting down.
    #[error(transparent)]
    Gone(#[from] SequencerGone),
}

/// A handle to the sequencer. When all of them are dropped, the sequencer ends.
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

    /// The room as of the last durable batch, for what can be answered without a turn of the
    /// sequencer. It reflects everything that was replied to before this call.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// The sequencer's clock ([`DecisionTime::mono`](chitty_room::DecisionTime::mono)).
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The hub, from which followers get their events.
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The log that the sequencer appends to.
    pub const fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Joins or resumes. Returns when the Joined is durable.
    pub async fn join(&self, join: Join) -> Result<JoinReply, RequestError> {
        self.ask(|reply| Request::Join(join, reply)).await
    }

    /// Publishes a message. Returns when it is durable.
    pub async fn publish(&self, publish: Publish) -> Result<Receipt, RequestError> {
        self.ask(|reply| Request::Publish(publish, reply)).await
    }

    /// Leaves. Returns when the Left is durable.
    pub async fn leave(&self, leave: Leave) -> Result<Receipt, RequestError> {
        self.ask(|reply| Request::Leave(leave, reply)).await
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
