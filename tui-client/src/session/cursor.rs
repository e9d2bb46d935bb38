//! The position in the log: what was shown, and what may be shown next.

use chitty_chat::{LamportTime, Position, proto::v1};

/// What was shown is a contiguous run of positions of one log, without repeats or gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    place: Option<CursorPlace>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct CursorPlace {
    epoch: Box<str>,
    /// The last position that was shown, or the one before the first that will be.
    last: Position,
    /// The time of the event at `last`; `None` while nothing was shown.
    lamport: Option<LamportTime>,
}

/// How a stream continues what was shown before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// Nothing was shown before.
    First,
    /// The next event follows the last one that was shown.
    GoesOn,
    /// The next event does not follow: the timeline starts afresh.
    Afresh {
        /// Whether the reason is that the server has another log.
        another_log: bool,
    },
}

/// What to do with an event from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next one: show it.
    Show,
    /// It was shown before: ignore it.
    Repeat,
    /// An event before it is missing: join again.
    Gap,
}

impl Cursor {
    /// What to ask for when joining again; `None` if nothing was shown.
    pub(super) fn resume(&self) -> Option<v1::Resume> {
        let place = self.place.as_ref()?;
        Some(v1::Resume {
            position: place.last.get(),
            epoch: place.epoch.to_string(),
            lamport: place.lamport?.get(),
        })
    }

    /// Takes the beginning of a stream: the log's epoch and the first position.
    pub(super) fn welcome(&mut self, epoch: &str, next: Position) -> Continuity {
        let entry = match &self.place {
            // Only events that were shown oblige the next stream to continue them; a Welcome alone
            // shows nothing.
            Some(place) if place.lamport.is_some() => {
                let another_log = *place.epoch != *epoch;
                if !another_log && next == place.last.next() {
                    return Continuity::GoesOn;
                }
                Continuity::Afresh { another_log }
            }
            _ => Continuity::First,
        };
        self.place = Some(CursorPlace {
            epoch: epoch.into(),
            last: next.previous(),
            lamport: None,
        });
        entry
    }

    /// Takes the next event of the stream.
    pub(super) fn take(&mut self, position: Position, lamport: LamportTime) -> Arrival {
        let Some(place) = &mut self.place else {
            return Arrival::Gap;
        };
        if position <= place.last {
            Arrival::Repeat
        } else if position == place.last.next() {
            place.last = position;
            place.lamport = Some(lamport);
            Arrival::Show
        } else {
            Arrival::Gap
        }
    }

    /// The last position that does not have to be shown any more; 0 before the first Welcome.
    pub(super) fn last(&self) -> Position {
        self.place
            .as_ref()
            .map_or(Position::ZERO, |place| place.last)
    }

    /// The end of the run that was shown; 0 while nothing was.
    pub(super) fn seen(&self) -> Position {
        match &self.place {
            Some(place) if place.lamport.is_some() => place.last,
            _ => Position::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(position: u64) -> (Position, LamportTime) {
        (position.into(), LamportTime::new(position * 2 + 1))
    }

    #[test]
    fn without_anything_shown_there_is_nothing_to_resume() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.resume(), None);
        assert_eq!(cursor.welcome("e", 5.into()), Continuity::First);
        assert_eq!(cursor.resume(), None);
        assert_eq!(cursor.seen(), Position::ZERO);
        // The first welcome was of no use: another one counts as the first.
        assert_eq!(cursor.welcome("e", 9.into()), Continuity::First);
        assert_eq!(cursor.last(), 8.into());
    }

    #[test]
    fn resuming_names_the_last_event_shown() {
        let mut cursor = Cursor::default();
        cursor.welcome("e", 5.into());
        let (position, lamport) = at(5);
        assert_eq!(cursor.take(position, lamport), Arrival::Show);
        let resume = v1::Resume {
            position: 5,
            epoch: "e".into(),
            lamport: 11,
        };
        assert_eq!(cursor.resume(), Some(resume));
        assert_eq!(cursor.welcome("e", 6.into()), Continuity::GoesOn);
        assert_eq!(cursor.seen(), 5.into());
    }

    #[test]
    fn another_log_or_another_place_starts_afresh() {
        for (epoch, next, another_log) in [("f", 6, true), ("e", 7, false), ("e", 5, false)] {
            let mut cursor = Cursor::default();
            cursor.welcome("e", 5.into());
            let (position, lamport) = at(5);
            cursor.take(position, lamport);
            let entry = cursor.welcome(epoch, next.into());
            assert_eq!(entry, Continuity::Afresh { another_log });
            assert_eq!(cursor.resume(), None);
            assert_eq!(cursor.last(), Position::new(next - 1));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_what_is_shown_is_a_contiguous_run(
            first in 1..10_u64,
            positions in prop::collection::vec(1..20_u64, 0..200),
        ) {
            let mut cursor = Cursor::default();
            cursor.welcome("e", first.into());
            let mut shown = Vec::new();
            for position in positions {
                let expected = first + shown.len() as u64;
                let (place, lamport) = at(position);
                match cursor.take(place, lamport) {
                    Arrival::Show => {
                        prop_assert_eq!(position, expected);
                        shown.push(position);
                    }
                    Arrival::Repeat => prop_assert!(position < expected),
                    Arrival::Gap => prop_assert!(position > expected),
                }
            }
            prop_assert_eq!(cursor.last().get(), first + shown.len() as u64 - 1);
        }
    }
}
