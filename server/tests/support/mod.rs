//! A real server on a real socket, and clients that speak to it by the generated code.
#![allow(dead_code, reason = "each test file uses its own part of this")]

pub(crate) mod fuzz;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod strace;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chitty_chat::{
    proto::v1::{
        Broadcast, Event, JoinRequest, PublishReply, PublishRequest, Resume, Welcome,
        broadcast::Kind, chitty_chat_client::ChittyChatClient,
    },
    secret::os_random,
};
use chitty_server::{
    app::{self, ServeError, ServerConfig},
    follower,
    log::{Log, MemoryLog},
    net,
    room::RoomRules,
    sequencer::{self, StopReason},
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming, transport::Channel};

/// Longer than anything here takes: only a test that fails waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<Result<StopReason, ServeError>>,
}

pub(crate) fn config() -> ServerConfig {
    #[expect(clippy::disallowed_methods, reason = "a test is an edge")]
    let wall = std::time::SystemTime::now;
    ServerConfig {
        sequencer: sequencer::SequencerConfig {
            rules: RoomRules {
                grace: Duration::from_millis(300),
                publish_rate: None,
                join_rate: None,
                stream_rate: None,
                ..RoomRules::default()
            },
            keep: None,
            idle_exit: None,
            wall,
        },
        followers: follower::FollowerLimits::default(),
        connections: net::Limits::default(),
        random: os_random,
        failed: |_| {},
    }
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::on(Arc::new(MemoryLog::new(&mut os_random)), config()).await
    }

    #[allow(clippy::large_types_passed_by_value, reason = "once for each server")]
    pub(crate) async fn on(log: Arc<dyn Log>, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shutdown = CancellationToken::new();
        let served = app::serve(listener, Arc::clone(&log), config, shutdown.clone());
        let task = tokio::spawn(served);
        Self {
            address,
            shutdown,
            task,
        }
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address))
            .expect("a URL")
            .connect()
            .await
            .expect("it listens")
    }

    pub(crate) async fn client(&self) -> ChittyChatClient<Channel> {
        ChittyChatClient::new(self.channel().await)
    }

    pub(crate) async fn join(&self, name: &str) -> Participant {
        self.join_with(JoinRequest {
            name: name.into(),
            lamport: 1,
            ..JoinRequest::default()
        })
        .await
        .expect("the name is free")
    }

    pub(crate) async fn join_with(&self, request: JoinRequest) -> Result<Participant, Status> {
        let mut client = self.client().await;
        let mut stream = client.join(request).await?.into_inner();
        let first = timeout(PATIENCE, stream.message())
            .await
            .expect("in time")?;
        let Some(Broadcast {
            kind: Some(Kind::Welcome(welcome)),
        }) = first
        else {
            panic!("the first message is a Welcome, not {first:?}");
        };
        Ok(Participant {
            client,
            stream,
            welcome,
        })
    }

    pub(crate) async fn stop(self) -> StopReason {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task)
            .await
            .expect("in time")
            .expect("it ran")
            .expect("orderly")
    }
}

pub(crate) struct Participant {
    pub(crate) client: ChittyChatClient<Channel>,
    pub(crate) stream: Streaming<Broadcast>,
    pub(crate) welcome: Welcome,
}

impl Participant {
    pub(crate) async fn next(&mut self) -> Result<Option<Broadcast>, Status> {
        timeout(PATIENCE, self.stream.message())
            .await
            .expect("in time")
    }

    pub(crate) async fn event(&mut self) -> Event {
        match self.next().await {
            Ok(Some(Broadcast {
                kind: Some(Kind::Event(event)),
            })) => event,
            other => panic!("not an event: {other:?}"),
        }
    }

    pub(crate) async fn events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            events.push(self.event().await);
        }
        events
    }

    pub(crate) fn request(&self, text: &str) -> PublishRequest {
        PublishRequest {
            session: self.welcome.session.clone(),
            text: text.into(),
            lamport: 1,
            ..PublishRequest::default()
        }
    }

    pub(crate) async fn publish(&mut self, text: &str) -> PublishReply {
        let request = self.request(text);
        self.client
            .publish(request)
            .await
            .expect("valid")
            .into_inner()
    }

    /// To come back after this event.
    pub(crate) fn resume(&self, last: &Event) -> JoinRequest {
        JoinRequest {
            session: self.welcome.session.clone(),
            lamport: 1,
            resume: Some(Resume {
                position: last.position,
                lamport: last.lamport,
                epoch: self.welcome.epoch.clone(),
            }),
            ..JoinRequest::default()
        }
    }
}

/// The sentence of an event, for short assertions.
pub(crate) fn sentence(event: &Event) -> String {
    chitty_chat::Event::from(event.clone())
        .sentence()
        .unwrap_or_default()
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Status>) -> Code {
    result.expect_err("refused").code()
}
