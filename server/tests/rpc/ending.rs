//! The end of a server.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chitty_chat::{
    LamportTime, Position,
    proto::v1::{Broadcast, broadcast::Kind, closing},
    secret::os_random,
};
use chitty_room::{
    Fold,
    record::{Batch, Record},
};
use chitty_server::{
    app::ServerConfig,
    data::DataDir,
    log::{
        AppendError, Extent, Keep, Log, LogFuture, MakeSnapshot, MemoryLog, PageLimit, ReadError,
        SqliteStore,
    },
    net,
    sequencer::StopReason,
};
use tokio::time::timeout;
use tonic::Code;

use chitty_testing::server::{PATIENCE, TestServer, code, config};

/// Longer than any test waits.
const NEVER: Duration = Duration::from_secs(3600);

/// Connections end after this drain, and for no other reason.
fn drained(drain: Duration) -> ServerConfig {
    ServerConfig {
        connections: net::Limits {
            drain,
            first_request: NEVER,
            keepalive_interval: NEVER,
            ..net::Limits::default()
        },
        ..config()
    }
}

#[tokio::test]
async fn going_down_is_said_to_everybody_and_waits_for_nobody() {
    let log = MemoryLog::new(&mut os_random);
    let server = TestServer::on(Arc::new(log), drained(Duration::from_millis(100))).await;
    let mut ada = server.join("ada").await;
    ada.event().await;
    // A peer that never says anything, and one that never reads.
    let _mute = tokio::net::TcpStream::connect(server.address)
        .await
        .expect("it listens");
    let _deaf = server.join("bob").await;
    ada.event().await;
    server.stop().await;
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

/// A log that is so large that it is never folded.
struct Endless(MemoryLog);

impl Log for Endless {
    fn epoch(&self) -> Arc<str> {
        self.0.epoch()
    }

    fn extent(&self) -> Extent {
        self.0.extent()
    }

    fn append(&self, after: Position, batch: Batch) -> LogFuture<Result<(), AppendError>> {
        self.0.append(after, batch)
    }

    fn read(&self, _: Position, _: PageLimit) -> LogFuture<Result<Vec<Record>, ReadError>> {
        Box::pin(std::future::pending())
    }

    fn locate(&self, lamport: LamportTime) -> LogFuture<Result<Position, ReadError>> {
        self.0.locate(lamport)
    }

    fn snapshot(&self) -> LogFuture<Result<Option<Vec<u8>>, ReadError>> {
        self.0.snapshot()
    }

    fn keep_snapshot(
        &self,
        at: Position,
        snapshot: MakeSnapshot,
    ) -> LogFuture<Result<(), AppendError>> {
        self.0.keep_snapshot(at, snapshot)
    }

    fn trim(&self, keep: Keep, covered: Position) -> LogFuture<Result<Extent, AppendError>> {
        self.0.trim(keep, covered)
    }
}

#[tokio::test]
async fn a_server_that_is_still_starting_can_be_told_to_end() {
    let log = Endless(MemoryLog::new(&mut os_random));
    let server = TestServer::on(Arc::new(log), config()).await;
    assert_eq!(server.stop().await, StopReason::Shutdown);
}

#[tokio::test]
async fn a_store_that_fails_is_told_at_once_and_acknowledges_nothing_more() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().expect("a folder");
    let data = DataDir::open(&folder.path().join("data")).expect("ours");
    let store = SqliteStore::serve::<Fold>(&data, &mut os_random).expect("new");
    let config = ServerConfig {
        failed: |error| {
            assert!(error.to_string().contains("chat.db"), "{error}");
            TOLD.store(true, Ordering::Release);
        },
        ..drained(NEVER)
    };
    let server = TestServer::on_store(Arc::new(store), config).await;
    let mut ada = server.join("ada").await;
    ada.event().await;
    // Nobody waits for a peer that never says anything.
    let _mute = tokio::net::TcpStream::connect(server.address)
        .await
        .expect("it listens");
    fs::remove_file(folder.path().join("data/chat.db")).expect("there");
    let Some(Broadcast {
        kind: Some(Kind::Closing(closing)),
    }) = ada.next().await.expect("one")
    else {
        panic!("a Closing");
    };
    assert_eq!(closing.reason(), closing::Reason::Shutdown);
    let late = ada.client.publish(ada.request("late")).await;
    assert_eq!(code(late), Code::Unavailable);
    let ended = timeout(PATIENCE, server.task).await.expect("in time");
    assert!(ended.expect("it ran").is_err());
    assert!(TOLD.load(Ordering::Acquire));
}
