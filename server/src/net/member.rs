//! A connection as the limits count it: whether it carries participants, and how many of its
//! streams wait for the peer.
//!
//! Its atomics are counters and flags that guard no other data, so each is right by itself, and
//! Acquire and Release are more than they need. The two that have to agree, the number of
//! participants and the place among the unjoined, are changed under the registry's lock.

use std::{
    net::IpAddr,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
};

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, sleep_until};

use super::{admission::Registry, pace::FramePool};
use chitty_room::source::{network_share, share};

/// Streams of one unjoined connection that may wait for the peer at the same time.
const UNJOINED_STREAMS: usize = 8;
/// The same for all unjoined connections together. A waiting stream holds at most 16 KiB of a
/// request, and some 8 KiB of state.
const ALL_UNJOINED_STREAMS: usize = 1024;
/// The same for all other connections together.
const ALL_JOINED_STREAMS: usize = 2048;

/// What one source of connections uses up.
pub(super) struct SourceUsage {
    pub(super) address: IpAddr,
    pub(super) own: SharedUsage,
    /// What the network uses up that the source belongs to; `None` for IPv4.
    pub(super) network: Option<Arc<SharedUsage>>,
}

/// What all connections of a source, or of a network, use up together.
#[derive(Default)]
pub(super) struct SharedUsage {
    lingering: LingeringCounts,
    /// The allowance for frames that ask for nothing.
    pub(super) frames: FramePool,
}

/// Whose share is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Source,
    Network,
    /// Nobody's in particular: the total is used up.
    All,
}

/// How many streams wait for their peers, on unjoined connections and on others.
#[derive(Default)]
pub(super) struct LingeringCounts {
    unjoined: AtomicUsize,
    joined: AtomicUsize,
}

/// A connection that is open.
pub(super) struct Member {
    pub(super) registry: Arc<Registry>,
    pub(super) source: Arc<SourceUsage>,
    /// Its rank among the unjoined connections; 0 if it is not among them.
    pub(super) place: AtomicU64,
    pub(super) participants: AtomicUsize,
    times: Mutex<Times>,
    /// Whether a present participant has sent a request on it.
    is_known: AtomicBool,
    /// Whether it has sent a request.
    has_spoken: AtomicBool,
    /// Whether it has stopped counting for the limits.
    is_gone: AtomicBool,
    is_closed: AtomicBool,
    /// The waker of the part that waits for its expiry.
    waker: AtomicWaker,
    lingering: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Times {
    connected: Instant,
    /// Since when it has had neither a participant nor a request of one.
    idle: Instant,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It was evicted, or has not sent a request in time.
    Closed,
    /// Its time without a participant is over.
    Unjoined,
}

impl SourceUsage {
    pub(super) fn new(address: IpAddr, network: Option<Arc<SharedUsage>>) -> Self {
        Self {
            address,
            own: SharedUsage::default(),
            network,
        }
    }
}

impl LingeringCounts {
    const fn pool(&self, joined: bool) -> &AtomicUsize {
        if joined { &self.joined } else { &self.unjoined }
    }
}

impl Member {
    pub(super) fn new(registry: Arc<Registry>, source: Arc<SourceUsage>) -> Self {
        let now = super::admission::now();
        Self {
            registry,
            source,
            place: AtomicU64::new(0),
            participants: AtomicUsize::new(0),
            times: Mutex::new(Times {
                connected: now,
                idle: now,
            }),
            is_known: AtomicBool::new(false),
            has_spoken: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            lingering: AtomicUsize::new(0),
        }
    }

    /// Counts a participant, or a client that is joining, until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> ParticipantGuard {
        self.registry.enter(self);
        ParticipantGuard(Arc::clone(self))
    }

    /// A present participant has sent a request on it: its idle time begins again.
    pub(super) fn renew(self: &Arc<Self>) {
        self.is_known.store(true, Ordering::Release);
        if !self.has_participants() {
            self.times().idle = super::admission::now();
            self.registry.touch(self);
        }
    }

    /// Records that it has sent a request.
    pub(super) fn speaks(self: &Arc<Self>) {
        let is_first = !self.has_spoken.swap(true, Ordering::AcqRel);
        if !self.has_participants() {
            self.registry.touch(self);
        }
        if is_first {
            self.waker.wake();
        }
    }

    pub(super) fn has_participants(&self) -> bool {
        self.participants.load(Ordering::Acquire) > 0
    }

    /// Whether it carries a participant, or a present participant has used it.
    pub(super) fn is_trusted(&self) -> bool {
        self.has_participants() || self.is_known.load(Ordering::Acquire)
    }

    /// The last participant is gone: the idle time begins.
    pub(super) fn restart(&self) {
        self.times().idle = super::admission::now();
        self.waker.wake();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// Marks it as gone; `false` if it was gone before.
    pub(super) fn set_gone(&self) -> bool {
        !self.is_gone.swap(true, Ordering::AcqRel)
    }

    /// Asks it to end, because it was evicted.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Counts one more of its streams as waiting for the peer; `None` if there are too many. If
    /// there are too many on unjoined connections, the idlest of these is evicted instead, so that
    /// peers that stall keep nobody out.
    pub(super) fn linger(self: &Arc<Self>) -> Option<Lingering> {
        // Decided once and stored in the guard, so that its drop gives back what was taken, even if
        // the connection gets a participant in between.
        let joined = self.is_trusted();
        let (here, all) = if joined {
            (self.registry.limits.streams as usize, ALL_JOINED_STREAMS)
        } else {
            (UNJOINED_STREAMS, ALL_UNJOINED_STREAMS)
        };
        // Counted first, and given back when the guard is dropped, so that two streams at the same
        // time cannot both take the last place.
        let mine = self.lingering.fetch_add(1, Ordering::AcqRel);
        let count = |pools: &LingeringCounts| pools.pool(joined).fetch_add(1, Ordering::AcqRel);
        let of_source = count(&self.source.own.lingering);
        let of_network = self.source.network.as_ref();
        let of_network = of_network.map_or(0, |network| count(&network.lingering));
        let in_all = count(&self.registry.lingering);
        let lingering = Lingering {
            // From here on, every return gives the counts back.
            member: Arc::clone(self),
            joined,
        };
        let excess = if of_source >= share(all) {
            Some(Excess::Source)
        } else if of_network >= network_share(all) {
            Some(Excess::Network)
        } else {
            (in_all >= all).then_some(Excess::All)
        };
        // A peer that has sent half a request and stalls is evicted for a newcomer, even of the
        // same source. The closed connection gives back all of its streams.
        let is_granted = mine < here
            && excess.is_none_or(|excess| {
                !joined && self.registry.evict_for(self.source.address, excess)
            });
        is_granted.then_some(lingering)
    }

    /// Returns when the connection has to end.
    pub(super) async fn expired(&self) -> Expiry {
        loop {
            let deadline = self.deadline();
            let mut late = pin!(async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            });
            std::future::poll_fn(|cx| {
                // Registered before the checks, so that a change right after them wakes this part
                // again.
                self.waker.register(cx.waker());
                if self.is_closed() || self.deadline() != deadline {
                    return Poll::Ready(());
                }
                late.as_mut().poll(cx)
            })
            .await;
            if self.is_closed() {
                return Expiry::Closed;
            }
            if self
                .deadline()
                .is_some_and(|at| at <= super::admission::now())
            {
                let has_spoken = self.has_spoken.load(Ordering::Acquire);
                return if has_spoken {
                    Expiry::Unjoined
                } else {
                    Expiry::Closed
                };
            }
        }
    }

    /// When it has to end unless something happens before.
    fn deadline(&self) -> Option<Instant> {
        let limits = &self.registry.limits;
        let times = *self.times();
        if !self.has_spoken.load(Ordering::Acquire) {
            Some(times.connected + limits.first_request)
        } else if self.has_participants() {
            None
        } else {
            Some(times.idle + limits.join_within)
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard: the connection carries a participant, or a client that is joining, until this is
/// dropped.
pub struct ParticipantGuard(Arc<Member>);

impl Drop for ParticipantGuard {
    fn drop(&mut self) {
        self.0.registry.exit(&self.0);
    }
}

impl std::fmt::Debug for ParticipantGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ParticipantGuard")
            .field(&self.0.source.address)
            .finish()
    }
}

/// A guard: the stream counts as waiting for its peer until this is dropped.
pub(super) struct Lingering {
    member: Arc<Member>,
    joined: bool,
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Self { member, joined } = self;
        member.lingering.fetch_sub(1, Ordering::AcqRel);
        let SourceUsage { own, network, .. } = &*member.source;
        let network = network.as_ref().map(|network| &network.lingering);
        for pools in [&own.lingering, &member.registry.lingering]
            .into_iter()
            .chain(network)
        {
            pools.pool(*joined).fetch_sub(1, Ordering::AcqRel);
        }
    }
}
