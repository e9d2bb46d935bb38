//! Who of one network joins next, if more want to than may.
//!
//! Whoever is refused as too many come has a reservation: if it comes back when it was told to,
//! it waits here for its turn, and until all of those are in nobody else is let in. So who joins in
//! a loop does not keep out who waits as told, which comes in after those who were refused before
//! it and wait as told, too. A connection has one reservation at a time, so that one that is refused
//! by the thousand counts once.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chitty_chat::SessionHash;
use tokio::time::{Instant, sleep};

use crate::source::network;

/// Whoever is refused waits for no longer than this because of others who were refused.
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// After the time at which it may come back, a reservation is kept for so long: twice the longest
/// pause between two tries of a client.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Joins of one network that wait for their turns.
const MOST_WAITING: usize = 32;

/// A turn that is further away is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How often those who are not the next look whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Reservations of one network. When it has more, the oldest is dropped: with this many, one that
/// is kept for 2 s outlives 2,000 refused connections a second.
const MOST_RESERVED: usize = 4_096;

/// Reservations in all, of some 150 bytes each.
const MOST_RESERVED_IN_ALL: usize = 32_768;

/// Expired reservations are looked for so often at most.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Who wants to join.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    pub(super) session: SessionHash,
    pub(super) source: IpAddr,
    pub(super) connection: u64,
}

/// All who are about to join.
#[derive(Default)]
pub(super) struct JoinQueue {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By network, or by source of IPv4. None is idle.
    queues: HashMap<IpAddr, Queue>,
    reserved: usize,
    number: u64,
    next_sweep: Option<Instant>,
}

/// The newcomers of one network.
#[derive(Default)]
struct Queue {
    /// Joins that were let through and are not answered yet.
    under_way: u32,
    /// Those who came back as told, by when they were first refused.
    waiting: BTreeSet<Place>,
    reservations: HashMap<SessionHash, Reservation>,
    by_connection: HashMap<u64, SessionHash>,
    /// From the oldest reservation on, and some that are no more.
    order: VecDeque<SessionHash>,
}

type Place = (Instant, u64);

#[derive(Clone, Copy, Debug)]
struct Reservation {
    /// When it was made.
    since: Instant,
    /// When its owner may come back.
    from: Instant,
    /// Where its owner waits, or waited.
    place: Option<Place>,
}

/// A Join may go on. It counts as under way for as long as this lives.
pub(super) struct Turn {
    queue: Arc<JoinQueue>,
    key: IpAddr,
    /// It has waited, so that what was true before may not be any more.
    pub(super) has_waited: bool,
}

/// What becomes of somebody who asks.
enum Step {
    Go,
    /// To come back in so long.
    Refuse(Duration),
    /// To look again in so long.
    Wait(Place, Duration),
}

/// What a queue is told of the moment, and of the others.
#[derive(Clone, Copy)]
struct Moment {
    now: Instant,
    /// Different each time.
    number: u64,
    /// One more reservation may be made.
    has_room: bool,
    /// Between two joins.
    interval: Duration,
}

impl JoinQueue {
    /// Waits for a turn if there is a reservation; else there is one at once, or in the time that
    /// is returned, for which there is a reservation then.
    ///
    /// `ready` says whether so many more may join now, or in which time they may; `interval` is the
    /// time between two that may.
    pub(super) async fn turn(
        self: &Arc<Self>,
        newcomer: Newcomer,
        interval: Duration,
        ready: impl Fn(u32) -> Result<(), Duration>,
    ) -> Result<Turn, Duration> {
        let key = network(newcomer.source).unwrap_or(newcomer.source);
        let ask = |queue: &mut Queue, moment| queue.ask(newcomer, &ready, moment);
        let mut step = self.with(key, interval, ask);
        let mut waits = None;
        loop {
            match step {
                Step::Go => {
                    return Ok(Turn {
                        queue: Arc::clone(self),
                        key,
                        has_waited: waits.is_some(),
                    });
                }
                Step::Refuse(retry_in) => return Err(retry_in),
                Step::Wait(place, pause) => {
                    waits.get_or_insert(Waits {
                        queue: self,
                        key,
                        place,
                    });
                    sleep(pause).await;
                    let look = |queue: &mut Queue, moment| {
                        queue.look(place, newcomer.session, &ready, moment)
                    };
                    step = self.with(key, interval, look);
                }
            }
        }
    }

    fn with<T>(
        &self,
        key: IpAddr,
        interval: Duration,
        work: impl FnOnce(&mut Queue, Moment) -> T,
    ) -> T {
        let mut state = self.lock();
        let now = Instant::now();
        state.sweep(now);
        state.number += 1;
        let moment = Moment {
            now,
            number: state.number,
            has_room: state.reserved < MOST_RESERVED_IN_ALL,
            interval,
        };
        let queue = state.queues.entry(key).or_default();
        let before = queue.reservations.len();
        let result = work(queue, moment);
        let after = queue.reservations.len();
        if queue.is_idle() {
            state.queues.remove(&key);
        }
        state.reserved = (state.reserved + after).saturating_sub(before);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops what has expired.
    fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_some_and(|next| now < next) {
            return;
        }
        self.next_sweep = Some(now + SWEEP_EVERY);
        for queue in self.queues.values_mut() {
            queue.sweep(now);
        }
        self.queues.retain(|_, queue| !queue.is_idle());
        let reserved = self.queues.values().map(|queue| queue.reservations.len());
        self.reserved = reserved.sum();
    }
}

impl Queue {
    fn ask(
        &mut self,
        newcomer: Newcomer,
        ready: impl Fn(u32) -> Result<(), Duration>,
        moment: Moment,
    ) -> Step {
        let now = moment.now;
        let reserved = self.reservations.get(&newcomer.session).copied();
        match reserved.filter(|reservation| reservation.until() >= now) {
            Some(reservation) if now >= reservation.from => {
                self.line_up(newcomer, reservation, ready, moment)
            }
            // Too early, or for the first time.
            early => {
                let wait = match ready(self.under_way + 1) {
                    Ok(()) if early.is_none() && self.waiting.is_empty() => {
                        self.under_way += 1;
                        return Step::Go;
                    }
                    Ok(()) => Duration::ZERO,
                    Err(wait) => wait,
                };
                self.reserve(newcomer, wait, moment)
            }
        }
    }

    /// Somebody comes back as told. Of too many who wait, the one that was refused last waits no
    /// longer.
    fn line_up(
        &mut self,
        newcomer: Newcomer,
        reservation: Reservation,
        ready: impl Fn(u32) -> Result<(), Duration>,
        moment: Moment,
    ) -> Step {
        let place = (reservation.since, moment.number);
        // One that is sent again waits in the place of the first.
        if let Some(older) = reservation.place {
            self.waiting.remove(&older);
        }
        self.waiting.insert(place);
        if let Some(reservation) = self.reservations.get_mut(&newcomer.session) {
            reservation.place = Some(place);
        }
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop_last();
        }
        self.look(place, newcomer.session, ready, moment)
    }

    /// Whether it is this one's turn.
    fn look(
        &mut self,
        place: Place,
        session: SessionHash,
        ready: impl Fn(u32) -> Result<(), Duration>,
        moment: Moment,
    ) -> Step {
        if !self.waiting.contains(&place) {
            return self.put_off(session, Duration::ZERO, moment);
        }
        if self.waiting.first() != Some(&place) {
            return Step::Wait(place, LOOK_EVERY);
        }
        match ready(self.under_way + 1) {
            Ok(()) => {
                self.waiting.remove(&place);
                self.reservations.remove(&session);
                self.under_way += 1;
                Step::Go
            }
            Err(wait) if wait <= LONGEST_WAIT => Step::Wait(place, wait),
            Err(wait) => {
                self.waiting.remove(&place);
                self.put_off(session, wait, moment)
            }
        }
    }

    /// The reservation stays as old as it is.
    fn put_off(&mut self, session: SessionHash, wait: Duration, moment: Moment) -> Step {
        let retry_in = self.retry_in(wait, moment);
        if let Some(reservation) = self.reservations.get_mut(&session) {
            reservation.from = moment.now + retry_in;
        }
        Step::Refuse(retry_in)
    }

    fn reserve(&mut self, newcomer: Newcomer, wait: Duration, moment: Moment) -> Step {
        let Newcomer {
            session,
            connection,
            ..
        } = newcomer;
        let older = self.by_connection.insert(connection, session);
        if let Some(older) = older.filter(|older| *older != session) {
            self.reservations.remove(&older);
        }
        while self.reservations.len() >= MOST_RESERVED
            && let Some(oldest) = self.order.pop_front()
        {
            self.reservations.remove(&oldest);
        }
        let retry_in = self.retry_in(wait, moment);
        if moment.has_room || self.reservations.contains_key(&session) {
            let reservation = Reservation {
                since: moment.now,
                from: moment.now + retry_in,
                place: None,
            };
            self.reservations.insert(session, reservation);
            self.order.push_back(session);
        }
        if self.order.len() > 2 * MOST_RESERVED {
            self.sweep(moment.now);
        }
        Step::Refuse(retry_in)
    }

    /// Not all who are refused are to come back at the same time.
    fn retry_in(&self, wait: Duration, moment: Moment) -> Duration {
        let before = u32::try_from(self.reservations.len()).unwrap_or(u32::MAX);
        let others = moment.interval.saturating_mul(before.saturating_add(1));
        wait.max(others.min(LONGEST_RETRY))
    }

    fn sweep(&mut self, now: Instant) {
        self.reservations
            .retain(|_, reservation| reservation.until() >= now);
        let reservations = &self.reservations;
        let mut known = HashSet::new();
        self.order
            .retain(|session| reservations.contains_key(session) && known.insert(*session));
        self.by_connection
            .retain(|_, session| reservations.contains_key(session));
    }

    fn is_idle(&self) -> bool {
        self.under_way == 0 && self.waiting.is_empty() && self.reservations.is_empty()
    }
}

impl Reservation {
    fn until(self) -> Instant {
        self.from + KEPT_FOR
    }
}

/// Waits at a place for as long as it lives.
struct Waits<'a> {
    queue: &'a JoinQueue,
    key: IpAddr,
    place: Place,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.lock().queues.get_mut(&self.key) {
            queue.waiting.remove(&self.place);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if let Some(queue) = state.queues.get_mut(&self.key) {
            queue.under_way = queue.under_way.saturating_sub(1);
            if queue.is_idle() {
                state.queues.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::atomic::AtomicU64, sync::atomic::Ordering};

    use chitty_chat::Session;

    use super::*;
    use crate::rate::{Bucket, Rate};

    const RATE: Rate = Rate::per_second(10, 50);
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn session(number: u64) -> SessionHash {
        let session = Session::parse(&format!("{number:032}"));
        session.expect("a session").hash()
    }

    /// A chat that lets so many in.
    struct Chat {
        queue: Arc<JoinQueue>,
        bucket: Mutex<Bucket>,
        started: Instant,
        ids: AtomicU64,
    }

    impl Chat {
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
            let newcomer = Newcomer {
                session,
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

    fn hammer(chat: &Arc<Chat>, how: Hammer) {
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
            let chat = Chat::new();
            for _ in 0..100 {
                hammer(&chat, how);
            }
            sleep(Duration::from_secs(20)).await;
            for _ in 0..10 {
                let took = chat.join_as_told().await;
                assert!(took <= 2 * LONGEST_RETRY, "{how:?}: {took:?}");
            }
            assert!(chat.reserved() <= MOST_RESERVED);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_as_told_are_in_as_fast_as_may_be() {
        let chat = Chat::new();
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
    async fn nobody_is_refused_while_there_is_room() {
        let chat = Chat::new();
        let joins = (0..50).map(|number| chat.join(session(number), 1));
        for joined in futures_util::future::join_all(joins).await {
            assert_eq!(joined, Ok(()));
        }
        assert!(chat.join(session(50), 1).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_one_reservation_and_none_is_kept_for_ever() {
        let chat = Chat::new();
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
        let chat = Chat::new();
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
}
