//! The log lines of a client: one for each sending and each receipt. `lamport` is the time that the
//! message itself carries, `clock` is this process's own clock after the event.

use std::time::Duration;

use chitty_chat::{
    LamportTime, ParticipantNumber,
    logging::CALL,
    proto::{status_name, v1},
};
use tonic::Status;
use tracing::info;

use super::{Ended, HistoryPage};

pub(super) fn join_sent(request: &v1::JoinRequest, clock: LamportTime) {
    info!(
        target: CALL,
        call = "Join", step = "sent",
        lamport = request.lamport, clock = clock.get(), name = request.name,
        resume = request.resume.as_ref().map(|resume| resume.position),
    );
}

pub(super) fn join_replied(welcome: &v1::Welcome, number: ParticipantNumber, clock: LamportTime) {
    info!(
        target: CALL,
        call = "Join", step = "replied",
        lamport = welcome.lamport, position = welcome.position, participant = number.get(),
        resumed = welcome.resumed, next = welcome.next, head = welcome.head, clock = clock.get(),
    );
}

pub(super) fn join_refused(lamport: LamportTime, status: &Status, reason: &str) {
    info!(
        target: CALL,
        call = "Join", step = "refused",
        lamport = lamport.get(), status = status_name(status.code()), reason,
    );
}

pub(super) fn closing_received(closing: &v1::Closing) {
    info!(
        target: CALL,
        call = "Closing", step = "received",
        position = closing.position, kind = closing.reason().as_str_name(), reason = closing.detail,
    );
}

pub(super) fn publish_sent(request: &v1::PublishRequest, retry: bool, clock: LamportTime) {
    info!(
        target: CALL,
        call = "Publish", step = "sent",
        lamport = request.lamport, clock = clock.get(), id = request.id, seen = request.seen,
        retry = retry.then_some(true), text = request.text,
    );
}

pub(super) fn publish_replied(id: &str, reply: &v1::PublishReply, clock: LamportTime) {
    info!(
        target: CALL,
        call = "Publish", step = "replied",
        lamport = reply.lamport, position = reply.position, id, clock = clock.get(),
    );
}

/// `outcome` says what follows: "refused", or "failed" if the line will be sent again.
pub(super) fn publish_not_accepted(
    outcome: &str,
    id: &str,
    lamport: LamportTime,
    status: &Status,
    reason: &str,
) {
    info!(
        target: CALL,
        call = "Publish", step = outcome,
        lamport = lamport.get(), id, status = status_name(status.code()), reason,
    );
}

pub(super) fn leave_sent(lamport: LamportTime) {
    info!(
        target: CALL,
        call = "Leave", step = "sent",
        lamport = lamport.get(), clock = lamport.get(),
    );
}

pub(super) fn leave_replied(reply: v1::LeaveReply, clock: LamportTime) {
    info!(
        target: CALL,
        call = "Leave", step = "replied",
        lamport = reply.lamport, position = reply.position, clock = clock.get(),
    );
}

pub(super) fn leave_refused(lamport: LamportTime, status: &Status, reason: &str) {
    info!(
        target: CALL,
        call = "Leave", step = "refused",
        lamport = lamport.get(), status = status_name(status.code()), reason,
    );
}

/// The fields of a page, exactly one of which is set.
#[derive(Default)]
struct PageFields {
    before: Option<u64>,
    after: Option<u64>,
    at_lamport: Option<u64>,
}

impl PageFields {
    fn of(page: HistoryPage) -> Self {
        let mut fields = Self::default();
        match page {
            HistoryPage::Before(before) => fields.before = Some(before.get()),
            HistoryPage::After(after) => fields.after = Some(after.get()),
            HistoryPage::At(lamport) => fields.at_lamport = Some(lamport.get()),
        }
        fields
    }
}

pub(super) fn history_sent(page: HistoryPage, limit: u32, clock: LamportTime) {
    let place = PageFields::of(page);
    info!(
        target: CALL,
        call = "History", step = "sent",
        before = place.before, after = place.after, at_lamport = place.at_lamport,
        limit, clock = clock.get(),
    );
}

pub(super) fn history_replied(
    page: HistoryPage,
    events: usize,
    start: bool,
    lamport: LamportTime,
    clock: LamportTime,
) {
    let place = PageFields::of(page);
    info!(
        target: CALL,
        call = "History", step = "replied",
        lamport = lamport.get(),
        before = place.before, after = place.after, at_lamport = place.at_lamport,
        events, start, clock = clock.get(),
    );
}

/// `status` is the server's, if it was the server that refused.
pub(super) fn history_refused(page: HistoryPage, status: Option<&Status>, reason: &str) {
    let place = PageFields::of(page);
    info!(
        target: CALL,
        call = "History", step = "refused",
        before = place.before, after = place.after, at_lamport = place.at_lamport,
        status = status.map(|status| status_name(status.code())), reason,
    );
}

pub(super) fn link(step: &str, server: &str) {
    info!(target: CALL, call = "Link", step, server);
}

pub(super) fn link_lost(server: &str, reason: &str, retry_in: Duration) {
    let retry_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
    info!(target: CALL, call = "Link", step = "lost", server, reason, retry_ms);
}

pub(super) fn link_ended(server: &str, ended: &Ended) {
    let reason = match ended {
        Ended::Left => "left",
        Ended::TakenOver => "taken over by another process",
        Ended::Removed(reason) | Ended::Failed(reason) => reason,
    };
    info!(target: CALL, call = "Link", step = "ended", server, reason);
}
