//! The handle by which others use a chat. It hides the queue and the reply channels.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use chitty_chat::text::ChatName;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    membership::{Asked, MembershipCommand},
    request::{ChatRequest, ReplySender, Request},
};
use crate::{
    follower::{Attachment, ChatSlot, Hub},
    log::Log,
};
use chitty_room::{
    Change, DecisionTime, Invite, InviteGrant, Join, JoinGrant, Leave, Publish, Receipt, Refusal,
    Remove, Revoke, RevokeGrant, View,
};

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

/// A chat, as everybody but the sequencer has it: its log, its followers, what is published of it,
/// and the way to the sequencer. A clone is the same.
#[derive(Clone)]
pub struct Handle {
    slot: ChatSlot,
    name: ChatName,
    requests: mpsc::Sender<ChatRequest>,
    hub: Arc<Hub>,
    log: Arc<dyn Log>,
    view: watch::Receiver<Arc<View>>,
    started: Instant,
    wall: fn() -> SystemTime,
}

impl Handle {
    pub(super) fn new(
        (slot, name): (ChatSlot, ChatName),
        requests: mpsc::Sender<ChatRequest>,
        hub: Arc<Hub>,
        log: Arc<dyn Log>,
        view: watch::Receiver<Arc<View>>,
        (started, wall): (Instant, fn() -> SystemTime),
    ) -> Self {
        Self {
            slot,
            name,
            requests,
            hub,
            log,
            view,
            started,
            wall,
        }
    }

    /// The name of the chat.
    pub const fn name(&self) -> &ChatName {
        &self.name
    }

    /// The way to the sequencer, for the handle of another chat.
    pub(super) fn requests(&self) -> mpsc::Sender<ChatRequest> {
        self.requests.clone()
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

    /// The moment, as the sequencer decides by it.
    pub fn decision_time(&self) -> DecisionTime {
        DecisionTime {
            wall: (self.wall)(),
            mono: self.now(),
        }
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

    /// Makes an invitation. Returns when it is durable.
    pub async fn invite(&self, invite: Invite) -> Result<InviteGrant, RequestError> {
        self.ask_about_members(invite).await
    }

    /// Revokes invitations. Returns when that is durable.
    pub async fn revoke(&self, revoke: Revoke) -> Result<RevokeGrant, RequestError> {
        self.ask_about_members(revoke).await
    }

    /// Changes a member. Returns when that is durable.
    pub async fn change(&self, change: Change) -> Result<Receipt, RequestError> {
        self.ask_about_members(change).await
    }

    /// Removes a member. Returns when that is durable.
    pub async fn remove(&self, remove: Remove) -> Result<Receipt, RequestError> {
        self.ask_about_members(remove).await
    }

    async fn ask_about_members<C: MembershipCommand>(
        &self,
        command: C,
    ) -> Result<C::Reply, RequestError> {
        self.ask(|reply| Request::Membership(Box::new(Asked { command, reply })))
            .await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(ReplySender<T>) -> Request,
    ) -> Result<T, RequestError> {
        let (reply, answer) = oneshot::channel();
        let request = ChatRequest {
            chat: self.slot,
            request: request(reply),
        };
        let sent = self.requests.send(request).await;
        sent.map_err(|_| SequencerGone)?;
        Ok(answer.await.map_err(|_| SequencerGone)??)
    }
}
