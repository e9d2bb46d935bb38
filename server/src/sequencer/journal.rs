//! The log lines that the sequencer writes (docs/log-format.md).

use chitty_chat::{
    Event, EventKind, MessageId, ParticipantName,
    logging::{self, CALL},
};
use tracing::info;

use crate::room::{Accepted, Command, Decision, Receipt};

/// Writes the line of a broadcast; the log's clock is at the event's time.
pub(super) fn broadcast(event: &Event) {
    logging::broadcast("sent", event, event.lamport);
}

/// Writes the lines of a request that was accepted: its receipt, the broadcasts that it led to, and
/// its reply. Called when all of it is durable.
pub(super) fn decided(command: &Command, decision: &Decision) {
    received(command, decision);
    for record in &decision.records {
        broadcast(&record.event);
    }
    match &decision.accepted {
        Accepted::Joined(granted) => info!(
            target: CALL, call = "Join", step = "granted", lamport = granted.lamport.get(),
            position = granted.position.get(), participant = granted.participant.get(),
            generation = granted.generation, resumed = granted.resumed,
            next = granted.next.get(), head = granted.head.get(),
        ),
        Accepted::Published { receipt, duplicate } => {
            replied("Publish", *receipt, id_of(command), *duplicate);
        }
        Accepted::Left { receipt, repeated } => replied("Leave", *receipt, None, *repeated),
    }
}

/// Whether the request only got an earlier reply again. The chat's rules do not limit such
/// requests, so their lines are limited.
pub(super) const fn is_repeat(decision: &Decision) -> bool {
    matches!(
        decision.accepted,
        Accepted::Published {
            duplicate: true,
            ..
        } | Accepted::Left { repeated: true, .. }
    )
}

/// Writes the line of a receipt. `clock` is the log's clock at the receipt, one step before the
/// broadcast of its event. A request that leads to no event moves no clock.
fn received(command: &Command, decision: &Decision) {
    let clock = decision
        .records
        .last()
        .map(|record| record.event.lamport.get() - 1);
    match command {
        Command::Join(join) => info!(
            target: CALL, call = "Join", step = "received", lamport = join.lamport.get(),
            name = join.name.as_ref().ok().map(ParticipantName::as_str), session = %join.session,
            resume = join.resume.as_ref().map(|resume| resume.position.get()), clock,
        ),
        Command::Publish(publish) => info!(
            target: CALL, call = "Publish", step = "received", lamport = publish.lamport.get(),
            participant = participant_of(decision), session = %publish.session, id = id_of(command),
            seen = publish.seen.get(), clock,
        ),
        Command::Leave(leave) => info!(
            target: CALL, call = "Leave", step = "received", lamport = leave.lamport.get(),
            participant = participant_of(decision), session = %leave.session, clock,
        ),
    }
}

/// The participant whose event the request led to; `None` for a Joined, whose broadcast names it.
fn participant_of(decision: &Decision) -> Option<u64> {
    match &decision.records.last()?.event.kind {
        EventKind::Message { participant, .. } | EventKind::Left { participant, .. } => {
            Some(participant.get())
        }
        EventKind::Joined { .. } | EventKind::Unknown => None,
    }
}

fn id_of(command: &Command) -> Option<&str> {
    match command {
        Command::Publish(publish) => publish.id.as_ref().map(MessageId::as_str),
        Command::Join(_) | Command::Leave(_) => None,
    }
}

fn replied(call: &'static str, receipt: Receipt, id: Option<&str>, repeated: bool) {
    info!(
        target: CALL, call, step = "replied", lamport = receipt.lamport.get(),
        position = receipt.position.get(), id, repeated = repeated.then_some(true),
    );
}

#[cfg(test)]
mod tests;
