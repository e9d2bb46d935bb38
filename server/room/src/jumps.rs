//! Jumps: how far requests may move the log's clock ahead, and how often.
//!
//! A request's time can be ahead of the log's, for example after the log was replaced, and the
//! log's clock follows it (docs/protocol.md). Nobody may use that to move the clock to the end of
//! its numbers, at which the chat would end. A small jump, up to [`FREE`], costs nothing: honest
//! clients stay below it. A larger one costs its distance, out of one budget for the room: 2^32
//! ([`MAX_AHEAD`]) a minute, and twice that at once.
//!
//! One budget for everybody is fair because it is spent on distance only: a client that uses it up
//! has moved the clock that much closer to the next client that is ahead and has to wait. That
//! client waits a minute at most.
//!
//! How long 2^64 lasts, at the limits of the default configuration, if all 10,000 seats do their
//! worst:
//!
//! - far ahead, 2^32 a minute: 2^32 minutes, 8,166 years;
//! - just within what is free: 10,000 seats · 5 messages a second · 2^14 is 8.2·10^8 a second, 714
//!   years;
//! - both: 656 years. Without limits on messages, at 200,000 a second: 174 years.

use std::time::Duration;

/// How far a request may be ahead of the log's clock.
pub(super) const MAX_AHEAD: u64 = 1 << 32;

/// How far ahead costs nothing. An honest client is ahead by the requests that were refused.
const FREE: u64 = 1 << 14;

/// The time in which [`MAX_AHEAD`] is earned back.
const PERIOD: Duration = Duration::from_secs(60);

/// How many times [`MAX_AHEAD`] can be saved up.
const SAVED: u32 = 2;

/// What is left of the budget, by the generic cell rate algorithm, as in [`crate::rate`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Jumps {
    /// When the whole budget is available again, on the clock of `DecisionTime::mono`.
    full_at: Duration,
}

impl Jumps {
    /// The budget after a request that is so far ahead. The error is the time after which there is
    /// enough.
    pub(super) fn after(self, ahead: u64, now: Duration) -> Result<Self, Duration> {
        if ahead <= FREE {
            return Ok(self);
        }
        let full_at = self.full_at.max(now).saturating_add(price(ahead));
        let over = full_at.saturating_sub(now).saturating_sub(PERIOD * SAVED);
        if over > Duration::ZERO {
            return Err(over);
        }
        Ok(Self { full_at })
    }
}

fn price(ahead: u64) -> Duration {
    let nanos = u128::from(ahead) * PERIOD.as_nanos() / u128::from(MAX_AHEAD);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn two_long_ways_at_once_and_one_a_minute() {
        let mut jumps = Jumps::default();
        for _ in 0..2 {
            jumps = jumps.after(MAX_AHEAD, MINUTE).expect("saved up");
        }
        assert_eq!(jumps.after(MAX_AHEAD, MINUTE).err(), Some(MINUTE));
        assert_eq!(jumps.after(MAX_AHEAD / 2, MINUTE).err(), Some(MINUTE / 2));
        assert!(jumps.after(FREE, MINUTE).is_ok());
        let jumps = jumps.after(MAX_AHEAD, 2 * MINUTE).expect("earned");
        assert!(jumps.after(FREE + 1, 2 * MINUTE).is_err());
    }

    proptest! {
        /// However it is asked for, no more is given than is saved up and earned.
        #[test]
        fn the_whole_way_is_bounded(
            steps in prop::collection::vec((FREE + 1..=MAX_AHEAD, 0..30_000_u64), 1..200),
        ) {
            let (mut jumps, mut now, mut way) = (Jumps::default(), Duration::ZERO, 0_u128);
            for (ahead, pause) in steps {
                now += Duration::from_millis(pause);
                if let Ok(after) = jumps.after(ahead, now) {
                    jumps = after;
                    way += u128::from(ahead);
                }
            }
            let earned = now.as_nanos() * u128::from(MAX_AHEAD) / PERIOD.as_nanos();
            // Prices are rounded down, to a nanosecond: 72 of a distance.
            prop_assert!(way <= u128::from(MAX_AHEAD) * 2 + earned + 200 * 72);
        }

        #[test]
        fn who_waits_as_told_gets_on(ahead in FREE + 1..=MAX_AHEAD, used in 0..=2 * MAX_AHEAD) {
            let mut jumps = Jumps { full_at: price(used) };
            if let Err(wait) = jumps.after(ahead, Duration::ZERO) {
                prop_assert!(wait <= MINUTE);
                jumps = jumps.after(ahead, wait).expect("as told");
            }
            let _ = jumps;
        }
    }
}
