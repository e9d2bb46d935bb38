//! A server by hand: each call is passed to the test, which answers it. It stands behind a proxy
//! that can cut connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use chitty_chat::proto::v1;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Status, body::Body, server::Grpc, transport::Server};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// Long enough for a busy machine; a test that passes never waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

type Events = UnboundedReceiverStream<Result<v1::Broadcast, Status>>;

/// A call that waits for its answer.
pub(crate) struct Call<Q, R> {
    pub(crate) request: Q,
    answer: oneshot::Sender<Result<R, Status>>,
}

pub(crate) enum AnyCall {
    Join(Call<v1::JoinRequest, Events>),
    Publish(Call<v1::PublishRequest, v1::PublishReply>),
    Leave(Call<v1::LeaveRequest, v1::LeaveReply>),
    History(Call<v1::HistoryRequest, v1::HistoryReply>),
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    inner: SocketAddr,
    calls: mpsc::UnboundedReceiver<AnyCall>,
    health: Arc<AtomicI32>,
    cuts: watch::Sender<u32>,
    proxy: JoinHandle<()>,
}

/// The server's end of a stream.
pub(crate) struct Stream(mpsc::UnboundedSender<Result<v1::Broadcast, Status>>);

impl<Q, R> Call<Q, R> {
    pub(crate) fn reply(self, reply: R) {
        let _ = self.answer.send(Ok(reply));
    }

    pub(crate) fn refuse(self, status: Status) {
        let _ = self.answer.send(Err(status));
    }
}

impl Call<v1::JoinRequest, Events> {
    pub(crate) fn accept(self) -> Stream {
        let (events, stream) = mpsc::unbounded_channel();
        self.reply(UnboundedReceiverStream::new(stream));
        Stream(events)
    }

    /// Accepts the call as the first participant of an empty chat: Joined at position 1, Lamport
    /// time 3.
    pub(crate) fn welcome_first(self) -> Stream {
        let name = self.request.name.clone();
        let lamport = self.request.lamport;
        let stream = self.accept();
        stream.welcome(welcome(&name, 1, lamport + 2));
        stream.joined(1, lamport + 2, &name, lamport);
        stream
    }
}

/// The Welcome of a new and only participation at this position.
pub(crate) fn welcome(name: &str, position: u64, lamport: u64) -> v1::Welcome {
    v1::Welcome {
        epoch: "epoch".into(),
        position,
        lamport,
        participants: vec![v1::Participant {
            name: name.into(),
            number: position,
            seen: 0,
        }],
        next: position,
        head: position,
        first: 1,
        ..Default::default()
    }
}

/// The Welcome of a granted resume.
pub(crate) fn resumed(resume: &v1::Resume, head: u64) -> v1::Welcome {
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

impl Stream {
    pub(crate) fn send(&self, kind: v1::broadcast::Kind) {
        let _ = self.0.send(Ok(v1::Broadcast { kind: Some(kind) }));
    }

    pub(crate) fn welcome(&self, welcome: v1::Welcome) {
        self.send(v1::broadcast::Kind::Welcome(welcome));
    }

    fn event(&self, position: u64, lamport: u64, request: u64, kind: v1::event::Kind) {
        self.send(v1::broadcast::Kind::Event(v1::Event {
            position,
            lamport,
            at: None,
            kind: Some(kind),
            request,
        }));
    }

    pub(crate) fn joined(&self, position: u64, lamport: u64, name: &str, request: u64) {
        let name = name.to_owned();
        let kind = v1::event::Kind::Joined(v1::Joined { name });
        self.event(position, lamport, request, kind);
    }

    pub(crate) fn left(&self, position: u64, lamport: u64, name: &str, participant: u64) {
        let kind = v1::event::Kind::Left(v1::Left {
            name: name.to_owned(),
            reason: v1::left::Reason::Left.into(),
            participant,
        });
        self.event(position, lamport, lamport - 2, kind);
    }

    /// Announces a participant as LOST.
    pub(crate) fn lost(&self, position: u64, lamport: u64, name: &str, participant: u64) {
        let kind = v1::event::Kind::Left(v1::Left {
            name: name.to_owned(),
            reason: v1::left::Reason::Lost.into(),
            participant,
        });
        self.event(position, lamport, 0, kind);
    }

    /// Announces that an operator removed a participant.
    pub(crate) fn removed(&self, position: u64, lamport: u64, name: &str, participant: u64) {
        let kind = v1::event::Kind::Left(v1::Left {
            name: name.to_owned(),
            reason: v1::left::Reason::Removed.into(),
            participant,
        });
        self.event(position, lamport, 0, kind);
    }

    /// Sends a message of another participant.
    pub(crate) fn message(&self, position: u64, lamport: u64, text: &str) {
        let request = v1::PublishRequest {
            text: text.into(),
            ..Default::default()
        };
        self.published(position, lamport, &request);
    }

    pub(crate) fn published(&self, position: u64, lamport: u64, request: &v1::PublishRequest) {
        let kind = v1::event::Kind::Message(v1::Message {
            author: "somebody".into(),
            text: request.text.clone(),
            id: request.id.clone(),
            seen: request.seen,
            participant: 1,
        });
        self.event(position, lamport, request.lamport, kind);
    }

    pub(crate) fn close(&self, reason: v1::closing::Reason, detail: &str) {
        self.send(v1::broadcast::Kind::Closing(v1::Closing {
            reason: reason.into(),
            position: 1,
            detail: detail.to_owned(),
        }));
    }

    pub(crate) fn fail(self, status: Status) {
        let _ = self.0.send(Err(status));
    }
}

impl Fake {
    pub(crate) async fn start() -> Self {
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

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set_health(&self, status: ServingStatus) {
        self.health.store(status.into(), Ordering::SeqCst);
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts all connections and refuses new ones.
    pub(crate) async fn down(&mut self) {
        self.proxy.abort();
        let _ = (&mut self.proxy).await;
        self.cut();
    }

    /// Takes connections again.
    pub(crate) async fn up(&mut self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("the port is free");
        self.proxy = tokio::spawn(proxy(listener, self.inner, self.cuts.subscribe()));
    }

    async fn call(&mut self) -> AnyCall {
        let call = timeout(PATIENCE, self.calls.recv()).await;
        call.expect("a call comes").expect("the server lives")
    }

    pub(crate) async fn join(&mut self) -> Call<v1::JoinRequest, Events> {
        match self.call().await {
            AnyCall::Join(call) => call,
            other => panic!("no Join, but {}", other.name()),
        }
    }

    pub(crate) async fn publish(&mut self) -> Call<v1::PublishRequest, v1::PublishReply> {
        match self.call().await {
            AnyCall::Publish(call) => call,
            other => panic!("no Publish, but {}", other.name()),
        }
    }

    pub(crate) async fn leave(&mut self) -> Call<v1::LeaveRequest, v1::LeaveReply> {
        match self.call().await {
            AnyCall::Leave(call) => call,
            other => panic!("no Leave, but {}", other.name()),
        }
    }

    pub(crate) async fn history(&mut self) -> Call<v1::HistoryRequest, v1::HistoryReply> {
        match self.call().await {
            AnyCall::History(call) => call,
            other => panic!("no History, but {}", other.name()),
        }
    }

    /// Checks that no call arrives for this long.
    pub(crate) async fn quiet(&mut self, time: Duration) {
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

async fn proxy(listener: TcpListener, inner: SocketAddr, cut: watch::Receiver<u32>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut cut = cut.clone();
        cut.mark_unchanged();
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(inner).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn serve(calls: mpsc::UnboundedSender<AnyCall>, health: Arc<AtomicI32>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let service = service_fn(move |request| {
        let (calls, health) = (calls.clone(), Arc::clone(&health));
        async move { Ok::<_, std::convert::Infallible>(answer(request, calls, health).await) }
    });
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(Server::builder().serve_with_incoming(service, incoming));
    address
}

async fn answer(
    request: Request<Body>,
    calls: mpsc::UnboundedSender<AnyCall>,
    health: Arc<AtomicI32>,
) -> Response<Body> {
    match request.uri().path() {
        "/chitty.v1.ChittyChat/Join" => {
            let join = hand_over(calls, AnyCall::Join);
            let mut grpc = Grpc::new(ProstCodec::<v1::Broadcast, v1::JoinRequest>::default());
            grpc.server_streaming(service_fn(join), request).await
        }
        "/chitty.v1.ChittyChat/Publish" => {
            let publish = hand_over(calls, AnyCall::Publish);
            let mut grpc = Grpc::new(ProstCodec::<v1::PublishReply, v1::PublishRequest>::default());
            grpc.unary(service_fn(publish), request).await
        }
        "/chitty.v1.ChittyChat/Leave" => {
            let leave = hand_over(calls, AnyCall::Leave);
            let mut grpc = Grpc::new(ProstCodec::<v1::LeaveReply, v1::LeaveRequest>::default());
            grpc.unary(service_fn(leave), request).await
        }
        "/chitty.v1.ChittyChat/History" => {
            let history = hand_over(calls, AnyCall::History);
            let mut grpc = Grpc::new(ProstCodec::<v1::HistoryReply, v1::HistoryRequest>::default());
            grpc.unary(service_fn(history), request).await
        }
        "/grpc.health.v1.Health/Check" => {
            let check = move |request: tonic::Request<HealthCheckRequest>| {
                let status = health.load(Ordering::SeqCst);
                let known = request.get_ref().service == "chitty.v1.ChittyChat";
                std::future::ready(if known {
                    Ok(tonic::Response::new(HealthCheckResponse { status }))
                } else {
                    Err(Status::not_found("no such service"))
                })
            };
            let codec = ProstCodec::<HealthCheckResponse, HealthCheckRequest>::default();
            Grpc::new(codec).unary(service_fn(check), request).await
        }
        _ => Status::unimplemented("no such call").into_http(),
    }
}

/// Passes each call to the test, and waits for its answer.
fn hand_over<Q: Send + 'static, R: Send + 'static>(
    calls: mpsc::UnboundedSender<AnyCall>,
    kind: fn(Call<Q, R>) -> AnyCall,
) -> impl FnMut(tonic::Request<Q>) -> BoxFuture<'static, Result<tonic::Response<R>, Status>> {
    move |request| {
        let (answer, answered) = oneshot::channel();
        let request = request.into_inner();
        let _ = calls.send(kind(Call { request, answer }));
        Box::pin(async move {
            let answer = answered.await;
            answer
                .unwrap_or_else(|_| Err(Status::unavailable("the test ended")))
                .map(tonic::Response::new)
        })
    }
}
