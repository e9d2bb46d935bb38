//! How the link is doing, in words.

use std::{fmt::Write as _, time::Duration};

use chitty_chat::LamportTime;

use crate::session::{Ended, Link};

/// What the status line tells.
#[derive(Debug)]
pub struct Status {
    server: String,
    clock: LamportTime,
    state: State,
    /// Since when the link has been down; `None` where it is up, or never was.
    lost_since: Option<Duration>,
}

#[derive(Debug)]
enum State {
    Link(Link),
    Lost { reason: String, retry_at: Duration },
    Leaving,
    Over(Ended),
}

/// How good that is: a colour and a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Good,
    /// It takes a moment.
    Waiting,
    /// It does not work now.
    Bad,
}

impl Status {
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            clock: LamportTime::ZERO,
            state: State::Link(Link::Connecting),
            lost_since: None,
        }
    }

    /// Where the server is.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// This participant's clock.
    pub fn clock(&self) -> LamportTime {
        self.clock
    }

    /// The connection state in words: a short form, and the rest of it.
    pub fn words(&self, now: Duration) -> (Health, &'static str, String) {
        match &self.state {
            State::Leaving => (Health::Waiting, "leaving", String::new()),
            State::Over(Ended::Left) => (Health::Waiting, "left", String::new()),
            State::Over(Ended::TakenOver) => {
                (Health::Bad, "over", "taken over by another process".into())
            }
            State::Over(Ended::Removed(why) | Ended::Failed(why)) => {
                (Health::Bad, "over", why.clone())
            }
            State::Lost { reason, retry_at } => {
                let wait = retry_at.saturating_sub(now);
                let next = if wait.is_zero() {
                    "trying again".into()
                } else {
                    format!("next try in {} s", seconds(wait))
                };
                let mut rest = match self.lost_since {
                    Some(since) if now > since => {
                        format!("for {} s, {next}", now.saturating_sub(since).as_secs())
                    }
                    _ => next,
                };
                if !reason.is_empty() {
                    let _ = write!(rest, " ({reason})");
                }
                (Health::Bad, "offline", rest)
            }
            State::Link(Link::StartingServer) => {
                (Health::Waiting, "starting a server", String::new())
            }
            State::Link(Link::Connecting | Link::Lost { .. }) => {
                (Health::Waiting, "connecting", String::new())
            }
            State::Link(Link::Live) => (Health::Good, "connected", String::new()),
            State::Link(Link::CatchingUp { behind }) => {
                (Health::Waiting, "catching up", format!("{behind} to come"))
            }
        }
    }

    /// Whether lines go out at once.
    pub fn live(&self) -> bool {
        matches!(self.state, State::Link(Link::Live))
    }

    pub(super) fn lost(&self) -> bool {
        matches!(self.state, State::Lost { .. })
    }

    /// Until when a countdown is shown.
    pub(super) fn retry_at(&self) -> Option<Duration> {
        match self.state {
            State::Lost { retry_at, .. } => Some(retry_at),
            _ => None,
        }
    }

    pub(super) fn link(&mut self, link: Link, now: Duration) {
        if matches!(self.state, State::Leaving | State::Over(_)) {
            return;
        }
        match link {
            Link::Lost { .. } => self.lost_since = self.lost_since.or(Some(now)),
            Link::Live | Link::CatchingUp { .. } => self.lost_since = None,
            Link::Connecting | Link::StartingServer => {}
        }
        self.state = match link {
            Link::Lost { reason, retry_in } => State::Lost {
                reason,
                retry_at: now.saturating_add(retry_in),
            },
            link => State::Link(link),
        };
    }

    pub(super) fn clock_is(&mut self, clock: LamportTime) {
        self.clock = clock;
    }

    pub(super) fn server_is(&mut self, server: String) {
        if !server.is_empty() {
            self.server = server;
        }
    }

    pub(super) fn leaving(&mut self) {
        self.state = State::Leaving;
    }

    pub(super) fn ended(&mut self, ended: Ended) {
        self.state = State::Over(ended);
    }
}

/// Whole seconds, as a countdown shows them: 0 only when it is over.
pub fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_link_counts_down() {
        let mut status = Status::new("here".into());
        let lost = Link::Lost {
            reason: "refused".into(),
            retry_in: Duration::from_secs(3),
        };
        status.link(lost, Duration::from_secs(10));
        let words = |now| status.words(now);
        let (health, short, rest) = words(Duration::from_millis(10_500));
        assert_eq!((health, short), (Health::Bad, "offline"));
        assert_eq!(rest, "for 0 s, next try in 3 s (refused)");
        assert_eq!(
            words(Duration::from_secs(12)).2,
            "for 2 s, next try in 1 s (refused)"
        );
        assert_eq!(
            words(Duration::from_secs(13)).2,
            "for 3 s, trying again (refused)"
        );
        // Trying in between does not make it another loss.
        status.link(Link::Connecting, Duration::from_secs(13));
        let lost = Link::Lost {
            reason: String::new(),
            retry_in: Duration::from_secs(5),
        };
        status.link(lost, Duration::from_secs(14));
        let rest = status.words(Duration::from_secs(15)).2;
        assert_eq!(rest, "for 5 s, next try in 4 s");
    }

    #[test]
    fn what_is_over_stays_over() {
        let mut status = Status::new("here".into());
        status.ended(Ended::TakenOver);
        status.link(Link::Live, Duration::ZERO);
        assert_eq!(status.words(Duration::ZERO).1, "over");
    }
}
