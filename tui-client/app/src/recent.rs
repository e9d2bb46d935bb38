//! The newest events, and what this participant's own clock did: the data of the diagram and of
//! `/time`.

use std::collections::VecDeque;

use chitty_chat::{Event, EventKind, LamportTime, ParticipantNumber};

use crate::port::{ClockCause, WelcomeNotice};

/// How many events are kept: a tall diagram, and some more.
const KEPT: usize = 500;

/// The newest events, with the movements of the clock.
#[derive(Debug, Default)]
pub struct Recent {
    events: VecDeque<Received>,
    /// The participations of this process, the newest last: after a loss, the client continues as
    /// another one.
    own: VecDeque<ParticipantNumber>,
    /// The times to which replies and history raised the clock.
    observed: VecDeque<LamportTime>,
    clock: LamportTime,
    step: Option<ClockStep>,
}

/// An event, as this participant received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The event itself.
    pub event: Event,
    /// This participant's clock after the receipt; `None` for history, because reading it is no
    /// event of the run.
    pub clock: Option<LamportTime>,
}

/// How the clock moved last.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ClockStep {
    Sent,
    Received {
        before: LamportTime,
        what: String,
        time: LamportTime,
    },
    Observed {
        before: LamportTime,
    },
}

impl Recent {
    /// The kept events, in the order of the log and without gaps.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Received> {
        self.events.iter()
    }

    /// Whether this is a participation of this process, the current one or an earlier one.
    pub fn is_own(&self, participant: ParticipantNumber) -> bool {
        self.own.contains(&participant)
    }

    /// The times to which replies, Welcomes and history raised this participant's clock, in order.
    pub fn observed(&self) -> impl Iterator<Item = LamportTime> {
        self.observed.iter().copied()
    }

    /// Takes the clock and the number of the participation from the server's Welcome.
    pub fn welcome(&mut self, welcome: &WelcomeNotice) {
        if !self.is_own(welcome.number) {
            keep(&mut self.own, welcome.number);
        }
        if welcome.another_log {
            self.clear();
            self.own = VecDeque::from([welcome.number]);
        }
        self.moved(welcome.clock, ClockCause::Observed);
    }

    /// Takes a new time of the clock.
    pub fn moved(&mut self, clock: LamportTime, moved: ClockCause) {
        let before = std::mem::replace(&mut self.clock, clock);
        if before != clock {
            self.step = Some(match moved {
                ClockCause::Sent => ClockStep::Sent,
                ClockCause::Observed => {
                    keep(&mut self.observed, clock);
                    ClockStep::Observed { before }
                }
            });
        }
    }

    fn clear(&mut self) {
        self.events.clear();
        self.observed.clear();
    }

    /// Takes the next event, and the clock after it. `live` says that it is no history.
    pub fn event(&mut self, event: &Event, clock: LamportTime, live: bool) {
        let last = self.events.back().map(|last| last.event.position);
        // After a reconnect the stream may repeat events.
        if last.is_some_and(|last| event.position <= last) {
            return;
        }
        if last.is_some_and(|last| event.position != last.next()) {
            // The diagram needs a run of events without gaps.
            self.clear();
        }
        if live {
            let before = std::mem::replace(&mut self.clock, clock);
            self.step = Some(ClockStep::Received {
                before,
                what: what(event),
                time: event.lamport,
            });
        } else {
            self.moved(clock, ClockCause::Observed);
        }
        let received = Received {
            event: event.clone(),
            clock: live.then_some(clock),
        };
        keep(&mut self.events, received);
    }

    /// The value of the clock and its reason, in sentences.
    pub fn explain(&self) -> String {
        let now = self.clock;
        let why = match &self.step {
            None => "nothing has happened yet.".to_owned(),
            Some(ClockStep::Sent) => format!(
                "you sent something, {} + 1 = {now}.",
                now.get().saturating_sub(1)
            ),
            Some(ClockStep::Received { before, what, time }) => {
                format!("{what}, broadcast at {time}, came: max({before}, {time}) + 1 = {now}.")
            }
            Some(ClockStep::Observed { before }) => {
                format!("a reply or history told of {now}: max({before}, {now}) = {now}.")
            }
        };
        format!(
            "Your Lamport clock is at {now}: {why} What you send next carries {}.",
            now.get().saturating_add(1)
        )
    }
}

/// Appends an item and drops the oldest one if there are too many.
fn keep<T>(kept: &mut VecDeque<T>, new: T) {
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(new);
}

fn what(event: &Event) -> String {
    match &event.kind {
        EventKind::Message { author, .. } => format!("a message of {author}"),
        EventKind::Joined { name, .. } => format!("the joining of {name}"),
        EventKind::Left { name, .. } => format!("the leaving of {name}"),
        EventKind::Member(member) => format!("a change of the member {}", member.name),
        EventKind::Invitation(_) => "an invitation".into(),
        EventKind::Unknown => "an event".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn joined_recent() -> Recent {
        let mut recent = Recent::default();
        recent.welcome(&welcome("ada", 2, &[(1, "bob"), (2, "ada")]));
        recent
    }

    #[test]
    fn the_last_step_is_explained() {
        let mut recent = joined_recent();
        recent.moved(1.into(), ClockCause::Sent);
        let explained = "Your Lamport clock is at 1: you sent something, 0 + 1 = 1. \
                         What you send next carries 2.";
        assert_eq!(recent.explain(), explained);
        recent.event(&joined(2, 7, "ada"), 8.into(), true);
        assert!(
            recent.explain().contains(
                "the joining of ada, broadcast at 7, came: max(1, 7) + 1 = 8. What you send next \
                 carries 9."
            ),
            "{}",
            recent.explain()
        );
        recent.moved(13.into(), ClockCause::Observed);
        assert!(
            recent.explain().contains("told of 13: max(8, 13) = 13"),
            "{}",
            recent.explain()
        );
        // A clock that is ahead already only ticks.
        recent.moved(20.into(), ClockCause::Observed);
        recent.event(&message(3, 15, "bob", "hi"), 21.into(), true);
        assert!(
            recent.explain().contains("max(20, 15) + 1 = 21"),
            "{}",
            recent.explain()
        );
    }

    #[test]
    fn history_is_no_receipt_and_repeats_are_dropped() {
        let mut recent = joined_recent();
        for _ in 0..2 {
            recent.event(&joined(1, 3, "bob"), 7.into(), false);
            recent.event(&joined(2, 7, "ada"), 8.into(), true);
        }
        let clocks: Vec<_> = recent.events().map(|received| received.clock).collect();
        assert_eq!(clocks, [None, Some(8.into())]);
    }

    #[test]
    fn it_is_bounded_and_has_no_hole() {
        let mut recent = joined_recent();
        for position in 1..=2 * KEPT as u64 {
            recent.event(&message(position, position * 4, "bob", "x"), 9.into(), true);
        }
        assert_eq!(recent.events().count(), KEPT);
        recent.event(
            &message(2 * KEPT as u64 + 5, 90_000, "bob", "x"),
            9.into(),
            true,
        );
        assert_eq!(recent.events().count(), 1);
    }
}
