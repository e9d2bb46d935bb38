//! Waves: when followers are woken, and how many at once.
//!
//! A write to a participant costs much the same however many events are in it. So a busy chat wakes
//! its followers in waves. A wave begins when all followers have been served the one before, and
//! not too soon after it. The events that become durable in the meantime go out together. In a calm
//! chat, a wave begins at once.
//!
//! The pause after a wave of many events is counted from its end. Otherwise a slow server, whose
//! waves take longer than the pause, would have no pause at all: half of the authors would be in
//! one wave and half in the next, for twice the writes.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chitty_chat::ParticipantNumber;
use chitty_wake::InFlight;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

/// Shortest time from the beginning of a wave to that of the next in a busy chat. People do not
/// notice so short a delay.
const PAUSE: Duration = Duration::from_millis(4);

/// After a wave with so many events, the pause is counted from its end.
const MANY: u32 = 8;

/// How far a wave may come ahead of the even pace, so that two messages at the same moment are not
/// held back. This is the limit `L` of the generic cell rate algorithm (ITU-T I.371).
const TOLERANCE: Duration = PAUSE;

/// A wave does not wait longer than this for a follower that was woken and is not polled.
const PATIENCE: Duration = Duration::from_millis(250);

/// Followers that are woken at once. Other tasks, above all those that handle Publish, run between
/// two such parts of a wave.
pub(super) const PART: usize = 64;

#[derive(Default)]
pub(super) struct Waves {
    state: Mutex<WaveState>,
    changed: Notify,
    /// The followers that were woken and have not been polled yet, and the wave itself while it is
    /// waking them.
    in_flight: InFlight,
    all_served: Notify,
}

#[derive(Default)]
struct WaveState {
    /// When the next wave is due at an even pace: the theoretical arrival time of the algorithm.
    even: Option<Instant>,
    /// When the current wave began; `None` once all of its followers have been served.
    begun: Option<Instant>,
    /// How many events the current wave carries.
    carried: u32,
    /// How many events have been published since it began.
    waiting: u32,
    /// The followers of this wave after this participant are still to be woken.
    rest: Option<ParticipantNumber>,
}

impl WaveState {
    fn earliest(&self) -> Option<Instant> {
        self.even.map(|even| even - TOLERANCE)
    }

    const fn is_wanted(&self) -> bool {
        self.rest.is_some() || self.waiting > 0
    }

    /// The participant after whom followers are to be woken now, or `None` for all of them. The
    /// error is the time at which to ask again.
    fn next(&mut self, now: Instant, gave_up: bool) -> Result<Option<ParticipantNumber>, Instant> {
        // The rest of a wave belongs to the same wave, so the pause does not apply.
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        match self.earliest() {
            Some(earliest) if now < earliest && !gave_up => Err(earliest),
            _ => {
                self.begin(now);
                Ok(None)
            }
        }
    }

    /// Begins a wave that carries all the events that wait.
    fn begin(&mut self, now: Instant) {
        // Never in the past: a calm time, however long, saves up no more than the tolerance.
        self.even = Some(self.even.map_or(now, |even| even.max(now)) + PAUSE);
        self.begun = Some(now);
        self.carried = std::mem::take(&mut self.waiting);
    }

    /// Ends the wave if all of its parts were woken: all its followers have been served.
    fn end(&mut self, now: Instant) {
        if self.rest.is_some() {
            return;
        }
        if let (Some(begun), Some(even)) = (self.begun.take(), self.even) {
            let took = now - begun;
            let interval = if self.carried < MANY {
                took
            } else {
                took + PAUSE
            };
            // `begin` has added one pause already.
            self.even = Some(even + interval.saturating_sub(PAUSE));
        }
    }
}

/// Which followers are to be woken next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NextWave {
    /// The followers after this participant; `None` for all of them.
    pub(super) after: Option<ParticipantNumber>,
    /// A follower of the wave before was not polled within the patience.
    pub(super) gave_up: bool,
}

impl Waves {
    /// Adds newly published events. Returns whether the caller is to begin a wave at once; if not,
    /// [`Waves::next`] returns when one is due.
    pub(super) fn is_due(&self, events: u32) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        state.waiting = state.waiting.saturating_add(events);
        let calm = state.earliest().is_none_or(|earliest| now >= earliest);
        // No wave begins while one is under way: the followers that it has woken take the new
        // events, too.
        if calm && state.rest.is_none() && self.in_flight.is_empty() {
            state.begin(now);
            return true;
        }
        drop(state);
        self.changed.notify_one();
        false
    }

    /// Leaves the followers after this participant to the next part of the wave.
    pub(super) fn go_on_after(&self, participant: ParticipantNumber) {
        self.state().rest = Some(participant);
        self.changed.notify_one();
    }

    /// Returns when followers are to be woken: the rest of a wave, or all of them for events that
    /// came too soon after the last wave.
    pub(super) async fn next(&self) -> NextWave {
        loop {
            // `Notify` stores one permit, so a change between the check and the wait is not missed.
            while !self.state().is_wanted() {
                self.changed.notified().await;
            }
            // A follower whose peer grants no window is not polled, and must not hold up the
            // others.
            let gave_up = timeout(PATIENCE, self.all_served()).await.is_err();
            let next = self.state().next(Instant::now(), gave_up);
            match next {
                Ok(after) => return NextWave { after, gave_up },
                Err(earliest) => sleep_until(earliest).await,
            }
        }
    }

    async fn all_served(&self) {
        while !self.in_flight.is_empty() {
            self.all_served.notified().await;
        }
    }

    /// The followers of this wave that have not been polled yet. The caller that removes the last
    /// one calls [`ended`].
    ///
    /// [`ended`]: Self::ended
    pub(super) const fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Ends the wave if the last follower in flight was removed: all followers that were woken have
    /// been served, have ended, or are not waited for any more.
    pub(super) fn ended(&self, was_last: bool) {
        if was_last {
            self.state().end(Instant::now());
            self.all_served.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, WaveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: NextWave = NextWave {
        after: None,
        gave_up: false,
    };

    #[tokio::test(start_paused = true)]
    async fn calm_waves_come_at_once_and_many_at_the_pace_of_the_pause() {
        let waves = Waves::default();
        // Two at the same moment, and then no more.
        for _ in 0..2 {
            assert!(waves.is_due(1));
        }
        let begun = Instant::now();
        for count in 1..=5 {
            assert!(!waves.is_due(1));
            assert_eq!(waves.next().await, ALL);
            assert_eq!(begun.elapsed(), count * PAUSE);
        }
        tokio::time::advance(PAUSE).await;
        assert!(waves.is_due(1));
        assert!(!waves.is_due(1));
        // However long it was calm.
        tokio::time::advance(100 * PAUSE).await;
        for _ in 0..2 {
            assert!(waves.is_due(1));
        }
        assert!(!waves.is_due(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wave_waits_until_all_are_served_but_not_for_ever() {
        let waves = Waves::default();
        for _ in 0..2 {
            waves.in_flight.add();
        }
        assert!(!waves.is_due(1));
        let serve = async {
            tokio::time::sleep(10 * PAUSE).await;
            waves.ended(waves.in_flight.remove());
            tokio::time::sleep(10 * PAUSE).await;
            waves.ended(waves.in_flight.remove());
        };
        let begun = Instant::now();
        let (next, ()) = tokio::join!(waves.next(), serve);
        assert_eq!(next, ALL);
        assert_eq!(begun.elapsed(), 20 * PAUSE);
        waves.in_flight.add();
        assert!(!waves.is_due(1));
        let begun = Instant::now();
        assert!(waves.next().await.gave_up);
        assert_eq!(begun.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wave_of_many_events_is_followed_by_a_pause_however_long_it_was() {
        for (events, pause) in [
            (1, Duration::ZERO),
            (MANY - 1, Duration::ZERO),
            (MANY, PAUSE),
        ] {
            let waves = Waves::default();
            // The first is within the tolerance.
            assert!(waves.is_due(events));
            for pause in [Duration::ZERO, pause, pause] {
                waves.in_flight.add();
                assert!(!waves.is_due(events));
                tokio::time::advance(3 * PAUSE).await;
                waves.ended(waves.in_flight.remove());
                let served = Instant::now();
                assert_eq!(waves.next().await, ALL);
                assert_eq!(served.elapsed(), pause, "{events}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_wave_comes_before_the_next_one() {
        let waves = Waves::default();
        assert!(waves.is_due(1));
        waves.go_on_after(ParticipantNumber::new(7));
        assert!(!waves.is_due(1));
        let begun = Instant::now();
        let after = Some(ParticipantNumber::new(7));
        assert_eq!(waves.next().await, NextWave { after, ..ALL });
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(waves.next().await, ALL);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(!waves.is_due(1));
        assert_eq!(waves.next().await, ALL);
        assert_eq!(begun.elapsed(), PAUSE);
    }
}
