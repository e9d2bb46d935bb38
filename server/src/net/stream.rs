//! One stream of a connection, and the means to end it from outside.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::AbortHandle;

tokio::task_local! {
    /// Of the stream whose task this is.
    static CUT: Cut;
}

/// Ends one stream, whether or not its body is polled.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<State>);

#[derive(Debug, Default)]
struct State {
    wanted: AtomicBool,
    task: OnceLock<AbortHandle>,
}

impl Cut {
    /// The stream is reset with CANCEL, and its unsent bytes are freed; its connection goes on.
    pub fn cut(&self) {
        self.0.wanted.store(true, Ordering::SeqCst);
        if let Some(task) = self.0.task.get() {
            task.abort();
        }
    }

    /// Of the stream that is served by this task, which may run already.
    fn arm(&self, task: AbortHandle) {
        // A stream has one task.
        let task = self.0.task.get_or_init(|| task);
        if self.0.wanted.load(Ordering::SeqCst) {
            task.abort();
        }
    }

    #[cfg(test)]
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.wanted.load(Ordering::SeqCst)
    }
}

/// Runs each stream of a connection on a task of its own, as [`hyper_util::rt::TokioExecutor`]
/// does, but so that it can be ended though nothing of it is polled any more: HTTP/2 does not ask
/// a response's body for anything while the peer has no room for it.
#[derive(Clone, Copy)]
pub(super) struct StreamExecutor;

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let cut = Cut::default();
        let task = tokio::spawn(CUT.scope(cut.clone(), stream));
        cut.arm(task.abort_handle());
    }
}

/// What ends the stream whose task this is.
pub(super) fn cut() -> Cut {
    CUT.try_with(Clone::clone).unwrap_or_default()
}
