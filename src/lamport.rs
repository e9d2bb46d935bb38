//! Logical time: Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System",
//! CACM 21(7), 1978.

use std::fmt;

/// A reading of a [`LamportClock`]: a count of events, without a unit. 0 is before the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTime(u64);

impl LamportTime {
    /// The time before the first event.
    pub const ZERO: Self = Self(0);

    /// The latest time of a Joined or a message. The last 2^32 numbers are reserved for Lefts, and
    /// for the clocks that receive them.
    pub const LAST_ENTRY: Self = Self(u64::MAX - (1 << 32));
    /// The latest time of a Left that was asked for. The last 2^31 numbers are reserved for
    /// participants that are lost, each of whom takes one.
    pub const LAST_LEAVE: Self = Self(u64::MAX - (1 << 31));

    /// The time with this number.
    pub const fn new(time: u64) -> Self {
        Self(time)
    }

    /// The number, as it goes over the wire.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for LamportTime {
    fn from(time: u64) -> Self {
        Self(time)
    }
}

impl fmt::Display for LamportTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One process's logical clock.
///
/// The number stops at [`u64::MAX`] instead of wrapping. The server refuses requests that are far
/// ahead of the log's clock, or later than [`LamportTime::LAST_ENTRY`], so that the clock of a chat
/// that keeps the rules never gets there. A clock that does ([`LamportClock::is_at_end`]) must not
/// be used any further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LamportClock {
    now: LamportTime,
}

impl LamportClock {
    /// A clock at 0.
    pub const fn new() -> Self {
        Self {
            now: LamportTime::ZERO,
        }
    }

    /// A clock that continues from `now`.
    pub const fn starting_at(now: LamportTime) -> Self {
        Self { now }
    }

    /// The current reading of the clock.
    pub const fn now(self) -> LamportTime {
        self.now
    }

    /// Whether there is no later time, so that the next event could not be later than the last.
    pub const fn is_at_end(self) -> bool {
        self.now.0 == u64::MAX
    }

    /// An event of this process, such as the sending of a message: `C = C + 1`.
    ///
    /// Returns the event's time, which a message carries.
    pub fn tick(&mut self) -> LamportTime {
        // A clock that wrapped would order new events before old ones.
        self.now = LamportTime(self.now.0.saturating_add(1));
        self.now
    }

    /// The receipt of a message that carries `time`: `C = max(C, t) + 1`.
    ///
    /// Returns the time of the receipt.
    pub fn receive(&mut self, time: LamportTime) -> LamportTime {
        self.observe(time);
        self.tick()
    }

    /// Learning of a time without an event, as from a reply: `C = max(C, t)`.
    pub fn observe(&mut self, time: LamportTime) {
        self.now = self.now.max(time);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_numbers_are_kept_for_leaving() {
        assert_eq!(LamportTime::LAST_ENTRY.get(), 0xffff_fffe_ffff_ffff);
        assert_eq!(LamportTime::LAST_LEAVE.get(), 0xffff_ffff_7fff_ffff);
    }

    #[test]
    fn a_clock_is_at_its_end_when_the_next_tick_would_not_move_it() {
        for (now, is_at_end) in [(0, false), (u64::MAX - 1, false), (u64::MAX, true)] {
            let mut clock = LamportClock::starting_at(now.into());
            assert_eq!(clock.is_at_end(), is_at_end, "{now}");
            assert_eq!(clock.tick().get() == now, is_at_end, "{now}");
        }
    }

    proptest! {
        #[test]
        fn a_tick_rises_by_one(start in 0..u64::MAX) {
            let mut clock = LamportClock::starting_at(start.into());
            prop_assert_eq!(clock.tick().get(), start + 1);
            prop_assert_eq!(clock.now().get(), start + 1);
        }

        #[test]
        fn a_receipt_is_later_than_its_sending_and_than_all_before(own in 0..u64::MAX, sent in 0..u64::MAX) {
            let mut clock = LamportClock::starting_at(own.into());
            let received = clock.receive(sent.into()).get();
            prop_assert_eq!(received, own.max(sent) + 1);
        }

        #[test]
        fn observing_never_goes_back_and_is_idempotent(own: u64, observed: u64) {
            let mut clock = LamportClock::starting_at(own.into());
            clock.observe(observed.into());
            let once = clock;
            clock.observe(observed.into());
            prop_assert_eq!(clock, once);
            prop_assert_eq!(clock.now().get(), own.max(observed));
        }

        #[test]
        fn no_input_wraps_the_clock(own: u64, steps: Vec<Option<u64>>) {
            let mut clock = LamportClock::starting_at(own.into());
            for step in steps {
                let before = clock.now();
                match step {
                    Some(time) => clock.receive(time.into()),
                    None => clock.tick(),
                };
                prop_assert!(clock.now() > before || before.get() == u64::MAX);
            }
        }
    }
}
