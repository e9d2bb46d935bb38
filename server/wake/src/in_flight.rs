//! How many wake-ups of a wave are not answered yet.
//!
//! ```text
//!   the wave                       a follower                      the hub gives up, or a drop
//!   --------                       ----------                      -----------------------------
//!   in_flight.add()  (itself)
//!   for each follower that waits:
//!     delivery.begin()   ------>   is polled: delivery.end()  <->  delivery.end()
//!   in_flight.remove() (itself)
//!
//!   The caller that removes the last one (remove or end returns true) ends the wave.
//! ```
//!
//! The wave counts itself, so that it does not end before all were woken, however quick they are,
//! and so that it ends even if nobody waits. A `Barrier` would need to know the number of followers
//! beforehand, and would make each of them wait; here nobody but the next wave waits.

use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// The number of wake-ups that are not answered yet.
#[derive(Debug)]
pub struct InFlight(AtomicUsize);

impl Default for InFlight {
    fn default() -> Self {
        Self(AtomicUsize::new(0))
    }
}

impl InFlight {
    /// Adds one wake-up to the count.
    pub fn add(&self) {
        // Relaxed, as in `Arc::clone`: the caller holds one already (the wave its own) or begins
        // when there is none, and only the end of all has to see what was done before.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one out, and says whether it was the last.
    #[must_use]
    pub fn remove(&self) -> bool {
        // Release: what was done for this one happens before the end of the wave. Acquire: the
        // caller that removes the last one sees what was done for all the others.
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether all are answered.
    pub fn is_empty(&self) -> bool {
        // Acquire: the counterpart of the Release in `remove`.
        self.0.load(Ordering::Acquire) == 0
    }
}

/// One follower's part in the wave: it is counted once, however often it is woken before it comes.
#[derive(Debug)]
pub struct Delivery {
    is_in_flight: AtomicBool,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            is_in_flight: AtomicBool::new(false),
        }
    }
}

impl Delivery {
    /// The follower is about to be woken. The wave that calls this is counted itself, so this never
    /// takes the last one out.
    pub fn begin(&self, in_flight: &InFlight) {
        // Added before the flag is set: once it is, the follower may take itself out at any moment,
        // and the count must not fall below 0.
        in_flight.add();
        // Release: a thread that finds the flag set has the addition before its own `remove` in the
        // order of the counter, too. Acquire: the same for `remove` below, beside an earlier wave.
        if self.is_in_flight.swap(true, Ordering::AcqRel) {
            // An earlier wave woke it, and it has not come since: it stays counted once.
            let was_last = in_flight.remove();
            debug_assert!(!was_last, "a wave counts itself");
        }
    }

    /// The follower has come, has gone, or is not waited for any more. Says whether that ends the
    /// wave.
    #[must_use]
    pub fn end(&self, in_flight: &InFlight) -> bool {
        // Acquire: the counterpart of the Release in `begin`. A swap, so that of several who end
        // the same delivery one takes it out.
        self.is_in_flight.swap(false, Ordering::AcqRel) && in_flight.remove()
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn a_follower_is_counted_once_and_the_last_one_ends_the_wave() {
        let in_flight = InFlight::default();
        let (first, second) = (Delivery::default(), Delivery::default());
        assert!(in_flight.is_empty());
        in_flight.add();
        first.begin(&in_flight);
        first.begin(&in_flight);
        second.begin(&in_flight);
        assert!(!first.end(&in_flight));
        assert!(!first.end(&in_flight), "it is out already");
        assert!(!in_flight.remove(), "the second is still to come");
        assert!(!in_flight.is_empty());
        assert!(second.end(&in_flight));
        assert!(in_flight.is_empty());
        assert!(!second.end(&in_flight));
    }

    #[test]
    fn a_wave_that_wakes_nobody_ends() {
        let in_flight = InFlight::default();
        in_flight.add();
        assert!(in_flight.remove());
    }
}
