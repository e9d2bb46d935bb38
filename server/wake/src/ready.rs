//! Which parts of a task are ready to be polled.
//!
//! ```text
//!                 mark(m): set m, wake the task
//!      +-----------------------------------------------+
//!      |                                               v
//!  [ idle ]                                      [ scheduled ]
//!  no bits, not POLLING                          bits, not POLLING
//!      ^                                               |
//!      |                                               | poll: take all bits, set POLLING
//!      |  end of the turn, no bits                     v
//!      +---------------------------------------- [ polling ] <---+
//!                                                 POLLING     |  | mark(m): set m, wake nobody
//!  [ scheduled ] <------------------------------------+       +--+
//!                end of the turn, bits: the task wakes itself
//! ```
//!
//! `FuturesUnordered` would do the same with a queue of its own and an allocation for each future.
//! A turn of a connection is nearly always for one part of three or four, and each event reads and
//! writes this state once for each participant: so it is one word here.

use std::task::{Context, Poll};
#[cfg(not(feature = "loom"))]
use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use crate::sync::{AtomicU64, AtomicWaker, Ordering, register};

/// The number of members, one bit each. The highest bit is the set's own.
pub const MEMBERS: u32 = 63;

/// The task is being polled: it takes what is marked before it waits, so nobody has to wake it.
const POLLING: u64 = 1 << MEMBERS;

/// The members of one task that are ready to be polled, and the task's waker.
///
/// A member is known by its bit, `1 << n` with `n` below [`MEMBERS`]. Any thread may mark members;
/// one task polls.
#[derive(Debug)]
pub struct ReadySet {
    word: AtomicU64,
    task: AtomicWaker,
}

impl Default for ReadySet {
    fn default() -> Self {
        Self {
            word: AtomicU64::new(0),
            task: AtomicWaker::new(),
        }
    }
}

impl ReadySet {
    /// Marks these members as ready, and wakes the task unless it is being polled, or will be,
    /// for one of them.
    pub fn mark(&self, members: u64) {
        // Release: the turn that takes the bits sees everything that was done before they were
        // marked. Acquire: if this reads the end of a turn, the waker that the turn registered is
        // seen, so that `wake` finds it. Without it, `wake` could come before `register` in the
        // order of the waker's own state and find none, and the task would sleep with a bit set.
        let before = self.word.fetch_or(members, Ordering::AcqRel);
        if before & (members | POLLING) == 0 {
            self.task.wake();
        }
    }

    /// Takes these members out of the set, and says which of them were marked. For use within a
    /// turn, where a member was marked by another that was polled before it.
    pub fn take(&self, members: u64) -> u64 {
        // As in `poll`: what was done before the mark is seen. POLLING stays.
        self.word.fetch_and(!members, Ordering::AcqRel) & members
    }

    /// One turn of the task: up to `rounds` times, passes all members that are marked to `round`,
    /// until there are none or `round` is ready. If members are left after the last round, the
    /// task is woken again, so that other tasks have their turn in between.
    ///
    /// After `Ready`, the set wakes nobody any more.
    pub fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        rounds: usize,
        mut round: impl FnMut(u64) -> Poll<T>,
    ) -> Poll<T> {
        register(&self.task, cx.waker());
        for _ in 0..rounds {
            // Acquire: all that was done before any of the bits was marked is seen, also by
            // markers whose bit another one has set again (their writes are one release sequence).
            // Release: keeps `register` before whatever a marker does that reads this.
            let ready = self.word.swap(POLLING, Ordering::AcqRel) & !POLLING;
            if ready == 0 {
                break;
            }
            if let Poll::Ready(result) = round(ready) {
                return Poll::Ready(result);
            }
        }
        // Release: the counterpart of the Acquire in `mark`. A marker either comes before this in
        // the modification order, and its bit is found here, or after it, and wakes the task.
        if self.word.fetch_and(!POLLING, Ordering::AcqRel) & !POLLING != 0 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// The waker of one member marks it as ready.
#[cfg(not(feature = "loom"))]
struct MemberWaker {
    bit: u64,
    set: Arc<ReadySet>,
}

#[cfg(not(feature = "loom"))]
impl Wake for MemberWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set.mark(self.bit);
    }
}

#[cfg(not(feature = "loom"))]
impl ReadySet {
    /// A waker that marks the member with this bit.
    pub fn waker(self: &Arc<Self>, bit: u64) -> Waker {
        let set = Arc::clone(self);
        Waker::from(Arc::new(MemberWaker { bit, set }))
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn turn(set: &ReadySet, waker: &Waker, rounds: usize) -> Vec<u64> {
        let mut taken = Vec::new();
        let polled = set.poll(&mut Context::from_waker(waker), rounds, |ready| {
            taken.push(ready);
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        taken
    }

    #[test]
    fn a_task_is_woken_once_for_each_member_and_not_while_it_is_polled() {
        let set = Arc::new(ReadySet::default());
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let woken = || count.0.swap(0, Ordering::Relaxed);
        assert_eq!(turn(&set, &waker, 4), []);
        set.waker(0b01).wake();
        assert_eq!(woken(), 1);
        set.mark(0b01);
        assert_eq!(woken(), 0, "it was marked already");
        set.mark(0b10);
        assert_eq!(turn(&set, &waker, 4), [0b11]);
        woken();
        let mut rounds = 0;
        let polled = set.poll(&mut Context::from_waker(&waker), 4, |_| {
            rounds += 1;
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        assert_eq!(rounds, 0, "nothing is marked");
        set.mark(1);
        woken();
        // A member that is marked during a turn is polled in the next round. Members that are left
        // after the last round wake the task.
        let polled = set.poll(&mut Context::from_waker(&waker), 2, |ready| {
            set.mark(ready << 1);
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        assert_eq!(woken(), 1, "by its own end only");
        assert_eq!(turn(&set, &waker, 1), [0b100]);
    }

    #[test]
    fn a_member_can_be_taken_within_a_turn() {
        let set = ReadySet::default();
        set.mark(0b110);
        assert_eq!(set.take(0b011), 0b010);
        assert_eq!(turn(&set, Waker::noop(), 1), [0b100]);
    }

    proptest! {
        /// Beside a naive model: all that was marked is taken once, in the next turn.
        #[test]
        fn all_that_is_marked_is_taken(steps in vec(proptest::option::of(0..MEMBERS), 0..50)) {
            let set = ReadySet::default();
            let mut marked = 0;
            for step in steps {
                if let Some(member) = step {
                    set.mark(1 << member);
                    marked |= 1 << member;
                } else {
                    let taken = turn(&set, Waker::noop(), 1);
                    prop_assert_eq!(taken.into_iter().sum::<u64>(), marked);
                    marked = 0;
                }
            }
        }
    }
}
