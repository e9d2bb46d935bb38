//! Leaving: properly if possible, and soon in any case.

use std::time::Duration;

use chitty_chat::{LamportTime, proto::v1};
use tokio::time::Instant;
use tonic::Status;

use super::{
    Ended, bounds,
    driver::{Flow, SessionDriver},
    grpc,
    link::{BoxFuture, LinkState},
    log,
};

/// How long leaving waits for the outcome of lines that were sent.
const OUTCOMES: Duration = Duration::from_millis(500);
/// How long the stream is still read for this participant's own Left.
const OWN_LEFT: Duration = Duration::from_millis(250);

/// How far leaving has progressed.
pub(super) enum LeavePhase {
    /// The user stays.
    No,
    /// Leave was asked for; lines that were sent before may still be confirmed.
    Wanted { until: Instant },
    /// Leave was sent.
    Sent(BoxFuture<LeaveOutcome>),
    /// Leave was answered; the stream is read to its end.
    Done { until: Instant },
}

/// The result of Leave.
pub(super) struct LeaveOutcome {
    pub(super) lamport: LamportTime,
    pub(super) reply: Result<v1::LeaveReply, Status>,
}

impl LeavePhase {
    /// Whether the user wants to leave.
    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self, Self::No)
    }

    /// Whether lines that were typed before may still be sent.
    pub(super) fn waits_for_outcomes(&self) -> bool {
        matches!(self, Self::Wanted { .. })
    }

    pub(super) fn is_sent(&self) -> bool {
        matches!(self, Self::Sent(_))
    }

    /// The result of the Leave that was sent; pending forever if none was.
    pub(super) async fn outcome(&mut self) -> LeaveOutcome {
        match self {
            Self::Sent(call) => call.await,
            _ => std::future::pending().await,
        }
    }

    /// When this phase ends at the latest.
    pub(super) fn until(&self) -> Option<Instant> {
        match self {
            Self::Wanted { until } | Self::Done { until } => Some(*until),
            Self::No | Self::Sent(_) => None,
        }
    }
}

impl SessionDriver {
    pub(super) fn begin_to_leave(&mut self) {
        if self.leaving.is_wanted() {
            return;
        }
        log::link("leaving", self.link.server());
        if matches!(
            self.link.state(),
            LinkState::Connecting(..) | LinkState::Waiting { .. }
        ) {
            // No server is started or waited for just to send it a Leave.
            self.link.stop();
        }
        self.leaving = LeavePhase::Wanted {
            until: Instant::now() + OUTCOMES,
        };
    }

    pub(super) fn go_on_leaving(&mut self) -> Flow {
        let now = Instant::now();
        match &self.leaving {
            LeavePhase::Wanted { until } => {
                // Lines that were typed before the wish to leave are still sent, but without a link
                // they would never be.
                let to_send = self.link.is_live() && !self.lines.is_settled();
                let under_way = to_send || self.lines.is_in_flight() || self.link.is_joining();
                if under_way && now < *until {
                    return Flow::Continue(());
                }
                self.send_leave()
            }
            LeavePhase::Done { until } if now >= *until || !self.link.is_following() => {
                Flow::Break(Ended::Left)
            }
            _ => Flow::Continue(()),
        }
    }

    /// Sends Leave, even without a stream: the channel reconnects if that is quickly done.
    fn send_leave(&mut self) -> Flow {
        let Some(channel) = self.link.channel().cloned() else {
            return Flow::Break(Ended::Left);
        };
        if self.participant.name().is_none() {
            return Flow::Break(Ended::Left);
        }
        let lamport = self.clock.tick();
        let request = v1::LeaveRequest {
            session: self.session.reveal().to_owned(),
            lamport: lamport.get(),
        };
        log::leave_sent(lamport);
        let mut client = grpc::client(channel, bounds::REPLY);
        self.leaving = LeavePhase::Sent(Box::pin(async move {
            let request = grpc::request(request, grpc::LEAVE);
            let reply = grpc::answer(grpc::LEAVE, client.leave(request)).await;
            LeaveOutcome { lamport, reply }
        }));
        Flow::Continue(())
    }

    pub(super) fn left(&mut self, outcome: LeaveOutcome) -> Flow {
        match outcome.reply {
            Ok(reply) => {
                self.clock.observe(reply.lamport.into());
                log::leave_replied(reply, self.clock.now());
                self.leaving = LeavePhase::Done {
                    until: Instant::now() + OWN_LEFT,
                };
                Flow::Continue(())
            }
            Err(status) => {
                log::leave_refused(outcome.lamport, &status, &grpc::reason(&status));
                Flow::Break(Ended::Left)
            }
        }
    }
}
