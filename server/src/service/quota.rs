//! How much of the log History may read. A participant or source that asks for much waits in its
//! own queue, and nobody else waits for it.
//!
//! A page waits in three queues: its participant's, its source's, and that of the log's readers. A
//! participant has one page at a time in the second queue, and a source has [`PER_SOURCE`] in the
//! third. Each queue is first come, first served, and so they amount to round robins of
//! participants and of sources, whatever the number of requests and connections.

use std::{
    hash::Hash,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chitty_chat::ParticipantNumber;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

use super::owners::Owners;
use crate::log::HISTORY_READERS;
use chitty_room::rate::{Bucket, Rate};

/// Pages of one participant that are read at the same time.
const PER_PARTICIPANT: usize = 1;

/// Pages of one participant that may wait: a client asks for one to scroll, one to search and one
/// to jump.
const MOST_WAITING: usize = 8;

/// Rate of pages of one participant. A search of 200,000 events stays below it.
const PARTICIPANT_RATE: Rate = Rate::per_second(50, 200);

/// Pages of one source that are read at the same time.
const PER_SOURCE: usize = 2;

/// Rate of pages of one source.
const SOURCE_RATE: Rate = Rate::per_second(200, 1000);

/// The queues for pages of the log.
pub(super) struct Quota {
    participants: Users<ParticipantNumber>,
    sources: Users<IpAddr>,
    readers: Arc<Semaphore>,
}

/// A guard: a page may be read until this is dropped.
pub(super) struct ReadPermit(#[expect(dead_code, reason = "held")] Vec<OwnedSemaphorePermit>);

impl Quota {
    pub(super) fn new() -> Self {
        Self {
            participants: Users::new(PER_PARTICIPANT, PARTICIPANT_RATE),
            sources: Users::new(PER_SOURCE, SOURCE_RATE),
            readers: Arc::new(Semaphore::new(HISTORY_READERS)),
        }
    }

    /// Begins to wait for a page. The error is the time after which to ask again, if this
    /// participant waits for too many already.
    pub(super) fn wait(&self, participant: ParticipantNumber) -> Result<Waiting, Duration> {
        let waiting = Waiting::begin(self.participants.get(participant));
        waiting.ok_or(PARTICIPANT_RATE.interval * 8)
    }

    /// Waits until a page may be read.
    pub(super) async fn turn(&self, waiting: Waiting, source: Option<IpAddr>) -> ReadPermit {
        let mut turns = Vec::with_capacity(3);
        // One after the other: a participant's next page enters the source's queue only when its
        // last one was read.
        turns.extend(self.participants.turn(&waiting.0).await);
        if let Some(source) = source {
            turns.extend(self.sources.turn(&self.sources.get(source)).await);
        }
        // `ok()`, because the semaphores are never closed.
        turns.extend(Arc::clone(&self.readers).acquire_owned().await.ok());
        ReadPermit(turns)
    }
}

/// The queues of all participants, or of all sources.
struct Users<K> {
    at_once: usize,
    rate: Rate,
    started: Instant,
    shares: Owners<K, User>,
}

struct User {
    turns: Arc<Semaphore>,
    bucket: Mutex<Bucket>,
    waiting: AtomicUsize,
}

impl<K: Eq + Hash> Users<K> {
    fn new(at_once: usize, rate: Rate) -> Self {
        Self {
            at_once,
            rate,
            started: Instant::now(),
            shares: Owners::default(),
        }
    }

    fn get(&self, key: K) -> Arc<User> {
        let now = self.started.elapsed();
        let is_idle = |user: &User| lock(&user.bucket).is_full(now);
        self.shares.get(key, is_idle, || User {
            turns: Arc::new(Semaphore::new(self.at_once)),
            bucket: Mutex::default(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Waits until this user may read one more page.
    async fn turn(&self, user: &User) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&user.turns).acquire_owned().await.ok()?;
        loop {
            let taken = lock(&user.bucket).take(self.rate, self.started.elapsed());
            match taken {
                Ok(()) => return Some(turn),
                Err(wait) => sleep(wait).await,
            }
        }
    }
}

/// A guard: a page counts as waiting until this is dropped.
pub(super) struct Waiting(Arc<User>);

impl Waiting {
    fn begin(user: Arc<User>) -> Option<Self> {
        let before = user.waiting.fetch_add(1, Ordering::Relaxed);
        // The guard exists from here on, so the count goes down again even if this is one too many.
        let this = Self(user);
        (before < MOST_WAITING).then_some(this)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::timeout;

    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));
    /// Of one page.
    const READ: Duration = Duration::from_millis(10);

    fn participant(number: u64) -> ParticipantNumber {
        ParticipantNumber::new(number)
    }

    impl Quota {
        async fn page(
            &self,
            participant: ParticipantNumber,
            source: Option<IpAddr>,
        ) -> Result<ReadPermit, Duration> {
            let waiting = self.wait(participant)?;
            Ok(self.turn(waiting, source).await)
        }
    }

    async fn read(quota: &Quota, number: u64, source: Option<IpAddr>) -> Result<(), Duration> {
        let permit = quota.page(participant(number), source).await?;
        sleep(READ).await;
        drop(permit);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_too_many_at_once_is_refused_and_some_wait() {
        let quota = Quota::new();
        let _first = quota.page(participant(1), HERE).await.expect("idle");
        let results = join_all((0..400).map(|_| timeout(READ, quota.page(participant(1), HERE))));
        let results = results.await;
        let waiting = results.iter().filter(|result| result.is_err()).count();
        assert_eq!(waiting, MOST_WAITING);
        for refused in results.into_iter().flatten() {
            assert!(refused.err().expect("one too many") > Duration::ZERO);
        }
        // Those who gave up do not count any more.
        let again = timeout(READ, quota.page(participant(1), HERE)).await;
        assert!(again.is_err(), "it waits");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_another_participants_queue() {
        let quota = Arc::new(Quota::new());
        for number in 1..=3 {
            for _ in 0..MOST_WAITING {
                let quota = Arc::clone(&quota);
                tokio::spawn(async move { read(&quota, number, HERE).await });
            }
        }
        tokio::task::yield_now().await;
        // Three are before it, of which two are served at the same time.
        let began = Instant::now();
        read(&quota, 4, HERE).await.expect("its turn");
        assert!(began.elapsed() <= 3 * READ, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_leaves_a_reader_to_others_however_many_it_is() {
        let quota = Arc::new(Quota::new());
        for number in 0..1000 {
            let quota = Arc::clone(&quota);
            tokio::spawn(async move { read(&quota, number, HERE).await });
        }
        tokio::task::yield_now().await;
        let began = Instant::now();
        read(&quota, 5000, THERE).await.expect("its turn");
        assert_eq!(began.elapsed(), READ);
    }

    #[tokio::test(start_paused = true)]
    async fn a_participant_reads_a_burst_and_then_steadily() {
        let quota = Quota::new();
        let began = Instant::now();
        for _ in 0..400 {
            drop(quota.page(participant(1), HERE).await.expect("alone"));
        }
        let late = began.elapsed();
        let expected = Duration::from_secs(4);
        assert!(late >= expected && late < expected + READ, "{late:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn idle_users_are_forgotten() {
        let quota = Quota::new();
        for number in 0..10_000 {
            drop(quota.page(participant(number), None).await.expect("alone"));
            sleep(PARTICIPANT_RATE.interval).await;
        }
        let kept = quota.participants.shares.count();
        assert!(kept <= 1024, "{kept}");
    }
}
