//! The participants who are present: on each screen at each position, and at the end of the run.

use std::collections::BTreeSet;

use chitty::session::{Notice, WelcomeNotice};
use chitty_chat::{Event, EventKind};

use super::{
    ClientRun, Evidence, Fate, Verdict,
    fold::{PresenceHistory, PresentNames},
};

/// A second implementation of the participants pane, driven by the client's notices.
#[derive(Default)]
struct ModelPane {
    number: u64,
    /// The position of the last Welcome. Events before it are history, and change nothing.
    since: u64,
    /// The position of the last list of participants. A resume from before it repeats joins and
    /// leaves that the list already contains: until the timeline is past that position, the pane is
    /// ahead of it, and cannot be compared.
    listed_at: u64,
    present: PresentNames,
}

pub(super) fn check(client: &ClientRun, presences: &[PresenceHistory], verdict: &mut Verdict) {
    let mut pane = ModelPane::default();
    let mut welcomes = 0;
    for notice in client.notices() {
        let position = match notice {
            Notice::Welcome(welcome) => {
                welcomes += 1;
                pane.welcome(welcome)
            }
            Notice::Event { event, .. } => pane.event(event),
            _ => None,
        };
        // Compare only when the pane is about a position of its own.
        let Some(position) = position else { continue };
        let presence = presences.get(client.log_after(welcomes));
        let there = presence.and_then(|presence| presence.at(position));
        verdict.must(there == Some(&pane.present), "who is present", || {
            format!(
                "{}: at {position} shows {:?}, the log says {there:?}",
                client.label, pane.present
            )
        });
    }
}

/// At the end each client that runs is present once, and nobody else is.
pub(super) fn check_rest(evidence: &Evidence, presence: &PresenceHistory, verdict: &mut Verdict) {
    let mut truth = BTreeSet::new();
    for client in evidence
        .clients
        .iter()
        .filter(|client| client.fate == Fate::Runs)
    {
        let number = own_number(client);
        verdict.must(truth.insert(number), "presence is the truth", || {
            format!("{}: a second one at {number}", client.label)
        });
    }
    let present: BTreeSet<u64> = presence.at_end().keys().copied().collect();
    verdict.must(truth == present, "presence is the truth", || {
        format!(
            "there are {truth:?}, the log ends with {:?}",
            presence.at_end()
        )
    });
}

fn own_number(client: &ClientRun) -> u64 {
    let mut pane = ModelPane::default();
    for notice in client.notices() {
        if let Notice::Welcome(welcome) = notice {
            pane.welcome(welcome);
        }
    }
    pane.number
}

impl ModelPane {
    /// Takes a Welcome. Returns the position that the pane is about now, or `None` if the Welcome has
    /// no list and the pane stays as it is.
    fn welcome(&mut self, welcome: &WelcomeNotice) -> Option<u64> {
        self.number = welcome.number.get();
        self.since = welcome.position.get();
        let participants = welcome.participants.as_ref()?;
        self.listed_at = self.since;
        self.present = participants
            .iter()
            .map(|(number, name)| (number.get(), name.to_string()))
            .collect();
        Some(self.since)
    }

    /// Takes an event. Returns the position that the pane is about now, if it can be compared.
    fn event(&mut self, event: &Event) -> Option<u64> {
        let position = event.position.get();
        if position < self.since {
            return None;
        }
        match &event.kind {
            EventKind::Joined { name, .. } => {
                self.present.insert(position, name.to_string());
            }
            EventKind::Left { participant, .. } => {
                self.present.remove(&participant.get());
            }
            EventKind::Message { .. }
            | EventKind::Member(_)
            | EventKind::Invitation(_)
            | EventKind::Unknown => {}
        }
        (position >= self.listed_at).then_some(position)
    }
}
