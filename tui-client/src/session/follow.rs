//! Following the log.

use std::time::Duration;

use chitty_chat::{Event, EventKind, logging, proto::v1};
use tonic::{Code, Status};

use super::{
    Ended, Link, Notice, bounds,
    cursor::Arrival,
    driver::{Flow, SessionDriver},
    grpc, log,
};

/// Progress in catching up is reported once for this many events.
const PROGRESS: u64 = 100;

/// When the progress in catching up is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReportProgress {
    /// Even if few events have come: after a Welcome, since the app knows nothing yet.
    Always,
    /// Once for every [`PROGRESS`] events.
    NowAndThen,
}

impl SessionDriver {
    pub(super) fn broadcast(&mut self, broadcast: Result<Option<v1::Broadcast>, Status>) -> Flow {
        use v1::broadcast::Kind;

        match broadcast {
            Ok(Some(mut broadcast)) => {
                bounds::broadcast(&mut broadcast);
                match broadcast.kind {
                    Some(Kind::Event(event)) => return self.event(event.into()),
                    Some(Kind::Closing(closing)) => return self.closing(closing),
                    // A second Welcome adds nothing, and what this version does not know means
                    // nothing to it.
                    Some(Kind::Welcome(_)) | None => {}
                }
            }
            Ok(None) => self.lost("the server ended the stream".into(), Duration::ZERO),
            Err(status) => return self.stream_failed(&status),
        }
        Flow::Continue(())
    }

    fn event(&mut self, event: Event) -> Flow {
        match self.cursor.take(event.position, event.lamport) {
            Arrival::Show => {}
            Arrival::Repeat => {
                tracing::debug!(position = event.position.get(), "shown before");
                return Flow::Continue(());
            }
            Arrival::Gap => {
                let reason = format!("the stream left out what comes before {}", event.position);
                self.lost(reason, Duration::ZERO);
                return Flow::Continue(());
            }
        }
        let live = self.participant.covers(event.position);
        if live {
            self.clock.receive(event.lamport);
        } else {
            self.clock.observe(event.lamport);
        }
        let clock = self.clock.now();
        logging::broadcast("received", &event, clock);
        let own = match &event.kind {
            EventKind::Message { id, .. } => self.lines.shown(id),
            _ => None,
        };
        // Asked before the notice goes out, and acted on after it: the event that ends the
        // participation is shown, too.
        let leaves = self.leaving.is_wanted();
        let ended = self.participant.own_end(&event, leaves);
        self.out.note_clock(clock);
        self.out.push(Notice::Event {
            event,
            clock,
            own,
            live,
        });
        self.note_progress(ReportProgress::NowAndThen);
        ended.map_or(Flow::Continue(()), Flow::Break)
    }

    /// Takes note of how far the session has caught up, and reports it.
    pub(super) fn note_progress(&mut self, report: ReportProgress) {
        let Some(remaining) = self.link.catch_up(self.cursor.last()) else {
            return;
        };
        if remaining == 0 {
            log::link("live", self.link.server());
            self.out.link(Link::Live);
        } else if report == ReportProgress::Always || remaining.is_multiple_of(PROGRESS) {
            self.out.link(Link::CatchingUp { remaining });
        }
    }

    fn closing(&mut self, closing: v1::Closing) -> Flow {
        use v1::closing::Reason;

        log::closing_received(&closing);
        match closing.reason() {
            Reason::TakenOver => return Flow::Break(Ended::TakenOver),
            // The participant was announced as LOST although it was not: joining again is right.
            Reason::Ended if self.participant.is_announced_gone() => {
                self.lost("this participation was given up".into(), Duration::ZERO);
            }
            Reason::Ended if !self.leaving.is_wanted() => {
                return Flow::Break(Ended::Removed(closing.detail));
            }
            Reason::Shutdown => self.lost("the server shuts down".into(), Duration::ZERO),
            Reason::TooSlow => self.lost("this client read too slowly".into(), Duration::ZERO),
            // The status that follows says more.
            Reason::Ended | Reason::Unspecified => {}
        }
        Flow::Continue(())
    }

    fn stream_failed(&mut self, status: &Status) -> Flow {
        let reason = grpc::reason(status);
        match status.code() {
            Code::Aborted => Flow::Break(Ended::TakenOver),
            Code::Unauthenticated if !self.leaving.is_wanted() => {
                Flow::Break(Ended::Removed(reason))
            }
            _ => {
                self.lost(reason, Duration::ZERO);
                Flow::Continue(())
            }
        }
    }
}
