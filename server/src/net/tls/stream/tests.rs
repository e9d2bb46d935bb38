use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split};
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::{key::ServerKey, net::Tls};

type Client = client::TlsStream<DuplexStream>;

/// Both ends of a connection after its handshake, over a pipe of this size.
async fn connected(size: usize) -> (Box<TlsStream<DuplexStream>>, Client) {
    let key = ServerKey::ephemeral().expect("a key");
    let tls = Tls::new(&key).expect("TLS 1.3");
    let (near, far) = duplex(size);
    let connector = TlsConnector::from(Arc::new(client_config()));
    let name = "chitty-chat".try_into().expect("a name");
    let (server, client) = tokio::join!(tls.accept(near), connector.connect(name, far));
    (server.expect("TLS").0, client.expect("TLS"))
}

/// A client that accepts every server: these tests are about bytes.
fn client_config() -> rustls::ClientConfig {
    #[derive(Debug)]
    struct Anybody;

    impl rustls::client::danger::ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &rustls::pki_types::ServerName<'_>,
            _: &[u8],
            _: rustls::pki_types::UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Err(rustls::Error::HandshakeNotComplete)
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    }

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth()
}

/// The bytes that a connection keeps.
fn kept<S>(stream: &TlsStream<S>) -> usize {
    stream.incoming.capacity() + stream.decrypted.capacity() + stream.outgoing.capacity()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the sizes of writes, reads and the pipe are, all bytes come through in order, in
    /// both directions at once.
    #[test]
    fn all_bytes_come_through(
        writes in proptest::collection::vec(1_usize..40_000, 1..8),
        answers in proptest::collection::vec(1_usize..40_000, 1..8),
        pipe in 1_usize..70_000,
        read in 1_usize..20_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (server, client) = connected(pipe).await;
            let (mut from_client, mut to_client) = split(server);
            let (mut from_server, mut to_server) = split(client);
            let all = |lengths: &[usize]| bytes(lengths.iter().sum());
            let (sent, answered) = (all(&writes), all(&answers));
            let send = async {
                let mut rest = &sent[..];
                for length in &writes {
                    let (now, later) = rest.split_at(*length);
                    to_server.write_all(now).await.expect("written");
                    to_server.flush().await.expect("flushed");
                    rest = later;
                }
                to_server.shutdown().await.expect("ended");
            };
            let answer = async {
                let mut rest = &answered[..];
                for length in &answers {
                    let (now, later) = rest.split_at(*length);
                    // As HTTP/2 writes: a head, and what belongs to it.
                    let (head, body) = now.split_at(now.len().min(9));
                    let mut pieces = [IoSlice::new(head), IoSlice::new(body)];
                    let mut pieces = &mut pieces[..];
                    while !pieces.is_empty() {
                        let count = to_client.write_vectored(pieces).await.expect("written");
                        IoSlice::advance_slices(&mut pieces, count);
                    }
                    to_client.flush().await.expect("flushed");
                    rest = later;
                }
                to_client.shutdown().await.expect("ended");
            };
            let receive = async {
                let mut received: Vec<u8> = Vec::new();
                let mut buffer = vec![0; read];
                loop {
                    match from_client.read(&mut buffer).await.expect("readable") {
                        0 => break received,
                        count => received.extend(&buffer[..count]),
                    }
                }
            };
            let fetch = async {
                let mut received = Vec::new();
                from_server.read_to_end(&mut received).await.expect("readable");
                received
            };
            let ((), (), received, fetched) = tokio::join!(send, answer, receive, fetch);
            assert!(received == sent, "what the client sent");
            assert!(fetched == answered, "what the server sent");
            let server = from_client.unsplit(to_client);
            assert_eq!(kept(&server), 0);
        });
    }
}

#[tokio::test]
async fn an_idle_connection_keeps_no_buffers() {
    let (mut server, mut client) = connected(1 << 16).await;
    assert_eq!(kept(&server), 0);
    client.write_all(b"a question").await.expect("written");
    let mut question = [0; 10];
    server.read_exact(&mut question).await.expect("readable");
    server.write_all(b"an answer").await.expect("written");
    server.flush().await.expect("flushed");
    let mut answer = [0; 9];
    client.read_exact(&mut answer).await.expect("readable");
    assert_eq!((&question, &answer), (b"a question", b"an answer"));
    assert_eq!(kept(&server), 0);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_not_taken_for_its_end() {
    let (mut server, mut client) = connected(1 << 16).await;
    client.write_all(b"half a").await.expect("written");
    drop(client);
    let mut received = Vec::new();
    let error = server.read_to_end(&mut received).await;
    let error = error.expect_err("nobody said that this is all");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(received, b"half a");
}

#[tokio::test]
async fn keys_can_be_changed_at_any_time() {
    let (mut server, mut client) = connected(1 << 16).await;
    for round in 0..10_u8 {
        let (_, connection) = client.get_mut();
        connection.refresh_traffic_keys().expect("TLS 1.3");
        client.write_all(&[round]).await.expect("written");
        let mut byte = [0];
        server.read_exact(&mut byte).await.expect("readable");
        assert_eq!(byte, [round]);
        server.write_all(&byte).await.expect("written");
        server.flush().await.expect("flushed");
        client.read_exact(&mut byte).await.expect("readable");
        assert_eq!(byte, [round]);
    }
    assert_eq!(kept(&server), 0);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_kept_one_record_for() {
    let (mut server, _client) = connected(1 << 10).await;
    let much = bytes(1 << 20);
    let mut accepted = 0;
    std::future::poll_fn(|cx| {
        while let Poll::Ready(count) = Pin::new(&mut server).poll_write(cx, &much) {
            accepted += count.expect("written");
        }
        Poll::Ready(())
    })
    .await;
    assert!(accepted <= 2 * PLAIN, "{accepted}");
    assert!(kept(&server) <= 2 * RECORD, "{}", kept(&server));
}

#[tokio::test]
async fn what_is_no_record_gets_an_alert() {
    let (mut server, client) = connected(1 << 16).await;
    let (mut pipe, _) = client.into_inner();
    // A record of application data that nobody has encrypted.
    let mut forged = vec![23, 3, 3, 0, 32];
    forged.extend([0; 32]);
    pipe.write_all(&forged).await.expect("written");
    let error = server.read(&mut [0; 10]).await.expect_err("forged");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let mut alert = [0; 5];
    pipe.read_exact(&mut alert).await.expect("an alert");
    // It is encrypted, so it looks like any record: 1 byte of a level, 1 of a reason, 17 of TLS.
    assert_eq!(alert, [23, 3, 3, 0, 19]);
    // Nothing more is to be had from it, and it can be closed.
    server.read(&mut [0; 10]).await.expect_err("it has failed");
    server.write(b"more").await.expect_err("it has failed");
    server.shutdown().await.expect("closed");
}

/// The first bytes of a client.
fn hello() -> Vec<u8> {
    let name = "chitty-chat".try_into().expect("a name");
    let client = rustls::ClientConnection::new(Arc::new(client_config()), name);
    let mut hello = Vec::new();
    client
        .expect("valid")
        .write_tls(&mut hello)
        .expect("memory");
    hello
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever comes instead of a handshake, in whatever pieces, it ends without a panic.
    #[test]
    fn no_hello_is_too_strange(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        more in proptest::collection::vec(any::<u8>(), 0..200),
        piece in 1_usize..600,
    ) {
        let mut bytes = hello();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.extend(more);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let key = ServerKey::ephemeral().expect("a key");
            let tls = Tls::new(&key).expect("TLS 1.3");
            let (near, mut far) = duplex(1 << 16);
            let feed = async {
                for piece in bytes.chunks(piece) {
                    if far.write_all(piece).await.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                // The peer is gone, so that no handshake can come to its end.
                far.shutdown().await.expect("closed");
            };
            let (accepted, ()) = tokio::join!(tls.accept(near), feed);
            assert!(accepted.is_err(), "nobody finished the handshake");
        });
    }
}
