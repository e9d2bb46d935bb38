//! The time between tries to connect.

use std::time::Duration;

/// Exponential backoff with full jitter: a random part of a ceiling that doubles from 100 ms to 5
/// s, so that the many clients of a server that comes back do not all come at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LAST: Duration = Duration::from_secs(5);

    /// The time to wait after one more failure.
    pub(super) fn next(&mut self, random: u64) -> Duration {
        let ceiling = Self::FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(Self::LAST);
        self.failures = self.failures.saturating_add(1);
        let micros = (u128::from(random) * ceiling.as_micros()) >> 64;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Starts over after a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_five_seconds() {
        let mut backoff = Backoff::default();
        let ceilings: Vec<u128> = (0..8)
            .map(|_| backoff.next(u64::MAX).as_millis() + 1)
            .collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert!(backoff.next(u64::MAX) < Duration::from_millis(100));
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_five_seconds(failures: u32, random: u64) {
            let wait = Backoff { failures }.next(random);
            prop_assert!(wait < Duration::from_secs(5));
        }

        #[test]
        fn more_randomness_is_a_longer_wait(failures in 0..100_u32, a: u64, b: u64) {
            let (low, high) = (a.min(b), a.max(b));
            let shorter = Backoff { failures }.next(low);
            let longer = Backoff { failures }.next(high);
            prop_assert!(shorter <= longer);
        }
    }
}
