//! Reading pages of the log's history.

use std::{collections::VecDeque, future::Future};

use chitty_chat::proto::v1;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tonic::Status;

use super::{HistoryPage, Notice, bounds, driver::SessionDriver, grpc, link::BoxFuture, log};

/// How many pages may be requested at a time.
const MAX_PAGES: usize = 4;
/// How many requests for pages may wait for that.
const MAX_WAITING: usize = 64;

/// The pages that were requested. A request waits only while [`MAX_PAGES`] others are in flight.
#[derive(Default)]
pub(super) struct HistoryRequests {
    in_flight: FuturesUnordered<BoxFuture<FetchedPage>>,
    waiting: VecDeque<(HistoryPage, u32)>,
    /// How often the timeline has started afresh. It tells pages of earlier timelines apart.
    timeline: u64,
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

impl HistoryRequests {
    /// Whether a request can be sent at once.
    fn has_space(&self) -> bool {
        self.in_flight.len() < MAX_PAGES
    }

    /// Lets a request wait for its turn. Returns whether there is space for it.
    fn wait(&mut self, page: HistoryPage, limit: u32) -> bool {
        let has_space = self.waiting.len() < MAX_WAITING;
        if has_space {
            self.waiting.push_back((page, limit));
        }
        has_space
    }

    /// The next request that waits, if it can be sent now.
    fn next_waiting(&mut self) -> Option<(HistoryPage, u32)> {
        self.has_space().then(|| self.waiting.pop_front())?
    }

    fn send(
        &mut self,
        wanted: HistoryPage,
        limit: u32,
        call: impl Future<Output = Result<v1::HistoryReply, Status>> + Send + 'static,
    ) {
        let timeline = self.timeline;
        self.in_flight.push(Box::pin(async move {
            FetchedPage {
                timeline,
                wanted,
                limit,
                reply: call.await,
            }
        }));
    }

    /// Whether this page was requested for the present timeline.
    fn is_current(&self, page: &FetchedPage) -> bool {
        page.timeline == self.timeline
    }

    /// Takes note that the timeline starts afresh: pages that are in flight belong to the old one.
    pub(super) fn start_afresh(&mut self) {
        self.timeline += 1;
    }

    /// The next answer; pending forever if no request is in flight.
    pub(super) async fn next(&mut self) -> FetchedPage {
        match self.in_flight.next().await {
            Some(page) => page,
            None => std::future::pending().await,
        }
    }
}

impl SessionDriver {
    pub(super) fn ask_history(&mut self, page: HistoryPage, limit: u32) {
        let reason = match self.link.channel() {
            // A page that waits is no failure: the app would show one.
            _ if !self.pages.has_space() => {
                if self.pages.wait(page, limit) {
                    return;
                }
                "too many pages are asked for already"
            }
            Some(channel) if self.link.is_following() => {
                let mut client = grpc::client(channel.clone(), bounds::PAGE);
                let request = history_request(self.session.reveal().to_owned(), page, limit);
                log::history_sent(page, limit, self.clock.now());
                self.pages.send(page, limit, async move {
                    let request = grpc::request(request, grpc::CALL);
                    grpc::answer(grpc::CALL, client.history(request)).await
                });
                return;
            }
            _ => "not connected; try again later",
        };
        self.no_history(page, None, reason.to_owned());
    }

    /// Takes an answer for a page, and sends the next waiting request.
    pub(super) fn paged(&mut self, read: FetchedPage) {
        self.show_page(read);
        while let Some((page, limit)) = self.pages.next_waiting() {
            self.ask_history(page, limit);
        }
    }

    fn show_page(&mut self, read: FetchedPage) {
        let is_current = self.pages.is_current(&read);
        let FetchedPage {
            wanted: page,
            limit,
            reply,
            ..
        } = read;
        match reply {
            Ok(_) if !is_current => {
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

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: HistoryPage = HistoryPage::At(chitty_chat::LamportTime::ZERO);

    fn reply() -> impl Future<Output = Result<v1::HistoryReply, Status>> {
        std::future::ready(Ok(v1::HistoryReply::default()))
    }

    #[tokio::test]
    async fn requests_wait_in_order_while_others_are_in_flight() {
        let mut pages = HistoryRequests::default();
        for _ in 0..MAX_PAGES {
            assert!(pages.has_space());
            pages.send(PAGE, 1, reply());
        }
        assert!(!pages.has_space());
        for limit in 1..=64 {
            assert!(pages.wait(PAGE, limit));
        }
        assert!(!pages.wait(PAGE, 65), "what waits is bounded");
        assert_eq!(pages.next_waiting(), None);
        pages.next().await;
        assert_eq!(pages.next_waiting(), Some((PAGE, 1)));
        pages.send(PAGE, 1, reply());
        assert_eq!(pages.next_waiting(), None);
    }

    #[tokio::test]
    async fn a_page_of_an_earlier_timeline_is_recognized() {
        let mut pages = HistoryRequests::default();
        pages.send(PAGE, 1, reply());
        pages.start_afresh();
        pages.send(PAGE, 2, reply());
        for _ in 0..2 {
            let page = pages.next().await;
            assert_eq!(pages.is_current(&page), page.limit == 2);
        }
    }
}
