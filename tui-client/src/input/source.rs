//! Reads the terminal's bytes as they arrive.

use std::{
    io,
    task::{Poll, ready},
};

use futures_util::stream::{self, Stream};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, OwnedFd},
};
use tokio::io::{Interest, unix::AsyncFd};

/// The bytes of standard input, in pieces. The stream ends when the terminal is gone.
///
/// The descriptor stays in blocking mode, because that mode is a property of the open terminal,
/// which the shell and its other programs share.
pub(crate) fn bytes() -> io::Result<impl Stream<Item = io::Result<Vec<u8>>> + Unpin> {
    let descriptor = io::stdin().as_fd().try_clone_to_owned()?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe for the sake of types that lie about what they own; `OwnedFd` does not"
    )]
    let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
    Ok(stream::poll_fn(move |context| {
        loop {
            let mut guard = match ready!(descriptor.poll_read_ready(context)) {
                Ok(guard) => guard,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            if !readable(descriptor.get_ref())? {
                guard.clear_ready();
                continue;
            }
            let mut piece = vec![0; 4096];
            return match rustix::io::read(descriptor.get_ref(), &mut piece) {
                Ok(0) => Poll::Ready(None),
                Ok(length) => {
                    piece.truncate(length);
                    Poll::Ready(Some(Ok(piece)))
                }
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
                Err(error) => Poll::Ready(Some(Err(error.into()))),
            };
        }
    }))
}

/// Whether a read would return at once, even if only to report that the terminal is gone.
fn readable(descriptor: &OwnedFd) -> io::Result<bool> {
    let mut descriptors = [PollFd::new(descriptor, PollFlags::IN)];
    Ok(poll(&mut descriptors, Some(&Timespec::default()))? > 0)
}
