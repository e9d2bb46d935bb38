mod several;
mod trim;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::UNIX_EPOCH,
};

use chitty_chat::{
    LamportTime, MessageId, MessageText, ParticipantName, Position, Session,
    secret::{FillRandom, os_random},
};

use super::*;
use crate::{
    follower::FollowerLimits,
    log::{
        ChatAppend, CreateError, Extent, Log, LogFuture, MakeSnapshot, MemoryStore, PageLimit,
        ReadError, TRIM_STEP,
    },
    sequencer::upkeep::TRIM_PAUSE,
};
use chitty_room::{
    Join, Leave, Publish, Refusal, Room,
    record::{Batch, Record},
};

fn config() -> SequencerConfig {
    SequencerConfig {
        rules: RoomRules::default(),
        keep: None,
        idle_exit: None,
        wall: || UNIX_EPOCH,
    }
}

fn join(name: &str) -> Join {
    Join {
        session: Session::parse(&format!("{name:_<22}"))
            .expect("a session")
            .hash(),
        name: ParticipantName::parse(name),
        lamport: LamportTime::new(1),
        resume: None,
        backlog: 0,
        source: None,
        identity: chitty_room::Identity::None,
        invitation: None,
    }
}

fn publish(name: &str, text: &str, id: Option<&str>) -> Publish {
    Publish {
        session: join(name).session,
        text: MessageText::parse(text).expect("a text"),
        id: id.map(|id| MessageId::parse(id).expect("an id")),
        seen: Position::ZERO,
        lamport: LamportTime::new(1),
        identity: chitty_room::Identity::None,
    }
}

struct Running {
    chats: Chats,
    /// The lobby.
    handle: Handle,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<Result<StopReason, SequencerError>>,
}

async fn start(store: Arc<dyn Store>, config: SequencerConfig) -> Running {
    let (sequencer, chats) = Sequencer::start(store, FollowerLimits::default(), config)
        .await
        .expect("empty logs");
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(sequencer.run(shutdown.clone()));
    Running {
        handle: chats.lobby().clone(),
        chats,
        shutdown,
        task,
    }
}

/// A store in memory that can be told to fail, counts its commits, and lets another writer in
/// before an append.
struct TestStore {
    inner: MemoryStore,
    commits: AtomicUsize,
    /// Records of the largest batch.
    largest: AtomicUsize,
    snapshots: Arc<AtomicUsize>,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    fail: bool,
    intruder: Option<(ChatName, Record)>,
    slow: Option<Duration>,
}

impl TestStore {
    fn new(script: Script) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(&mut os_random),
            commits: AtomicUsize::new(0),
            largest: AtomicUsize::new(0),
            snapshots: Arc::default(),
            script: Mutex::new(script),
        })
    }

    /// Of the lobby.
    fn extent(&self) -> Extent {
        self.inner.lobby().extent()
    }

    fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }

    fn counted(&self) -> impl Fn(Arc<dyn Log>) -> Arc<dyn Log> + use<> {
        let snapshots = Arc::clone(&self.snapshots);
        move |inner| {
            let snapshots = Arc::clone(&snapshots);
            Arc::new(TestLog { inner, snapshots })
        }
    }
}

impl Store for TestStore {
    fn chats(&self) -> Vec<ChatName> {
        self.inner.chats()
    }
    fn lobby(&self) -> Arc<dyn Log> {
        self.counted()(self.inner.lobby())
    }
    fn log(&self, chat: &ChatName) -> Option<Arc<dyn Log>> {
        self.inner.log(chat).map(self.counted())
    }
    fn create(
        &self,
        chat: &ChatName,
        random: FillRandom<'_>,
    ) -> LogFuture<Result<Arc<dyn Log>, CreateError>> {
        let (created, counted) = (self.inner.create(chat, random), self.counted());
        Box::pin(async move { created.await.map(counted) })
    }
    fn append(&self, appends: Vec<ChatAppend>) -> LogFuture<Result<(), AppendError>> {
        let mut script = self.script.lock().expect("whole");
        if script.fail {
            return Box::pin(async { Err(AppendError::Failed("the disk is full".into())) });
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        let records = appends.iter().map(|append| append.batch.len()).sum();
        self.largest.fetch_max(records, Ordering::Relaxed);
        if let Some((chat, record)) = script.intruder.take() {
            let log = self.inner.log(&chat).expect("there");
            drop(log.append(log.extent().head, [record].into()));
        }
        let appended = self.inner.append(appends);
        let slow = script.slow;
        Box::pin(async move {
            if let Some(time) = slow {
                tokio::time::sleep(time).await;
            }
            appended.await
        })
    }
}

/// A log whose snapshots are counted.
struct TestLog {
    inner: Arc<dyn Log>,
    snapshots: Arc<AtomicUsize>,
}

impl Log for TestLog {
    fn epoch(&self) -> Arc<str> {
        self.inner.epoch()
    }
    fn extent(&self) -> Extent {
        self.inner.extent()
    }
    fn append(&self, after: Position, batch: Batch) -> LogFuture<Result<(), AppendError>> {
        self.inner.append(after, batch)
    }
    fn read(&self, after: Position, limit: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>> {
        self.inner.read(after, limit)
    }
    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>> {
        self.inner.locate(lamport)
    }
    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>> {
        self.inner.snapshot()
    }
    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        self.inner.keep_snapshot(at, snapshot)
    }
    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>> {
        self.inner.trim(keep, covered)
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_during_a_commit_is_the_next_commit() {
    let slow = Some(Duration::from_millis(5));
    let log = TestStore::new(Script {
        slow,
        ..Script::default()
    });
    let running = start(log.clone(), config()).await;
    let _ada = running.handle.join(join("ada")).await.expect("free");
    let before = log.commits();
    let requests: Vec<_> = (0..200)
        .map(|number| {
            let handle = running.handle.clone();
            tokio::spawn(async move {
                handle
                    .publish(publish("ada", &format!("line {number}"), None))
                    .await
            })
        })
        .collect();
    for request in requests {
        request.await.expect("it ran").expect("accepted");
    }
    let commits = log.commits() - before;
    assert!(commits <= 3, "{commits} commits for 200 messages");
    assert_eq!(running.handle.hub().head(), Position::new(201));
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_the_same_turn_is_one_commit() {
    let log = TestStore::new(Script::default());
    let running = start(log.clone(), config()).await;
    let _ada = running.handle.join(join("ada")).await.expect("free");
    let before = log.commits();
    let handle = running.handle.clone();
    // The second comes after the sequencer, which the first has woken.
    let (first, second) =
        tokio::join!(running.handle.publish(publish("ada", "one", None)), async {
            tokio::spawn(async move { handle.publish(publish("ada", "two", None)).await }).await
        });
    first.expect("accepted");
    second.expect("it ran").expect("accepted");
    assert_eq!(log.commits() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_as_large_as_it_may_be_and_no_larger() {
    let log = TestStore::new(Script::default());
    let running = start(log.clone(), config()).await;
    let _ada = running.handle.join(join("ada")).await.expect("free");
    // Each from a task of its own, so that none waits for another one.
    let lines: Vec<_> = (0..3 * BATCH)
        .map(|line| {
            let handle = running.handle.clone();
            let line = publish("ada", &line.to_string(), None);
            tokio::spawn(async move { handle.publish(line).await })
        })
        .collect();
    for line in lines {
        line.await.expect("it ran").expect("accepted");
    }
    assert_eq!(log.largest.load(Ordering::Relaxed), BATCH);
}

#[tokio::test(start_paused = true)]
async fn the_view_shows_whatever_changed_and_is_the_same_after_a_refusal() {
    let running = start(TestStore::new(Script::default()), config()).await;
    let ada = running.handle.join(join("ada")).await.expect("free");
    let again = Join {
        session: join("eve").session,
        ..join("ada")
    };
    let taken = || {
        let outlook = running
            .handle
            .view()
            .outlook(&again, running.handle.decision_time());
        match outlook.expect_err("taken") {
            Refusal::NameTaken { retry_in, .. } => retry_in,
            other => panic!("{other}"),
        }
    };
    let before = running.handle.view();
    let refused = running.handle.publish(publish("eve", "hi", None)).await;
    refused.expect_err("she is not there");
    assert!(Arc::ptr_eq(&before, &running.handle.view()));
    assert_eq!(taken(), None);
    // Nothing of this is in the log.
    drop(ada);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(taken(), Some(Duration::from_secs(9)));
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_until_the_first_is_durable() {
    let slow = Some(Duration::from_secs(1));
    let log = TestStore::new(Script {
        slow,
        ..Script::default()
    });
    let running = start(log, config()).await;
    let _ada = running.handle.join(join("ada")).await.expect("free");
    let began = Instant::now();
    let id = Some("0123456789abcdef");
    let (first, second) = tokio::join!(
        running.handle.publish(publish("ada", "hi", id)),
        running.handle.publish(publish("ada", "hi", id)),
    );
    assert_eq!(first, second);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(running.handle.hub().head(), Position::new(2));
}

#[tokio::test(start_paused = true)]
async fn after_a_conflict_all_is_decided_again_on_the_new_tail() {
    // Another server lets somebody called ada in, just before this one would.
    let mut other = Room::new(
        chitty_room::Fold::default(),
        "".into(),
        Position::new(1),
        RoomRules::default(),
        DecisionTime {
            wall: UNIX_EPOCH,
            mono: Duration::ZERO,
        },
    );
    let mut elsewhere = join("ada");
    elsewhere.session = join("elsewhere").session;
    let now = DecisionTime {
        wall: UNIX_EPOCH,
        mono: Duration::ZERO,
    };
    let records = other.join(&elsewhere, now).expect("free").records;
    let intruder = records.into_iter().next();
    let intruder = intruder.map(|record| (ChatName::LOBBY, record));
    let log = TestStore::new(Script {
        intruder,
        ..Script::default()
    });
    let running = start(log.clone(), config()).await;
    let (ada, bob) = tokio::join!(
        running.handle.join(join("ada")),
        running.handle.join(join("bob"))
    );
    assert!(matches!(
        ada,
        Err(RequestError::Refusal(Refusal::NameTaken { .. }))
    ));
    let bob = bob.expect("free").granted;
    assert_eq!((bob.position, bob.lamport.get()), (Position::new(2), 5));
    assert_eq!(bob.participants.len(), 2);
    assert_eq!(running.handle.hub().head(), Position::new(2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_ends_the_server_and_nothing_is_shown() {
    let log = TestStore::new(Script::default());
    let running = start(log.clone(), config()).await;
    let _ada = running.handle.join(join("ada")).await.expect("free");
    log.script.lock().expect("whole").fail = true;
    let answer = running.handle.publish(publish("ada", "hi", None)).await;
    assert_eq!(answer, Err(RequestError::Gone(SequencerGone)));
    assert_eq!(running.handle.hub().head(), Position::new(1));
    let end = running.task.await.expect("it ran").expect_err("failed");
    assert!(end.to_string().contains("the disk is full"), "{end}");
    let later = running.handle.publish(publish("ada", "hi", None)).await;
    assert_eq!(later, Err(RequestError::Gone(SequencerGone)));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_is_announced_as_lost_after_the_grace() {
    let running = start(TestStore::new(Script::default()), config()).await;
    let ada = running.handle.join(join("ada")).await.expect("free");
    let _bob = running.handle.join(join("bob")).await.expect("free");
    drop(ada);
    tokio::time::sleep(Duration::from_millis(9900)).await;
    assert_eq!(running.handle.hub().head(), Position::new(2));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(running.handle.hub().head(), Position::new(3));
    let page = running.handle.log().read(
        Position::new(2),
        PageLimit {
            records: 9,
            bytes: 999,
        },
    );
    let sentence = page.await.expect("readable")[0].event.sentence();
    assert_eq!(
        sentence.as_deref(),
        Some("Participant ada left Chitty-Chat at Lamport time 6")
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_server_ends_but_not_while_somebody_is_there() {
    let config = SequencerConfig {
        idle_exit: Some(Duration::from_secs(60)),
        ..config()
    };
    let running = start(TestStore::new(Script::default()), config).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    let ada = running
        .handle
        .join(join("ada"))
        .await
        .expect("not ended yet");
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert!(!running.task.is_finished());
    let request = Leave {
        session: join("ada").session,
        lamport: LamportTime::new(9),
        identity: chitty_room::Identity::None,
    };
    running.handle.leave(request).await.expect("present");
    drop(ada);
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert!(!running.task.is_finished());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        running.task.await.expect("it ran").expect("orderly"),
        StopReason::Idle
    );
}
