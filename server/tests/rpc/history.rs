//! The past.

use chitty_chat::proto::v1::HistoryRequest;
use tonic::Code;

use chitty_testing::server::{TestServer, code};

#[tokio::test]
async fn history_is_read_in_pages() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    for number in 2..=400 {
        ada.publish(&format!("line {number}")).await;
    }
    let session = ada.welcome.session.clone();
    let mut page = async |request: HistoryRequest| {
        let request = HistoryRequest {
            session: session.clone(),
            ..request
        };
        let reply = ada
            .client
            .history(request)
            .await
            .expect("valid")
            .into_inner();
        let positions: Vec<_> = reply.events.iter().map(|event| event.position).collect();
        assert!(positions.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        (
            positions.first().copied(),
            positions.last().copied(),
            reply.start,
        )
    };
    let ask = HistoryRequest::default;
    assert_eq!(page(ask()).await, (Some(301), Some(400), false));
    assert_eq!(
        page(HistoryRequest {
            before: 301,
            limit: 10,
            ..ask()
        })
        .await,
        (Some(291), Some(300), false)
    );
    assert_eq!(
        page(HistoryRequest {
            before: 11,
            limit: 10,
            ..ask()
        })
        .await,
        (Some(1), Some(10), true)
    );
    assert_eq!(
        page(HistoryRequest { before: 1, ..ask() }).await,
        (None, None, true)
    );
    assert_eq!(
        page(HistoryRequest {
            before: 9999,
            limit: 1,
            ..ask()
        })
        .await,
        (Some(400), Some(400), false)
    );
    assert_eq!(
        page(HistoryRequest {
            after: 395,
            ..ask()
        })
        .await,
        (Some(396), Some(400), false)
    );
    assert_eq!(
        page(HistoryRequest {
            after: 400,
            ..ask()
        })
        .await,
        (None, None, false)
    );
    assert_eq!(
        page(HistoryRequest {
            limit: 5000,
            ..ask()
        })
        .await,
        (Some(1), Some(400), true)
    );
    // The event at position p has time 2p + 1 here, as each request carries 1.
    assert_eq!(
        page(HistoryRequest {
            at_lamport: 401,
            limit: 11,
            ..ask()
        })
        .await,
        (Some(195), Some(205), false)
    );
    let both = HistoryRequest {
        session: session.clone(),
        before: 1,
        after: 1,
        ..ask()
    };
    assert_eq!(code(ada.client.history(both).await), Code::InvalidArgument);
}

#[tokio::test]
async fn a_page_of_history_is_at_most_256_kib_and_ends_where_it_was_asked_to() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    let text = "🦀".repeat(128);
    for _ in 2..=800 {
        ada.publish(&text).await;
    }
    let session = ada.welcome.session.clone();
    for (request, first, last) in [
        (
            HistoryRequest {
                limit: 1000,
                ..HistoryRequest::default()
            },
            None,
            Some(800),
        ),
        (
            HistoryRequest {
                limit: 1000,
                after: 5,
                ..HistoryRequest::default()
            },
            Some(6),
            None,
        ),
    ] {
        let request = HistoryRequest {
            session: session.clone(),
            ..request
        };
        let reply = ada
            .client
            .history(request)
            .await
            .expect("valid")
            .into_inner();
        let bytes: usize = reply.events.iter().map(prost::Message::encoded_len).sum();
        assert!(bytes <= 256 << 10 && bytes > 250 << 10, "{bytes}");
        let ends = (reply.events.first(), reply.events.last());
        assert!(first.is_none_or(|at| ends.0.is_some_and(|event| event.position == at)));
        assert!(last.is_none_or(|at| ends.1.is_some_and(|event| event.position == at)));
    }
}

#[tokio::test]
async fn behind_the_end_of_the_chat_there_is_no_history() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    for after in [1, 2, 1 << 62, 1 << 63, u64::MAX] {
        let session = ada.welcome.session.clone();
        let request = HistoryRequest {
            session,
            after,
            ..HistoryRequest::default()
        };
        let reply = ada
            .client
            .history(request)
            .await
            .expect("valid")
            .into_inner();
        assert_eq!((reply.events, reply.start), (Vec::new(), false), "{after}");
    }
}
