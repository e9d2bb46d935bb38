//! A fake server: each call is passed to the test, which answers it. A proxy in front of it can cut
//! connections.

mod serve;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use chitty_chat::proto::v1;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;
use tonic_health::pb::health_check_response::ServingStatus;

use self::serve::{proxy, serve};

/// Long enough for a busy machine; a test that passes never waits this long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The events of a stream, as the server gives them to tonic.
pub type Events = UnboundedReceiverStream<Result<v1::Broadcast, Status>>;

/// A call that waits for its answer.
pub struct PendingCall<Q, R> {
    /// The request as it arrived.
    pub request: Q,
    answer: oneshot::Sender<Result<R, Status>>,
}

enum AnyCall {
    Join(PendingCall<v1::JoinRequest, Events>),
    Publish(PendingCall<v1::PublishRequest, v1::PublishReply>),
    Leave(PendingCall<v1::LeaveRequest, v1::LeaveReply>),
    History(PendingCall<v1::HistoryRequest, v1::HistoryReply>),
}

/// A server whose answers are the test's, behind a proxy.
pub struct Fake {
    /// The address of the proxy, which clients connect to.
    pub address: SocketAddr,
    inner: SocketAddr,
    calls: mpsc::UnboundedReceiver<AnyCall>,
    health: Arc<AtomicI32>,
    cuts: watch::Sender<u32>,
    proxy: JoinHandle<()>,
}

/// The server's end of a stream.
pub struct FakeStream(mpsc::UnboundedSender<Result<v1::Broadcast, Status>>);

impl<Q, R> PendingCall<Q, R> {
    /// Answers the call with this reply.
    pub fn reply(self, reply: R) {
        let _ = self.answer.send(Ok(reply));
    }

    /// Answers the call with an error.
    pub fn refuse(self, status: Status) {
        let _ = self.answer.send(Err(status));
    }
}

impl PendingCall<v1::JoinRequest, Events> {
    /// Answers the Join with a stream, which is empty so far.
    pub fn accept(self) -> FakeStream {
        let (events, stream) = mpsc::unbounded_channel();
        self.reply(UnboundedReceiverStream::new(stream));
        FakeStream(events)
    }

    /// Accepts the call as the first participant of an empty chat: Joined at position 1, Lamport
    /// time 3.
    pub fn welcome_first(self) -> FakeStream {
        let name = self.request.name.clone();
        let lamport = self.request.lamport;
        let stream = self.accept();
        stream.welcome(welcome(&name, 1, lamport + 2));
        stream
            .position(1)
            .time(lamport + 2)
            .request(lamport)
            .joined(&name);
        stream
    }
}

/// The Welcome of a new and only participation at this position.
pub fn welcome(name: &str, position: u64, lamport: u64) -> v1::Welcome {
    v1::Welcome {
        epoch: "epoch".into(),
        position,
        lamport,
        participants: vec![v1::Participant {
            name: name.into(),
            number: position,
            seen: 0,
            member: 0,
        }],
        next: position,
        head: position,
        first: 1,
        ..Default::default()
    }
}

/// The Welcome of a granted resume.
pub fn resumed(resume: &v1::Resume, head: u64) -> v1::Welcome {
    v1::Welcome {
        epoch: resume.epoch.clone(),
        position: resume.position,
        lamport: resume.lamport,
        resumed: true,
        next: resume.position + 1,
        head,
        first: 1,
        ..Default::default()
    }
}

impl FakeStream {
    /// Sends a message on the stream.
    pub fn send(&self, kind: v1::broadcast::Kind) {
        let _ = self.0.send(Ok(v1::Broadcast { kind: Some(kind) }));
    }

    /// Sends a Welcome, which a client expects first.
    pub fn welcome(&self, welcome: v1::Welcome) {
        self.send(v1::broadcast::Kind::Welcome(welcome));
    }

    /// Begins the event at this position of the log.
    pub fn position(&self, position: u64) -> FakeEvent<'_> {
        FakeEvent {
            stream: self,
            position,
            time: 0,
            request: 0,
            participant: 1,
        }
    }

    /// Sends a Closing. The stream stays open.
    pub fn close(&self, reason: v1::closing::Reason, detail: &str) {
        self.send(v1::broadcast::Kind::Closing(v1::Closing {
            reason: reason.into(),
            position: 1,
            detail: detail.to_owned(),
        }));
    }

    /// Ends the stream with an error.
    pub fn fail(self, status: Status) {
        let _ = self.0.send(Err(status));
    }
}

/// An event, before it is sent on the stream. Unless a test sets more, it is of participant 1, and
/// no request led to it.
#[derive(Clone, Copy)]
pub struct FakeEvent<'a> {
    stream: &'a FakeStream,
    position: u64,
    time: u64,
    request: u64,
    participant: u64,
}

impl FakeEvent<'_> {
    /// Sets the Lamport time.
    #[must_use]
    pub fn time(self, time: u64) -> Self {
        Self { time, ..self }
    }

    /// Sets the Lamport time of the request that led to the event.
    #[must_use]
    pub fn request(self, request: u64) -> Self {
        Self { request, ..self }
    }

    /// Sets the number of the participation that the event ends.
    #[must_use]
    pub fn participant(self, participant: u64) -> Self {
        Self {
            participant,
            ..self
        }
    }

    /// Sends it as the Joined of a participant, whose number is the position.
    pub fn joined(self, name: &str) {
        let name = name.to_owned();
        self.send(v1::event::Kind::Joined(v1::Joined { name, member: 0 }));
    }

    /// Sends it as the Left of a participant that asked for it.
    pub fn left(self, name: &str) {
        self.gone(name, v1::left::Reason::Left);
    }

    /// Sends it as the Left of a participant that is LOST.
    pub fn lost(self, name: &str) {
        self.gone(name, v1::left::Reason::Lost);
    }

    /// Sends it as the Left of a participant that an operator removed.
    pub fn removed(self, name: &str) {
        self.gone(name, v1::left::Reason::Removed);
    }

    /// Sends it as a message of another participant.
    pub fn message(self, text: &str) {
        let request = v1::PublishRequest {
            text: text.into(),
            ..Default::default()
        };
        self.published(&request);
    }

    /// Sends it as the message that this request asked for, as if it had been published.
    pub fn published(self, request: &v1::PublishRequest) {
        let kind = v1::event::Kind::Message(v1::Message {
            author: "somebody".into(),
            text: request.text.clone(),
            id: request.id.clone(),
            seen: request.seen,
            participant: 1,
            member: 0,
        });
        self.request(request.lamport).send(kind);
    }

    fn gone(self, name: &str, reason: v1::left::Reason) {
        self.send(v1::event::Kind::Left(v1::Left {
            name: name.to_owned(),
            reason: reason.into(),
            participant: self.participant,
        }));
    }

    fn send(self, kind: v1::event::Kind) {
        self.stream.send(v1::broadcast::Kind::Event(v1::Event {
            position: self.position,
            lamport: self.time,
            at: None,
            kind: Some(kind),
            request: self.request,
        }));
    }
}

impl Fake {
    /// Starts a server on a free port.
    pub async fn start() -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let health = Arc::new(AtomicI32::new(ServingStatus::Serving.into()));
        let inner = serve(sender, Arc::clone(&health)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (cuts, cut) = watch::channel(0);
        Self {
            address,
            inner,
            calls,
            health,
            cuts,
            proxy: tokio::spawn(proxy(listener, inner, cut)),
        }
    }

    /// Its address as clients take it, `http://…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets what the health service reports.
    pub fn set_health(&self, status: ServingStatus) {
        self.health.store(status.into(), Ordering::SeqCst);
    }

    /// Cuts all connections of the moment; new ones are accepted.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts all connections and refuses new ones.
    pub async fn down(&mut self) {
        self.proxy.abort();
        let _ = (&mut self.proxy).await;
        self.cut();
    }

    /// Accepts connections again, on the same port.
    pub async fn up(&mut self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("the port is free");
        self.proxy = tokio::spawn(proxy(listener, self.inner, self.cuts.subscribe()));
    }

    async fn call(&mut self) -> AnyCall {
        let call = timeout(PATIENCE, self.calls.recv()).await;
        call.expect("a call comes").expect("the server lives")
    }

    /// Waits for the next call, which has to be a Join.
    pub async fn join(&mut self) -> PendingCall<v1::JoinRequest, Events> {
        match self.call().await {
            AnyCall::Join(call) => call,
            other => panic!("no Join, but {}", other.name()),
        }
    }

    /// Waits for the next call, which has to be a Publish.
    pub async fn publish(&mut self) -> PendingCall<v1::PublishRequest, v1::PublishReply> {
        match self.call().await {
            AnyCall::Publish(call) => call,
            other => panic!("no Publish, but {}", other.name()),
        }
    }

    /// Waits for the next call, which has to be a Leave.
    pub async fn leave(&mut self) -> PendingCall<v1::LeaveRequest, v1::LeaveReply> {
        match self.call().await {
            AnyCall::Leave(call) => call,
            other => panic!("no Leave, but {}", other.name()),
        }
    }

    /// Waits for the next call, which has to be for History.
    pub async fn history(&mut self) -> PendingCall<v1::HistoryRequest, v1::HistoryReply> {
        match self.call().await {
            AnyCall::History(call) => call,
            other => panic!("no History, but {}", other.name()),
        }
    }

    /// Checks that no call arrives for this long.
    pub async fn quiet(&mut self, time: Duration) {
        if let Ok(Some(call)) = timeout(time, self.calls.recv()).await {
            panic!("a call of {}", call.name());
        }
    }
}

impl AnyCall {
    fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "Join",
            Self::Publish(_) => "Publish",
            Self::Leave(_) => "Leave",
            Self::History(_) => "History",
        }
    }
}
