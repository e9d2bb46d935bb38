//! Who may connect, and who has to go when there is no room.
//!
//! A connection without a participant is *unjoined*. It has a limited time, and when connections
//! run out, the one of them that has been idle for the longest is closed, so that a newcomer can
//! always connect. A participant's connection is never closed to make room.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use tokio::time::Instant;
use tracing::warn;

use super::{
    Limits,
    member::{Member, Source},
};
pub(super) use crate::source::source;

/// All connections that are open.
pub(super) struct Registry {
    pub(super) limits: Limits,
    state: Mutex<State>,
    /// Streams that wait for their peers, of unjoined connections and of others.
    pub(super) lingering: super::member::Pools,
}

#[derive(Default)]
struct State {
    all: usize,
    unjoined: usize,
    /// At most one for each open connection.
    sources: HashMap<IpAddr, Here>,
    /// Where the unjoined ones come from, with how many there are.
    crowds: BTreeSet<(usize, IpAddr)>,
    /// Counts what unjoined connections did: where one stands in the order of activity.
    activity: u64,
    refused: u64,
    closed: u64,
}

/// What is open from one source.
struct Here {
    source: Arc<Source>,
    connections: usize,
    /// By their latest activity.
    unjoined: BTreeMap<u64, Arc<Member>>,
}

impl Registry {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
            lingering: super::member::Pools::default(),
        })
    }

    /// Counts a connection, after making room for it; `None` if all the others are participants'.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admitted> {
        let limits = self.limits;
        let mut state = self.state();
        let from_here = state
            .sources
            .get(&address)
            .map_or(0, |here| here.connections);
        let has_room = if from_here >= limits.connections_per_source {
            state.close_idlest_of(address)
        } else if state.all >= limits.connections || state.unjoined >= limits.unjoined {
            state.close_idlest()
        } else {
            true
        };
        if !has_room {
            state.refused += 1;
            // An attack must not fill the log.
            if state.refused.is_power_of_two() {
                warn!(
                    refused = state.refused, source = %address, from_here, in_all = state.all,
                    "connections beyond the limit are refused",
                );
            }
            return None;
        }
        let here = state.sources.entry(address).or_insert_with(|| Here {
            source: Arc::new(Source::new(address)),
            connections: 0,
            unjoined: BTreeMap::new(),
        });
        here.connections += 1;
        let member = Arc::new(Member::new(Arc::clone(self), Arc::clone(&here.source)));
        state.all += 1;
        state.put(&member);
        Some(Admitted(member))
    }

    /// Closes the unjoined connection that has been idle for the longest, of the source that has
    /// most of them; `false` if there is none.
    pub(super) fn make_room(&self) -> bool {
        self.state().close_idlest()
    }

    /// The same for streams that wait for their peers, of which a source has so many: out of its
    /// own connections if it has its share, and out of the largest crowd otherwise.
    pub(super) fn make_room_of(&self, source: IpAddr, streams: usize) -> bool {
        let mut state = self.state();
        if streams >= super::member::UNJOINED_SHARE {
            state.close_idlest_of(source)
        } else {
            state.close_idlest()
        }
    }

    /// It has done something, if it is still unjoined.
    pub(super) fn touch(&self, member: &Arc<Member>) {
        let mut state = self.state();
        if state.take(member) {
            state.put(member);
        }
    }

    /// One more participant, or somebody who is about to be one, is on this connection.
    pub(super) fn enter(&self, member: &Arc<Member>) {
        let mut state = self.state();
        member.participants.fetch_add(1, Ordering::AcqRel);
        state.take(member);
    }

    /// One of them is gone.
    pub(super) fn exit(&self, member: &Arc<Member>) {
        let mut state = self.state();
        if member.participants.fetch_sub(1, Ordering::AcqRel) > 1 || member.is_gone() {
            return;
        }
        member.restart();
        if state.unjoined >= self.limits.unjoined {
            state.close_idlest();
        }
        state.put(member);
    }

    fn leave(&self, member: &Arc<Member>) {
        let mut state = self.state();
        state.take(member);
        state.forget(member);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts it among the unjoined, as the one that was active last.
    fn put(&mut self, member: &Arc<Member>) {
        let address = member.source.address;
        if let Some(here) = self.sources.get_mut(&address) {
            self.activity += 1;
            member.place.store(self.activity, Ordering::Release);
            let before = here.unjoined.len();
            here.unjoined.insert(self.activity, Arc::clone(member));
            self.unjoined += 1;
            self.crowds.remove(&(before, address));
            self.crowds.insert((before + 1, address));
        }
    }

    /// Takes it out of the unjoined; `false` if it was none of them.
    fn take(&mut self, member: &Arc<Member>) -> bool {
        let address = member.source.address;
        let place = member.place.swap(0, Ordering::AcqRel);
        let Some(here) = self.sources.get_mut(&address) else {
            return false;
        };
        let before = here.unjoined.len();
        if here.unjoined.remove(&place).is_none() {
            return false;
        }
        self.unjoined -= 1;
        self.crowds.remove(&(before, address));
        if before > 1 {
            self.crowds.insert((before - 1, address));
        }
        true
    }

    /// It does not count any more.
    fn forget(&mut self, member: &Arc<Member>) {
        if !member.set_gone() {
            return;
        }
        let address = member.source.address;
        self.all -= 1;
        if let Some(here) = self.sources.get_mut(&address) {
            here.connections -= 1;
            if here.connections == 0 {
                self.sources.remove(&address);
            }
        }
    }

    fn close_idlest(&mut self) -> bool {
        let crowd = self.crowds.last().map(|(_, address)| *address);
        crowd.is_some_and(|address| self.close_idlest_of(address))
    }

    fn close_idlest_of(&mut self, address: IpAddr) -> bool {
        let idlest = self.sources.get(&address).and_then(|here| {
            let (_, member) = here.unjoined.first_key_value()?;
            Some(Arc::clone(member))
        });
        let Some(member) = idlest else {
            return false;
        };
        self.take(&member);
        self.forget(&member);
        member.close();
        self.closed += 1;
        if self.closed.is_power_of_two() {
            warn!(
                closed = self.closed, source = %address, in_all = self.all,
                unjoined = self.unjoined,
                "idle connections without a participant are closed to make room",
            );
        }
        true
    }
}

/// A connection that counts for as long as this lives.
pub(super) struct Admitted(pub(super) Arc<Member>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.registry.leave(&self.0);
    }
}

/// Since when a connection is unjoined.
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn joined(admitted: &Admitted) -> crate::net::Entered {
        admitted.0.enter()
    }

    #[test]
    fn what_ends_makes_room_and_nothing_is_kept_of_it() {
        let registry = Registry::new(Limits {
            connections: 3,
            connections_per_source: 2,
            ..Limits::default()
        });
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = registry.admit(here).expect("room");
        let of_first = joined(&first);
        let second = registry.admit(here).expect("room");
        let _of_second = joined(&second);
        assert!(registry.admit(here).is_none());
        let third = registry.admit(there).expect("room for others");
        let of_third = joined(&third);
        assert!(registry.admit(there).is_none());
        drop((of_first, first));
        let fourth = registry.admit(here).expect("room again");
        let _of_fourth = joined(&fourth);
        drop(third);
        // Later than its connection.
        drop(of_third);
        let state = registry.state();
        assert_eq!((state.sources.len(), state.all, state.unjoined), (1, 2, 0));
        assert!(state.crowds.is_empty());
    }

    #[test]
    fn the_idlest_of_the_largest_crowd_makes_room_and_never_a_participant() {
        let registry = Registry::new(Limits {
            connections: 100,
            connections_per_source: 50,
            unjoined: 5,
            ..Limits::default()
        });
        let [crowd, lone, new] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(address);
        let participant = registry.admit(crowd).expect("room");
        let _guard = joined(&participant);
        let alone = registry.admit(lone).expect("room");
        let many = [(); 4].map(|()| registry.admit(crowd).expect("room"));
        // The first has just done something, so the second is the idlest.
        registry.touch(&many[0].0);
        let newcomer = registry.admit(new).expect("room is made");
        let closed = many.each_ref().map(|admitted| admitted.0.is_closed());
        assert_eq!(closed, [false, true, false, false]);
        for admitted in [&participant, &alone, &newcomer] {
            assert!(!admitted.0.is_closed());
        }
        assert_eq!(registry.state().all, 6);
        drop(many);
        assert_eq!(registry.state().all, 3);
    }

    #[test]
    fn whoever_fills_its_own_limit_makes_room_of_its_own() {
        let registry = Registry::new(Limits {
            connections: 100,
            connections_per_source: 2,
            ..Limits::default()
        });
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        let others = [(); 2].map(|()| registry.admit(there).expect("room"));
        let mine = [(); 3].map(|()| registry.admit(here).expect("room is made"));
        let closed = mine.each_ref().map(|admitted| admitted.0.is_closed());
        assert_eq!(closed, [true, false, false]);
        assert!(others.iter().all(|admitted| !admitted.0.is_closed()));
    }
}
