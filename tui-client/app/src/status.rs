//! The state of the link, in words.

use std::time::Duration;

use chitty_chat::LamportTime;

use crate::port::{Ended, Link};

/// The content of the status line.
#[derive(Debug)]
pub struct Status {
    server: String,
    clock: LamportTime,
    state: ConnectionState,
    /// Since when and why the link is down; `None` while it is up, or before it ever was.
    lost: Option<Outage>,
    log_fails: bool,
}

#[derive(Debug)]
struct Outage {
    since: Duration,
    /// The reason of the last failed try.
    reason: String,
}

#[derive(Debug)]
enum ConnectionState {
    Link(Link),
    Lost { retry_at: Duration },
    Leaving,
    Over(Ended),
}

/// How good a state is, which the view shows as a colour and a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Everything works.
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
            state: ConnectionState::Link(Link::Connecting),
            lost: None,
            log_fails: false,
        }
    }

    /// The address of the server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// This participant's clock.
    pub fn clock(&self) -> LamportTime {
        self.clock
    }

    /// The state in words: how good it is, a short form, and the details.
    pub fn words(&self, now: Duration) -> (Health, &'static str, String) {
        match &self.state {
            ConnectionState::Leaving => (Health::Waiting, "leaving", String::new()),
            ConnectionState::Over(Ended::Left) => (Health::Waiting, "left", String::new()),
            ConnectionState::Over(Ended::TakenOver) => {
                (Health::Bad, "over", "taken over by another process".into())
            }
            ConnectionState::Over(Ended::Removed(why) | Ended::Failed(why)) => {
                (Health::Bad, "over", why.clone())
            }
            ConnectionState::Lost { .. } => (Health::Bad, "offline", self.loss(now)),
            // Between two tries the situation has not improved yet.
            ConnectionState::Link(Link::Connecting) if self.lost.is_some() => {
                (Health::Bad, "offline", self.loss(now))
            }
            ConnectionState::Link(Link::StartingServer) => {
                (Health::Waiting, "starting a server", String::new())
            }
            ConnectionState::Link(Link::Connecting | Link::Lost { .. }) => {
                (Health::Waiting, "connecting", String::new())
            }
            ConnectionState::Link(Link::Live) => (Health::Good, "connected", String::new()),
            ConnectionState::Link(Link::CatchingUp { remaining }) => (
                Health::Waiting,
                "catching up",
                format!("{remaining} to come"),
            ),
        }
    }

    /// Why there is no link, and when the next try is. The reason comes first, because the user may
    /// be able to do something about it.
    fn loss(&self, now: Duration) -> String {
        let wait = match self.state {
            ConnectionState::Lost { retry_at } => retry_at.saturating_sub(now),
            _ => Duration::ZERO,
        };
        let mut parts = Vec::new();
        if let Some(lost) = &self.lost {
            parts.extend(Some(lost.reason.clone()).filter(|reason| !reason.is_empty()));
            let lasting = now.saturating_sub(lost.since);
            parts.extend((lasting.as_secs() > 0).then(|| format!("for {}", roughly(lasting))));
        }
        parts.push(if wait.is_zero() {
            "trying again".into()
        } else {
            format!("next try in {} s", seconds(wait))
        });
        parts.join(" · ")
    }

    /// The alarm, while there is one: nothing is sent or received, and why.
    pub fn alarm(&self, now: Duration) -> Option<String> {
        match (&self.state, self.words(now)) {
            (ConnectionState::Over(Ended::Left), _) => None,
            (ConnectionState::Over(_), (_, _, why)) if why.is_empty() => {
                Some("The chat is over".into())
            }
            (ConnectionState::Over(_), (_, _, why)) => Some(format!("The chat is over: {why}")),
            (_, (Health::Bad, _, rest)) => Some(format!("Offline: {rest}")),
            _ => None,
        }
    }

    /// Whether the log file cannot be written now.
    pub fn has_no_log(&self) -> bool {
        self.log_fails
    }

    /// Whether lines are sent at once.
    pub fn live(&self) -> bool {
        matches!(self.state, ConnectionState::Link(Link::Live))
    }

    pub(super) fn lost(&self) -> bool {
        matches!(self.state, ConnectionState::Lost { .. })
    }

    /// The time at which the countdown to the next try ends.
    pub(super) fn retry_at(&self) -> Option<Duration> {
        match self.state {
            ConnectionState::Lost { retry_at } => Some(retry_at),
            _ => None,
        }
    }

    pub(super) fn link(&mut self, link: Link, now: Duration) {
        if matches!(
            self.state,
            ConnectionState::Leaving | ConnectionState::Over(_)
        ) {
            return;
        }
        self.state = match link {
            Link::Lost { reason, retry_in } => {
                // Further failed tries belong to the same outage: its start stays.
                let since = self.lost.take().map_or(now, |lost| lost.since);
                let reason = without_codes(&reason);
                self.lost = Some(Outage { since, reason });
                let retry_at = now.saturating_add(retry_in);
                ConnectionState::Lost { retry_at }
            }
            link => {
                if matches!(link, Link::Live | Link::CatchingUp { .. }) {
                    self.lost = None;
                }
                ConnectionState::Link(link)
            }
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

    pub(super) fn log_fails(&mut self, fails: bool) {
        self.log_fails = fails;
    }

    pub(super) fn leaving(&mut self) {
        self.state = ConnectionState::Leaving;
    }

    pub(super) fn ended(&mut self, ended: Ended) {
        self.state = ConnectionState::Over(ended);
    }
}

/// Whole seconds, as a countdown shows them: 0 only when it has ended.
pub fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Removes the numbers of system errors, which follow their names.
pub fn without_codes(reason: &str) -> String {
    const CODE: &str = " (os error ";
    let mut parts = reason.split(CODE);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        match rest.strip_prefix(')') {
            Some(rest) if rest.len() + 1 < part.len() => text.push_str(rest),
            _ => {
                text.push_str(CODE);
                text.push_str(part);
            }
        }
    }
    text
}

/// A duration in the largest unit of which it has at least two.
fn roughly(lasting: Duration) -> String {
    match lasting.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
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
        assert_eq!(rest, "refused · next try in 3 s");
        assert_eq!(
            words(Duration::from_secs(12)).2,
            "refused · for 2 s · next try in 1 s"
        );
        assert_eq!(
            words(Duration::from_secs(13)).2,
            "refused · for 3 s · trying again"
        );
        // Trying again in between does not begin another outage.
        status.link(Link::Connecting, Duration::from_secs(13));
        let (health, _, rest) = status.words(Duration::from_secs(14));
        assert_eq!(health, Health::Bad);
        assert_eq!(rest, "refused · for 4 s · trying again");
        let lost = Link::Lost {
            reason: String::new(),
            retry_in: Duration::from_secs(5),
        };
        status.link(lost, Duration::from_secs(14));
        let rest = status.words(Duration::from_secs(15)).2;
        assert_eq!(rest, "for 5 s · next try in 4 s");
    }

    #[test]
    fn what_is_wrong_is_an_alarm_until_it_is_not() {
        let mut status = Status::new("here".into());
        let alarm = |status: &Status, now| status.alarm(Duration::from_secs(now));
        assert_eq!(alarm(&status, 0), None);
        let lost = Link::Lost {
            reason: "refused".into(),
            retry_in: Duration::from_secs(9),
        };
        status.link(lost, Duration::ZERO);
        let words = |alarm: Option<String>| alarm.unwrap_or_default();
        assert_eq!(
            words(alarm(&status, 1)),
            "Offline: refused · for 1 s · next try in 8 s"
        );
        assert_eq!(
            words(alarm(&status, 300)),
            "Offline: refused · for 5 min · trying again"
        );
        assert!(words(alarm(&status, 8000)).contains("for 2 h"));
        status.link(Link::Live, Duration::from_secs(8001));
        assert_eq!(alarm(&status, 8001), None);
        status.ended(Ended::Failed("no such room".into()));
        assert_eq!(
            words(alarm(&status, 8002)),
            "The chat is over: no such room"
        );
    }

    #[test]
    fn a_reason_is_in_words() {
        for (reason, shown) in [
            ("refused (os error 111)", "refused"),
            (
                "no server (refused (os error 111)); why",
                "no server (refused); why",
            ),
            ("a (os error 1) b (os error 22)", "a b"),
            ("x (os error 1", "x (os error 1"),
            ("x (os error )", "x (os error )"),
            ("", ""),
        ] {
            assert_eq!(without_codes(reason), shown);
        }
    }

    #[test]
    fn what_is_over_stays_over() {
        let mut status = Status::new("here".into());
        status.ended(Ended::TakenOver);
        status.link(Link::Live, Duration::ZERO);
        assert_eq!(status.words(Duration::ZERO).1, "over");
    }
}
