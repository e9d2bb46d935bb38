//! Who is present: a fold over the log, from what a welcome told.

use std::{collections::BTreeMap, sync::Arc};

use chitty_chat::{Event, EventKind, ParticipantNumber, Position};

use crate::session::Welcome;

/// Who is present, oldest first.
#[derive(Debug, Default)]
pub struct Participants {
    present: BTreeMap<ParticipantNumber, Arc<str>>,
    own: Option<ParticipantNumber>,
    /// Events below it are history.
    from: Position,
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
            .map(|(number, name)| (&**name, Some(*number) == self.own))
    }

    pub(super) fn welcome(&mut self, welcome: &Welcome) {
        self.own = Some(welcome.number);
        if let Some(participants) = &welcome.participants {
            self.present = participants.iter().cloned().collect();
            self.from = welcome.position;
        }
    }

    pub(super) fn apply(&mut self, event: &Event) {
        if event.position < self.from {
            return;
        }
        match &event.kind {
            EventKind::Joined { name } => {
                self.present.insert(event.position.into(), Arc::clone(name));
            }
            EventKind::Left { participant, .. } => {
                self.present.remove(participant);
            }
            EventKind::Message { .. } | EventKind::Unknown => {}
        }
    }

    /// Nobody can be known to be present any more.
    pub(super) fn clear(&mut self) {
        self.present.clear();
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
        participants.apply(&joined(5, 20, "ghost"));
        participants.apply(&left(6, 22, "ada", 4));
        assert_eq!(names(&participants), ["ada", "bob"]);
        participants.apply(&joined(9, 30, "bob"));
        participants.apply(&joined(10, 32, "eve"));
        assert_eq!(names(&participants), ["ada", "bob", "eve"]);
        participants.apply(&left(11, 34, "ada", 4));
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
        participants.apply(&joined(3, 9, "eve"));
        let mut again = welcome("bob", 2, &[]);
        again.participants = None;
        again.position = 3.into();
        participants.welcome(&again);
        assert_eq!(names(&participants), ["ada", "bob", "eve"]);
        participants.apply(&left(4, 11, "eve", 3));
        assert_eq!(names(&participants), ["ada", "bob"]);
    }
}
