//! A participant that writes a great deal.

use chitty_chat::{
    Session,
    proto::v1::{JoinRequest, PublishRequest, chitty_chat_client::ChittyChatClient},
    secret::os_random,
};
use tokio::task::JoinSet;
use tonic::transport::Channel;

const WRITERS: u32 = 8;

/// Joins, and writes this many lines, `line 1 …` and so on, in order.
pub(crate) fn flood(server: &str, name: &str, lines: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let endpoint = Channel::from_shared(server.to_owned()).expect("a URL");
        let mut client = ChittyChatClient::new(endpoint.connect().await.expect("it listens"));
        let session = Session::random(&mut os_random).reveal().to_owned();
        let join = JoinRequest {
            name: name.into(),
            lamport: 1,
            session: session.clone(),
            ..JoinRequest::default()
        };
        let _stream = client.join(join).await.expect("the name is free");
        let mut writers = JoinSet::new();
        for writer in 1..=WRITERS {
            let (mut client, session) = (client.clone(), session.clone());
            writers.spawn(async move {
                for line in (writer..lines).step_by(WRITERS as usize) {
                    publish(&mut client, &session, line).await;
                }
            });
        }
        while let Some(done) = writers.join_next().await {
            done.expect("all are taken");
        }
        publish(&mut client, &session, lines).await;
    });
}

async fn publish(client: &mut ChittyChatClient<Channel>, session: &str, line: u32) {
    // No two lines are alike, so that each changes the whole screen.
    let filler = char::from(b'a' + u8::try_from(line % 26).expect("small"));
    let request = PublishRequest {
        session: session.into(),
        text: format!("line {line} {}", filler.to_string().repeat(100)),
        lamport: 1,
        ..PublishRequest::default()
    };
    client.publish(request).await.expect("taken");
}
