//! Requests about members and invitations, on their way to the room and back.

use tokio::sync::oneshot;

use super::{journal, request::ReplySender};
use chitty_room::{
    Change, Decision, DecisionTime, Invite, InviteGrant, Receipt, Refusal, Remove, Revoke,
    RevokeGrant, Room, record::Record,
};

/// A request about members that is not decided yet.
pub(super) enum MembershipRequest {
    Invite(Invite, ReplySender<InviteGrant>),
    Revoke(Revoke, ReplySender<RevokeGrant>),
    Change(Change, ReplySender<Receipt>),
    Remove(Remove, ReplySender<Receipt>),
}

/// The same with its decision, which counts once its records are durable.
pub(super) struct DecidedMembership {
    request: MembershipRequest,
    outcome: Result<Outcome, Refusal>,
}

/// What was decided: the records, and the reply of the request's kind.
struct Outcome {
    records: Vec<Record>,
    repeated: bool,
    grant: Grant,
}

enum Grant {
    Invite(InviteGrant),
    Revoke(RevokeGrant),
    Receipt(Receipt),
}

impl MembershipRequest {
    /// Has the room decide it.
    pub(super) fn decide(self, room: &mut Room, now: DecisionTime) -> DecidedMembership {
        let outcome = match &self {
            Self::Invite(invite, _) => room
                .invite(invite, now)
                .map(|decision| outcome(decision, Grant::Invite)),
            Self::Revoke(revoke, _) => room
                .revoke(revoke, now)
                .map(|decision| outcome(decision, Grant::Revoke)),
            Self::Change(change, _) => room
                .change(change, now)
                .map(|decision| outcome(decision, Grant::Receipt)),
            Self::Remove(remove, _) => room
                .remove(remove, now)
                .map(|decision| outcome(decision, Grant::Receipt)),
        };
        DecidedMembership {
            request: self,
            outcome,
        }
    }

    /// The name of the call, and the Lamport time that it carried.
    fn call(&self) -> (&'static str, u64) {
        match self {
            Self::Invite(invite, _) => ("Invite", invite.lamport.get()),
            Self::Revoke(revoke, _) => ("Revoke", revoke.lamport.get()),
            Self::Change(change, _) => ("Change", change.lamport.get()),
            Self::Remove(remove, _) => ("Remove", remove.lamport.get()),
        }
    }
}

fn outcome<R>(decision: Decision<R>, grant: impl FnOnce(R) -> Grant) -> Outcome {
    Outcome {
        records: decision.records,
        repeated: decision.repeated,
        grant: grant(decision.reply),
    }
}

impl DecidedMembership {
    pub(super) fn undecided(self) -> MembershipRequest {
        self.request
    }

    pub(super) fn records(&self) -> &[Record] {
        self.outcome
            .as_ref()
            .map_or(&[], |outcome| outcome.records.as_slice())
    }

    pub(super) const fn is_granted(&self) -> bool {
        self.outcome.is_ok()
    }

    pub(super) fn is_repeated(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|outcome| outcome.repeated)
    }

    pub(super) fn write_lines(&self) {
        let (call, lamport) = self.request.call();
        if let Ok(outcome) = &self.outcome {
            journal::membership(call, lamport, &outcome.records, outcome.repeated);
        }
    }

    pub(super) fn reply(self) {
        match (self.request, self.outcome) {
            (MembershipRequest::Invite(_, reply), outcome) => send(reply, outcome, Grant::invite),
            (MembershipRequest::Revoke(_, reply), outcome) => send(reply, outcome, Grant::revoke),
            (
                MembershipRequest::Change(_, reply) | MembershipRequest::Remove(_, reply),
                outcome,
            ) => send(reply, outcome, Grant::receipt),
        }
    }
}

/// A grant of another kind than its request cannot be: `decide` makes both. A caller would get no
/// reply, as if the server went down.
fn send<T>(
    reply: oneshot::Sender<Result<T, Refusal>>,
    outcome: Result<Outcome, Refusal>,
    grant: impl FnOnce(Grant) -> Option<T>,
) {
    let result = match outcome {
        Ok(outcome) => grant(outcome.grant).map(Ok),
        Err(refusal) => Some(Err(refusal)),
    };
    if let Some(result) = result {
        // A caller that is gone does not matter.
        drop(reply.send(result));
    }
}

impl Grant {
    fn invite(self) -> Option<InviteGrant> {
        match self {
            Self::Invite(grant) => Some(grant),
            Self::Revoke(_) | Self::Receipt(_) => None,
        }
    }

    fn revoke(self) -> Option<RevokeGrant> {
        match self {
            Self::Revoke(grant) => Some(grant),
            Self::Invite(_) | Self::Receipt(_) => None,
        }
    }

    fn receipt(self) -> Option<Receipt> {
        match self {
            Self::Receipt(receipt) => Some(receipt),
            Self::Invite(_) | Self::Revoke(_) => None,
        }
    }
}
