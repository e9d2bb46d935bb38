//! A limit on diagnostics. Peers can cause them (at `CHITTY_LOG=debug` with each frame), and they
//! share the file with more important lines.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::callsite::Identifier;

/// Diagnostics from one place in the program in a second.
pub(super) const PER_PLACE: u32 = 50;
/// Diagnostics in all, in a second.
pub(super) const IN_ALL: u32 = 200;

/// Counts diagnostics by the second. Lines that record calls are not limited here.
#[derive(Default)]
pub(super) struct Limit {
    counts: Mutex<Counts>,
    /// Whether some were suppressed and not reported yet. It is read without the lock.
    unreported: AtomicBool,
}

#[derive(Default)]
struct Counts {
    /// The current second since 1970. A clock that goes back begins a new second, too.
    second: u64,
    places: HashMap<Identifier, u32>,
    all: u32,
    suppressed: u64,
}

impl Limit {
    /// Whether to write a diagnostic from this place in the program.
    pub(super) fn admit(&self, place: Identifier, now: SystemTime) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.begin(second(now));
        let here = counts.places.entry(place).or_default();
        if *here < PER_PLACE {
            *here += 1;
            if counts.all < IN_ALL {
                counts.all += 1;
                return true;
            }
        }
        counts.suppressed += 1;
        self.unreported.store(true, Ordering::Relaxed);
        false
    }

    /// How many were suppressed, if that is due to be reported: once the second is over.
    pub(super) fn unreported(&self, now: SystemTime) -> Option<u64> {
        if !self.unreported.load(Ordering::Relaxed) {
            return None;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // Reported when the second is over, so that the number is final.
        if counts.second == second(now) {
            return None;
        }
        self.unreported.store(false, Ordering::Relaxed);
        let suppressed = std::mem::take(&mut counts.suppressed);
        (suppressed > 0).then_some(suppressed)
    }
}

impl Counts {
    fn begin(&mut self, second: u64) {
        if self.second != second {
            self.second = second;
            self.places.clear();
            self.all = 0;
        }
    }
}

fn second(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing::{Metadata, metadata};

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Places in a program.
    fn places() -> [Identifier; 5] {
        macro_rules! place {
            () => {{
                static METADATA: Metadata<'static> = metadata! {
                    name: "place",
                    target: "test",
                    level: tracing::Level::INFO,
                    fields: &[],
                    callsite: &CALLSITE,
                    kind: metadata::Kind::EVENT,
                };
                static CALLSITE: tracing::callsite::DefaultCallsite =
                    tracing::callsite::DefaultCallsite::new(&METADATA);
                tracing::callsite::Identifier(&CALLSITE)
            }};
        }
        [place!(), place!(), place!(), place!(), place!()]
    }

    #[test]
    fn so_many_of_a_place_and_so_many_in_all() {
        let limit = Limit::default();
        let mut admitted = [0; 5];
        for second in 0..2 {
            for _ in 0..1000 {
                for (count, place) in admitted.iter_mut().zip(places()) {
                    *count += u32::from(limit.admit(place, at(second)));
                }
            }
            assert_eq!(limit.unreported(at(second)), None, "once a second");
        }
        let sum: u32 = admitted.iter().sum();
        assert_eq!(sum, 2 * IN_ALL);
        assert!(admitted.iter().all(|count| *count <= 2 * PER_PLACE));
        assert_eq!(limit.unreported(at(2)), Some(10_000 - u64::from(sum)));
        assert_eq!(limit.unreported(at(3)), None);
    }
}
