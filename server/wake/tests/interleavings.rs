//! Each hand-made part, in every order in which two or three threads can run it.
//!
//! The comment at each model names changes with which it was seen to fail. Loom runs every
//! read-modify-write on the latest value, in the order of the run, so it cannot show what a weaker
//! ordering would do to the order of *two* atomics, such as the word of a `ReadySet` and the state
//! of its waker: there the comment at the operation is the proof.

use std::{future::poll_fn, task::Poll};

use chitty_wake::{Delivery, DueFlag, InFlight, ReadySet};
use loom::{
    future::block_on,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Tries all orders with at most three preemptions a thread: few faults need more (Musuvathi and
/// Qadeer, "Iterative Context Bounding for Systematic Testing", PLDI 2007).
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// The task sleeps only if nothing is marked, and sees what was done before each mark. Fails without
/// Release in `mark` or Acquire in `poll`, and if the end of a turn does not look for what was marked meanwhile.
#[test]
fn no_mark_is_lost() {
    model(|| {
        let set = Arc::new(ReadySet::default());
        let done = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let markers: Vec<_> = (0..2)
            .map(|member| {
                let (set, done) = (Arc::clone(&set), Arc::clone(&done));
                thread::spawn(move || {
                    done[member].store(1, Ordering::Relaxed);
                    set.mark(1 << member);
                })
            })
            .collect();
        let mut seen = 0;
        block_on(poll_fn(|cx| {
            let polled = set.poll(cx, 1, |ready| {
                for member in [0, 1] {
                    if ready & (1 << member) != 0 {
                        assert_eq!(done[member].load(Ordering::Relaxed), 1);
                    }
                }
                seen |= ready;
                Poll::<()>::Pending
            });
            assert!(polled.is_pending());
            if seen == 0b11 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        for marker in markers {
            marker.join().expect("no panic");
        }
    });
}

/// The same member is marked again while the task takes it: it is polled again. Fails if a turn
/// clears the bits after it has polled instead of before.
#[test]
fn a_mark_during_the_turn_is_not_lost() {
    model(|| {
        let set = Arc::new(ReadySet::default());
        let count = Arc::new(AtomicUsize::new(0));
        let marker = {
            let (set, count) = (Arc::clone(&set), Arc::clone(&count));
            thread::spawn(move || {
                for _ in 0..2 {
                    count.fetch_add(1, Ordering::Relaxed);
                    set.mark(1);
                }
            })
        };
        block_on(poll_fn(|cx| {
            let mut seen = 0;
            let polled = set.poll(cx, 2, |_| {
                seen = count.load(Ordering::Relaxed);
                Poll::<()>::Pending
            });
            assert!(polled.is_pending());
            if seen == 2 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        marker.join().expect("no panic");
    });
}

/// A wave wakes a follower twice, which comes and is given up on at the same moment: the wave ends
/// once. Fails if `begin` sets the flag before it adds, and if `end` loads and stores instead of
/// swapping.
#[test]
fn a_wave_ends_once() {
    model(|| {
        let in_flight = Arc::new(InFlight::default());
        let delivery = Arc::new(Delivery::default());
        let ends = Arc::new(AtomicUsize::new(0));
        let answer = {
            let (in_flight, ends) = (Arc::clone(&in_flight), Arc::clone(&ends));
            let delivery = Arc::clone(&delivery);
            move || {
                if delivery.end(&in_flight) {
                    ends.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        in_flight.add();
        let answers: Vec<_> = (0..2).map(|_| thread::spawn(answer.clone())).collect();
        delivery.begin(&in_flight);
        delivery.begin(&in_flight);
        if in_flight.remove() {
            ends.fetch_add(1, Ordering::Relaxed);
        }
        for answer in answers {
            answer.join().expect("no panic");
        }
        // Both may have come before the second wake-up.
        answer();
        assert!(in_flight.is_empty());
        assert_eq!(ends.load(Ordering::Relaxed), 1);
    });
}

/// Whoever ends a wave sees what was done for each follower in it. Fails with `Relaxed` in
/// `InFlight::remove`.
#[test]
fn the_end_of_a_wave_sees_what_was_done_for_all() {
    model(|| {
        let in_flight = Arc::new(InFlight::default());
        let delivery = Arc::new(Delivery::default());
        let served = Arc::new(AtomicUsize::new(0));
        in_flight.add();
        delivery.begin(&in_flight);
        let follower = {
            let (in_flight, delivery) = (Arc::clone(&in_flight), Arc::clone(&delivery));
            let served = Arc::clone(&served);
            thread::spawn(move || {
                served.store(1, Ordering::Relaxed);
                let _ = delivery.end(&in_flight);
            })
        };
        if in_flight.remove() {
            assert_eq!(served.load(Ordering::Relaxed), 1);
        }
        follower.join().expect("no panic");
    });
}

/// A connection as in a burst: bytes under a lock, and how often it is on the list, under another.
#[derive(Default)]
struct Connection {
    unsent: Mutex<usize>,
    flag: DueFlag,
    listed: Mutex<usize>,
}

impl Connection {
    fn write(&self) {
        *self.unsent.lock().expect("no panic") += 1;
        let mut listed = self.listed.lock().expect("no panic");
        if self.flag.raise() {
            *listed += 1;
        }
    }

    /// Sends if it is on the list, and returns how much.
    fn send(&self) -> usize {
        let listed = std::mem::take(&mut *self.listed.lock().expect("no panic"));
        assert!(listed <= 1, "it is on the list {listed} times");
        if listed == 0 {
            return 0;
        }
        self.flag.lower();
        std::mem::take(&mut *self.unsent.lock().expect("no panic"))
    }
}

/// Two writers and a sender: after all of them, no byte is unsent that is not on the list. Fails if
/// the sender lowers the flag after it has sent, or if a writer raises it without the list's lock.
#[test]
fn no_byte_is_left_behind() {
    model(|| {
        let connection = Arc::new(Connection::default());
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let connection = Arc::clone(&connection);
                thread::spawn(move || connection.write())
            })
            .collect();
        let sent = connection.send();
        for writer in writers {
            writer.join().expect("no panic");
        }
        assert_eq!(sent + connection.send(), 2);
    });
}
