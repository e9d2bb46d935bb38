//! Who is there: on each screen at each position, and at the end in truth.

use std::collections::BTreeSet;

use chitty::session::{Notice, WelcomeNotice as Welcome};
use chitty_chat::{Event, EventKind};

use super::{
    Evidence, Fate, Life, Verdict,
    chat::{Chat, Present},
};

/// The participants pane.
#[derive(Default)]
struct Pane {
    number: u64,
    /// Events below change nothing.
    since: u64,
    /// As of which position it was told who is present. A resume from below tells again of joins
    /// and leaves that are in it already; until it is past them, it is ahead of the timeline.
    told_at: u64,
    present: Present,
}

pub(super) fn check(life: &Life, chats: &[Chat], verdict: &mut Verdict) {
    let mut pane = Pane::default();
    let mut welcomes = 0;
    for notice in life.notices() {
        let position = match notice {
            Notice::Welcome(welcome) => {
                welcomes += 1;
                pane.welcome(welcome)
            }
            Notice::Event { event, .. } => pane.event(event),
            _ => None,
        };
        let Some(position) = position else { continue };
        let chat = chats.get(life.log_after(welcomes));
        let there = chat.and_then(|chat| chat.at(position));
        verdict.must(there == Some(&pane.present), "who is present", || {
            format!(
                "{}: at {position} shows {:?}, the log says {there:?}",
                life.label, pane.present
            )
        });
    }
}

/// Everybody who runs is present once, and nobody else.
pub(super) fn check_rest(evidence: &Evidence, chat: &Chat, verdict: &mut Verdict) {
    let mut truth = BTreeSet::new();
    for life in evidence.lives.iter().filter(|life| life.fate == Fate::Runs) {
        let number = own_number(life);
        verdict.must(truth.insert(number), "presence is the truth", || {
            format!("{}: a second one at {number}", life.label)
        });
    }
    let present: BTreeSet<u64> = chat.at_end().keys().copied().collect();
    verdict.must(truth == present, "presence is the truth", || {
        format!("there are {truth:?}, the log ends with {:?}", chat.at_end())
    });
}

fn own_number(life: &Life) -> u64 {
    let mut pane = Pane::default();
    for notice in life.notices() {
        if let Notice::Welcome(welcome) = notice {
            pane.welcome(welcome);
        }
    }
    pane.number
}

impl Pane {
    /// As of which position it speaks now; `None` where it goes on as before.
    fn welcome(&mut self, welcome: &Welcome) -> Option<u64> {
        self.number = welcome.number.get();
        self.since = welcome.position.get();
        let participants = welcome.participants.as_ref()?;
        self.told_at = self.since;
        self.present = participants
            .iter()
            .map(|(number, name)| (number.get(), name.to_string()))
            .collect();
        Some(self.since)
    }

    /// As of which position it speaks then, if that can be told.
    fn event(&mut self, event: &Event) -> Option<u64> {
        let position = event.position.get();
        if position < self.since {
            return None;
        }
        match &event.kind {
            EventKind::Joined { name } => {
                self.present.insert(position, name.to_string());
            }
            EventKind::Left { participant, .. } => {
                self.present.remove(&participant.get());
            }
            EventKind::Message { .. } | EventKind::Unknown => {}
        }
        (position >= self.told_at).then_some(position)
    }
}
