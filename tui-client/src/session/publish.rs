//! Sending lines: in order, one at a time, until each outcome is known.

use std::{future::Future, time::Duration};

use chitty_chat::{LamportTime, MessageId, MessageText, Position, proto::v1};
use tokio::time::Instant;
use tonic::Status;

use super::{
    ClockCause, Notice, Ticket,
    backoff::Backoff,
    bounds,
    driver::SessionDriver,
    grpc::{self, PublishFailure},
    link::BoxFuture,
    log,
    outbox::{NextRequest, Outbox, OutboxFull},
};

/// The result of a publish call.
pub(super) struct PublishOutcome {
    id: MessageId,
    lamport: LamportTime,
    reply: Result<v1::PublishReply, Status>,
}

/// The user's lines, the call that is in flight for one of them, and the pause after a failure.
#[derive(Default)]
pub(super) struct LineSender {
    outbox: Outbox,
    in_flight: Option<BoxFuture<PublishOutcome>>,
    backoff: Backoff,
}

impl LineSender {
    /// Queues a line of the user's.
    pub(super) fn push(
        &mut self,
        ticket: Ticket,
        text: MessageText,
        id: MessageId,
    ) -> Result<(), OutboxFull> {
        self.outbox.push(ticket, text, id)
    }

    /// Takes note that the stream delivered a message. Returns its ticket, if it is the user's.
    pub(super) fn shown(&mut self, id: &str) -> Option<Ticket> {
        self.outbox.shown(id)
    }

    /// Prepares the lines for a timeline that starts afresh.
    pub(super) fn renew(&mut self) {
        self.outbox.renew();
    }

    /// Abandons the call that is in flight, because its link is down. The outcome is unknown: the
    /// same request is sent again.
    pub(super) fn abandon_call(&mut self) {
        self.in_flight = None;
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether each line has its outcome.
    pub(super) fn is_settled(&self) -> bool {
        self.outbox.is_settled()
    }

    /// When the next line is due; `None` if none is, or while another one is in flight.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.is_in_flight() {
            None
        } else {
            self.outbox.due()
        }
    }

    /// The outcome of the call that is in flight; pending forever if none is. Cancel-safe: a call
    /// whose outcome was not returned stays in flight.
    pub(super) async fn outcome(&mut self) -> PublishOutcome {
        let Some(call) = &mut self.in_flight else {
            return std::future::pending().await;
        };
        let outcome = call.await;
        self.in_flight = None;
        outcome
    }

    fn send(&mut self, call: impl Future<Output = PublishOutcome> + Send + 'static) {
        self.in_flight = Some(Box::pin(call));
    }

    /// How long to wait before the line is sent again; longer after each failure.
    fn next_wait(&mut self, random: u64) -> Duration {
        self.backoff.next(random)
    }
}

/// What tests change without a server.
#[cfg(test)]
impl LineSender {
    pub(super) fn send_forever(&mut self) {
        self.send(std::future::pending());
    }

    pub(super) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    pub(super) fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }
}

impl SessionDriver {
    /// Sends the next line, if there is one and the link allows it.
    pub(super) fn send_next_line(&mut self) {
        let Some(channel) = self.link.channel().cloned() else {
            return;
        };
        if !self.link.is_live() || self.lines.is_in_flight() {
            return;
        }
        // The clock ticks only for a new request. A retry sends the old one again, identical to the
        // byte.
        let (clock, cursor, session) = (&mut self.clock, &self.cursor, &self.session);
        let next = self
            .lines
            .outbox
            .next(Instant::now(), |id, text| v1::PublishRequest {
                session: session.reveal().to_owned(),
                text: text.to_string(),
                id: id.to_string(),
                seen: cursor.seen().get(),
                lamport: clock.tick().get(),
            });
        let Some(NextRequest { id, request, retry }) = next else {
            return;
        };
        self.out.clock(self.clock.now(), ClockCause::Sent);
        log::publish_sent(&request, retry, self.clock.now());
        let mut client = grpc::client(channel, bounds::REPLY);
        self.lines.send(async move {
            let lamport = request.lamport.into();
            let request = grpc::request(request, grpc::CALL);
            let reply = grpc::answer(grpc::CALL, client.publish(request)).await;
            PublishOutcome { id, lamport, reply }
        });
    }

    pub(super) fn published(&mut self, outcome: PublishOutcome) {
        let PublishOutcome { id, lamport, reply } = outcome;
        match reply {
            Ok(reply) => {
                self.lines.backoff.reset();
                self.clock.observe(reply.lamport.into());
                self.out.clock(self.clock.now(), ClockCause::Observed);
                log::publish_replied(id.as_str(), &reply, self.clock.now());
                let position = Position::new(reply.position);
                if let Some(ticket) = self
                    .lines
                    .outbox
                    .accepted(&id, position, self.cursor.last())
                {
                    self.out.push(Notice::Accepted { ticket, position });
                }
            }
            Err(status) => self.not_published(&id, lamport, &status),
        }
    }

    pub(super) fn not_published(&mut self, id: &MessageId, lamport: LamportTime, status: &Status) {
        let failure = PublishFailure::of(status);
        let outcome = match &failure {
            PublishFailure::Refused(_) => "refused",
            _ => "failed",
        };
        let reason = grpc::reason(status);
        log::publish_not_accepted(outcome, id.as_str(), lamport, status, &reason);
        match failure {
            PublishFailure::Refused(reason) => {
                self.lines.backoff.reset();
                if let Some(ticket) = self.lines.outbox.refused(id) {
                    self.out.push(Notice::Rejected { ticket, reason });
                }
            }
            PublishFailure::Wait(wait) => self.lines.outbox.wait_until(Instant::now() + wait),
            PublishFailure::Rejoin(reason) => {
                let wait = self.publish_wait();
                self.lost(reason, wait);
            }
            PublishFailure::Unknown => {
                let wait = self.publish_wait();
                self.lines.outbox.wait_until(Instant::now() + wait);
            }
        }
    }

    fn publish_wait(&mut self) -> Duration {
        let random = self.random_u64();
        self.lines.next_wait(random)
    }
}
