//! The log lines that the sequencer writes (docs/log-format.md).

use chitty_chat::{
    Event, LamportTime, MessageId, ParticipantName,
    logging::{self, CALL},
};
use tracing::info;

use chitty_room::{Decision, Join, JoinGrant, Leave, Publish, Receipt, record::Record};

/// Writes the line of a broadcast; the log's clock is at the event's time.
pub(super) fn broadcast(event: &Event) {
    logging::broadcast("sent", event, event.lamport);
}

/// Writes the lines of a Join that was granted: its receipt, the broadcasts that it led to, and its
/// reply.
pub(super) fn join(join: &Join, decision: &Decision<JoinGrant>) {
    info!(
        target: CALL, call = "Join", step = "received", lamport = join.lamport.get(),
        name = join.name.as_ref().ok().map(ParticipantName::as_str), session = %join.session,
        resume = join.resume.as_ref().map(|resume| resume.position.get()),
        clock = clock_at_receipt(&decision.records),
    );
    broadcast_all(&decision.records);
    let granted = &decision.reply;
    info!(
        target: CALL, call = "Join", step = "granted", lamport = granted.lamport.get(),
        position = granted.position.get(), participant = granted.participant.get(),
        generation = granted.generation, resumed = granted.resumed,
        next = granted.next.get(), head = granted.head.get(),
    );
}

/// The same for a Publish.
pub(super) fn publish(publish: &Publish, decision: &Decision<Receipt>) {
    let id = publish.id.as_ref().map(MessageId::as_str);
    info!(
        target: CALL, call = "Publish", step = "received", lamport = publish.lamport.get(),
        participant = participant_of(&decision.records), session = %publish.session, id,
        seen = publish.seen.get(), clock = clock_at_receipt(&decision.records),
    );
    broadcast_all(&decision.records);
    replied("Publish", decision, id);
}

/// The same for a Leave.
pub(super) fn leave(leave: &Leave, decision: &Decision<Receipt>) {
    info!(
        target: CALL, call = "Leave", step = "received", lamport = leave.lamport.get(),
        participant = participant_of(&decision.records), session = %leave.session,
        clock = clock_at_receipt(&decision.records),
    );
    broadcast_all(&decision.records);
    replied("Leave", decision, None);
}

/// Writes the lines of a call about members.
pub(super) fn membership(
    call: &'static str,
    lamport: LamportTime,
    records: &[Record],
    repeated: bool,
) {
    let request = records.last().map(|record| record.event.request.get());
    info!(
        target: CALL, call, step = "received", lamport = lamport.get(),
        clock = request.filter(|request| *request != 0).and_then(|_| clock_at_receipt(records)),
    );
    broadcast_all(records);
    let last = records.last().map(|record| &record.event);
    info!(
        target: CALL, call, step = "replied", lamport = last.map_or(0, |event| event.lamport.get()),
        position = last.map(|event| event.position.get()), repeated = repeated.then_some(true),
    );
}

fn broadcast_all(records: &[Record]) {
    for record in records {
        broadcast(&record.event);
    }
}

/// The log's clock at the receipt of a request, one step before the broadcast of its event. A
/// request that leads to no event moves no clock.
fn clock_at_receipt(records: &[Record]) -> Option<u64> {
    records.last().map(|record| record.event.lamport.get() - 1)
}

/// The participant whose event the request led to.
fn participant_of(records: &[Record]) -> Option<u64> {
    let participant = records.last()?.event.participant()?;
    Some(participant.get())
}

fn replied(call: &'static str, decision: &Decision<Receipt>, id: Option<&str>) {
    let receipt = decision.reply;
    info!(
        target: CALL, call, step = "replied", lamport = receipt.lamport.get(),
        position = receipt.position.get(), id, repeated = decision.repeated.then_some(true),
    );
}

#[cfg(test)]
mod tests;
