//! Which connections are admitted, and which are closed when there are too many.
//!
//! A connection without a participant is *unjoined*. It has a limited time. When connections run
//! out, the unjoined one that has been idle for the longest is evicted, so that a newcomer can
//! always connect. A participant's connection is never evicted.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use tokio::time::Instant;
use tracing::warn;

use super::{
    Limits,
    member::{Excess, Member, SharedUsage, SourceUsage},
};
pub(super) use chitty_room::source::source;
use chitty_room::source::{NETWORK_SHARE, network};

/// All open connections, counted by where they come from.
pub(super) struct Registry {
    pub(super) limits: Limits,
    state: Mutex<AdmissionState>,
    /// How many streams wait for their peers, on all connections together.
    pub(super) lingering: super::member::LingeringCounts,
}

#[derive(Default)]
struct AdmissionState {
    all: usize,
    unjoined: usize,
    /// By the IPv6 /48 network or the IPv4 address that connections come from. There are at most as
    /// many as open connections.
    networks: HashMap<IpAddr, Network>,
    /// The networks that unjoined connections come from, by how many there are.
    crowds: Crowds,
    /// A counter of activities on unjoined connections. Its value at a connection's latest activity
    /// is that connection's rank among the unjoined.
    activity: u64,
    refused: u64,
    closed: u64,
}

/// The open connections from one network.
#[derive(Default)]
struct Network {
    connections: usize,
    unjoined: usize,
    sources: HashMap<IpAddr, SourceEntry>,
    /// The sources that unjoined connections come from, by how many there are.
    crowds: Crowds,
    /// What the sources of an IPv6 network use up together; `None` for IPv4.
    shared: Option<Arc<SharedUsage>>,
}

/// The open connections from one source.
struct SourceEntry {
    source: Arc<SourceUsage>,
    connections: usize,
    /// The unjoined ones by their rank: the first one has been idle for the longest.
    unjoined: BTreeMap<u64, Arc<Member>>,
}

/// Addresses in the order of how many unjoined connections come from them.
#[derive(Default)]
struct Crowds(BTreeSet<(usize, IpAddr)>);

impl Crowds {
    fn change(&mut self, address: IpAddr, before: usize, after: usize) {
        self.0.remove(&(before, address));
        if after > 0 {
            self.0.insert((after, address));
        }
    }

    fn largest(&self) -> Option<IpAddr> {
        self.0.last().map(|(_, address)| *address)
    }
}

/// The network that a source counts for; an IPv4 address counts for itself.
fn network_of(source: IpAddr) -> IpAddr {
    network(source).unwrap_or(source)
}

impl Registry {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
            lingering: super::member::LingeringCounts::default(),
        })
    }

    /// Admits a connection, and evicts another one for it if there are too many. `None` if all the
    /// others carry participants.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admitted> {
        let limits = self.limits;
        let most = limits.connections_per_source;
        let mut state = self.state();
        let (in_network, from_here) = state.count(address);
        // A source that is at its limit can only push out its own connections, and a network its
        // own.
        let is_free = if from_here >= most {
            state.close_idlest_of(address)
        } else if in_network >= most.saturating_mul(NETWORK_SHARE as usize) {
            state.close_idlest_in(network_of(address))
        } else if state.all >= limits.connections || state.unjoined >= limits.unjoined {
            state.close_idlest()
        } else {
            true
        };
        if !is_free {
            state.refused += 1;
            // Logged at powers of two only: an attack must not fill the log.
            if state.refused.is_power_of_two() {
                warn!(
                    refused = state.refused, source = %address, from_here, in_network,
                    in_all = state.all,
                    "connections beyond the limit are refused",
                );
            }
            return None;
        }
        let source = state.open(address);
        let member = Arc::new(Member::new(Arc::clone(self), source));
        state.put(&member);
        Some(Admitted(member))
    }

    /// Evicts an unjoined connection: of the source with most of them, the one that has been idle
    /// for the longest. `false` if there is none.
    pub(super) fn evict_idlest(&self) -> bool {
        self.state().close_idlest()
    }

    /// The same if too many streams wait for their peers: evicts a connection of the source or
    /// network that has more than its share, and of the largest crowd otherwise.
    pub(super) fn evict_for(&self, source: IpAddr, excess: Excess) -> bool {
        let mut state = self.state();
        match excess {
            Excess::Source => state.close_idlest_of(source),
            Excess::Network => state.close_idlest_in(network_of(source)),
            Excess::All => state.close_idlest(),
        }
    }

    /// Records an activity on the connection if it is still unjoined.
    pub(super) fn touch(&self, member: &Arc<Member>) {
        let mut state = self.state();
        if state.take(member) {
            state.put(member);
        }
    }

    /// Counts one more participant on this connection, or a client that is about to join.
    pub(super) fn enter(&self, member: &Arc<Member>) {
        let mut state = self.state();
        member.participants.fetch_add(1, Ordering::AcqRel);
        state.take(member);
    }

    /// Counts one participant less. The connection is unjoined again after the last one.
    pub(super) fn exit(&self, member: &Arc<Member>) {
        let mut state = self.state();
        // Changed under the lock, so that the count and the place among the unjoined always agree.
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

    fn state(&self) -> MutexGuard<'_, AdmissionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdmissionState {
    /// How many connections there are from the network of this source, and from the source itself.
    fn count(&self, address: IpAddr) -> (usize, usize) {
        let Some(network) = self.networks.get(&network_of(address)) else {
            return (0, 0);
        };
        let here = network.sources.get(&address);
        (network.connections, here.map_or(0, |here| here.connections))
    }

    /// Counts one more connection from this source.
    fn open(&mut self, address: IpAddr) -> Arc<SourceUsage> {
        self.all += 1;
        let network = self.networks.entry(network_of(address)).or_default();
        network.connections += 1;
        if address.is_ipv6() {
            network.shared.get_or_insert_default();
        }
        let shared = &network.shared;
        let here = network
            .sources
            .entry(address)
            .or_insert_with(|| SourceEntry {
                source: Arc::new(SourceUsage::new(address, shared.clone())),
                connections: 0,
                unjoined: BTreeMap::new(),
            });
        here.connections += 1;
        Arc::clone(&here.source)
    }

    /// Puts a connection among the unjoined, as the one that was active last.
    fn put(&mut self, member: &Arc<Member>) {
        let address = member.source.address;
        let in_network = network_of(address);
        let Some(network) = self.networks.get_mut(&in_network) else {
            return;
        };
        let Some(here) = network.sources.get_mut(&address) else {
            return;
        };
        self.activity += 1;
        member.place.store(self.activity, Ordering::Release);
        let before = here.unjoined.len();
        here.unjoined.insert(self.activity, Arc::clone(member));
        network.crowds.change(address, before, before + 1);
        let before = network.unjoined;
        network.unjoined += 1;
        self.crowds.change(in_network, before, before + 1);
        self.unjoined += 1;
    }

    /// Takes a connection out of the unjoined; `false` if it was not among them.
    fn take(&mut self, member: &Arc<Member>) -> bool {
        let address = member.source.address;
        let in_network = network_of(address);
        let place = member.place.swap(0, Ordering::AcqRel);
        let Some(network) = self.networks.get_mut(&in_network) else {
            return false;
        };
        let Some(here) = network.sources.get_mut(&address) else {
            return false;
        };
        let before = here.unjoined.len();
        if here.unjoined.remove(&place).is_none() {
            return false;
        }
        network.crowds.change(address, before, before - 1);
        let before = network.unjoined;
        network.unjoined -= 1;
        self.crowds.change(in_network, before, before - 1);
        self.unjoined -= 1;
        true
    }

    /// Stops counting a connection. Does nothing the second time.
    fn forget(&mut self, member: &Arc<Member>) {
        if !member.set_gone() {
            return;
        }
        let address = member.source.address;
        let in_network = network_of(address);
        self.all -= 1;
        let Some(network) = self.networks.get_mut(&in_network) else {
            return;
        };
        network.connections -= 1;
        if let Some(here) = network.sources.get_mut(&address) {
            here.connections -= 1;
            if here.connections == 0 {
                network.sources.remove(&address);
            }
        }
        if network.connections == 0 {
            self.networks.remove(&in_network);
        }
    }

    /// Evicts a connection of the network with the largest crowd.
    fn close_idlest(&mut self) -> bool {
        let crowd = self.crowds.largest();
        crowd.is_some_and(|network| self.close_idlest_in(network))
    }

    /// Evicts a connection of the source with the largest crowd in this network.
    fn close_idlest_in(&mut self, network: IpAddr) -> bool {
        let network = self.networks.get(&network);
        let crowd = network.and_then(|network| network.crowds.largest());
        crowd.is_some_and(|source| self.close_idlest_of(source))
    }

    fn close_idlest_of(&mut self, address: IpAddr) -> bool {
        let network = self.networks.get(&network_of(address));
        let here = network.and_then(|network| network.sources.get(&address));
        let idlest = here.and_then(|here| {
            let (_, member) = here.unjoined.first_key_value()?;
            Some(Arc::clone(member))
        });
        let Some(member) = idlest else {
            return false;
        };
        self.take(&member);
        self.forget(&member);
        // After it was forgotten, so that its place is free for the newcomer at once.
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

/// A guard: the connection counts as open until this is dropped.
pub(super) struct Admitted(pub(super) Arc<Member>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.registry.leave(&self.0);
    }
}

/// The clock by which connections are idle. Tests pause it.
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
