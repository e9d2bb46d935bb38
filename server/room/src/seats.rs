//! Seats: how many participants are present from each source, which may hold only a share of all
//! seats.

use std::net::IpAddr;

use imbl::HashMap;

use super::{Refusal, RoomRules};
use crate::source::{NETWORK_SHARE, network};

/// Counts participants by source and by network. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats {
    /// No count is 0, so that there are at most as many entries as participants.
    counts: HashMap<IpAddr, usize>,
    networks: HashMap<IpAddr, usize>,
}

impl Seats {
    /// Refuses so many more participants if this source, or its network, may not have them.
    /// `leaving` is the source of a participant that gives up its seat for them.
    pub(super) fn check(
        &self,
        source: IpAddr,
        leaving: Option<IpAddr>,
        more: usize,
        rules: &RoomRules,
    ) -> Result<(), Refusal> {
        let limit = rules.max_participants_per_source;
        let freed = usize::from(leaving == Some(source));
        if count(&self.counts, source) + more > limit.saturating_add(freed) {
            return Err(Refusal::FullSource { limit });
        }
        let Some(network_of_source) = network(source) else {
            return Ok(());
        };
        let limit = limit.saturating_mul(NETWORK_SHARE as usize);
        let freed = usize::from(leaving.and_then(network) == Some(network_of_source));
        if count(&self.networks, network_of_source) + more > limit.saturating_add(freed) {
            return Err(Refusal::FullNetwork { limit });
        }
        Ok(())
    }

    pub(super) fn take(&mut self, source: IpAddr) {
        *self.counts.entry(source).or_default() += 1;
        if let Some(network) = network(source) {
            *self.networks.entry(network).or_default() += 1;
        }
    }

    pub(super) fn free(&mut self, source: IpAddr) {
        free(&mut self.counts, source);
        if let Some(network) = network(source) {
            free(&mut self.networks, network);
        }
    }
}

fn count(counts: &HashMap<IpAddr, usize>, key: IpAddr) -> usize {
    counts.get(&key).copied().unwrap_or_default()
}

fn free(counts: &mut HashMap<IpAddr, usize>, key: IpAddr) {
    match count(counts, key) {
        0 | 1 => drop(counts.remove(&key)),
        more => drop(counts.insert(key, more - 1)),
    }
}
