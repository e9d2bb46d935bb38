//! The line of a broadcast: the same in every process's log, but for the step and the clock.

use tracing::info;

use super::CALL;
use crate::{Event, EventKind, LamportTime, MemberNumber};

/// Writes the line of a broadcast. `step` is "sent" on the server and "received" on a client,
/// `clock` the process's own clock after that.
pub fn broadcast(step: &str, event: &Event, clock: LamportTime) {
    let (lamport, position) = (event.lamport.get(), event.position.get());
    let (kind, request, clock) = (event.kind_str(), event.request.get(), clock.get());
    match &event.kind {
        EventKind::Joined { name, .. } => info!(
            target: CALL, call = "Broadcast", step, lamport, position, kind,
            participant = position, name = &**name, text = event.sentence(), request, clock,
        ),
        EventKind::Left {
            name,
            reason,
            participant,
        } => info!(
            target: CALL, call = "Broadcast", step, lamport, position, kind,
            participant = participant.get(), name = &**name, reason = reason.as_str(),
            text = event.sentence(), request, clock,
        ),
        EventKind::Message {
            author,
            text,
            id,
            seen,
            participant,
            ..
        } => info!(
            target: CALL, call = "Broadcast", step, lamport, position, kind,
            participant = participant.get(), author = &**author, id = &**id, seen = seen.get(),
            text = &**text, request, clock,
        ),
        EventKind::Member(member) => info!(
            target: CALL, call = "Broadcast", step, lamport, position, kind,
            member = member.number.map_or(position, MemberNumber::get), name = &*member.name,
            role = member.role.as_str(), keys = member.keys, by = MemberNumber::to_wire(member.by),
            invitation = member.invitation.get(), request, clock,
        ),
        EventKind::Invitation(invitation) => info!(
            target: CALL, call = "Broadcast", step, lamport, position, kind,
            invitation = invitation.number_at(event.position).get(),
            role = invitation.role.as_str(), uses = invitation.uses,
            by = MemberNumber::to_wire(invitation.by),
            member = MemberNumber::to_wire(invitation.member), only = invitation.only,
            revoked = invitation.revoked, request, clock,
        ),
        EventKind::Unknown => info!(
            target: CALL, call = "Broadcast", step, lamport, position, kind, request, clock,
        ),
    }
}
