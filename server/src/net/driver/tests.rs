use std::{
    collections::VecDeque,
    future::{pending, poll_fn, ready},
    net::Ipv4Addr,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::Wake,
    thread,
    time::Duration,
};

use super::*;
use crate::net::{Limits, admission::Registry};

/// What was polled, in its order.
type Seen = Arc<Mutex<Vec<&'static str>>>;

/// A connection that notes when it is polled and closed, and ends when it is told to.
struct Fake {
    seen: Seen,
    waker: Arc<Kept>,
    is_over: Arc<AtomicBool>,
}

#[derive(Default)]
struct Kept(Mutex<Option<Waker>>);

impl Future for Fake {
    type Output = Result<(), &'static str>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.seen.lock().expect("no panic").push("connection");
        *self.waker.0.lock().expect("no panic") = Some(cx.waker().clone());
        if self.is_over.load(Ordering::Relaxed) {
            Poll::Ready(Err("over"))
        } else {
            Poll::Pending
        }
    }
}

/// A driver under test, and how often its task was woken.
struct Bed {
    driver: ConnectionDriver<Fake>,
    parts: Parts,
    seen: Seen,
    connection: Arc<Kept>,
    is_over: Arc<AtomicBool>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bed {
    fn new() -> Self {
        let registry = Registry::new(Limits::default());
        let admitted = registry.admit(Ipv4Addr::LOCALHOST.into());
        let parts = Parts::new(Arc::clone(&admitted.expect("space").0));
        let (seen, connection) = (Seen::default(), Arc::<Kept>::default());
        let is_over = Arc::<AtomicBool>::default();
        let fake = Fake {
            seen: Arc::clone(&seen),
            waker: Arc::clone(&connection),
            is_over: Arc::clone(&is_over),
        };
        let close = |fake: Pin<&mut Fake>| fake.seen.lock().expect("no panic").push("close");
        Self {
            driver: ConnectionDriver::new(fake, close, parts.clone()),
            parts,
            seen,
            connection,
            is_over,
            woken: Arc::default(),
        }
    }

    fn turn(&mut self) -> Poll<Result<(), &'static str>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        Pin::new(&mut self.driver).poll(&mut Context::from_waker(&waker))
    }

    /// What was polled in one turn, which does not end the driver.
    fn seen_in_a_turn(&mut self) -> Vec<&'static str> {
        assert_eq!(self.turn(), Poll::Pending);
        self.take_seen()
    }

    fn take_seen(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.seen.lock().expect("no panic"))
    }

    fn woken(&self) -> usize {
        self.woken.0.swap(0, Ordering::Relaxed)
    }

    /// Adds a part that notes when it is polled, and then does as it is told.
    fn add(
        &self,
        name: &'static str,
        mut then: impl FnMut(&Waker) -> Poll<PartEnd> + Send + 'static,
    ) {
        let seen = Arc::clone(&self.seen);
        self.parts.add(poll_fn(move |cx| {
            seen.lock().expect("no panic").push(name);
            then(cx.waker())
        }));
    }
}

#[test]
fn the_connection_is_polled_after_the_part_that_calls_it_in_the_same_round() {
    let mut bed = Bed::new();
    assert_eq!(bed.seen_in_a_turn(), ["connection"]);
    let connection = Arc::clone(&bed.connection);
    bed.add("part", move |_| {
        let waker = connection.0.lock().expect("no panic").clone();
        waker.expect("it was polled").wake();
        Poll::Pending
    });
    assert_eq!(bed.woken(), 1);
    assert_eq!(bed.seen_in_a_turn(), ["part", "connection"]);
    assert_eq!(bed.woken(), 0);
    assert_eq!(bed.seen_in_a_turn(), <[&str; 0]>::default());
}

#[test]
fn who_wakes_itself_for_ever_lets_others_have_their_turn() {
    let mut bed = Bed::new();
    bed.add("busy", |waker| {
        waker.wake_by_ref();
        Poll::Pending
    });
    bed.woken();
    let seen = bed.seen_in_a_turn();
    assert_eq!(seen.iter().filter(|&&name| name == "busy").count(), ROUNDS);
    assert_eq!(bed.woken(), 1, "it goes on in the task's next turn");
}

#[test]
fn parts_that_share_a_bit_are_all_polled_and_slots_are_used_again() {
    let mut bed = Bed::new();
    let count = 2 * SLOT_BITS + 1;
    let wakers = Arc::new(Mutex::new(VecDeque::new()));
    for _ in 0..count {
        let wakers = Arc::clone(&wakers);
        let mut is_first = true;
        bed.add("part", move |waker| {
            wakers.lock().expect("no panic").push_back(waker.clone());
            if std::mem::take(&mut is_first) {
                Poll::Pending
            } else {
                Poll::Ready(PartEnd::Done)
            }
        });
    }
    let polled = bed.seen_in_a_turn();
    assert_eq!(polled.len(), count + 1, "all of them, and the connection");
    let first: Waker = wakers.lock().expect("no panic").pop_front().expect("one");
    first.wake();
    // Slots 0, 61 and 122 share a bit, and end now.
    assert_eq!(bed.seen_in_a_turn().len(), 3);
    for _ in 0..3 {
        bed.add("new", |_| Poll::Pending);
    }
    bed.seen_in_a_turn();
    assert_eq!(bed.driver.slots.len(), count);
}

#[test]
fn a_part_that_closes_or_cuts_does_so_at_once() {
    let mut bed = Bed::new();
    bed.seen_in_a_turn();
    bed.parts.add(ready(PartEnd::Closing));
    assert_eq!(bed.seen_in_a_turn(), ["close", "connection"]);
    bed.parts.add(ready(PartEnd::Abort));
    assert_eq!(bed.turn(), Poll::Ready(Ok(())));
    assert_eq!(bed.take_seen(), <[&str; 0]>::default());
}

#[test]
fn the_end_of_the_connection_is_that_of_the_driver() {
    let mut bed = Bed::new();
    bed.is_over.store(true, Ordering::Relaxed);
    assert_eq!(bed.turn(), Poll::Ready(Err("over")));
}

#[test]
fn a_part_from_another_thread_wakes_the_task() {
    let mut bed = Bed::new();
    bed.seen_in_a_turn();
    let parts = bed.parts.clone();
    thread::spawn(move || parts.add(ready(PartEnd::Abort)))
        .join()
        .expect("no panic");
    assert_eq!(bed.woken(), 1);
    assert_eq!(bed.turn(), Poll::Ready(Ok(())));
}

#[test]
fn parts_that_were_never_polled_are_dropped_with_the_driver() {
    let bed = Bed::new();
    let (held, dropped) = mpsc::channel::<()>();
    // As hyper's streams do, it holds what it would add parts to.
    let parts = bed.parts.clone();
    bed.parts.add(async move {
        let _held = (held, parts);
        pending().await
    });
    let Bed { driver, parts, .. } = bed;
    drop((driver, parts));
    let gone = dropped.recv_timeout(Duration::from_secs(60));
    assert_eq!(gone, Err(mpsc::RecvTimeoutError::Disconnected));
}
