//! The past: pages of the log that a client requests.

use std::ops::RangeInclusive;

use chitty_chat::proto::v1::{HistoryReply, HistoryRequest};
use tonic::Code;

use chitty_testing::server::{TestParticipant, TestServer, code};

/// A request for a page, and the page that has to come.
struct PageCase {
    what: &'static str,
    request: HistoryRequest,
    /// The positions of the events on the page; `None` if it has no events.
    positions: Option<RangeInclusive<u64>>,
    /// Whether the page reaches the beginning of the log.
    start: bool,
}

/// The pages of a log with positions 1 to 400 and Lamport times 3, 5, 7 and so on.
fn pages_of_400_events() -> [PageCase; 9] {
    let newest = HistoryRequest::default;
    [
        PageCase {
            what: "without any field, the newest 100 events",
            request: newest(),
            positions: Some(301..=400),
            start: false,
        },
        PageCase {
            what: "the page before that one",
            request: HistoryRequest {
                before: 301,
                limit: 10,
                ..newest()
            },
            positions: Some(291..=300),
            start: false,
        },
        PageCase {
            what: "a page that has the first event, and reports it",
            request: HistoryRequest {
                before: 11,
                limit: 10,
                ..newest()
            },
            positions: Some(1..=10),
            start: true,
        },
        PageCase {
            what: "nothing before the first event",
            request: HistoryRequest {
                before: 1,
                ..newest()
            },
            positions: None,
            start: true,
        },
        PageCase {
            what: "before a position that does not exist yet, the last event",
            request: HistoryRequest {
                before: 9999,
                limit: 1,
                ..newest()
            },
            positions: Some(400..=400),
            start: false,
        },
        PageCase {
            what: "after a position, everything up to the end",
            request: HistoryRequest {
                after: 395,
                ..newest()
            },
            positions: Some(396..=400),
            start: false,
        },
        PageCase {
            what: "nothing after the last event",
            request: HistoryRequest {
                after: 400,
                ..newest()
            },
            positions: None,
            start: false,
        },
        PageCase {
            what: "all events, if the limit is larger than the log",
            request: HistoryRequest {
                limit: 5000,
                ..newest()
            },
            positions: Some(1..=400),
            start: true,
        },
        PageCase {
            // The event at position p has time 2p + 1, because each request carries the time 1.
            what: "five events on each side of the one at time 401, which is at position 200",
            request: HistoryRequest {
                at_lamport: 401,
                limit: 11,
                ..newest()
            },
            positions: Some(195..=205),
            start: false,
        },
    ]
}

/// The reply to this request, which is sent in the participant's session and has to be valid.
async fn history(participant: &mut TestParticipant, request: HistoryRequest) -> HistoryReply {
    let request = HistoryRequest {
        session: participant.welcome.session.clone(),
        ..request
    };
    let reply = participant.client.history(request).await;
    reply.expect("valid").into_inner()
}

fn positions(reply: &HistoryReply) -> Option<RangeInclusive<u64>> {
    let (first, last) = (reply.events.first()?, reply.events.last()?);
    Some(first.position..=last.position)
}

#[tokio::test]
async fn history_is_read_in_pages() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    for number in 2..=400 {
        ada.publish(&format!("line {number}")).await;
    }
    for case in pages_of_400_events() {
        let reply = history(&mut ada, case.request).await;
        assert!(
            reply
                .events
                .windows(2)
                .all(|pair| pair[0].position + 1 == pair[1].position),
            "{}",
            case.what
        );
        let page = (positions(&reply), reply.start);
        assert_eq!(page, (case.positions, case.start), "{}", case.what);
    }
}

#[tokio::test]
async fn a_page_has_one_place_in_the_log() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    let both = HistoryRequest {
        session: ada.welcome.session.clone(),
        before: 1,
        after: 1,
        ..HistoryRequest::default()
    };
    assert_eq!(code(ada.client.history(both).await), Code::InvalidArgument);
}

#[tokio::test]
async fn a_page_of_history_is_at_most_256_kib_and_ends_where_it_was_asked_to() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    // 512 bytes of text each: 800 of them are more than a page can have.
    let text = "🦀".repeat(128);
    for _ in 2..=800 {
        ada.publish(&text).await;
    }
    let largest = HistoryRequest {
        limit: 1000,
        ..HistoryRequest::default()
    };
    let after_the_fifth = HistoryRequest {
        after: 5,
        ..largest.clone()
    };

    // The newest events: what does not fit is missing at the old end.
    let newest = history(&mut ada, largest).await;
    assert_fills_a_page(&newest);
    assert_eq!(newest.events.last().map(|event| event.position), Some(800));

    // The events after a position: what does not fit is missing at the new end.
    let onward = history(&mut ada, after_the_fifth).await;
    assert_fills_a_page(&onward);
    assert_eq!(onward.events.first().map(|event| event.position), Some(6));
}

/// Fails if the page has more than 256 KiB, or so little that one more event would have fitted.
fn assert_fills_a_page(reply: &HistoryReply) {
    let bytes: usize = reply.events.iter().map(prost::Message::encoded_len).sum();
    assert!(bytes <= 256 << 10 && bytes > 250 << 10, "{bytes}");
}

#[tokio::test]
async fn after_the_end_of_the_chat_there_is_no_history() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    // The chat has one event, ada's Joined. The large ones are where signed integers overflow.
    for after in [1, 2, 1 << 62, 1 << 63, u64::MAX] {
        let request = HistoryRequest {
            after,
            ..HistoryRequest::default()
        };
        let reply = history(&mut ada, request).await;
        assert_eq!((reply.events, reply.start), (Vec::new(), false), "{after}");
    }
}
