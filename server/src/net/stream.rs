//! One stream of a connection, and the means to end it from outside.

use tokio_util::sync::CancellationToken;

tokio::task_local! {
    /// Of the stream whose task this is.
    static CUT: CancellationToken;
}

/// Runs each stream of a connection on a task of its own, as [`hyper_util::rt::TokioExecutor`]
/// does, but so that it can be ended though nothing of it is polled any more: HTTP/2 does not ask
/// a response's body for anything while the peer has no room for it. What ends is the stream,
/// which is reset with CANCEL, and whose unsent bytes are freed; the connection goes on.
#[derive(Clone, Copy)]
pub(super) struct StreamExecutor;

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let cut = CancellationToken::new();
        let stream = CUT.scope(cut.clone(), stream);
        tokio::spawn(cut.run_until_cancelled_owned(stream));
    }
}

/// What ends the stream whose task this is, when it is cancelled.
pub(super) fn cut() -> CancellationToken {
    CUT.try_with(Clone::clone).unwrap_or_default()
}
