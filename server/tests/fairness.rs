//! That whoever asks for much waits for itself, and nobody else does.
//!
//! Without sockets, under a paused clock: what is measured is who waits for whom, on any machine.

mod support;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use chitty_chat::{
    LamportTime, Position,
    proto::v1::{
        Broadcast, HistoryReply, HistoryRequest, JoinRequest, LeaveReply, LeaveRequest,
        PublishReply, PublishRequest, Resume, SERVICE_NAME, Welcome, broadcast::Kind,
    },
    secret::os_random,
};
use chitty_server::{
    log::{
        AppendError, Extent, Keep, Log, LogFuture, MakeSnapshot, MemoryLog, PageLimit, READERS,
        ReadError,
    },
    net::{Cut, Peer},
    rate::Rate,
    record::Record,
    room::Rules,
    sequencer::Sequencer,
    service::{Answer, ChittyChat},
};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, service::Routes};
use tonic_types::StatusExt as _;
use tower_service::Service as _;

/// Of a page, by a slow disk.
const READ: Duration = Duration::from_millis(10);

/// To the server, for those who are not on its machine.
const WAY: Duration = Duration::from_millis(3);

const HOURLY: Rate = Rate {
    burst: 10,
    interval: Duration::from_secs(3600),
};

/// A log whose reads take their time, as many at once as there are readers, and are counted.
struct SlowLog {
    inner: MemoryLog,
    readers: Arc<Semaphore>,
    reads: AtomicUsize,
    /// Nothing is appended while this is true.
    hangs: watch::Sender<bool>,
}

impl SlowLog {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryLog::new(&mut os_random),
            readers: Arc::new(Semaphore::new(READERS)),
            reads: AtomicUsize::new(0),
            hangs: watch::Sender::new(false),
        })
    }

    /// Since the server has started, which reads all of it.
    fn reads(&self) -> usize {
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
    fn append(&self, after: Position, batch: Arc<[Record]>) -> LogFuture<Result<(), AppendError>> {
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

/// A server without sockets.
#[derive(Clone)]
struct Chat {
    service: ChittyChat,
    shutdown: CancellationToken,
}

/// A stream that is held, and what it began with.
struct Stream {
    _body: Answer,
    welcome: Welcome,
}

impl Chat {
    async fn on(log: Arc<dyn Log>, rules: Rules) -> Self {
        let mut config = support::config();
        config.sequencer.rules = rules;
        let (sequencer, handle) = Sequencer::start(log, config.followers, config.sequencer)
            .await
            .expect("a log");
        let shutdown = CancellationToken::new();
        tokio::spawn(sequencer.run(shutdown.clone()));
        let service = ChittyChat::new(handle, os_random, Routes::default());
        Self { service, shutdown }
    }

    async fn answer(
        &self,
        method: &str,
        request: &impl Message,
        peer: (u8, u64),
    ) -> Result<Answer, Status> {
        let message = request.encode_to_vec();
        let length = u32::try_from(message.len()).expect("short").to_be_bytes();
        let body = Bytes::from([&[0][..], &length, &message].concat());
        let mut request = http::Request::post(format!("/{SERVICE_NAME}/{method}"))
            .body(Full::new(body))
            .expect("a request");
        request.extensions_mut().insert(Peer {
            source: IpAddr::from([192, 0, 2, peer.0]),
            connection: peer.1,
            cut: Cut::default(),
        });
        let Ok(response) = self.service.clone().call(request).await;
        match Status::from_header_map(response.headers()) {
            Some(status) => Err(status),
            None => Ok(response.into_body()),
        }
    }

    async fn ask<Res: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
        peer: (u8, u64),
    ) -> Result<Res, Status> {
        let mut body = self.answer(method, request, peer).await?;
        Ok(first_message(&mut body).await)
    }

    async fn join(&self, request: &JoinRequest, peer: (u8, u64)) -> Result<Stream, Status> {
        let mut body = self.answer("Join", request, peer).await?;
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

    async fn history(
        &self,
        name: &str,
        peer: (u8, u64),
        change: impl FnOnce(&mut HistoryRequest),
    ) -> Result<HistoryReply, Status> {
        let mut request = HistoryRequest {
            session: named(name).session,
            ..HistoryRequest::default()
        };
        change(&mut request);
        self.ask("History", &request, peer).await
    }

    /// The way of a client: it comes back when it was told to, or later, by its own backoff.
    async fn join_as_told(&self, request: &JoinRequest, peer: (u8, u64)) -> Stream {
        let mut backoff = Duration::from_millis(67);
        loop {
            match self.join(request, peer).await {
                Ok(stream) => return stream,
                Err(status) => sleep(retry_in(&status).max(backoff) + WAY).await,
            }
            backoff = (2 * backoff).min(Duration::from_secs(3));
        }
    }
}

async fn first_message<Res: Message + Default>(body: &mut Answer) -> Res {
    let frame = body.frame().await.expect("a body").expect("whole");
    let mut data = frame.into_data().expect("a message");
    data.advance(5);
    Res::decode(data).expect("a message of its kind")
}

fn retry_in(status: &Status) -> Duration {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let details = status.get_error_details();
    let retry = details.retry_info().expect("RetryInfo");
    retry.retry_delay.expect("a delay")
}

fn named(name: &str) -> JoinRequest {
    JoinRequest {
        name: name.into(),
        session: format!("{:_<22}", name.replace(' ', "-")),
        lamport: 1,
        ..JoinRequest::default()
    }
}

/// To come back after this position, where each request carried 1.
fn back(name: &str, epoch: &str, position: u64) -> JoinRequest {
    JoinRequest {
        resume: Some(Resume {
            position,
            lamport: 1 + 2 * position,
            epoch: epoch.into(),
        }),
        ..named(name)
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_one_who_asks_for_page_after_page() {
    let log = SlowLog::new();
    let chat = Chat::on(log, Rules::default()).await;
    let _ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    let _bob = chat.join(&named("bob"), (1, 2)).await.expect("free");
    let eve = chat.join(&named("eve"), (1, 3)).await.expect("free");
    for connection in 100..500 {
        let chat = chat.clone();
        tokio::spawn(async move {
            loop {
                let page = chat.history("ada", (1, connection), |_| {}).await;
                if let Err(status) = page {
                    retry_in(&status);
                    sleep(READ).await;
                }
            }
        });
    }
    sleep(Duration::from_secs(2)).await;
    for _ in 0..3 {
        let began = Instant::now();
        let again = back("eve", &eve.welcome.epoch, 1);
        let resumed = chat.join(&again, (1, 4)).await.expect("alive");
        assert!(resumed.welcome.resumed);
        assert!(began.elapsed() <= 2 * READ, "resume: {:?}", began.elapsed());
        let began = Instant::now();
        chat.history("bob", (1, 2), |_| {}).await.expect("its turn");
        assert!(began.elapsed() <= 4 * READ, "page: {:?}", began.elapsed());
        let began = Instant::now();
        let found = chat.history("bob", (1, 2), |page| page.at_lamport = 5);
        assert_eq!(found.await.expect("its turn").events.len(), 3);
        assert!(began.elapsed() <= 6 * READ, "search: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn pages_beyond_a_few_are_refused_on_whatever_connections_they_are_asked_for() {
    let chat = Chat::on(SlowLog::new(), Rules::default()).await;
    let _ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    let pages = (0..400).map(|number| chat.history("ada", (1, number), |_| {}));
    let pages = futures_util::future::join_all(pages).await;
    let (served, refused): (Vec<_>, Vec<_>) = pages.into_iter().partition(Result::is_ok);
    // One is read, eight wait.
    assert_eq!(served.len(), 9);
    for status in refused {
        assert!(retry_in(&status.expect_err("refused")) > Duration::ZERO);
    }
    // A client has three under way at most: to scroll, to search, and to jump.
    for _ in 0..100 {
        let pages = (0..3).map(|_| chat.history("ada", (1, 1), |page| page.limit = 1000));
        for page in futures_util::future::join_all(pages).await {
            page.expect("never refused");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_that_is_refused_costs_no_read() {
    let log = SlowLog::new();
    let rules = Rules {
        max_participants_per_source: 3,
        join_rate: Some(HOURLY),
        ..Rules::default()
    };
    let chat = Chat::on(Arc::clone(&log) as Arc<dyn Log>, rules).await;
    let ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    let epoch = &ada.welcome.epoch;
    let bob = chat.join(&named("bob"), (1, 2)).await.expect("free");
    let leave = LeaveRequest {
        session: bob.welcome.session.clone(),
        lamport: 1,
    };
    let left = chat.ask::<LeaveReply>("Leave", &leave, (1, 2)).await;
    assert_eq!(left.expect("present").position, 3);
    let mut here = Vec::new();
    for number in 0..9 {
        let name = format!("number {number}");
        here.push(chat.join_as_told(&named(&name), (2 + number / 3, 9)).await);
    }
    let refused = async |request: JoinRequest, source, code| {
        let status = chat.join(&request, (source, 3)).await.err();
        assert_eq!(status.expect("refused").code(), code, "{request:?}");
    };
    for _ in 0..100 {
        refused(back(" eve", epoch, 1), 1, Code::InvalidArgument).await;
        refused(back("Ada", epoch, 1), 1, Code::AlreadyExists).await;
        refused(back("bob", epoch, 1), 1, Code::Unauthenticated).await;
        refused(back("eve", epoch, 1), 2, Code::ResourceExhausted).await;
        let timeless = JoinRequest {
            lamport: 0,
            ..back("eve", epoch, 1)
        };
        refused(timeless, 1, Code::InvalidArgument).await;
    }
    assert_eq!(log.reads(), 0);
    // Nor does what is known, or is not there.
    let mut stale = vec![back("eve", "another", 1), back("joe", epoch, 1 << 40)];
    let head = chat.service_head(&ada).await;
    stale.push(back("sue", epoch, head + 2));
    for (number, request) in stale.iter().enumerate() {
        chat.join_as_told(request, (9, number as u64)).await;
    }
    assert_eq!(log.reads(), 0);
    chat.join(&back("amy", epoch, 1), (10, 1))
        .await
        .expect("free");
    assert_eq!(log.reads(), 1);
}

impl Chat {
    /// The last position, by what a stream is told.
    async fn service_head(&self, stream: &Stream) -> u64 {
        let again = JoinRequest {
            session: stream.welcome.session.clone(),
            ..named("ada")
        };
        let again = self.join(&again, (1, 1)).await.expect("alive");
        again.welcome.head
    }
}

#[tokio::test(start_paused = true)]
async fn reads_for_resumes_are_counted_before_they_are_made() {
    let log = SlowLog::new();
    let rules = Rules {
        join_rate: Some(HOURLY),
        stream_rate: Some(HOURLY),
        ..Rules::default()
    };
    let chat = Chat::on(Arc::clone(&log) as Arc<dyn Log>, rules).await;
    let ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    chat.join(&named("bob"), (1, 2)).await.expect("free");
    let epoch = &ada.welcome.epoch;
    // All at once, so that none is decided before the others are looked at.
    let live = (0..100).map(|connection| {
        let request = back("ada", epoch, 1);
        let chat = &chat;
        async move { chat.join(&request, (1, connection)).await.is_ok() }
    });
    let granted = futures_util::future::join_all(live).await;
    let granted = granted.into_iter().filter(|granted| *granted).count();
    assert_eq!((granted, log.reads()), (10, 10));
    // Newcomers who break off while the log is read.
    for number in 0..100 {
        let request = back(&format!("number {number}"), epoch, 1);
        let join = chat.join(&request, (2, number));
        let _ = timeout(READ / 2, join).await;
    }
    assert_eq!(log.reads(), 10 + 20);
}

#[tokio::test(start_paused = true)]
async fn who_waits_as_told_is_in_while_others_join_in_a_loop() {
    let rules = Rules {
        join_rate: Some(Rate::per_second(10, 50)),
        stream_rate: Some(Rate::per_second(2, 20)),
        ..Rules::default()
    };
    let chat = Chat::on(SlowLog::new(), rules).await;
    let live = chat.join(&named("live"), (1, 1)).await.expect("free");
    let epoch = live.welcome.epoch.clone();
    for hammer in 0..8_u64 {
        let (chat, epoch) = (chat.clone(), epoch.clone());
        tokio::spawn(async move {
            let mut number = 0_u64;
            loop {
                number += 1;
                let name = format!("{hammer} and {number}");
                let request = match hammer % 4 {
                    0 => named(&name),
                    1 => back(&name, &epoch, 1),
                    // One that is here, as if its first Welcome was lost.
                    2 => named("live"),
                    _ => named(&format!("{hammer}")),
                };
                let connection = 1000 + hammer;
                // Streams are dropped: what they held is free after the grace.
                drop(chat.join(&request, (1, connection)).await);
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
    sleep(Duration::from_secs(6)).await;
    for number in 0..3 {
        let began = Instant::now();
        let request = named(&format!("newcomer {number}"));
        let stream = chat.join_as_told(&request, (1, 5000 + number)).await;
        assert!(!stream.welcome.resumed);
        let took = began.elapsed();
        assert!(took <= Duration::from_secs(4), "{took:?}");
    }
    let began = Instant::now();
    chat.join(&named("elsewhere"), (2, 1)).await.expect("free");
    assert!(began.elapsed() < READ);
}

#[tokio::test(start_paused = true)]
async fn a_seat_that_becomes_free_goes_to_who_waits_as_told() {
    let rules = Rules {
        max_participants_per_source: 5,
        join_rate: Some(Rate::per_second(10, 50)),
        ..Rules::default()
    };
    let chat = Chat::on(SlowLog::new(), rules).await;
    for hammer in 0..8_u64 {
        let chat = chat.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let request = named(&format!("{hammer} and {number}"));
                drop(chat.join(&request, (1, 1000 + hammer)).await);
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
    sleep(Duration::from_secs(6)).await;
    let refused = chat.join(&named("ada"), (1, 1)).await.err();
    let refused = refused.expect("all seats are taken");
    assert!(refused.message().contains("5 participants"), "{refused}");
    let began = Instant::now();
    chat.join_as_told(&named("ada"), (1, 2)).await;
    // Seats are held for the grace by those who have gone.
    let took = began.elapsed();
    assert!(took <= Duration::from_secs(15), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn all_may_come_back_at_once_after_a_restart() {
    const MEMBERS: u64 = 300;
    let log = SlowLog::new();
    let free = Chat::on(Arc::clone(&log) as Arc<dyn Log>, Rules::default()).await;
    let mut here = Vec::new();
    for number in 0..MEMBERS {
        let request = named(&format!("number {number}"));
        here.push(free.join(&request, (1, number)).await.expect("free"));
    }
    let epoch = here[0].welcome.epoch.clone();
    free.shutdown.cancel();
    drop((free, here));
    sleep(Duration::from_secs(1)).await;
    let rules = Rules {
        max_participants_per_source: 5,
        join_rate: Some(HOURLY),
        stream_rate: Some(HOURLY),
        ..Rules::default()
    };
    let chat = Chat::on(log, rules).await;
    let backs = (0..MEMBERS).map(|number| {
        let request = back(&format!("number {number}"), &epoch, number + 1);
        let chat = &chat;
        async move { chat.join(&request, (1, number)).await }
    });
    for stream in futures_util::future::join_all(backs).await {
        assert!(stream.expect("alive").welcome.resumed);
    }
    let newcomer = chat.join(&named("joe"), (1, 999)).await.err();
    let full = newcomer.expect("no seat");
    assert!(full.message().contains("address"), "{full}");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_anyway_does_not_wait_for_a_commit() {
    let rules = Rules {
        stream_rate: Some(HOURLY),
        ..Rules::default()
    };
    let log = SlowLog::new();
    let chat = Chat::on(Arc::clone(&log) as Arc<dyn Log>, rules).await;
    let ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    let epoch = &ada.welcome.epoch;
    for _ in 0..HOURLY.burst {
        let again = back("ada", epoch, 1);
        chat.join(&again, (1, 1)).await.expect("a burst");
    }
    log.hangs.send_replace(true);
    let commit = tokio::spawn({
        let chat = chat.clone();
        async move { chat.join(&named("bob"), (1, 2)).await.map(drop) }
    });
    sleep(Duration::from_secs(1)).await;
    let at_once = Duration::from_millis(100);
    let leave = LeaveRequest {
        session: named("nobody").session,
        lamport: 1,
    };
    let publish = PublishRequest {
        session: named("nobody").session,
        text: "hi".into(),
        lamport: 1,
        ..PublishRequest::default()
    };
    let again = back("ada", epoch, 1);
    let answers = async {
        let left = chat.ask::<LeaveReply>("Leave", &leave, (1, 3)).await;
        assert_eq!(left.expect_err("unknown").code(), Code::Unauthenticated);
        let published = chat.ask::<PublishReply>("Publish", &publish, (1, 3)).await;
        assert_eq!(
            published.expect_err("unknown").code(),
            Code::Unauthenticated
        );
        retry_in(&chat.join(&again, (1, 4)).await.err().expect("too often"));
        let taken = chat.join(&named("Ada"), (1, 4)).await.err();
        assert_eq!(taken.expect("taken").code(), Code::AlreadyExists);
        let page = chat.history("ada", (1, 1), |_| {}).await;
        page.expect("a page of what is durable");
    };
    timeout(at_once, answers)
        .await
        .expect("no turn of the sequencer");
    // Bob's Join may become durable yet: his Leave waits for that.
    let leave = LeaveRequest {
        session: named("bob").session,
        lamport: 1,
    };
    let left = tokio::spawn({
        let chat = chat.clone();
        async move { chat.ask::<LeaveReply>("Leave", &leave, (1, 2)).await }
    });
    sleep(at_once).await;
    assert!(!commit.is_finished() && !left.is_finished());
    log.hangs.send_replace(false);
    commit.await.expect("it ran").expect("free");
    left.await.expect("it ran").expect("he was there");
}
