//! The sender of a request, as the connection's side of the service knows it.

use std::{net::IpAddr, sync::Arc};

use chitty_room::Identity;

use super::{
    Limits, ParticipantGuard, StreamAbort,
    admission::Registry,
    member::{Member, SourceUsage},
};

/// The sender of a request, and the stream that it came on. It is an extension of each request.
#[derive(Clone)]
pub struct Peer {
    /// The source of the connection, for limits: an address, or an IPv6 /64 network, all of which
    /// belongs to one subscriber. It is [`THIS_MACHINE`](super::THIS_MACHINE) for all connections
    /// over the Unix socket.
    pub source: IpAddr,
    /// What the connection proves about its peer.
    pub identity: Identity,
    /// The connection's number, unique within this process.
    pub connection: u64,
    /// Ends the stream from outside.
    pub abort: StreamAbort,
    pub(super) member: Arc<Member>,
}

impl Peer {
    /// A peer that proves nothing, and whose connection is not counted, for a service that is called without [`serve`](super::serve).
    pub fn uncounted(source: IpAddr, connection: u64, abort: StreamAbort) -> Self {
        let registry = Registry::new(Limits::default());
        let member = Member::new(registry, Arc::new(SourceUsage::new(source, None)));
        Self {
            source,
            identity: Identity::None,
            connection,
            abort,
            member: Arc::new(member),
        }
    }

    /// A client joins: until the guard is dropped, the connection counts as one with a participant.
    pub fn enter(&self) -> ParticipantGuard {
        self.member.enter()
    }

    /// A present participant has sent a request: the connection's idle time begins again.
    pub fn renew(&self) {
        self.member.renew();
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer")
            .field("source", &self.source)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
