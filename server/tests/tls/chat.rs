//! A whole chat over TLS.

use chitty_chat::proto::v1::{JoinRequest, broadcast::Kind};
use chitty_testing::server::{
    TestParticipant, TestServer, config, join_over,
    tls::{Device, channel},
};
use tokio::{io::AsyncWriteExt as _, task::JoinSet, time::Instant};

use super::*;

async fn join(server: &TestServer, key: &ServerKey, name: &str) -> TestParticipant {
    let device = Device::new();
    let channel = channel(server.address, key.fingerprint(), Some(&device)).await;
    let request = JoinRequest {
        name: name.into(),
        lamport: 1,
        ..JoinRequest::default()
    };
    let joined = join_over(channel.expect("TLS"), request).await;
    joined.expect("the name is free")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_receives_everything_in_order() {
    const PARTICIPANTS: u64 = 40;
    const LINES: u64 = 50;
    let (server, key) = TestServer::with_tls(true, config()).await;
    let mut ada = join(&server, &key, "ada").await;
    let mut readers = JoinSet::new();
    for number in 1..PARTICIPANTS {
        let mut reader = join(&server, &key, &format!("reader {number}")).await;
        readers.spawn(async move {
            // The first one is the reader's own Joined.
            for position in reader.welcome.position..=PARTICIPANTS + LINES {
                assert_eq!(reader.event().await.position, position);
            }
        });
    }
    // Short lines and the longest, so that records of all sizes are there.
    for number in 0..LINES {
        let text = "🦀".repeat(usize::try_from(number % 128 + 1).expect("small"));
        ada.publish(&text).await;
    }
    while let Some(read) = readers.join_next().await {
        read.expect("in order");
    }
    assert_eq!(ada.events(3).await.len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn streams_end_with_their_closing_when_the_server_stops() {
    let (server, key) = TestServer::with_tls(true, config()).await;
    let mut ada = join(&server, &key, "ada").await;
    ada.event().await;
    server.shutdown.cancel();
    let closing = ada.next().await.expect("whole").expect("a Closing");
    assert!(
        matches!(closing.kind, Some(Kind::Closing(_))),
        "{closing:?}"
    );
    let ended = ada.next().await.expect_err("the stream has ended");
    assert_eq!(ended.code(), tonic::Code::Unavailable);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_chat_on_while_handshakes_come_by_the_thousand() {
    const HALVES: usize = 2_000;
    let (server, key) = TestServer::with_tls(false, config()).await;
    let mut ada = join(&server, &key, "ada").await;
    ada.event().await;
    let address = server.address;
    let attack = tokio::spawn(async move {
        // The record of a ClientHello that is 16 KiB long, and all but its last byte.
        let half = [&[0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc][..], &[0; 12_000]].concat();
        let mut streams = Vec::new();
        for _ in 0..HALVES {
            let Ok(mut stream) = TcpStream::connect(address).await else {
                continue;
            };
            let _ = stream.write_all(&half).await;
            streams.push(stream);
        }
        streams
    });
    let mut slowest = Duration::ZERO;
    while !attack.is_finished() {
        let began = Instant::now();
        let position = ada.publish("still here").await.position;
        assert_eq!(ada.event().await.position, position);
        slowest = slowest.max(began.elapsed());
    }
    let streams = attack.await.expect("it ran");
    assert!(streams.len() > HALVES / 2, "{}", streams.len());
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    // A newcomer gets in while they are all there.
    let mut eve = join(&server, &key, "eve").await;
    eve.event().await;
    drop(streams);
    server.stop().await;
}
