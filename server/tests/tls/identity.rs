//! Who a peer is: what its handshake proves, and nothing else.

use chitty_room::Identity;
use chitty_testing::server::tls::{Device, client_config, connect};

use super::*;

/// Makes a request by a device, or by a client that shows none.
async fn ask(server: &PeerServer, device: Option<&Device>) -> Result<String, String> {
    let config = client_config(server.key.fingerprint(), device);
    let stream = connect(server.address, config).await;
    let stream = stream.map_err(|error| error.to_string())?;
    request(stream).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_device_is_its_key_and_others_are_nobody() {
    let mut server = PeerServer::start(false, Limits::default()).await;
    let (ada, eve) = (Device::new(), Device::new());
    for (device, identity) in [
        (Some(&ada), Identity::Key(ada.fingerprint)),
        (None, Identity::None),
        (Some(&eve), Identity::Key(eve.fingerprint)),
        (Some(&ada), Identity::Key(ada.fingerprint)),
    ] {
        assert_eq!(ask(&server, device).await.as_deref(), Ok("served"));
        assert_eq!(server.peer().await.identity, identity);
    }
    let stream = plain(server.address).await;
    request(stream).await.expect("served");
    assert_eq!(server.peer().await.identity, Identity::None);
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused() {
    let mut server = PeerServer::start(true, Limits::default()).await;
    let ada = Device::new();
    let refused = ask(&server, Some(&ada.impostor())).await;
    let refused = refused.expect_err("the key is another one");
    assert!(refused.contains("DecryptError"), "{refused}");
    assert!(server.peers.try_recv().is_err(), "no request came through");
    ask(&server, Some(&ada)).await.expect("served");
    let identity = server.peer().await.identity;
    assert_eq!(identity, Identity::Key(ada.fingerprint));
}

#[tokio::test]
async fn a_chain_is_refused_and_a_key_of_another_kind_proves_nothing() {
    let mut server = PeerServer::start(true, Limits::default()).await;
    let chain = Device::new().with_chain(&Device::new());
    ask(&server, Some(&chain)).await.expect_err("refused");
    assert!(server.peers.try_recv().is_err(), "no request came through");
    // The server asks for P-256, so a client shows no other key.
    for kind in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        ask(&server, Some(&Device::of(kind))).await.expect("served");
        assert_eq!(server.peer().await.identity, Identity::None);
    }
}

#[tokio::test]
async fn a_server_with_another_key_gets_no_request() {
    let mut server = PeerServer::start(true, Limits::default()).await;
    let other = ServerKey::ephemeral().expect("a key").fingerprint();
    let ada = Device::new();
    let refused = connect(server.address, client_config(other, Some(&ada))).await;
    let refused = refused.expect_err("the pin is another one");
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidData);
    assert!(server.peers.try_recv().is_err());
}

#[tokio::test]
async fn each_connection_has_a_whole_handshake() {
    let mut server = PeerServer::start(true, Limits::default()).await;
    let ada = Device::new();
    // One configuration for all of them, so that its tickets would be used.
    let config = client_config(server.key.fingerprint(), Some(&ada));
    for _ in 0..3 {
        let mut stream = connect(server.address, config.clone()).await.expect("TLS");
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
        let version = stream.get_ref().1.protocol_version();
        assert_eq!(version, Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let group = stream.get_ref().1.negotiated_key_exchange_group();
        let group = group.expect("negotiated").name();
        assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
        let (mut requests, connection) = h2::client::handshake(&mut stream).await.expect("h2");
        let get = http::Request::get("http://chitty-chat/").body(());
        let (response, _) = requests
            .send_request(get.expect("valid"), true)
            .expect("open");
        tokio::select! {
            answer = response => assert!(answer.expect("served").status().is_success()),
            ended = connection => panic!("it ended: {ended:?}"),
        }
        server.peer().await;
        assert_eq!(stream.get_ref().1.tls13_tickets_received(), 0);
    }
}
