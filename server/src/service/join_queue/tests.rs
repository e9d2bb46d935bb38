//! Newcomers of one address, of whom some wait as told and some do not.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering},
};

use chitty_chat::{Session, SessionHash};

use super::{
    queue::{KEPT_FOR, LONGEST_RETRY, MOST_RESERVED},
    *,
};
use chitty_room::rate::{Bucket, Rate};

const RATE: Rate = Rate::per_second(10, 50);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn session(number: u64) -> SessionHash {
    let session = Session::parse(&format!("{number:032}"));
    session.expect("a session").hash()
}

/// A chat that lets so many in.
struct TestQueue {
    queue: Arc<JoinQueue>,
    bucket: Mutex<Bucket>,
    started: Instant,
    ids: AtomicU64,
}

impl TestQueue {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            queue: Arc::default(),
            bucket: Mutex::default(),
            started: Instant::now(),
            ids: AtomicU64::new(0),
        })
    }

    fn id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    async fn join(&self, session: SessionHash, connection: u64) -> Result<(), Duration> {
        self.join_by(NewcomerKey::Session(session), connection)
            .await
    }

    async fn join_by(&self, key: NewcomerKey, connection: u64) -> Result<(), Duration> {
        let newcomer = Newcomer {
            key,
            source: HERE,
            connection,
        };
        let now = || self.started.elapsed();
        let bucket = || self.bucket.lock().expect("whole");
        let ready = |count| bucket().check(count, RATE, now());
        let _turn = self.queue.turn(newcomer, RATE.interval, ready).await?;
        // As long as a commit.
        sleep(Duration::from_millis(1)).await;
        bucket().take(RATE, now()).expect("there was one");
        Ok(())
    }

    /// As a client does, on a new connection each time.
    async fn join_as_told(&self) -> Duration {
        let began = Instant::now();
        let session = session(self.id());
        while let Err(retry_in) = self.join(session, self.id()).await {
            sleep(retry_in).await;
        }
        began.elapsed()
    }

    fn reserved(&self) -> usize {
        self.queue.lock().reserved
    }
}

/// How somebody joins in a loop.
#[derive(Clone, Copy, Debug)]
enum Hammer {
    NewSessions,
    OneSession,
    NewConnections,
}

fn hammer(chat: &Arc<TestQueue>, how: Hammer) {
    let chat = Arc::clone(chat);
    tokio::spawn(async move {
        let (mut number, mut connection) = (chat.id(), chat.id());
        loop {
            let _ = chat.join(session(number), connection).await;
            match how {
                Hammer::NewSessions => number = chat.id(),
                Hammer::OneSession => {}
                Hammer::NewConnections => (number, connection) = (chat.id(), chat.id()),
            }
            sleep(Duration::from_millis(100)).await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn who_waits_as_told_is_in_while_others_join_in_a_loop() {
    for how in [
        Hammer::NewSessions,
        Hammer::OneSession,
        Hammer::NewConnections,
    ] {
        let chat = TestQueue::new();
        for _ in 0..40 {
            hammer(&chat, how);
        }
        sleep(Duration::from_secs(8)).await;
        for _ in 0..5 {
            let took = chat.join_as_told().await;
            assert!(took <= 2 * LONGEST_RETRY, "{how:?}: {took:?}");
        }
        assert!(chat.reserved() <= MOST_RESERVED);
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_as_told_are_in_as_fast_as_may_be() {
    let chat = TestQueue::new();
    let joins = (0..250).map(|_| {
        let chat = Arc::clone(&chat);
        async move { chat.join_as_told().await }
    });
    let joins: Vec<_> = joins.map(tokio::spawn).collect();
    let mut last = Duration::ZERO;
    for join in joins {
        last = last.max(join.await.expect("it ran"));
    }
    // 50 at once and 10 a second, and some that are away when it is their turn.
    assert!(last >= Duration::from_secs(19), "{last:?}");
    assert!(last <= Duration::from_secs(24), "{last:?}");
    assert_eq!(chat.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_session_of_ones_own_the_name_is_known() {
    let chat = TestQueue::new();
    for how in [Hammer::NewSessions; 50] {
        hammer(&chat, how);
    }
    sleep(Duration::from_secs(10)).await;
    let key = NewcomerKey::Name("ada".into());
    let retry_in = chat
        .join_by(key.clone(), 1 << 40)
        .await
        .expect_err("too many");
    // Somebody else who is in a hurry under the same name changes nothing.
    sleep(retry_in / 2).await;
    let early = chat
        .join_by(key.clone(), 2 << 40)
        .await
        .expect_err("too early");
    assert!(early <= retry_in.div_f32(2.0));
    sleep(early).await;
    chat.join_by(key, 3 << 40).await.expect("as told");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_a_client_does() {
    let chat = TestQueue::new();
    for number in 0..50 {
        chat.join(session(number), number).await.expect("a burst");
    }
    let retry_in = chat.join(session(50), 50).await.expect_err("too many");
    sleep(retry_in).await;
    let newcomer = Newcomer {
        key: NewcomerKey::Session(session(50)),
        source: HERE,
        connection: 51,
    };
    // As if others took each join that is possible.
    let never = |_| Err(RATE.interval);
    let began = Instant::now();
    let refused = chat.queue.turn(newcomer, RATE.interval, never).await;
    assert!(began.elapsed() <= LONGEST_WAIT, "{:?}", began.elapsed());
    // It is the next still.
    sleep(refused.err().expect("put off")).await;
    let began = Instant::now();
    chat.join(session(50), 52).await.expect("its turn");
    assert!(began.elapsed() <= RATE.interval);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_refused_while_there_is_room() {
    let chat = TestQueue::new();
    let joins = (0..50).map(|number| chat.join(session(number), 1));
    for joined in futures_util::future::join_all(joins).await {
        assert_eq!(joined, Ok(()));
    }
    assert!(chat.join(session(50), 1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_one_reservation_and_none_is_kept_for_ever() {
    let chat = TestQueue::new();
    for number in 0..1000 {
        let _ = chat.join(session(number), 1).await;
    }
    assert!(chat.reserved() <= 1);
    for number in 0..3 * MOST_RESERVED as u64 {
        let _ = chat.join(session(number), number).await;
    }
    assert!(chat.reserved() <= MOST_RESERVED);
    sleep(KEPT_FOR + LONGEST_RETRY + SWEEP_EVERY).await;
    chat.join(session(0), 0).await.expect("all is calm again");
    assert!(chat.queue.lock().queues.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_waits_no_longer_is_not_waited_for() {
    let chat = TestQueue::new();
    for number in 0..50 {
        chat.join(session(number), number).await.expect("a burst");
    }
    let retry_in = chat.join(session(50), 50).await.expect_err("too many");
    let later = chat.join(session(51), 51).await.expect_err("too many");
    sleep(retry_in.max(later)).await;
    // The bucket is emptied by somebody else, so that both wait.
    let now = chat.started.elapsed();
    while chat.bucket.lock().expect("whole").take(RATE, now).is_ok() {}
    let gone = tokio::time::timeout(Duration::from_millis(1), chat.join(session(50), 60));
    assert!(gone.await.is_err(), "it waits");
    let began = Instant::now();
    chat.join(session(51), 61).await.expect("its turn");
    assert!(began.elapsed() <= 2 * RATE.interval);
}
