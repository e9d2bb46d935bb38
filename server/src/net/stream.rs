//! One stream of a connection: what it waits for, and the means to end it from outside.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{AbortHandle, Abortable};
use tokio::time::{Instant, Sleep, sleep_until};

use super::member::{Lingering, Member};

tokio::task_local! {
    /// Of the stream that is polled.
    static CURRENT: CurrentStream;
}

/// What the stream that is polled has to do with whoever polls it.
struct CurrentStream {
    abort: StreamAbort,
    waits: Cell<WaitState>,
}

/// For whom a stream waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitState {
    /// For its peer, to send a request.
    Request,
    /// For the server: it is being answered, or it follows the log.
    Server,
    /// For the server, while it holds what only few may hold.
    Watch,
    /// For its peer, to take an answer by then.
    Peer(Instant),
}

/// Ends one stream, though nothing of it is polled any more: HTTP/2 does not ask a response's body
/// for anything while the peer has no room for it.
#[derive(Clone, Debug)]
pub struct StreamAbort(AbortHandle);

impl StreamAbort {
    /// The stream is reset with CANCEL, and its unsent bytes are freed; its connection goes on.
    pub fn abort(&self) {
        self.0.abort();
    }

    #[cfg(test)]
    pub(crate) fn is_aborted(&self) -> bool {
        self.0.is_aborted()
    }
}

/// Of no stream.
impl Default for StreamAbort {
    fn default() -> Self {
        Self(AbortHandle::new_pair().0)
    }
}

/// An extension of a response that ends when whoever made it wants it to: it may be taken as
/// slowly as that lets it.
#[derive(Clone, Copy, Debug)]
pub struct Endless;

/// The stream that is polled has all of its request, and waits for the server.
pub fn set_waits_for_server() {
    set(WaitState::Server);
}

/// The stream that is polled waits for the server, which keeps more for it than for others.
pub fn set_watches() {
    set(WaitState::Watch);
}

/// The stream that is polled waits for its peer to take what there is, from now on for so long.
pub fn set_waits_for_peer(within: Duration) {
    set(WaitState::Peer(Instant::now() + within));
}

fn set(waits: WaitState) {
    // Elsewhere nobody looks at it.
    let _ = CURRENT.try_with(|current| current.waits.set(waits));
}

/// What ends the stream that is polled.
pub(super) fn abort_handle() -> StreamAbort {
    CURRENT
        .try_with(|current| current.abort.clone())
        .unwrap_or_default()
}

/// The stream, until it ends, is cut, is too slow, or is one too many that waits for the peer.
pub(super) fn until_aborted<F: Future>(stream: F, member: Arc<Member>) -> impl Future<Output = ()> {
    let (handle, registration) = AbortHandle::new_pair();
    let current = CurrentStream {
        abort: StreamAbort(handle),
        waits: Cell::new(WaitState::Request),
    };
    let stream = Abortable::new(stream, registration);
    let mut patience = PeerWait {
        member,
        lingering: None,
        deadline: None,
    };
    CURRENT.scope(current, async move {
        let mut stream = pin!(stream);
        poll_fn(|cx| match stream.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => patience.poll(cx),
        })
        .await;
    })
}

/// What a stream gets that waits for its peer.
struct PeerWait {
    member: Arc<Member>,
    lingering: Option<Lingering>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl PeerWait {
    /// Ready where it is over: then the stream is dropped, which resets it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waits = CURRENT.with(|current| current.waits.get());
        if waits == WaitState::Server {
            self.lingering = None;
            return Poll::Pending;
        }
        if self.lingering.is_none() {
            self.lingering = self.member.linger();
            if self.lingering.is_none() {
                return Poll::Ready(());
            }
        }
        let WaitState::Peer(by) = waits else {
            self.deadline = None;
            return Poll::Pending;
        };
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep_until(by)));
        if deadline.deadline() != by {
            deadline.as_mut().reset(by);
        }
        deadline.as_mut().poll(cx)
    }
}
