//! One connection, as what it is counted by: whether participants are on it, and what waits for
//! its peer.

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
use crate::source::{network_share, share};

/// Streams of one unjoined connection that may wait for their peer at once.
const UNJOINED_STREAMS: usize = 8;
/// The same for all unjoined connections. A stream that waits holds at most 16 KiB of a request,
/// and some 8 KiB beside it.
const ALL_UNJOINED_STREAMS: usize = 1024;
/// The same for all others.
const ALL_JOINED_STREAMS: usize = 2048;

/// From where connections come.
pub(super) struct SourceUsage {
    pub(super) address: IpAddr,
    pub(super) own: SharedUsage,
    /// Of the network that the source belongs to, if there is a larger one.
    pub(super) network: Option<Arc<SharedUsage>>,
}

/// What all connections of a source, or of a network, have in common.
#[derive(Default)]
pub(super) struct SharedUsage {
    lingering: LingeringCounts,
    /// Frames without meaning.
    pub(super) frames: FramePool,
}

/// Who has more than its share of what all have together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Source,
    Network,
    /// Nobody: there is no more in all.
    All,
}

/// How many streams wait for their peers.
#[derive(Default)]
pub(super) struct LingeringCounts {
    unjoined: AtomicUsize,
    joined: AtomicUsize,
}

/// A connection that is open.
pub(super) struct Member {
    pub(super) registry: Arc<Registry>,
    pub(super) source: Arc<SourceUsage>,
    /// In the order of unjoined connections; 0 outside it.
    pub(super) place: AtomicU64,
    pub(super) participants: AtomicUsize,
    times: Mutex<Times>,
    /// A live session has called on it.
    is_known: AtomicBool,
    /// It has sent a request.
    has_spoken: AtomicBool,
    /// It does not count any more.
    is_gone: AtomicBool,
    is_closed: AtomicBool,
    /// Of what waits for its end.
    waker: AtomicWaker,
    lingering: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Times {
    connected: Instant,
    /// Since when it has neither a participant nor a call of one.
    idle: Instant,
}

/// What a connection has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It is to make room, or has not said anything.
    Closed,
    /// It has had its time without a participant.
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

    /// Somebody joins on it, or is a participant, for as long as this lives.
    pub(super) fn enter(self: &Arc<Self>) -> ParticipantGuard {
        self.registry.enter(self);
        ParticipantGuard(Arc::clone(self))
    }

    /// A live session has called on it: it has its time again.
    pub(super) fn renew(self: &Arc<Self>) {
        self.is_known.store(true, Ordering::Release);
        if !self.has_participants() {
            self.times().idle = super::admission::now();
            self.registry.touch(self);
        }
    }

    /// It has sent a request.
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

    /// Whether it serves, or served, those who take part.
    pub(super) fn is_trusted(&self) -> bool {
        self.has_participants() || self.is_known.load(Ordering::Acquire)
    }

    /// The last participant has gone: its time begins again.
    pub(super) fn restart(&self) {
        self.times().idle = super::admission::now();
        self.waker.wake();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// Whether it was not before.
    pub(super) fn set_gone(&self) -> bool {
        !self.is_gone.swap(true, Ordering::AcqRel)
    }

    /// It is to make room.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// One more of its streams waits for the peer; `None` if there are too many. Streams of unjoined
    /// connections push out the idlest of them instead, so that a stall keeps nobody out.
    pub(super) fn linger(self: &Arc<Self>) -> Option<Lingering> {
        let joined = self.is_trusted();
        let (here, all) = if joined {
            (self.registry.limits.streams as usize, ALL_JOINED_STREAMS)
        } else {
            (UNJOINED_STREAMS, ALL_UNJOINED_STREAMS)
        };
        // Counted first, and given back by its drop.
        let mine = self.lingering.fetch_add(1, Ordering::AcqRel);
        let count = |pools: &LingeringCounts| pools.pool(joined).fetch_add(1, Ordering::AcqRel);
        let of_source = count(&self.source.own.lingering);
        let of_network = self.source.network.as_ref();
        let of_network = of_network.map_or(0, |network| count(&network.lingering));
        let in_all = count(&self.registry.lingering);
        let lingering = Lingering {
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
        // Whoever has sent half a request and stalls makes room for a newcomer, also from the same
        // source: the closed connection gives back all of its streams.
        let is_granted = mine < here
            && excess.is_none_or(|excess| {
                !joined && self.registry.evict_for(self.source.address, excess)
            });
        is_granted.then_some(lingering)
    }

    /// Returns when it is over.
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

    /// When it is over unless something happens.
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

/// Somebody on a connection who has joined, or is about to.
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

/// A stream that waits for its peer.
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
