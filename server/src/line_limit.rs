//! A limit on the log lines that requests may cause.
//!
//! Log rotation keeps a fixed number of bytes, so a peer that causes lines without end would push
//! out everybody else's. Events are limited by the rules of the chat, and are always logged.
//! Requests that lead to no event are logged up to a rate; beyond it, one line a second says how
//! many there were. All rates are far above what people and their clients do.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chitty_chat::{SessionHash, logging::CALL};
use tokio::time::{Instant, sleep};
use tracing::info;

use chitty_room::rate::{Bucket, Buckets, Rate};

/// Requests without a known session from one address, one line each.
pub const STRANGER: Rate = Rate::per_second(10, 100);
/// Requests without a known session from all addresses.
pub const STRANGERS: Rate = Rate::per_second(50, 500);
/// Requests of one participant that lead to no event, two lines each at most.
pub const PARTICIPANT: Rate = Rate::per_second(20, 200);
/// Requests of all participants at one address that lead to no event.
pub const SOURCE: Rate = Rate::per_second(200, 2_000);
/// Repeated requests that get their first reply again, from everybody, two lines each.
pub const REPEATS: Rate = Rate::per_second(50, 500);

/// How often the number of suppressed requests is logged.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Who causes a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A client without a known session, at this address.
    Stranger(Option<IpAddr>),
    /// A participant, at this address.
    Participant(SessionHash, Option<IpAddr>),
    /// Anybody, by a request that was answered before. The session does not matter for it.
    Repeat,
}

/// The limit. Clones share it.
#[derive(Clone)]
pub struct LineLimit(Arc<SharedLimit>);

struct SharedLimit {
    started: Instant,
    state: Mutex<LineLimitState>,
}

#[derive(Default)]
struct LineLimitState {
    strangers: Bucket,
    repeats: Bucket,
    stranger: Buckets<IpAddr>,
    source: Buckets<IpAddr>,
    participant: Buckets<SessionHash>,
    suppressed: Suppressed,
    /// Whether a task will log the number of suppressed requests.
    report_pending: bool,
}

/// Requests that were not logged since their number was last reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Suppressed {
    strangers: u64,
    participants: u64,
    repeats: u64,
}

impl Default for LineLimit {
    fn default() -> Self {
        Self(Arc::new(SharedLimit {
            started: Instant::now(),
            state: Mutex::default(),
        }))
    }
}

impl LineLimit {
    /// Whether a request is to be logged. Needs a Tokio runtime, on which a task later logs how
    /// many were not.
    pub fn admits(&self, cause: Cause) -> bool {
        let now = self.0.started.elapsed();
        let mut state = self.state();
        if state.take(cause, now) {
            return true;
        }
        // One task at a time, which reports everything that was suppressed until it runs.
        if !std::mem::replace(&mut state.report_pending, true) {
            let limit = self.clone();
            tokio::spawn(async move {
                sleep(REPORT_EVERY).await;
                limit.report();
            });
        }
        false
    }

    fn report(&self) {
        let mut state = self.state();
        state.report_pending = false;
        let Suppressed {
            strangers,
            participants,
            repeats,
        } = std::mem::take(&mut state.suppressed);
        drop(state);
        let some = |calls: u64| (calls > 0).then_some(calls);
        info!(
            target: CALL, call = "Log", step = "suppressed",
            suppressed = strangers + participants + repeats, strangers = some(strangers),
            participants = some(participants), repeats = some(repeats),
        );
    }

    fn state(&self) -> MutexGuard<'_, LineLimitState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LineLimitState {
    fn take(&mut self, cause: Cause, now: Duration) -> bool {
        let (taken, suppressed) = match cause {
            Cause::Stranger(source) => (
                // Their own allowance first, so that one address does not use up what is for all.
                // An address that cannot be counted any more is not logged.
                self.stranger.take_or_refuse(known(source), STRANGER, now)
                    && self.strangers.take(STRANGERS, now).is_ok(),
                &mut self.suppressed.strangers,
            ),
            Cause::Participant(session, source) => (
                self.participant.take_or_refuse(session, PARTICIPANT, now)
                    && self.source.take_or_refuse(known(source), SOURCE, now),
                &mut self.suppressed.participants,
            ),
            Cause::Repeat => (
                self.repeats.take(REPEATS, now).is_ok(),
                &mut self.suppressed.repeats,
            ),
        };
        *suppressed += u64::from(!taken);
        taken
    }
}

/// Clients whose address is not known share one allowance.
fn known(source: Option<IpAddr>) -> IpAddr {
    source.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

#[cfg(test)]
mod tests {
    use chitty_chat::{Session, secret::os_random};

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    fn count(
        state: &mut LineLimitState,
        calls: u32,
        now: Duration,
        cause: impl Fn(u32) -> Cause,
    ) -> u32 {
        (0..calls)
            .map(|call| u32::from(state.take(cause(call), now)))
            .sum()
    }

    #[test]
    fn strangers_have_a_limit_each_and_one_together() {
        let mut state = LineLimitState::default();
        let from = |source| move |_| Cause::Stranger(Some(address(source)));
        let now = Duration::ZERO;
        assert_eq!(count(&mut state, 10_000, now, from(1)), 100);
        // They do not use up what others have.
        assert_eq!(count(&mut state, 10_000, now, from(2)), 100);
        let from_all = |call| Cause::Stranger(Some(address(10 + call)));
        assert_eq!(count(&mut state, 100_000, now, from_all), 300);
        assert_eq!(state.suppressed.strangers, 20_000 + 100_000 - 500);
        let later = Duration::from_secs(1);
        assert_eq!(count(&mut state, 10_000, later, from(1)), 10);
        assert_eq!(count(&mut state, 100_000, later, from_all), 40);
    }

    #[test]
    fn participants_have_limits_of_their_own() {
        let mut state = LineLimitState::default();
        let hash = || Session::random(&mut { os_random }).hash();
        let now = Duration::ZERO;
        let (one, sessions) = (hash(), (0..20).map(|_| hash()).collect::<Vec<_>>());
        let mine = |_| Cause::Participant(one, Some(address(1)));
        assert_eq!(count(&mut state, 10_000, now, mine), 200);
        let all = |call: u32| Cause::Participant(sessions[call as usize % 20], Some(address(1)));
        assert_eq!(count(&mut state, 10_000, now, all), 1_800);
        // Somebody elsewhere is not touched by it, and strangers are not either.
        let there = hash();
        let elsewhere = |_| Cause::Participant(there, Some(address(2)));
        assert_eq!(count(&mut state, 200, now, elsewhere), 200);
        let stranger = |_| Cause::Stranger(Some(address(1)));
        assert_eq!(count(&mut state, 100, now, stranger), 100);
        assert_eq!(count(&mut state, 10_000, now, |_| Cause::Repeat), 500);
    }
}
