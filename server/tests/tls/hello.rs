//! Handshakes that are no good: old, foreign, cut into pieces, recorded, slow.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use chitty_testing::server::tls::{Device, client_config, connect};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncWriteExt as _, ReadBuf},
    time::{Instant, sleep},
};
use tokio_rustls::TlsConnector;

use super::*;

/// An alert of TLS 1.3 (RFC 8446, section 6).
const PROTOCOL_VERSION: u8 = 70;

/// A `ClientHello` of TLS 1.2: it does not have the extension that names versions.
fn hello_of_tls_1_2() -> Vec<u8> {
    let random = [7; 32];
    // ECDHE with ECDSA and AES-128-GCM, and the groups and signatures that go with it.
    let suites = [0, 2, 0xc0, 0x2b];
    let groups = [0, 10, 0, 4, 0, 2, 0, 23];
    let signatures = [0, 13, 0, 4, 0, 2, 4, 3];
    let extensions = [&groups[..], &signatures].concat();
    let length = u8::try_from(extensions.len()).expect("short");
    let body = [
        &[3, 3][..],
        &random,
        &[0],
        &suites,
        &[1, 0, 0, length],
        &extensions,
    ]
    .concat();
    let length = u8::try_from(body.len()).expect("short");
    let message = [&[1, 0, 0, length][..], &body].concat();
    let length = u8::try_from(message.len()).expect("short");
    [&[0x16, 3, 1, 0, length][..], &message].concat()
}

/// The description of the alert that these bytes are.
fn alert(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [21, 3, _, 0, 2, _, description] => Some(*description),
        _ => None,
    }
}

#[tokio::test]
async fn tls_1_2_is_refused_by_its_alert() {
    let server = PeerServer::start(false, Limits::default()).await;
    let mut stream = plain(server.address).await;
    let hello = hello_of_tls_1_2();
    stream.write_all(&hello).await.expect("written");
    let answer = rest(&mut stream).await;
    assert_eq!(alert(&answer), Some(PROTOCOL_VERSION), "{answer:x?}");
}

#[tokio::test]
async fn another_protocol_inside_is_refused_and_none_is_taken_for_ours() {
    let server = PeerServer::start(true, Limits::default()).await;
    let mut config = client_config(server.key.fingerprint(), None);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let refused = connect(server.address, config.clone()).await;
    let refused = refused.expect_err("not HTTP/2").to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    // Tools that do not name a protocol speak HTTP/2 all the same.
    config.alpn_protocols = Vec::new();
    let stream = connect(server.address, config).await.expect("TLS");
    assert_eq!(request(stream).await.expect("served"), "served");
}

/// A stream whose writes are sent byte by byte, each in a packet of its own, and recorded.
struct ByteByByte {
    stream: TcpStream,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for ByteByByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ByteByByte {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, &bytes[..bytes.len().min(1)]);
        if let Poll::Ready(Ok(count)) = &written {
            self.sent.lock().expect("no panic").extend(&bytes[..*count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Makes a request whose bytes come one by one, and returns what was sent.
async fn recorded(server: &mut PeerServer, device: &Device) -> Vec<u8> {
    let config = client_config(server.key.fingerprint(), Some(device));
    let sent = Arc::default();
    let stream = ByteByByte {
        stream: plain(server.address).await,
        sent: Arc::clone(&sent),
    };
    let name = ServerName::try_from("chitty-chat").expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.expect("TLS");
    assert_eq!(request(stream).await.expect("served"), "served");
    server.peer().await;
    let sent = sent.lock().expect("no panic");
    sent.clone()
}

#[tokio::test]
async fn a_recorded_connection_is_worth_nothing() {
    let mut server = PeerServer::start(true, Limits::default()).await;
    let sent = recorded(&mut server, &Device::new()).await;
    assert!(sent.len() > 1000, "{}", sent.len());
    let mut stream = plain(server.address).await;
    stream.write_all(&sent).await.expect("written");
    rest(&mut stream).await;
    assert!(server.peers.try_recv().is_err(), "a request was replayed");
}

#[tokio::test]
async fn one_byte_is_enough_to_know_how_a_peer_speaks() {
    let mut server = PeerServer::start(false, Limits::default()).await;
    // The first byte alone, and the rest long after it.
    for first in [b"P", &[0x16]] {
        let mut stream = plain(server.address).await;
        stream.write_all(first).await.expect("written");
        sleep(Duration::from_millis(100)).await;
        let rest_of = match first {
            b"P" => chitty_testing::server::raw::PREFACE[1..].to_vec(),
            _ => hello_of_tls_1_2()[1..].to_vec(),
        };
        stream.write_all(&rest_of).await.expect("written");
        let mut answer = [0; 1];
        let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
        read.expect("in time").expect("an answer");
        // The length of a SETTINGS frame begins with 0; an alert is a record of type 21.
        assert_eq!(answer[0], if first == b"P" { 0 } else { 21 });
    }
    recorded(&mut server, &Device::new()).await;
}

#[tokio::test]
async fn a_peer_that_does_not_finish_its_handshake_is_closed_in_time() {
    let server = PeerServer::start(false, hurried()).await;
    let began = Instant::now();
    let mut streams = Vec::new();
    for bytes in [&[][..], &[0x16], &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc], b"PRI"] {
        let mut stream = plain(server.address).await;
        stream.write_all(bytes).await.expect("written");
        streams.push(stream);
    }
    // A handshake that is whole does not give more time for the first request.
    let config = client_config(server.key.fingerprint(), None);
    let mut idle = connect(server.address, config).await.expect("TLS");
    for stream in &mut streams {
        rest(stream).await;
    }
    rest(&mut idle).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_handshake_without_an_end_is_cut() {
    let server = PeerServer::start(true, Limits::default()).await;
    let mut stream = plain(server.address).await;
    // A message of 16 MB, in records of 16 KiB.
    let record = [
        &[0x16, 3, 1, 0x40, 0][..],
        &[1, 0xff, 0xff, 0xff],
        &[0; 0x3ffc],
    ]
    .concat();
    let mut sent = 0;
    while sent < 4 << 20 && stream.write_all(&record).await.is_ok() {
        sent += record.len();
    }
    assert!(sent < 4 << 20, "{sent} bytes were taken");
}

#[tokio::test]
async fn half_handshakes_keep_nobody_out() {
    let limits = Limits {
        unjoined: 20,
        connections: 100,
        ..Limits::default()
    };
    let mut server = PeerServer::start(true, limits).await;
    let mut halves = Vec::new();
    for _ in 0..200 {
        let mut stream = plain(server.address).await;
        let _ = stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await;
        halves.push(stream);
    }
    let ada = Device::new();
    let config = client_config(server.key.fingerprint(), Some(&ada));
    let stream = connect(server.address, config).await.expect("TLS");
    assert_eq!(request(stream).await.expect("served"), "served");
    let peer = server.peer().await;
    assert_eq!(
        peer.identity,
        chitty_room::Identity::Key(ada.fingerprint),
        "the newcomer made room for itself"
    );
    let mut closed = 0;
    for stream in &mut halves {
        let mut byte = [0];
        let read = timeout(Duration::from_millis(10), stream.read(&mut byte)).await;
        closed += usize::from(read.is_ok());
    }
    assert!(closed >= 180, "{closed} of 200 are closed");
}
