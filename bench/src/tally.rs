//! Counts which messages arrived where, and how long they took.

use std::{cell::RefCell, time::Duration};

use tokio::{sync::Notify, time::Instant};

/// Every participant receives every message, and of each connection only the number is known: the
/// `n`th that arrives there is the `n`th that was sent.
pub(crate) struct Tally {
    participants: usize,
    state: RefCell<State>,
    /// Signals that a message has reached everybody, or that something failed.
    pub(crate) changed: Notify,
}

#[derive(Default)]
struct State {
    messages: Vec<Sent>,
    completed: usize,
    deliveries: u64,
    /// Messages that arrived before counting began: welcomes and announcements.
    announcements: u64,
    measuring: bool,
    /// The latency of each delivery in microseconds.
    latencies: Vec<u32>,
    /// The time from a sending to its last receipt.
    last_receipts: Vec<u32>,
    last_bytes: Option<Instant>,
    failure: Option<String>,
}

struct Sent {
    at: Instant,
    missing: usize,
}

/// The latencies of one run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latencies {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
    pub(crate) p99_of_deliveries: Duration,
}

impl Tally {
    pub(crate) fn new(participants: usize) -> Self {
        Self {
            participants,
            state: RefCell::default(),
            changed: Notify::new(),
        }
    }

    /// Begins to count what arrives.
    pub(crate) fn begin(&self) {
        let mut state = self.state.borrow_mut();
        state.measuring = true;
    }

    /// Forgets the latencies so far.
    pub(crate) fn forget_latencies(&self) {
        let mut state = self.state.borrow_mut();
        state.latencies.clear();
        state.last_receipts.clear();
    }

    pub(crate) fn sent(&self, at: Instant) {
        let missing = self.participants;
        self.state.borrow_mut().messages.push(Sent { at, missing });
    }

    /// How many messages were sent and have not reached everybody.
    pub(crate) fn in_flight(&self) -> usize {
        let state = self.state.borrow();
        state.messages.len() - state.completed
    }

    pub(crate) fn deliveries(&self) -> u64 {
        self.state.borrow().deliveries
    }

    pub(crate) fn announcements(&self) -> u64 {
        self.state.borrow().announcements
    }

    pub(crate) fn completed(&self) -> usize {
        self.state.borrow().completed
    }

    /// Counts messages that arrived on a connection, after `next` earlier ones.
    pub(crate) fn received(&self, next: &mut usize, count: u64, now: Instant) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.last_bytes = Some(now);
        if !state.measuring {
            state.announcements += count;
            return;
        }
        for _ in 0..count {
            let Some(sent) = state.messages.get_mut(*next) else {
                state.failure = Some("more messages arrived than were sent".to_owned());
                self.changed.notify_one();
                return;
            };
            *next += 1;
            state.deliveries += 1;
            let latency = u32::try_from((now - sent.at).as_micros()).unwrap_or(u32::MAX);
            state.latencies.push(latency);
            sent.missing -= 1;
            if sent.missing == 0 {
                state.completed += 1;
                state.last_receipts.push(latency);
                self.changed.notify_one();
            }
        }
    }

    pub(crate) fn fail(&self, why: String) {
        self.state.borrow_mut().failure = Some(why);
        self.changed.notify_one();
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.state.borrow().failure.clone()
    }

    /// When something arrived last.
    pub(crate) fn last_bytes(&self) -> Option<Instant> {
        self.state.borrow().last_bytes
    }

    pub(crate) fn latencies(&self) -> Latencies {
        let mut state = self.state.borrow_mut();
        state.latencies.sort_unstable();
        state.last_receipts.sort_unstable();
        Latencies {
            p50: percentile(&state.last_receipts, 50),
            p99: percentile(&state.last_receipts, 99),
            max: percentile(&state.last_receipts, 100),
            p99_of_deliveries: percentile(&state.latencies, 99),
        }
    }
}

/// A percentile of sorted microseconds, by the nearest-rank method.
pub(crate) fn percentile(sorted: &[u32], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    let value = sorted.get(rank.saturating_sub(1)).copied();
    Duration::from_micros(value.unwrap_or(0).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_complete_when_everybody_has_it() {
        let tally = Tally::new(2);
        tally.begin();
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::from_std(std::time::Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        tally.sent(start);
        tally.sent(after(1));
        let (mut ada, mut bob) = (0, 0);
        tally.received(&mut ada, 2, after(3));
        assert_eq!((tally.in_flight(), tally.deliveries()), (2, 2));
        tally.received(&mut bob, 1, after(5));
        assert_eq!((tally.in_flight(), tally.completed()), (1, 1));
        assert_eq!(tally.latencies().max, Duration::from_millis(5));
        assert_eq!(tally.failure(), None);
        tally.received(&mut bob, 2, after(6));
        assert!(tally.failure().is_some(), "the third was never sent");
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let values: Vec<u32> = (1..=200).collect();
        assert_eq!(percentile(&values, 50), Duration::from_micros(100));
        assert_eq!(percentile(&values, 99), Duration::from_micros(198));
        assert_eq!(percentile(&values, 100), Duration::from_micros(200));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
