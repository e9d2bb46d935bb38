//! One stream of a connection: whom it waits for, and how it is ended from outside.

use std::{
    cell::Cell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{AbortHandle, Abortable};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::member::{Lingering, Member};

tokio::task_local! {
    /// The stream that is being polled on this task.
    static CURRENT: CurrentStream;
}

/// What a stream's handler and the connection's task exchange while the stream is polled.
struct CurrentStream {
    abort: StreamAbort,
    waits: Cell<WaitState>,
}

/// Whom a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitState {
    /// Its peer, to send the request.
    Request,
    /// The server: the request is being answered, or the stream follows the log.
    Server,
    /// The server, while it holds resources of which there are few, as tonic's health watch does.
    Watch,
    /// Its peer, to receive the reply by this time.
    Peer(Instant),
}

/// Ends one stream from outside, even if it is not polled: HTTP/2 does not poll a response's body
/// while the peer grants no window.
#[derive(Clone, Debug)]
pub struct StreamAbort(AbortHandle);

impl StreamAbort {
    /// Resets the stream with CANCEL and frees its unsent bytes. Its connection goes on.
    pub fn abort(&self) {
        self.0.abort();
    }

    #[cfg(test)]
    pub(crate) fn is_aborted(&self) -> bool {
        self.0.is_aborted()
    }
}

/// A handle without a stream: aborting it does nothing.
impl Default for StreamAbort {
    fn default() -> Self {
        Self(AbortHandle::new_pair().0)
    }
}

/// An extension of a response whose body ends by itself: it has no deadline here.
#[derive(Clone, Copy, Debug)]
pub struct Endless;

/// Records that the stream being polled has received its request and waits for the server.
pub fn set_waits_for_server() {
    set(WaitState::Server);
}

/// Records that the stream being polled waits for the server, and holds more resources than others
/// meanwhile.
pub fn set_watches() {
    set(WaitState::Watch);
}

/// Records that the stream being polled waits for its peer to receive the reply, for at most so
/// long.
pub fn set_waits_for_peer(within: Duration) {
    set(WaitState::Peer(Instant::now() + within));
}

fn set(waits: WaitState) {
    // Outside of a connection's task, as in tests of the service, there is nothing to record.
    let _ = CURRENT.try_with(|current| current.waits.set(waits));
}

/// The handle of the stream that is being polled.
pub(super) fn abort_handle() -> StreamAbort {
    CURRENT
        .try_with(|current| current.abort.clone())
        .unwrap_or_default()
}

/// Runs the stream until it ends, is aborted, misses its deadline, or is one too many that waits
/// for its peer.
pub(super) fn until_aborted<F: Future>(stream: F, member: Arc<Member>) -> impl Future<Output = ()> {
    let (handle, registration) = AbortHandle::new_pair();
    let current = CurrentStream {
        abort: StreamAbort(handle),
        waits: Cell::new(WaitState::Request),
    };
    let stream = UntilAborted {
        stream: Abortable::new(stream, registration),
        peer: PeerWait {
            member,
            lingering: None,
            deadline: None,
        },
    };
    CURRENT.scope(current, stream)
}

pin_project! {
    /// A stream of [`until_aborted`]. It is no `async` block, because such a block has space for
    /// what it captures and again for what it awaits, and each participant keeps one of these.
    struct UntilAborted<F> {
        #[pin]
        stream: Abortable<F>,
        peer: PeerWait,
    }
}

impl<F: Future> Future for UntilAborted<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        match this.stream.poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => this.peer.poll(cx),
        }
    }
}

/// The limits on a stream while it waits for its peer.
struct PeerWait {
    member: Arc<Member>,
    lingering: Option<Lingering>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl PeerWait {
    /// Ready if the stream may not wait any longer. It is dropped then, which resets it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waits = CURRENT.with(|current| current.waits.get());
        // It does not wait for its peer, so it gives its place back.
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
