//! How long a client without a screen waits: nobody sees that it does.

use std::time::Duration;

use tokio::time::Instant;

/// How long the client's own name is waited for at most, when a participant that was lost still
/// holds it: the longest grace that a server has by default, twice.
const NAME: Duration = Duration::from_secs(60);
/// A name is not asked for more often.
const AGAIN: Duration = Duration::from_secs(1);

/// What is waited for, and until when.
#[derive(Debug)]
pub(super) struct WaitDeadlines {
    /// For a server; `None`: for ever.
    wait: Option<Duration>,
    /// A server is needed, and waited for until then.
    server_by: Option<Instant>,
    /// The name is waited for until then.
    name_by: Option<Instant>,
    /// When the name is asked for again.
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

    /// For how long a server is waited for; `None`: for ever.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// Whether the client can do nothing without a server. `failed`: one could not be reached
    /// since it was needed. No time at all is still enough to find that out.
    pub(super) fn needs_server(&mut self, needed: bool, failed: bool, now: Instant) {
        let begins = failed || self.wait != Some(Duration::ZERO);
        if !needed || self.again_at.is_some() {
            self.server_by = None;
        } else if self.server_by.is_none() && begins {
            self.server_by = self.wait.map(|wait| now + wait);
        }
    }

    /// The name is taken, but may be free in `free_in`. Whether that is waited for.
    pub(super) fn name_is_taken(&mut self, free_in: Duration, now: Instant) -> bool {
        let by = *self.name_by.get_or_insert(now + NAME);
        let again_at = now + free_in.clamp(AGAIN, NAME * 2);
        if again_at > by {
            return false;
        }
        self.again_at = Some(again_at);
        true
    }

    /// Whether the name is waited for already.
    pub(super) fn waits_for_name(&self) -> bool {
        self.name_by.is_some()
    }

    /// In the chat.
    pub(super) fn entered(&mut self) {
        self.name_by = None;
    }

    /// When something is due next.
    pub(super) fn due(&self) -> Option<Instant> {
        self.again_at.or(self.server_by)
    }

    /// What is due by now.
    pub(super) fn take(&mut self, now: Instant) -> Option<DueAction> {
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            return Some(DueAction::AskAgain);
        }
        let over = self.server_by.is_some_and(|by| by <= now);
        over.then_some(DueAction::GiveUp)
    }
}

/// The time has come for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DueAction {
    /// To ask for the name again.
    AskAgain,
    /// To wait for a server no longer.
    GiveUp,
}
