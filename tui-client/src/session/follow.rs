//! Following the log, and reading its history.

use std::time::Duration;

use chitty_chat::{Event, EventKind, LeftReason, Position, logging, proto::v1};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{
    Ended, HistoryPage, Link, Notice, bounds,
    cursor::Arrival,
    driver::{Flow, SessionDriver},
    grpc, log,
};

/// How many pages may be requested at a time.
const MAX_PAGES: usize = 4;
/// How many requests for pages may wait for that.
const MAX_WAITING: usize = 64;
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

/// A page of the log, or why there is none.
pub(super) struct FetchedPage {
    /// The count of timelines at the time of the request.
    timeline: u64,
    wanted: HistoryPage,
    /// How many events were requested.
    limit: u32,
    reply: Result<v1::HistoryReply, Status>,
}

#[cfg(test)]
impl FetchedPage {
    /// A page of the first timeline.
    pub(super) fn answered(wanted: HistoryPage, limit: u32, reply: v1::HistoryReply) -> Self {
        Self {
            timeline: 0,
            wanted,
            limit,
            reply: Ok(reply),
        }
    }
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
        let live = self.is_live(event.position);
        if live {
            self.clock.receive(event.lamport);
        } else {
            self.clock.observe(event.lamport);
        }
        let clock = self.clock.now();
        logging::broadcast("received", &event, clock);
        let own = match &event.kind {
            EventKind::Message { id, .. } => self.outbox.shown(id),
            _ => None,
        };
        // Asked before the notice goes out, and acted on after it: the event that ends the
        // participation is shown, too.
        let ended = self.own_end(&event);
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

    /// Whether an event at this position belongs to this participation. This is the only place that
    /// decides so; everything else goes by [`Notice::Event`].
    fn is_live(&self, position: Position) -> bool {
        self.participation
            .as_ref()
            .is_none_or(|participation| position >= participation.since)
    }

    /// Whether this event ends the participation for good, without this client asking for it. After
    /// a Left with the reason LOST or CLOSED, joining again is right.
    fn own_end(&mut self, event: &Event) -> Option<Ended> {
        let number = self.participation.as_ref()?.number;
        match &event.kind {
            EventKind::Left {
                participant,
                reason: LeftReason::Removed,
                ..
            } if *participant == number => Some(Ended::Removed(
                "an operator removed this participant".into(),
            )),
            EventKind::Left {
                participant,
                reason: LeftReason::Left,
                ..
            } if *participant == number && !self.leaving.is_wanted() => Some(Ended::Left),
            EventKind::Left { participant, .. } if *participant == number => {
                self.announced_gone = true;
                None
            }
            _ => None,
        }
    }

    /// Takes note of how far the session has caught up, and reports it.
    pub(super) fn note_progress(&mut self, report: ReportProgress) {
        if self.live.is_some() {
            return;
        }
        let remaining = self.head.get().saturating_sub(self.cursor.last().get());
        if remaining == 0 {
            self.live = Some(Instant::now());
            log::link("live", self.connector.server());
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
            Reason::Ended if self.announced_gone => {
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

    pub(super) fn ask_history(&mut self, page: HistoryPage, limit: u32) {
        let reason = match &self.channel {
            // A page that waits is no failure: the app would show one.
            _ if self.pages.len() >= MAX_PAGES => {
                if self.waiting_pages.len() < MAX_WAITING {
                    self.waiting_pages.push_back((page, limit));
                    return;
                }
                "too many pages are asked for already"
            }
            Some(channel) if self.state.is_following() => {
                let mut client = grpc::client(channel.clone(), bounds::PAGE);
                let request = history_request(self.session.reveal().to_owned(), page, limit);
                log::history_sent(page, limit, self.clock.now());
                let timeline = self.timeline;
                self.pages.push(Box::pin(async move {
                    let request = grpc::request(request, grpc::CALL);
                    let reply = grpc::answer(grpc::CALL, client.history(request)).await;
                    FetchedPage {
                        timeline,
                        wanted: page,
                        limit,
                        reply,
                    }
                }));
                return;
            }
            _ => "not connected; try again later",
        };
        self.no_history(page, None, reason.to_owned());
    }

    /// Takes an answer for a page, and sends the next waiting request.
    pub(super) fn paged(&mut self, read: FetchedPage) {
        self.show_page(read);
        while self.pages.len() < MAX_PAGES
            && let Some((page, limit)) = self.waiting_pages.pop_front()
        {
            self.ask_history(page, limit);
        }
    }

    fn show_page(&mut self, read: FetchedPage) {
        let FetchedPage {
            timeline,
            wanted: page,
            limit,
            reply,
        } = read;
        match reply {
            Ok(_) if timeline != self.timeline => {
                self.no_history(
                    page,
                    None,
                    "the timeline started afresh; ask again".to_owned(),
                );
            }
            Ok(reply) => {
                let (events, start) = match bounds::page(page, limit, reply) {
                    Ok(page) => page,
                    Err(wrong) => return self.no_history(page, None, wrong.to_string()),
                };
                let newest = events.iter().map(|event| event.lamport).max();
                let newest = newest.unwrap_or_default();
                self.clock.observe(newest);
                log::history_replied(page, events.len(), start, newest, self.clock.now());
                self.out.push(Notice::History {
                    page,
                    events: Ok(events),
                    start,
                });
            }
            Err(status) => self.no_history(page, Some(&status), grpc::reason(&status)),
        }
    }

    fn no_history(&mut self, page: HistoryPage, status: Option<&Status>, reason: String) {
        log::history_refused(page, status, &reason);
        self.out.push(Notice::History {
            page,
            events: Err(reason),
            start: false,
        });
    }
}

fn history_request(session: String, page: HistoryPage, limit: u32) -> v1::HistoryRequest {
    let mut request = v1::HistoryRequest {
        session,
        limit,
        ..Default::default()
    };
    match page {
        HistoryPage::Before(before) => request.before = before.get(),
        HistoryPage::After(after) => request.after = after.get(),
        HistoryPage::At(lamport) => request.at_lamport = lamport.get(),
    }
    request
}
