//! How long a plain client waits, since nobody may be there to notice.

use std::time::Duration;

use tokio::time::Instant;

/// How long the client waits for its own name while a lost participant still holds it: twice the
/// default grace of a server.
const NAME: Duration = Duration::from_secs(60);
/// The shortest time between two tries to get the name.
const AGAIN: Duration = Duration::from_secs(1);

/// What the client waits for, and until when.
#[derive(Debug)]
pub(super) struct WaitDeadlines {
    /// How long to wait for a server; `None` to wait forever.
    wait: Option<Duration>,
    /// The deadline for reaching a server, while one is needed.
    server_by: Option<Instant>,
    /// The deadline for getting the name.
    name_by: Option<Instant>,
    /// When to try the name again.
    again_at: Option<Instant>,
}

impl WaitDeadlines {
    pub(super) fn new(wait: Option<Duration>) -> Self {
        Self {
            wait,
            server_by: None,
            name_by: None,
            again_at: None,
        }
    }

    /// How long the client waits for a server; `None` if forever.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// Takes note of whether the client needs a server. `failed` means that one could not be
    /// reached since then. With a wait of zero, one failure is required before the client gives up.
    pub(super) fn needs_server(&mut self, needed: bool, failed: bool, now: Instant) {
        let begins = failed || self.wait != Some(Duration::ZERO);
        // A server that answers that the name is taken has been reached.
        if !needed || self.again_at.is_some() {
            self.server_by = None;
        } else if self.server_by.is_none() && begins {
            self.server_by = self.wait.map(|wait| now + wait);
        }
    }

    /// Takes note that the name is taken but may be free in `free_in`. Returns whether the client
    /// waits for it.
    pub(super) fn name_is_taken(&mut self, free_in: Duration, now: Instant) -> bool {
        let by = *self.name_by.get_or_insert(now + NAME);
        let again_at = now + free_in.clamp(AGAIN, NAME * 2);
        if again_at > by {
            return false;
        }
        self.again_at = Some(again_at);
        true
    }

    /// Whether the client waits for the name already.
    pub(super) fn waits_for_name(&self) -> bool {
        self.name_by.is_some()
    }

    /// Takes note that the client has joined.
    pub(super) fn entered(&mut self) {
        self.name_by = None;
    }

    /// The time of the next deadline.
    pub(super) fn due(&self) -> Option<Instant> {
        self.again_at.or(self.server_by)
    }

    /// The action that is due now, if any.
    pub(super) fn take(&mut self, now: Instant) -> Option<DueAction> {
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            return Some(DueAction::AskAgain);
        }
        let over = self.server_by.is_some_and(|by| by <= now);
        over.then_some(DueAction::GiveUp)
    }
}

/// An action whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DueAction {
    /// Ask for the name again.
    AskAgain,
    /// Stop waiting for a server.
    GiveUp,
}
