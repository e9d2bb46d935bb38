//! Plain text at a port that takes TLS only: it is refused in HTTP/2, with what to do.

use chitty_testing::server::raw::{PREFACE, SETTINGS, frame, read_frame};
use tokio::io::AsyncWriteExt as _;

use super::*;

const GOAWAY: u8 = 7;
const INADEQUATE_SECURITY: [u8; 4] = [0, 0, 0, 0xc];

/// What the server answers to these bytes: the reason of its GOAWAY.
async fn reason(server: &PeerServer, bytes: &[u8]) -> String {
    let mut stream = plain(server.address).await;
    stream.write_all(bytes).await.expect("written");
    let settings = timeout(PATIENCE, read_frame(&mut stream)).await;
    let settings = settings.expect("in time").expect("an answer");
    assert_eq!((settings.kind, settings.payload.len()), (SETTINGS, 0));
    let goaway = read_frame(&mut stream).await.expect("an answer");
    assert_eq!((goaway.kind, goaway.stream), (GOAWAY, 0));
    assert_eq!(goaway.payload[..4], [0; 4], "no stream was begun");
    assert_eq!(goaway.payload[4..8], INADEQUATE_SECURITY);
    rest(&mut stream).await;
    String::from_utf8(goaway.payload[8..].to_vec()).expect("text")
}

#[tokio::test]
async fn plain_text_is_refused_with_what_to_do() {
    let mut server = PeerServer::start(true, Limits::default()).await;
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    // Much that is not read must not take the answer away.
    let much = [hello.clone(), vec![0; 60_000]].concat();
    for bytes in [&b"P"[..], &hello, &much, b"GET / HTTP/1.1\r\n\r\n"] {
        let reason = reason(&server, bytes).await;
        assert!(reason.contains("TLS only"), "{reason}");
        assert!(reason.contains("chitty LINK"), "{reason}");
    }
    assert!(server.peers.try_recv().is_err(), "no request came through");
}

#[tokio::test]
async fn a_client_of_plain_grpc_reports_the_reason() {
    let server = PeerServer::start(true, Limits::default()).await;
    let refused = request(plain(server.address).await).await;
    let refused = refused.expect_err("plain text");
    assert_eq!(refused.reason(), Some(h2::Reason::INADEQUATE_SECURITY));
    assert!(refused.is_go_away(), "{refused}");
    assert!(format!("{refused:?}").contains("TLS only"), "{refused:?}");
}

#[tokio::test]
async fn plain_text_is_served_where_it_is_offered() {
    let mut server = PeerServer::start(false, Limits::default()).await;
    let stream = plain(server.address).await;
    assert_eq!(request(stream).await.expect("served"), "served");
    assert_eq!(server.peer().await.identity, chitty_room::Identity::None);
}
