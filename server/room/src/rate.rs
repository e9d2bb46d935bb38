//! Rate limits: a burst, and then a steady rate.

use std::{hash::Hash, net::IpAddr, time::Duration};

use imbl::HashMap;

use crate::source::{NETWORK_SHARE, network};

/// The most buckets that one [`Buckets`] keeps.
const MOST_BUCKETS: usize = 10_000;

/// A rate: a burst at once, and one more each `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once after a pause; at least 1.
    pub burst: u32,
    /// The time between two at a steady pace.
    pub interval: Duration,
}

impl Rate {
    /// A rate of `per_second` a second, and `burst` at once.
    ///
    /// # Panics
    ///
    /// If `per_second` is 0.
    pub const fn per_second(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_nanos(1_000_000_000 / per_second as u64);
        Self { burst, interval }
    }

    /// The same rate `factor` times as often.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self {
            burst: self.burst.saturating_mul(factor),
            interval: self.interval / factor,
        }
    }
}

/// What is left of a burst, by the generic cell rate algorithm
/// (<https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>): one number, no timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When the whole burst is available again.
    full_at: Duration,
}

impl Bucket {
    /// Takes one. The error is the time after which there is one. All values of `now` must come
    /// from one clock.
    pub fn take(&mut self, rate: Rate, now: Duration) -> Result<(), Duration> {
        self.full_at = self.full_at_without(1, rate, now)?;
        Ok(())
    }

    /// Checks whether so many could be taken, without taking any. The error is the time after which
    /// they could.
    pub fn check(&self, count: u32, rate: Rate, now: Duration) -> Result<(), Duration> {
        self.full_at_without(count, rate, now).map(drop)
    }

    fn full_at_without(&self, count: u32, rate: Rate, now: Duration) -> Result<Duration, Duration> {
        let taken = rate.interval.saturating_mul(count);
        let full_at = self.full_at.max(now).saturating_add(taken);
        let burst = rate.interval.saturating_mul(rate.burst);
        // Taking is allowed as long as the bucket is full again within the time of one burst.
        let over = full_at.saturating_sub(now).saturating_sub(burst);
        if over > Duration::ZERO {
            return Err(over);
        }
        Ok(full_at)
    }

    /// Whether the whole burst is available, so that the bucket is as good as a new one.
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

/// A bucket for each key that took something lately. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Buckets<K> {
    buckets: HashMap<K, Bucket>,
    /// When full buckets may next be removed, if there are too many buckets.
    next_sweep: Duration,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self {
            buckets: HashMap::default(),
            next_sweep: Duration::ZERO,
        }
    }
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// Takes one from the key's bucket. The error is the time after which there is one. If there
    /// are too many buckets to keep another, nothing is counted and nothing refused: refusing would
    /// hit the wrong ones.
    pub fn take(&mut self, key: K, rate: Rate, now: Duration) -> Result<(), Duration> {
        let mut bucket = self.get(&key);
        bucket.take(rate, now)?;
        self.keep(key, bucket, now);
        Ok(())
    }

    /// The same for what may safely be refused: it is refused, too, if there are too many buckets
    /// to keep another.
    pub fn take_or_refuse(&mut self, key: K, rate: Rate, now: Duration) -> bool {
        let mut bucket = self.get(&key);
        bucket.take(rate, now).is_ok() && self.keep(key, bucket, now)
    }

    /// Keeps a bucket; `false` if there are too many.
    fn keep(&mut self, key: K, bucket: Bucket, now: Duration) -> bool {
        // At most once a second, because a sweep visits every bucket.
        if self.buckets.len() >= MOST_BUCKETS && now >= self.next_sweep {
            self.next_sweep = now + Duration::from_secs(1);
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        let has_room = self.buckets.len() < MOST_BUCKETS || self.buckets.contains_key(&key);
        if has_room {
            self.buckets.insert(key, bucket);
        }
        has_room
    }

    /// Checks whether so many could be taken, without taking any. The error is the time after which
    /// they could.
    pub fn check(&self, key: &K, count: u32, rate: Rate, now: Duration) -> Result<(), Duration> {
        self.get(key).check(count, rate, now)
    }

    fn get(&self, key: &K) -> Bucket {
        self.buckets.get(key).copied().unwrap_or_default()
    }
}

/// A bucket for each source that took something lately, and a larger one for each IPv6 network.
/// Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    sources: Buckets<IpAddr>,
    networks: Buckets<IpAddr>,
}

impl Sources {
    /// Takes one from the bucket of this source. The error is the time after which there is one.
    /// `rate` is that of a source; its network has [`NETWORK_SHARE`] times as much.
    pub fn take(&mut self, source: IpAddr, rate: Rate, now: Duration) -> Result<(), Duration> {
        // Both buckets are checked before either is charged, so that a refusal costs nothing.
        self.check(source, 1, rate, now)?;
        self.sources.take(source, rate, now)?;
        match network(source) {
            Some(network) => self.networks.take(network, rate.times(NETWORK_SHARE), now),
            None => Ok(()),
        }
    }

    /// Checks whether so many could be taken, without taking any. The error is the time after which
    /// they could.
    pub fn check(
        &self,
        source: IpAddr,
        count: u32,
        rate: Rate,
        now: Duration,
    ) -> Result<(), Duration> {
        self.sources.check(&source, count, rate, now)?;
        match network(source) {
            Some(network) => self
                .networks
                .check(&network, count, rate.times(NETWORK_SHARE), now),
            None => Ok(()),
        }
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
        assert!(sources.sources.buckets.len() <= MOST_BUCKETS);
        assert!(sources.take(address(1), RATE, at(0)).is_err());
        assert_eq!(sources.take(address(1), RATE, at(5000)), Ok(()));
        assert_eq!(sources.sources.buckets.len(), 1);
    }

    #[test]
    fn what_may_be_refused_is_if_it_cannot_be_counted() {
        let mut buckets = Buckets::default();
        let taken = (0..2 * MOST_BUCKETS)
            .filter(|key| buckets.take_or_refuse(*key, RATE, at(0)))
            .count();
        assert_eq!(taken, MOST_BUCKETS);
        // A key that is kept has what it had, and the others get buckets when there are idle ones.
        assert!((1..10).all(|_| buckets.take_or_refuse(0, RATE, at(0))));
        assert!(!buckets.take_or_refuse(0, RATE, at(0)));
        assert!(buckets.take_or_refuse(MOST_BUCKETS, RATE, at(5000)));
    }

    #[test]
    fn many_subnets_of_one_network_share_a_bucket() {
        let mut sources = Sources::default();
        let subnet = |number: u16| -> IpAddr {
            let text = format!("2001:db8:7:{number:x}::");
            text.parse().expect("an address")
        };
        let taken = (0..1000)
            .filter(|number| sources.take(subnet(*number), RATE, at(0)).is_ok())
            .count();
        assert_eq!(taken, 20);
        // A refusal counts nowhere.
        assert_eq!(sources.check(subnet(5000), 1, RATE, at(0)), Err(at(100)));
        let elsewhere = "2001:db8:8::".parse().expect("an address");
        assert_eq!(sources.take(elsewhere, RATE, at(0)), Ok(()));
    }

    #[test]
    fn a_check_takes_nothing_and_knows_how_many_there_are() {
        let mut bucket = Bucket::default();
        for _ in 0..100 {
            assert_eq!(bucket.check(10, RATE, at(0)), Ok(()));
        }
        assert_eq!(bucket.check(11, RATE, at(0)), Err(at(200)));
        bucket.take(RATE, at(0)).expect("a burst");
        assert_eq!(bucket.check(9, RATE, at(0)), Ok(()));
        assert_eq!(bucket.check(10, RATE, at(0)), Err(at(200)));
    }
}
