//! Requests about members and invitations, on their way to the room and back.
//!
//! They are rare, so they are boxed: a request keeps its command's type, and its reply can be of no
//! other kind.

use chitty_chat::LamportTime;

use super::{journal, request, request::ReplySender};
use chitty_room::{
    Change, Decision, DecisionTime, Invite, InviteGrant, Receipt, Refusal, Remove, Revoke,
    RevokeGrant, Room, record::Record,
};

/// A request about members that is not decided yet.
pub(super) trait MembershipRequest: Send + Sync {
    /// Has the room decide it.
    fn decide(self: Box<Self>, room: &mut Room, now: DecisionTime) -> Box<dyn DecidedMembership>;
}

/// The same with its decision, which counts once its records are durable.
pub(super) trait DecidedMembership: Send + Sync {
    /// Drops the decision, for a request that has to be decided again.
    fn undecided(self: Box<Self>) -> Box<dyn MembershipRequest>;

    /// The records that it leads to; none if it was refused.
    fn records(&self) -> &[Record];

    fn is_granted(&self) -> bool;

    /// Whether it only gets an earlier reply again.
    fn is_repeated(&self) -> bool;

    /// Writes its log lines if it was granted. The service logs refusals.
    fn write_lines(&self);

    /// Replies to the caller. A caller that is gone does not matter.
    fn reply(self: Box<Self>);
}

/// What somebody asks of the list of members.
pub(super) trait MembershipCommand: Send + Sync + 'static {
    /// What a caller gets whose request is granted.
    type Reply: Send + Sync;
    /// The name of the call, in log lines.
    const CALL: &'static str;

    /// The Lamport time that the request carries; 0 if it carries none.
    fn lamport(&self) -> LamportTime;

    fn decide(&self, room: &mut Room, now: DecisionTime) -> Result<Decision<Self::Reply>, Refusal>;
}

/// A command with the way back to its caller.
pub(super) struct Asked<C: MembershipCommand> {
    pub(super) command: C,
    pub(super) reply: ReplySender<C::Reply>,
}

struct Decided<C: MembershipCommand> {
    asked: Asked<C>,
    decision: Result<Decision<C::Reply>, Refusal>,
}

impl<C: MembershipCommand> MembershipRequest for Asked<C> {
    fn decide(self: Box<Self>, room: &mut Room, now: DecisionTime) -> Box<dyn DecidedMembership> {
        let decision = self.command.decide(room, now);
        Box::new(Decided {
            asked: *self,
            decision,
        })
    }
}

impl<C: MembershipCommand> DecidedMembership for Decided<C> {
    fn undecided(self: Box<Self>) -> Box<dyn MembershipRequest> {
        Box::new(self.asked)
    }

    fn records(&self) -> &[Record] {
        request::records(&self.decision)
    }

    fn is_granted(&self) -> bool {
        self.decision.is_ok()
    }

    fn is_repeated(&self) -> bool {
        request::is_repeated(&self.decision)
    }

    fn write_lines(&self) {
        if let Ok(decision) = &self.decision {
            let lamport = self.asked.command.lamport();
            journal::membership(C::CALL, lamport, &decision.records, decision.repeated);
        }
    }

    fn reply(self: Box<Self>) {
        let reply = self.decision.map(|decision| decision.reply);
        drop(self.asked.reply.send(reply));
    }
}

impl MembershipCommand for Invite {
    type Reply = InviteGrant;
    const CALL: &'static str = "Invite";

    fn lamport(&self) -> LamportTime {
        self.lamport
    }

    fn decide(&self, room: &mut Room, now: DecisionTime) -> Result<Decision<InviteGrant>, Refusal> {
        room.invite(self, now)
    }
}

impl MembershipCommand for Revoke {
    type Reply = RevokeGrant;
    const CALL: &'static str = "Revoke";

    fn lamport(&self) -> LamportTime {
        self.lamport
    }

    fn decide(&self, room: &mut Room, now: DecisionTime) -> Result<Decision<RevokeGrant>, Refusal> {
        room.revoke(self, now)
    }
}

impl MembershipCommand for Change {
    type Reply = Receipt;
    const CALL: &'static str = "Change";

    fn lamport(&self) -> LamportTime {
        self.lamport
    }

    fn decide(&self, room: &mut Room, now: DecisionTime) -> Result<Decision<Receipt>, Refusal> {
        room.change(self, now)
    }
}

impl MembershipCommand for Remove {
    type Reply = Receipt;
    const CALL: &'static str = "Remove";

    fn lamport(&self) -> LamportTime {
        self.lamport
    }

    fn decide(&self, room: &mut Room, now: DecisionTime) -> Result<Decision<Receipt>, Refusal> {
        room.remove(self, now)
    }
}
