//! The memory budget for replies that peers have not received yet.
//!
//! HTTP/2 keeps a reply until its peer grants window for it. Pages of the log are large, and a peer
//! can ask for many and receive none. So a page is read only with a permit, which its bytes hold
//! until they are sent or dropped.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use chitty_chat::SessionHash;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::owners::Owners;
use chitty_room::source::{network, network_share, share};

/// KiB of one page: 256 KiB of events, and the framing of up to a thousand of them.
const PAGE: u32 = 264;
/// KiB for one participant: three pages at once.
const PARTICIPANT: u32 = 3 * PAGE;
/// How long a request waits for memory.
const WAIT: Duration = Duration::from_secs(5);
/// Requests that may wait for one participant's share.
const WAITING: usize = 16;

/// The budget, and the share that each owner may have of it.
pub(super) struct Replies {
    all: Arc<Semaphore>,
    /// The total in KiB.
    size: usize,
    shares: Owners<Owner, Semaphore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Participant(SessionHash),
    Source(IpAddr),
    Network(IpAddr),
}

/// A guard on memory for one page: out of the participant's share, its source's, its network's, and
/// the total.
pub(super) struct ReplyPermit(Vec<OwnedSemaphorePermit>);

impl Replies {
    /// A budget of so many bytes. A source may have half of it, and an IPv6 /48 network three
    /// quarters.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let all = u32::try_from(bytes >> 10).unwrap_or(u32::MAX >> 4);
        // At least enough for two sources to have a page each.
        let size = all.clamp(2 * PAGE, u32::MAX >> 4) as usize;
        Arc::new(Self {
            all: Arc::new(Semaphore::new(size)),
            size,
            shares: Owners::default(),
        })
    }

    /// Waits for memory for a page of this participant. The error is a status that says when to try
    /// again.
    pub(super) async fn permit(
        self: &Arc<Self>,
        session: SessionHash,
        source: impl Into<Option<IpAddr>>,
    ) -> Result<ReplyPermit, Status> {
        let participant = self.share(Owner::Participant(session), PARTICIPANT as usize);
        // The table holds one reference, and each request that has or waits for permits holds one.
        if Arc::strong_count(&participant) > 1 + WAITING {
            return Err(exhausted());
        }
        let source = source.into();
        let network = source.and_then(network);
        let shares = [
            Some(participant),
            source.map(|source| self.share(Owner::Source(source), share(self.size))),
            network.map(|network| self.share(Owner::Network(network), network_share(self.size))),
            Some(Arc::clone(&self.all)),
        ];
        let acquired = timeout(WAIT, async {
            let mut permits = Vec::with_capacity(shares.len());
            // Always in this order, so that requests cannot block each other for ever, and one that
            // waits for its participant's share holds nothing of the others.
            for share in shares.into_iter().flatten() {
                let acquired = share.acquire_many_owned(PAGE).await;
                permits.push(acquired.map_err(|_| exhausted())?);
            }
            Ok(ReplyPermit(permits))
        });
        acquired.await.unwrap_or_else(|_| Err(exhausted()))
    }

    fn share(&self, owner: Owner, size: usize) -> Arc<Semaphore> {
        // A request that has permits of it, or waits for some, holds it; so an unheld one is always
        // idle.
        self.shares.get(owner, |_| true, || Semaphore::new(size))
    }
}

impl ReplyPermit {
    /// Ties the permit to the reply's bytes, and gives back what they do not need of it.
    pub(super) fn hold(mut self, bytes: Bytes) -> Bytes {
        let needed = u32::try_from(bytes.len() >> 10).unwrap_or(PAGE) + 1;
        for permit in &mut self.0 {
            let excess = (permit.num_permits()).saturating_sub(needed as usize);
            // A short page must not hold the memory of a full one until it is received.
            drop(permit.split(excess));
        }
        Bytes::from_owner(HeldReply {
            bytes,
            _permit: self,
        })
    }
}

struct HeldReply {
    bytes: Bytes,
    _permit: ReplyPermit,
}

impl AsRef<[u8]> for HeldReply {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn exhausted() -> Status {
    let details = ErrorDetails::with_retry_info(Some(WAIT));
    let text = "too many replies wait to be taken; take them, and try again in a while";
    Status::with_error_details(Code::ResourceExhausted, text, details)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn session(number: u8) -> SessionHash {
        SessionHash::from_bytes(&[number; 16]).expect("16 bytes")
    }

    fn address(number: u32) -> impl Into<Option<IpAddr>> {
        IpAddr::from(Ipv4Addr::from(number))
    }

    #[tokio::test(start_paused = true)]
    async fn neither_a_participant_nor_a_source_has_all() {
        let replies = Replies::new((20 * PAGE as usize) << 10);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(
                replies
                    .permit(session(1), address(1))
                    .await
                    .expect("a share"),
            );
        }
        let refused = replies.permit(session(1), address(1)).await.err();
        let refused = refused.expect("it has its share");
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.get_error_details().retry_info().is_some());
        for number in 2..9 {
            let permit = replies.permit(session(number), address(1)).await;
            held.push(permit.expect("a share"));
        }
        assert!(replies.permit(session(9), address(1)).await.is_err());
        for number in 9..19 {
            let permit = replies.permit(session(number), address(2)).await;
            held.push(permit.expect("others have theirs"));
        }
        assert!(replies.permit(session(20), address(3)).await.is_err());
        // Bytes hold what they need, until the last of them is gone.
        let page = held.pop().expect("some").hold(Bytes::from(vec![1; 1000]));
        drop(held.pop());
        let another = replies.permit(session(20), address(3)).await;
        held.push(another.expect("room"));
        let rest = page.slice(500..);
        drop(page);
        drop(held);
        let all = 20 * PAGE as usize;
        assert_eq!(replies.all.available_permits(), all - 1);
        drop(rest);
        assert_eq!(replies.all.available_permits(), all);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_what_is_given_back() {
        let replies = Replies::new(0);
        let held = replies
            .permit(session(1), address(1))
            .await
            .expect("a share");
        let waiting = replies.permit(session(2), address(1));
        let give_back = async {
            tokio::time::sleep(WAIT / 2).await;
            drop(held);
        };
        let (permit, ()) = tokio::join!(waiting, give_back);
        permit.expect("given back");
    }
}
