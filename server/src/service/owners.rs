//! The shares that participants and sources have of something limited.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// Number of shares from which on unused ones are removed.
const SWEEP_FROM: usize = 1024;

/// A share for each owner. A share is kept while somebody holds it or while it is not idle. An idle
/// one is as good as a new one.
pub(super) struct Owners<K, V>(Mutex<ShareTable<K, V>>);

struct ShareTable<K, V> {
    shares: HashMap<K, Arc<V>>,
    sweep_at: usize,
}

impl<K, V> Default for Owners<K, V> {
    fn default() -> Self {
        Self(Mutex::new(ShareTable {
            shares: HashMap::new(),
            sweep_at: SWEEP_FROM,
        }))
    }
}

impl<K: Eq + Hash, V> Owners<K, V> {
    /// The share of this owner, which is created if there is none.
    pub(super) fn get(
        &self,
        key: K,
        is_idle: impl Fn(&V) -> bool,
        new: impl FnOnce() -> V,
    ) -> Arc<V> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.shares.len() >= table.sweep_at {
            table
                .shares
                .retain(|_, share| Arc::strong_count(share) > 1 || !is_idle(share));
            // Doubling the threshold spreads the cost of a sweep over as many new owners as it
            // visits.
            table.sweep_at = SWEEP_FROM.max(2 * table.shares.len());
        }
        let share = table.shares.entry(key);
        Arc::clone(share.or_insert_with(|| Arc::new(new())))
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.lock().expect("whole").shares.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_nothing_and_is_idle_is_forgotten() {
        let owners: Owners<usize, usize> = Owners::default();
        let get = |key| owners.get(key, |share| share % 2 == 0, || key);
        let held = get(0);
        for key in 1..10 * SWEEP_FROM {
            get(key);
        }
        // Those that are not idle are half of them, and it doubles between two sweeps.
        assert!(owners.count() <= 10 * SWEEP_FROM, "{}", owners.count());
        assert!((1..10 * SWEEP_FROM).step_by(2).all(|key| *get(key) == key));
        assert!(Arc::ptr_eq(&held, &get(0)));
        let idle: Owners<usize, ()> = Owners::default();
        for key in 0..10 * SWEEP_FROM {
            idle.get(key, |()| true, || ());
        }
        assert!(idle.count() <= SWEEP_FROM, "{}", idle.count());
    }
}
