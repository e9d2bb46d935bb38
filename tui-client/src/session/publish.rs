//! Sending lines: in order, one at a time, until each outcome is known.

use std::time::Duration;

use chitty_chat::{LamportTime, MessageId, Position, proto::v1};
use tokio::time::Instant;
use tonic::Status;

use super::{
    ClockCause, Notice, bounds,
    driver::SessionDriver,
    grpc::{self, PublishFailure},
    link::BoxFuture,
    log,
    outbox::NextRequest,
};

/// The publish call in flight.
pub(super) type PublishInFlight = BoxFuture<PublishOutcome>;

/// The result of a publish call.
pub(super) struct PublishOutcome {
    id: MessageId,
    lamport: LamportTime,
    reply: Result<v1::PublishReply, Status>,
}

impl SessionDriver {
    /// Sends the next line, if there is one and the link allows it.
    pub(super) fn send_next_line(&mut self) {
        let Some(channel) = self.channel.clone() else {
            return;
        };
        if self.live.is_none() || self.publishing.is_some() {
            return;
        }
        // The clock ticks only for a new request. A retry sends the old one again, identical to the
        // byte.
        let (clock, cursor, session) = (&mut self.clock, &self.cursor, &self.session);
        let next = self
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
        self.publishing = Some(Box::pin(async move {
            let lamport = request.lamport.into();
            let request = grpc::request(request, grpc::CALL);
            let reply = grpc::answer(grpc::CALL, client.publish(request)).await;
            PublishOutcome { id, lamport, reply }
        }));
    }

    pub(super) fn published(&mut self, outcome: PublishOutcome) {
        let PublishOutcome { id, lamport, reply } = outcome;
        match reply {
            Ok(reply) => {
                self.publish_backoff.reset();
                self.clock.observe(reply.lamport.into());
                self.out.clock(self.clock.now(), ClockCause::Observed);
                log::publish_replied(id.as_str(), &reply, self.clock.now());
                let position = Position::new(reply.position);
                if let Some(ticket) = self.outbox.accepted(&id, position, self.cursor.last()) {
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
                self.publish_backoff.reset();
                if let Some(ticket) = self.outbox.refused(id) {
                    self.out.push(Notice::Rejected { ticket, reason });
                }
            }
            PublishFailure::Wait(wait) => self.outbox.wait_until(Instant::now() + wait),
            PublishFailure::Rejoin(reason) => {
                let wait = self.publish_wait();
                self.lost(reason, wait);
            }
            PublishFailure::Unknown => {
                let wait = self.publish_wait();
                self.outbox.wait_until(Instant::now() + wait);
            }
        }
    }

    /// How long to wait before the line is sent again; longer after each failure.
    fn publish_wait(&mut self) -> Duration {
        let random = self.random_u64();
        self.publish_backoff.next(random)
    }
}
