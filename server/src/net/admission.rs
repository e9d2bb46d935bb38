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
    member::{Excess, Member, SharedUsage, SourceUsage},
};
pub(super) use crate::source::source;
use crate::source::{NETWORK_SHARE, network};

/// All connections that are open.
pub(super) struct Registry {
    pub(super) limits: Limits,
    state: Mutex<AdmissionState>,
    /// Streams that wait for their peers, of unjoined connections and of others.
    pub(super) lingering: super::member::LingeringCounts,
}

#[derive(Default)]
struct AdmissionState {
    all: usize,
    unjoined: usize,
    /// By the network of IPv6, or the address of IPv4, that connections come from. At most one for
    /// each open connection.
    networks: HashMap<IpAddr, Network>,
    /// The networks that unjoined connections come from.
    crowds: Crowds,
    /// Counts what unjoined connections did: where one stands in the order of activity.
    activity: u64,
    refused: u64,
    closed: u64,
}

/// What is open from one network.
#[derive(Default)]
struct Network {
    connections: usize,
    unjoined: usize,
    sources: HashMap<IpAddr, SourceEntry>,
    /// The sources that unjoined connections come from.
    crowds: Crowds,
    /// What IPv6 sources of it have in common.
    shared: Option<Arc<SharedUsage>>,
}

/// What is open from one source.
struct SourceEntry {
    source: Arc<SourceUsage>,
    connections: usize,
    /// By their latest activity.
    unjoined: BTreeMap<u64, Arc<Member>>,
}

/// Where connections come from, in the order of how many there are.
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

/// Of an address of IPv4, itself.
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

    /// Counts a connection, after making room for it; `None` if all the others are participants'.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admitted> {
        let limits = self.limits;
        let most = limits.connections_per_source;
        let mut state = self.state();
        let (in_network, from_here) = state.count(address);
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
            // An attack must not fill the log.
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

    /// Closes the unjoined connection that has been idle for the longest, of the source that has
    /// most of them; `false` if there is none.
    pub(super) fn evict_idlest(&self) -> bool {
        self.state().close_idlest()
    }

    /// The same for streams that wait for their peers: out of the connections of whoever has its
    /// share of them, and out of the largest crowd otherwise.
    pub(super) fn evict_for(&self, source: IpAddr, excess: Excess) -> bool {
        let mut state = self.state();
        match excess {
            Excess::Source => state.close_idlest_of(source),
            Excess::Network => state.close_idlest_in(network_of(source)),
            Excess::All => state.close_idlest(),
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

    fn state(&self) -> MutexGuard<'_, AdmissionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdmissionState {
    /// How many connections there are from the network of this source, and from itself.
    fn count(&self, address: IpAddr) -> (usize, usize) {
        let Some(network) = self.networks.get(&network_of(address)) else {
            return (0, 0);
        };
        let here = network.sources.get(&address);
        (network.connections, here.map_or(0, |here| here.connections))
    }

    /// One more connection from there.
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

    /// Puts it among the unjoined, as the one that was active last.
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

    /// Takes it out of the unjoined; `false` if it was none of them.
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

    /// It does not count any more.
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

    /// Of the network with the largest crowd.
    fn close_idlest(&mut self) -> bool {
        let crowd = self.crowds.largest();
        crowd.is_some_and(|network| self.close_idlest_in(network))
    }

    /// Of the source with the largest crowd in this network.
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
mod tests;
