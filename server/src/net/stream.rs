//! The means to end one stream of a connection from outside.

use futures_util::future::{AbortHandle, Abortable, Aborted};

tokio::task_local! {
    /// Of the stream that is polled.
    static CUT: Cut;
}

/// Ends one stream, though nothing of it is polled any more: HTTP/2 does not ask a response's body
/// for anything while the peer has no room for it.
#[derive(Clone, Debug)]
pub struct Cut(AbortHandle);

impl Cut {
    /// The stream is reset with CANCEL, and its unsent bytes are freed; its connection goes on.
    pub fn cut(&self) {
        self.0.abort();
    }

    #[cfg(test)]
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_aborted()
    }
}

/// Of no stream.
impl Default for Cut {
    fn default() -> Self {
        Self(AbortHandle::new_pair().0)
    }
}

/// The stream, until it ends or is cut.
pub(super) fn until_cut<F: Future>(stream: F) -> impl Future<Output = Result<F::Output, Aborted>> {
    let (handle, registration) = AbortHandle::new_pair();
    CUT.scope(Cut(handle), Abortable::new(stream, registration))
}

/// What ends the stream that is polled.
pub(super) fn cut() -> Cut {
    CUT.try_with(Clone::clone).unwrap_or_default()
}
