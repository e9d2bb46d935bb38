//! What the accept loop does when the system has no resources left for a new connection.

use std::{io, time::Duration};

use rustix::io::Errno;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

/// Between two attempts to accept a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// After so long without a failure, the shortage is over.
const OVER_AFTER: Duration = Duration::from_secs(10);

/// A shortage of file descriptors or memory. It is logged once when it begins, and once when it is
/// over.
#[derive(Default)]
pub(super) struct Exhaustion {
    /// Attempts that failed since it began.
    failures: u64,
    last: Option<Instant>,
}

impl Exhaustion {
    /// A connection was accepted.
    pub(super) fn accepted(&mut self) {
        if self.last.is_some_and(|last| last.elapsed() >= OVER_AFTER) {
            warn!(failures = self.failures, "connections are accepted again");
            *self = Self::default();
        }
    }

    /// A connection could not be accepted. `evict_idlest` closes a connection that can be spared,
    /// and returns whether there was one.
    pub(super) async fn failed(&mut self, error: &io::Error, evict_idlest: impl FnOnce() -> bool) {
        if !is_exhaustion(error) {
            // Only this connection is affected: for example, it was gone before it was accepted.
            debug!(%error, "a connection could not be accepted");
            return;
        }
        let has_made_room = evict_idlest();
        self.failures += 1;
        self.last = Some(Instant::now());
        if self.failures == 1 {
            warn!(
                %error, has_made_room,
                "no more connections can be accepted; idle ones without a participant are closed, \
                 and those of participants go on",
            );
        }
        // The listener stays ready while nothing can be accepted: without a pause this would be a
        // busy loop.
        sleep(PAUSE).await;
    }
}

/// Errors of accept(2) that are about the process or the system, not about one connection.
fn is_exhaustion(error: &io::Error) -> bool {
    let one_connections = [
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::INTR,
        Errno::NETDOWN,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
        Errno::PERM,
        Errno::TIMEDOUT,
    ];
    let errno = Errno::from_io_error(error);
    errno.is_none_or(|errno| !one_connections.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_process_or_the_system_makes_room() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(is_exhaustion(&errno.into()), "{errno}");
        }
        for errno in [Errno::CONNABORTED, Errno::PROTO, Errno::TIMEDOUT] {
            assert!(!is_exhaustion(&errno.into()), "{errno}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_made_at_each_failure_until_it_is_over() {
        let mut exhaustion = Exhaustion::default();
        let mut closed = 0;
        for _ in 0..5 {
            let error = Errno::MFILE.into();
            let evict_idlest = || {
                closed += 1;
                true
            };
            exhaustion.failed(&error, evict_idlest).await;
            exhaustion.accepted();
        }
        assert_eq!((closed, exhaustion.failures), (5, 5));
        sleep(OVER_AFTER).await;
        exhaustion.accepted();
        assert_eq!(exhaustion.failures, 0);
    }
}
