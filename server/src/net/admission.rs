//! Who may connect: so many in all, and so many from one address.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::warn;

use super::Limits;
pub(super) use crate::source::source;

#[derive(Clone)]
pub(super) struct Admission {
    limits: Limits,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    /// At most one for each open connection.
    by_source: HashMap<IpAddr, usize>,
    refused: u64,
}

/// A connection that counts for as long as this lives.
pub(super) struct Admitted {
    counts: Arc<Mutex<Counts>>,
    source: IpAddr,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            counts: Arc::default(),
        }
    }

    /// Counts a connection, unless it is one too many.
    pub(super) fn admit(&self, source: IpAddr) -> Option<Admitted> {
        let mut counts = lock(&self.counts);
        let from_here = counts.by_source.get(&source).copied().unwrap_or_default();
        if counts.all >= self.limits.connections || from_here >= self.limits.connections_per_source
        {
            counts.refused += 1;
            // An attack must not fill the log.
            if counts.refused.is_power_of_two() {
                warn!(
                    refused = counts.refused, %source, from_here, in_all = counts.all,
                    "connections beyond the limit are refused",
                );
            }
            return None;
        }
        counts.all += 1;
        *counts.by_source.entry(source).or_default() += 1;
        Some(Admitted {
            counts: Arc::clone(&self.counts),
            source,
        })
    }
}

impl Admitted {
    pub(super) const fn source(&self) -> IpAddr {
        self.source
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.all -= 1;
        if let Entry::Occupied(mut entry) = counts.by_source.entry(self.source) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_ends_makes_room_and_nothing_is_kept_of_it() {
        let admission = Admission::new(Limits {
            connections: 3,
            connections_per_source: 2,
            ..Limits::default()
        });
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = admission.admit(here).expect("room");
        let _second = admission.admit(here).expect("room");
        assert!(admission.admit(here).is_none());
        let third = admission.admit(there).expect("room for others");
        assert!(admission.admit(there).is_none());
        drop(first);
        let _fourth = admission.admit(here).expect("room again");
        drop(third);
        assert_eq!(lock(&admission.counts).by_source.len(), 1);
        assert_eq!(lock(&admission.counts).all, 2);
    }
}
