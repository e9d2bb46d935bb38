//! The end of a server.

use chitty_chat::proto::v1::{Broadcast, broadcast::Kind, closing};
use tonic::Code;

use crate::support::{TestServer, code};

#[tokio::test]
async fn going_down_is_said_to_everybody_and_takes_no_longer_than_promised() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    ada.event().await;
    // A peer that never says anything, and one that never reads.
    let _mute = tokio::net::TcpStream::connect(server.address)
        .await
        .expect("it listens");
    let _deaf = server.join("bob").await;
    ada.event().await;
    let began = tokio::time::Instant::now();
    server.stop().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(3));
    let Some(Broadcast {
        kind: Some(Kind::Closing(closing)),
    }) = ada.next().await.expect("one")
    else {
        panic!("a Closing");
    };
    assert_eq!(
        (closing.reason(), closing.position),
        (closing::Reason::Shutdown, 2)
    );
    assert_eq!(code(ada.next().await), Code::Unavailable);
}
