//! A server without sockets, on a log that is slow.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chitty_chat::{
    LamportTime, Position,
    proto::v1::{
        Broadcast, HistoryReply, HistoryRequest, JoinRequest, Resume, SERVICE_NAME, Welcome,
        broadcast::Kind,
    },
    secret::os_random,
};
use chitty_room::{
    RoomRules,
    rate::Rate,
    record::{Batch, Record},
};
use chitty_server::{
    log::{
        AppendError, Extent, Keep, Log, LogFuture, MakeSnapshot, MemoryLog, PageLimit, READERS,
        ReadError,
    },
    net::{Peer, StreamAbort},
    sequencer::Sequencer,
    service::{Answer, ChittyChat},
};
use chitty_testing::one_chat::OneChat;
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use tokio::{
    sync::{Semaphore, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, service::Routes};
use tonic_types::StatusExt as _;
use tower_service::Service as _;

/// The time that a slow disk takes to read a page.
pub(crate) const READ: Duration = Duration::from_millis(10);

/// The time of a request on its way to the server, from another machine.
pub(crate) const WAY: Duration = Duration::from_millis(3);

pub(crate) const HOURLY: Rate = Rate {
    burst: 10,
    interval: Duration::from_secs(3600),
};

/// A log whose reads take their time, as many at once as there are readers, and are counted.
pub(crate) struct SlowLog {
    inner: MemoryLog,
    readers: Arc<Semaphore>,
    reads: AtomicUsize,
    /// Nothing is appended while this is true.
    pub(crate) hangs: watch::Sender<bool>,
}

impl SlowLog {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryLog::new(&mut os_random),
            readers: Arc::new(Semaphore::new(READERS)),
            reads: AtomicUsize::new(0),
            hangs: watch::Sender::new(false),
        })
    }

    /// How many pages were read since the server started. The start itself reads one.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed) - 1
    }
}

impl Log for SlowLog {
    fn epoch(&self) -> Arc<str> {
        self.inner.epoch()
    }
    fn extent(&self) -> Extent {
        self.inner.extent()
    }
    fn append(&self, after: Position, batch: Batch) -> LogFuture<Result<(), AppendError>> {
        let appended = self.inner.append(after, batch);
        let mut hangs = self.hangs.subscribe();
        Box::pin(async move {
            let _ = hangs.wait_for(|hangs| !hangs).await;
            appended.await
        })
    }
    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let page = self.inner.read(after, limit);
        let readers = Arc::clone(&self.readers);
        Box::pin(async move {
            let _reader = readers.acquire().await;
            sleep(READ).await;
            page.await
        })
    }
    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>> {
        let found = self.inner.locate(lamport);
        let readers = Arc::clone(&self.readers);
        Box::pin(async move {
            let _reader = readers.acquire().await;
            sleep(READ).await;
            found.await
        })
    }
    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>> {
        self.inner.snapshot()
    }
    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        self.inner.keep_snapshot(at, snapshot)
    }
    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>> {
        self.inner.trim(keep, covered)
    }
}

/// Where a request comes from. Some limits count by source, others by connection.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    /// The last number of an IPv4 address.
    source: u8,
    connection: u64,
}

/// The caller on this connection. All of them come from one source unless a test says otherwise.
pub(crate) fn caller(connection: u64) -> Caller {
    let source = 1;
    Caller { source, connection }
}

impl Caller {
    pub(crate) fn at_source(self, source: u8) -> Self {
        Self { source, ..self }
    }
}

/// A server without sockets.
#[derive(Clone)]
pub(crate) struct Chat {
    service: ChittyChat,
    pub(crate) shutdown: CancellationToken,
}

/// A stream that is held open, and its Welcome.
pub(crate) struct Stream {
    _body: Answer,
    pub(crate) welcome: Welcome,
}

impl Chat {
    pub(crate) async fn on(log: Arc<dyn Log>, rules: RoomRules) -> Self {
        let mut config = chitty_testing::server::config();
        config.sequencer.rules = rules;
        let store = Arc::new(OneChat(log));
        let (sequencer, chats) = Sequencer::start(store, config.followers, config.sequencer)
            .await
            .expect("a log");
        let shutdown = CancellationToken::new();
        tokio::spawn(sequencer.run(shutdown.clone()));
        let service = ChittyChat::new(chats, os_random, Routes::default());
        Self { service, shutdown }
    }

    pub(crate) async fn answer(
        &self,
        method: &str,
        request: &impl Message,
        caller: Caller,
    ) -> Result<Answer, Status> {
        let message = request.encode_to_vec();
        let length = u32::try_from(message.len()).expect("short").to_be_bytes();
        let body = Bytes::from([&[0][..], &length, &message].concat());
        let mut request = http::Request::post(format!("/{SERVICE_NAME}/{method}"))
            .body(Full::new(body))
            .expect("a request");
        let source = IpAddr::from([192, 0, 2, caller.source]);
        let peer = Peer::uncounted(source, caller.connection, StreamAbort::default());
        request.extensions_mut().insert(peer);
        let Ok(response) = self.service.clone().call(request).await;
        match Status::from_header_map(response.headers()) {
            Some(status) => Err(status),
            None => Ok(response.into_body()),
        }
    }

    pub(crate) async fn ask<Res: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
        caller: Caller,
    ) -> Result<Res, Status> {
        let mut body = self.answer(method, request, caller).await?;
        Ok(first_message(&mut body).await)
    }

    pub(crate) async fn join(
        &self,
        request: &JoinRequest,
        caller: Caller,
    ) -> Result<Stream, Status> {
        let mut body = self.answer("Join", request, caller).await?;
        let Broadcast {
            kind: Some(Kind::Welcome(welcome)),
        } = first_message(&mut body).await
        else {
            panic!("a stream begins with a Welcome");
        };
        Ok(Stream {
            _body: body,
            welcome,
        })
    }

    pub(crate) async fn history(
        &self,
        name: &str,
        caller: Caller,
        change: impl FnOnce(&mut HistoryRequest),
    ) -> Result<HistoryReply, Status> {
        let mut request = HistoryRequest {
            session: named(name).session,
            ..HistoryRequest::default()
        };
        change(&mut request);
        self.ask("History", &request, caller).await
    }

    /// Joins as a client does: after a refusal it waits as long as the server asks for, or longer, by
    /// its own backoff.
    pub(crate) async fn join_as_told(&self, request: &JoinRequest, caller: Caller) -> Stream {
        let mut backoff = Duration::from_millis(67);
        loop {
            match self.join(request, caller).await {
                Ok(stream) => return stream,
                Err(status) => sleep(retry_in(&status).max(backoff) + WAY).await,
            }
            backoff = (2 * backoff).min(Duration::from_secs(3));
        }
    }
}

async fn first_message<Res: Message + Default>(body: &mut Answer) -> Res {
    // A Welcome comes in pieces.
    let mut read = Vec::new();
    loop {
        let frame = body.frame().await.expect("a body").expect("whole");
        read.extend_from_slice(&frame.into_data().expect("a message"));
        if let [_, a, b, c, d, message @ ..] = &read[..]
            && let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize
            && let Some(message) = message.get(..length)
        {
            return Res::decode(message).expect("a message of its kind");
        }
    }
}

pub(crate) fn retry_in(status: &Status) -> Duration {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let details = status.get_error_details();
    let retry = details.retry_info().expect("RetryInfo");
    retry.retry_delay.expect("a delay")
}

pub(crate) fn named(name: &str) -> JoinRequest {
    JoinRequest {
        name: name.into(),
        session: format!("{:_<22}", name.replace(' ', "-")),
        lamport: 1,
        ..JoinRequest::default()
    }
}

/// A Join that resumes after this position, in a chat whose requests all carried the time 1.
pub(crate) fn back(name: &str, epoch: &str, position: u64) -> JoinRequest {
    JoinRequest {
        resume: Some(Resume {
            position,
            lamport: 1 + 2 * position,
            epoch: epoch.into(),
        }),
        ..named(name)
    }
}

impl Chat {
    /// The head, as a resumed stream reports it.
    pub(crate) async fn service_head(&self, stream: &Stream) -> u64 {
        let again = JoinRequest {
            session: stream.welcome.session.clone(),
            ..named("ada")
        };
        let again = self.join(&again, caller(1)).await.expect("alive");
        again.welcome.head
    }
}
