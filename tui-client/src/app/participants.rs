//! Who is present: a fold over the log, from what a welcome told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use chitty_chat::{Event, EventKind, ParticipantNumber, Position};

use crate::session::Welcome;

/// How long those stay in sight who are gone.
const FADING: Duration = Duration::from_secs(5);
/// So many of them at most.
const MAX_GONE: usize = 16;
/// So many are present at most; who joins beyond that is not listed. Twice a server's limit unless
/// configured otherwise.
const MAX_PRESENT: usize = 20_000;

/// Who is present, oldest first.
#[derive(Debug, Default)]
pub struct Participants {
    present: BTreeMap<ParticipantNumber, Present>,
    gone: VecDeque<Gone>,
    own: Option<ParticipantNumber>,
    /// Events below it are history.
    from: Position,
}

#[derive(Debug)]
struct Present {
    name: Arc<str>,
    seen: Position,
}

#[derive(Debug)]
struct Gone {
    number: ParticipantNumber,
    name: Arc<str>,
    until: Duration,
}

/// Somebody in the pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person<'a> {
    /// The name, as it came.
    pub name: &'a str,
    /// It is the user.
    pub own: bool,
    /// It has left a moment ago.
    pub gone: bool,
    /// The end of what it is known to have read, as of its last line; 0: not known.
    pub seen: Position,
}

impl Participants {
    /// How many.
    pub fn count(&self) -> usize {
        self.present.len()
    }

    /// Name, and whether it is the user's own participation.
    pub fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.present
            .iter()
            .map(|(number, present)| (&*present.name, Some(*number) == self.own))
    }

    /// Everybody in the pane, those who are just gone in their old places.
    pub fn people(&self) -> impl Iterator<Item = Person<'_>> {
        let mut gone = self.gone.iter().peekable();
        let mut present = self.present.iter().peekable();
        std::iter::from_fn(move || {
            let next = present.peek().map(|(number, _)| **number);
            if let Some(left) = gone.next_if(|gone| next.is_none_or(|next| gone.number < next)) {
                return Some(Person {
                    name: &left.name,
                    own: false,
                    gone: true,
                    seen: Position::ZERO,
                });
            }
            let (number, present) = present.next()?;
            Some(Person {
                name: &present.name,
                own: Some(*number) == self.own,
                gone: false,
                seen: present.seen,
            })
        })
    }

    /// Everybody in a line: "3 present: ada (you), bob, eve".
    pub(crate) fn list(&self) -> String {
        let names: Vec<String> = self
            .iter()
            .map(|(name, own)| {
                let suffix = if own { " (you)" } else { "" };
                format!("{name}{suffix}")
            })
            .collect();
        format!("{} present: {}", names.len(), names.join(", "))
    }

    /// How many are in the pane.
    pub fn shown(&self) -> usize {
        self.present.len() + self.gone.len()
    }

    /// Whether this event was before the user's time.
    pub(super) fn is_history(&self, event: &Event) -> bool {
        event.position < self.from
    }

    /// When the next one fades.
    pub(super) fn fades_at(&self) -> Option<Duration> {
        self.gone.iter().map(|gone| gone.until).min()
    }

    pub(super) fn fade(&mut self, now: Duration) {
        self.gone.retain(|gone| gone.until > now);
    }

    pub(crate) fn welcome(&mut self, welcome: &Welcome) {
        self.own = Some(welcome.number);
        if let Some(participants) = &welcome.participants {
            let present = |(number, name): &(_, Arc<str>)| {
                let seen = Position::ZERO;
                let name = Arc::clone(name);
                (*number, Present { name, seen })
            };
            self.present = participants.iter().map(present).collect();
            self.gone.clear();
            self.from = welcome.position;
        }
        for (number, seen) in &welcome.seen {
            self.has_seen(*number, *seen);
        }
    }

    pub(crate) fn apply(&mut self, event: &Event, now: Duration) {
        self.fade(now);
        if self.is_history(event) {
            return;
        }
        match &event.kind {
            EventKind::Joined { name } if self.present.len() < MAX_PRESENT => {
                let name = Arc::clone(name);
                let seen = Position::ZERO;
                let present = Present { name, seen };
                self.present.insert(event.position.into(), present);
            }
            EventKind::Left { participant, .. } => self.leave(*participant, now),
            EventKind::Message {
                participant, seen, ..
            } => self.has_seen(*participant, *seen),
            EventKind::Joined { .. } | EventKind::Unknown => {}
        }
    }

    fn has_seen(&mut self, number: ParticipantNumber, seen: Position) {
        if let Some(present) = self.present.get_mut(&number) {
            present.seen = present.seen.max(seen);
        }
    }

    fn leave(&mut self, number: ParticipantNumber, now: Duration) {
        let Some(present) = self.present.remove(&number) else {
            return;
        };
        if self.gone.len() >= MAX_GONE {
            self.gone.pop_front();
        }
        let place = self.gone.partition_point(|gone| gone.number < number);
        let gone = Gone {
            number,
            name: present.name,
            until: now.saturating_add(FADING),
        };
        self.gone.insert(place, gone);
    }

    /// Nobody can be known to be present any more.
    pub(super) fn clear(&mut self) {
        self.present.clear();
        self.gone.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn names(participants: &Participants) -> Vec<&str> {
        participants.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn events_below_the_welcome_change_nothing() {
        let mut participants = Participants::default();
        participants.welcome(&welcome("bob", 9, &[(4, "ada"), (9, "bob")]));
        participants.apply(&joined(5, 20, "ghost"), Duration::ZERO);
        participants.apply(&left(6, 22, "ada", 4), Duration::ZERO);
        assert_eq!(names(&participants), ["ada", "bob"]);
        participants.apply(&joined(9, 30, "bob"), Duration::ZERO);
        participants.apply(&joined(10, 32, "eve"), Duration::ZERO);
        assert_eq!(names(&participants), ["ada", "bob", "eve"]);
        participants.apply(&left(11, 34, "ada", 4), Duration::ZERO);
        assert_eq!(names(&participants), ["bob", "eve"]);
        assert_eq!(
            participants.iter().find(|(_, own)| *own),
            Some(("bob", true))
        );
    }

    #[test]
    fn a_granted_resume_keeps_whom_we_have() {
        let mut participants = Participants::default();
        participants.welcome(&welcome("bob", 2, &[(1, "ada"), (2, "bob")]));
        participants.apply(&joined(3, 9, "eve"), Duration::ZERO);
        let mut again = welcome("bob", 2, &[]);
        again.participants = None;
        again.position = 3.into();
        participants.welcome(&again);
        assert_eq!(names(&participants), ["ada", "bob", "eve"]);
        participants.apply(&left(4, 11, "eve", 3), Duration::ZERO);
        assert_eq!(names(&participants), ["ada", "bob"]);
    }

    #[test]
    fn the_gone_fade_and_what_is_read_is_known_from_what_is_said() {
        let mut participants = Participants::default();
        let mut first = welcome("bob", 2, &[(1, "ada"), (2, "bob")]);
        first.seen = vec![(ParticipantNumber::new(1), Position::new(1))];
        participants.welcome(&first);
        let mut said = message(3, 9, "ada", "hi");
        if let EventKind::Message { seen, .. } = &mut said.kind {
            *seen = 2.into();
        }
        participants.apply(&said, Duration::ZERO);
        participants.apply(&left(4, 11, "ada", 1), Duration::from_secs(1));
        let people: Vec<_> = participants.people().map(|p| (p.name, p.gone)).collect();
        assert_eq!(people, [("ada", true), ("bob", false)]);
        assert_eq!(participants.count(), 1);
        assert_eq!(participants.fades_at(), Some(Duration::from_secs(6)));
        participants.fade(Duration::from_secs(6));
        assert_eq!(participants.shown(), 1);
        assert_eq!(participants.fades_at(), None);
    }

    #[test]
    fn what_is_read_only_grows() {
        let mut participants = Participants::default();
        participants.welcome(&welcome("bob", 2, &[(1, "ada"), (2, "bob")]));
        for (position, told, known) in [(3, 2, 2), (4, 0, 2), (5, 4, 4)] {
            let mut said = message(position, position * 4, "ada", "hi");
            if let EventKind::Message { seen, .. } = &mut said.kind {
                *seen = Position::new(told);
            }
            participants.apply(&said, Duration::ZERO);
            let ada = participants.people().next().map(|ada| ada.seen);
            assert_eq!(ada, Some(Position::new(known)));
        }
    }
}
