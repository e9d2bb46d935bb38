//! Real servers, in the process of the test or as children, and clients that use the generated code.

pub mod fuzz;
pub mod process;
pub mod raw;
pub mod strace;
pub mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::one_chat::OneChat;
use chitty_chat::{
    proto::v1::{
        Broadcast, Event, JoinRequest, PublishReply, PublishRequest, Resume, Welcome,
        broadcast::Kind, chitty_chat_client::ChittyChatClient,
    },
    secret::os_random,
};
use chitty_room::RoomRules;
use chitty_server::{
    app::{self, ServeError, ServerConfig},
    follower,
    key::ServerKey,
    log::{Log, MemoryLog, Store},
    net::{self, Doors, Encryption, Listener, Tls},
    sequencer::{self, StopReason},
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming, transport::Channel};

/// Longer than anything here takes: only a test that fails waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server in the process of the test, on a real socket.
pub struct TestServer {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// Shuts the server down.
    pub shutdown: CancellationToken,
    /// The task of the server, with what it ended by.
    pub task: JoinHandle<Result<StopReason, ServeError>>,
}

/// A configuration with a short grace and without limits on rates.
pub fn config() -> ServerConfig {
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
    /// Starts a server on a log in memory.
    pub async fn start() -> Self {
        Self::on(Arc::new(MemoryLog::new(&mut os_random)), config()).await
    }

    /// Starts a server whose lobby is in this log.
    pub async fn on(log: Arc<dyn Log>, config: ServerConfig) -> Self {
        Self::on_store(Arc::new(OneChat(log)), config).await
    }

    /// Starts a server on this store.
    pub async fn on_store(store: Arc<dyn Store>, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        Self::behind(listener, address, store, config)
    }

    /// Starts a server that takes TLS and plain text, or TLS only, on a log in memory. The key is
    /// its own.
    pub async fn with_tls(is_required: bool, config: ServerConfig) -> (Self, ServerKey) {
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = port.local_addr().expect("bound");
        let key = ServerKey::ephemeral().expect("a key");
        let tls = Tls::new(&key).expect("TLS 1.3");
        let encryption = if is_required {
            Encryption::Required(tls)
        } else {
            Encryption::Offered(tls)
        };
        let doors = Doors::new(vec![(port, encryption)], None);
        let log = Arc::new(MemoryLog::new(&mut os_random));
        let store = Arc::new(OneChat(log));
        (Self::behind(doors, address, store, config), key)
    }

    /// Starts a server on this listener, which has this address, and on this store.
    pub fn behind(
        listener: impl Listener,
        address: SocketAddr,
        store: Arc<dyn Store>,
        config: ServerConfig,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let served = app::serve(listener, store, config, shutdown.clone());
        let task = tokio::spawn(served);
        Self {
            address,
            shutdown,
            task,
        }
    }

    /// Opens a connection to the server.
    pub async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address))
            .expect("a URL")
            .connect()
            .await
            .expect("it listens")
    }

    /// A client on a connection of its own.
    pub async fn client(&self) -> ChittyChatClient<Channel> {
        ChittyChatClient::new(self.channel().await)
    }

    /// Joins under this name, on a connection of its own.
    pub async fn join(&self, name: &str) -> TestParticipant {
        self.join_with(JoinRequest {
            name: name.into(),
            lamport: 1,
            ..JoinRequest::default()
        })
        .await
        .expect("the name is free")
    }

    /// Joins by this request, on a connection of its own, and takes the Welcome.
    ///
    /// # Errors
    ///
    /// The status, if the server refuses the request.
    pub async fn join_with(&self, request: JoinRequest) -> Result<TestParticipant, Status> {
        join_over(self.channel().await, request).await
    }

    /// Shuts the server down, and waits for its end.
    pub async fn stop(self) -> StopReason {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task)
            .await
            .expect("in time")
            .expect("it ran")
            .expect("orderly")
    }
}

/// Joins by this request over this channel, and takes the Welcome.
///
/// # Errors
///
/// The status, if the server refuses the request.
pub async fn join_over(channel: Channel, request: JoinRequest) -> Result<TestParticipant, Status> {
    let mut client = ChittyChatClient::new(channel);
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
    Ok(TestParticipant {
        client,
        stream,
        welcome,
    })
}

/// A participant, with its stream.
pub struct TestParticipant {
    /// The client, on the connection of the stream.
    pub client: ChittyChatClient<Channel>,
    /// The stream after its Welcome.
    pub stream: Streaming<Broadcast>,
    /// The Welcome that began the stream.
    pub welcome: Welcome,
}

impl TestParticipant {
    /// The next message of the stream; `None` at its end.
    ///
    /// # Errors
    ///
    /// The status that the stream ends with.
    pub async fn next(&mut self) -> Result<Option<Broadcast>, Status> {
        timeout(PATIENCE, self.stream.message())
            .await
            .expect("in time")
    }

    /// The next message of the stream, which has to be an event.
    pub async fn event(&mut self) -> Event {
        match self.next().await {
            Ok(Some(Broadcast {
                kind: Some(Kind::Event(event)),
            })) => event,
            other => panic!("not an event: {other:?}"),
        }
    }

    /// The next messages of the stream, which have to be events.
    pub async fn events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            events.push(self.event().await);
        }
        events
    }

    /// A request to publish this text.
    pub fn request(&self, text: &str) -> PublishRequest {
        PublishRequest {
            session: self.welcome.session.clone(),
            text: text.into(),
            lamport: 1,
            ..PublishRequest::default()
        }
    }

    /// Publishes a text, which the server has to accept.
    pub async fn publish(&mut self, text: &str) -> PublishReply {
        let request = self.request(text);
        self.client
            .publish(request)
            .await
            .expect("valid")
            .into_inner()
    }

    /// A request to resume after this event.
    pub fn resume(&self, last: &Event) -> JoinRequest {
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
pub fn sentence(event: &Event) -> String {
    chitty_chat::Event::from(event.clone())
        .sentence()
        .unwrap_or_default()
}

/// The code that a call was refused with.
pub fn code<T: std::fmt::Debug>(result: Result<T, Status>) -> Code {
    result.expect_err("refused").code()
}
