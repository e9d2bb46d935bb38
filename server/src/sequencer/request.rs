//! Requests to the sequencer. Each one holds its command together with the way back to its caller,
//! from the queue to the reply, so that a reply is always of its command's kind.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    JoinReply, journal,
    membership::{DecidedMembership, MembershipRequest},
};
use crate::follower::{ChatSlot, Hub};
use chitty_room::{
    Decision, DecisionTime, Join, JoinGrant, Leave, Publish, Receipt, Refusal, Room, record::Record,
};

/// The way back to the caller of a request.
pub(super) type ReplySender<T> = oneshot::Sender<Result<T, Refusal>>;

/// A request to a chat.
pub(super) struct ChatRequest {
    pub(super) chat: ChatSlot,
    pub(super) request: Request,
}

/// A request that is not decided yet.
pub(super) enum Request {
    Join(Join, ReplySender<JoinReply>),
    Publish(Publish, ReplySender<Receipt>),
    Leave(Leave, ReplySender<Receipt>),
    Membership(Box<dyn MembershipRequest>),
}

/// A request with its decision, which counts once its records are durable.
pub(super) enum DecidedRequest {
    Join(
        Join,
        ReplySender<JoinReply>,
        Result<Decision<JoinGrant>, Refusal>,
    ),
    Publish(
        Publish,
        ReplySender<Receipt>,
        Result<Decision<Receipt>, Refusal>,
    ),
    Leave(
        Leave,
        ReplySender<Receipt>,
        Result<Decision<Receipt>, Refusal>,
    ),
    Membership(Box<dyn DecidedMembership>),
}

impl Request {
    /// Has the room decide it.
    pub(super) fn decide(self, room: &mut Room, now: DecisionTime) -> DecidedRequest {
        match self {
            Self::Join(join, reply) => {
                let decision = room.join(&join, now);
                DecidedRequest::Join(join, reply, decision)
            }
            Self::Publish(publish, reply) => {
                let decision = room.publish(&publish, now);
                DecidedRequest::Publish(publish, reply, decision)
            }
            Self::Leave(leave, reply) => {
                let decision = room.leave(&leave, now);
                DecidedRequest::Leave(leave, reply, decision)
            }
            Self::Membership(request) => DecidedRequest::Membership(request.decide(room, now)),
        }
    }
}

impl DecidedRequest {
    /// Drops the decision, for a request that has to be decided again.
    pub(super) fn undecided(self) -> Request {
        match self {
            Self::Join(join, reply, _) => Request::Join(join, reply),
            Self::Publish(publish, reply, _) => Request::Publish(publish, reply),
            Self::Leave(leave, reply, _) => Request::Leave(leave, reply),
            Self::Membership(decided) => Request::Membership(decided.undecided()),
        }
    }

    /// The records that it leads to; none if it was refused.
    pub(super) fn records(&self) -> &[Record] {
        match self {
            Self::Join(_, _, decision) => records(decision),
            Self::Publish(_, _, decision) | Self::Leave(_, _, decision) => records(decision),
            Self::Membership(decided) => decided.records(),
        }
    }

    pub(super) fn is_granted(&self) -> bool {
        match self {
            Self::Join(_, _, decision) => decision.is_ok(),
            Self::Publish(_, _, decision) | Self::Leave(_, _, decision) => decision.is_ok(),
            Self::Membership(decided) => decided.is_granted(),
        }
    }

    /// Whether it only gets an earlier reply again. The chat's rules do not limit such requests.
    pub(super) fn is_repeated(&self) -> bool {
        match self {
            Self::Join(_, _, decision) => is_repeated(decision),
            Self::Publish(_, _, decision) | Self::Leave(_, _, decision) => is_repeated(decision),
            Self::Membership(decided) => decided.is_repeated(),
        }
    }

    /// Writes its log lines if it was granted. Called when its records are durable.
    pub(super) fn write_lines(&self) {
        match self {
            Self::Join(join, _, Ok(decision)) => journal::join(join, decision),
            Self::Publish(publish, _, Ok(decision)) => journal::publish(publish, decision),
            Self::Leave(leave, _, Ok(decision)) => journal::leave(leave, decision),
            Self::Membership(decided) => decided.write_lines(),
            // The service logs refusals.
            Self::Join(_, _, Err(_)) | Self::Publish(_, _, Err(_)) | Self::Leave(_, _, Err(_)) => {}
        }
    }

    /// Replies to the caller. A caller that is gone does not matter.
    pub(super) fn reply(self, hub: &Arc<Hub>) {
        match self {
            Self::Join(_, reply, decision) => {
                // Attached even if the caller is gone: dropping the reply detaches it again, and
                // starts the grace.
                let joined = decision.map(|Decision { reply: granted, .. }| JoinReply {
                    attachment: hub.attach(granted.participant, granted.generation),
                    granted,
                });
                drop(reply.send(joined));
            }
            Self::Publish(_, reply, decision) | Self::Leave(_, reply, decision) => {
                drop(reply.send(decision.map(|decision| decision.reply)));
            }
            Self::Membership(decided) => decided.reply(),
        }
    }
}

pub(super) fn records<R>(decision: &Result<Decision<R>, Refusal>) -> &[Record] {
    decision
        .as_ref()
        .map_or(&[], |decision| decision.records.as_slice())
}

pub(super) fn is_repeated<R>(decision: &Result<Decision<R>, Refusal>) -> bool {
    decision.as_ref().is_ok_and(|decision| decision.repeated)
}
