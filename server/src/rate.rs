//! How often somebody may do something: a burst, and then a steady rate.

use std::{net::IpAddr, time::Duration};

use imbl::HashMap;

/// So many buckets of addresses are kept at most.
const MOST_SOURCES: usize = 10_000;

/// So many at once, and one more each `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once, after a pause; at least 1.
    pub burst: u32,
    /// From one to the next when they do not end.
    pub interval: Duration,
}

impl Rate {
    /// So many a second, and so many at once.
    ///
    /// # Panics
    ///
    /// Where `per_second` is not above 0.
    pub const fn per_second(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_nanos(1_000_000_000 / per_second as u64);
        Self { burst, interval }
    }
}

/// What is left of a burst, by the generic cell rate algorithm
/// (<https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>): one number, no timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When the whole burst is there again.
    full_at: Duration,
}

impl Bucket {
    /// Takes one, or says in which time there is one. All `now` are on one clock.
    pub fn take(&mut self, rate: Rate, now: Duration) -> Result<(), Duration> {
        let full_at = self.full_at.max(now).saturating_add(rate.interval);
        let burst = rate.interval.saturating_mul(rate.burst);
        let over = full_at.saturating_sub(now).saturating_sub(burst);
        if over > Duration::ZERO {
            return Err(over);
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Whether the whole burst is there, as with somebody new.
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

/// A bucket for each address that something came from lately. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    buckets: HashMap<IpAddr, Bucket>,
    /// When those that are full are next looked for, where there is no room.
    next_sweep: Duration,
}

impl Sources {
    /// Takes one from the bucket of this address, or says in which time there is one.
    pub fn take(&mut self, source: IpAddr, rate: Rate, now: Duration) -> Result<(), Duration> {
        let mut bucket = self.buckets.get(&source).copied().unwrap_or_default();
        bucket.take(rate, now)?;
        if self.buckets.len() >= MOST_SOURCES && now >= self.next_sweep {
            self.next_sweep = now + Duration::from_secs(1);
            self.buckets.retain(|_, bucket| bucket.full_at > now);
        }
        // So many at the same time are no bursts of a few: rather none is refused than a wrong
        // one.
        if self.buckets.len() < MOST_SOURCES {
            self.buckets.insert(source, bucket);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate::per_second(5, 10);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_and_then_a_steady_rate() {
        let mut bucket = Bucket::default();
        for _ in 0..10 {
            assert_eq!(bucket.take(RATE, at(7)), Ok(()));
        }
        assert_eq!(bucket.take(RATE, at(7)), Err(at(200)));
        assert_eq!(bucket.take(RATE, at(107)), Err(at(100)));
        assert_eq!(bucket.take(RATE, at(207)), Ok(()));
        assert_eq!(bucket.take(RATE, at(207)), Err(at(200)));
        for _ in 0..10 {
            assert_eq!(bucket.take(RATE, at(9000)), Ok(()));
        }
        assert!(bucket.take(RATE, at(9000)).is_err());
    }

    proptest! {
        #[test]
        fn who_waits_as_told_is_let_in_and_nobody_gets_more(
            pauses in prop::collection::vec(0..500_u64, 1..200),
        ) {
            let (mut bucket, mut now, mut taken) = (Bucket::default(), Duration::ZERO, 0);
            for pause in pauses {
                now += at(pause);
                if let Err(wait) = bucket.take(RATE, now) {
                    now += wait;
                    prop_assert_eq!(bucket.take(RATE, now), Ok(()));
                }
                taken += 1;
                prop_assert!(taken <= 10 + now.as_millis() / 200);
            }
        }
    }

    #[test]
    fn addresses_are_counted_apart_and_forgotten() {
        let mut sources = Sources::default();
        let address = |number: u32| IpAddr::from(Ipv4Addr::from(number));
        for _ in 0..10 {
            assert_eq!(sources.take(address(1), RATE, at(0)), Ok(()));
        }
        assert!(sources.take(address(1), RATE, at(0)).is_err());
        for number in 2..30_000 {
            assert_eq!(sources.take(address(number), RATE, at(0)), Ok(()));
        }
        assert!(sources.buckets.len() <= MOST_SOURCES);
        assert!(sources.take(address(1), RATE, at(0)).is_err());
        assert_eq!(sources.take(address(1), RATE, at(5000)), Ok(()));
        assert_eq!(sources.buckets.len(), 1);
    }
}
