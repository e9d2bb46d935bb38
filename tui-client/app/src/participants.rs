//! The participants that are present: a fold over the log, starting from a Welcome.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use chitty_chat::{Event, EventKind, ParticipantNumber, Position, text::caseless};

use super::hues::Hues;
use crate::port::WelcomeNotice;

/// How long a participant that left stays visible.
const FADING: Duration = Duration::from_secs(5);
/// The largest number of participants that left and are still visible.
const MAX_GONE: usize = 16;
/// The largest number of participants that are listed: twice a server's default limit.
const MAX_PRESENT: usize = 20_000;
/// The fewest rows of a pane that explains its signs.
const EXPLAINED_FROM: usize = 10;
/// The rows of the explanation, with a gap above.
const EXPLANATION: usize = 3;
/// The number of names in one line of the list.
const LISTED: usize = 50;

/// The participants of the chat.
#[derive(Debug, Default)]
pub struct Participants {
    present: BTreeMap<ParticipantNumber, PresentParticipant>,
    /// The present participants, sorted by name without regard to case.
    sorted: Vec<(String, ParticipantNumber)>,
    gone: VecDeque<Departed>,
    hues: Hues,
    own: Option<ParticipantNumber>,
    /// Whether another participant has reported what it has received.
    others_have_seen: bool,
    /// How many entries of the pane are scrolled out above it.
    top: usize,
}

#[derive(Debug)]
struct PresentParticipant {
    name: Arc<str>,
    hue: usize,
    seen: Position,
}

#[derive(Debug)]
struct Departed {
    number: ParticipantNumber,
    name: Arc<str>,
    until: Duration,
}

/// An entry of the participants pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedParticipant<'a> {
    /// The number of the participation.
    pub number: ParticipantNumber,
    /// The name, as the server sent it.
    pub name: &'a str,
    /// Whether this is the user.
    pub own: bool,
    /// Whether it left a moment ago.
    pub gone: bool,
    /// The position up to which it had received the log when it last wrote, which is all that is
    /// known; 0 if it has not written.
    pub seen: Position,
}

/// The visible part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisibleRange {
    /// The indices of the visible entries.
    pub people: Range<usize>,
    /// The number of entries.
    pub count: usize,
}

impl VisibleRange {
    /// The part of a list of `count` entries that `rows` rows show from `top` on, or as far down as
    /// possible. If not all entries fit, one row at each cut end reports how many are missing.
    pub fn new(count: usize, rows: usize, top: usize) -> Self {
        let last = match count.saturating_sub(rows) {
            0 => 0,
            more => more + 1,
        };
        let from = top.min(last).min(count);
        let rows = rows.saturating_sub(usize::from(from > 0));
        let left = count - from;
        let to = if left > rows {
            from + rows.saturating_sub(1)
        } else {
            count
        };
        Self {
            people: from..to,
            count,
        }
    }

    /// How many entries are above the visible ones.
    pub fn above(&self) -> usize {
        self.people.start
    }

    /// How many entries are below the visible ones.
    pub fn below(&self) -> usize {
        self.count - self.people.end
    }
}

impl Participants {
    /// The number of present participants.
    pub fn count(&self) -> usize {
        self.present.len()
    }

    /// Sets the number of colours for names.
    pub(super) fn paint(&mut self, hues: usize) {
        self.hues = Hues::new(hues);
        for present in self.present.values_mut() {
            present.hue = self.hues.give(&present.name);
        }
    }

    /// The number of the colour that a name has.
    pub fn hue(&self, name: &str) -> usize {
        self.hues.of(name)
    }

    /// The names, each with whether it is the user's own participation. The user comes first, the
    /// others follow by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.ordered()
            .map(|(number, present)| (&*present.name, Some(number) == self.own))
    }

    fn ordered(&self) -> impl Iterator<Item = (ParticipantNumber, &PresentParticipant)> {
        let others = self.sorted.iter().map(|(_, number)| *number);
        let others = others.filter(|number| Some(*number) != self.own);
        let numbers = self.own.into_iter().chain(others);
        numbers.filter_map(|number| Some((number, self.present.get(&number)?)))
    }

    /// The entries of the pane: the user, the others by name, and those that have just left.
    pub fn people(&self) -> impl Iterator<Item = ListedParticipant<'_>> {
        let present = self.ordered().map(|(number, present)| ListedParticipant {
            number,
            name: &present.name,
            own: Some(number) == self.own,
            gone: false,
            seen: present.seen,
        });
        present.chain(self.gone.iter().map(|gone| ListedParticipant {
            number: gone.number,
            name: &gone.name,
            own: false,
            gone: true,
            seen: Position::ZERO,
        }))
    }

    /// All participants as lines of text: "3 present: ada (you), bob, eve". A long list takes
    /// several lines, because each has to be laid out quickly.
    pub fn list(&self) -> Vec<String> {
        let names: Vec<String> = self
            .iter()
            .map(|(name, own)| {
                let suffix = if own { " (you)" } else { "" };
                format!("{name}{suffix}")
            })
            .collect();
        let count = names.len();
        let mut from = 1;
        let line = |names: &[String]| {
            let to = from + names.len() - 1;
            let head = if count <= LISTED {
                format!("{count} present")
            } else {
                format!("{from} to {to} of {count} present")
            };
            from = to + 1;
            format!("{head}: {}", names.join(", "))
        };
        if names.is_empty() {
            return vec!["Nobody is known to be present".into()];
        }
        names.chunks(LISTED).map(line).collect()
    }

    /// The number of entries in the pane.
    pub fn shown(&self) -> usize {
        self.present.len() + self.gone.len()
    }

    /// How many rows for entries a pane of this height has, without the title and the explanation.
    pub fn rows(&self, height: usize) -> usize {
        let explained = if self.explains(height) {
            EXPLANATION
        } else {
            0
        };
        height.saturating_sub(1 + explained)
    }

    /// Whether a pane of this height explains its signs.
    pub fn explains(&self, height: usize) -> bool {
        self.others_have_seen && height >= EXPLAINED_FROM
    }

    /// How many entries are scrolled out above the pane.
    pub fn top(&self) -> usize {
        self.top
    }

    /// Scrolls a pane that has this many rows for entries.
    pub(super) fn scroll(&mut self, by: isize, rows: usize) {
        // `top` may be beyond the end since participants left, so it is put right before it moves.
        let shown = VisibleRange::new(self.shown(), rows, self.top);
        let top = shown.above().saturating_add_signed(by);
        self.top = VisibleRange::new(self.shown(), rows, top).above();
    }

    /// The time at which the next entry disappears.
    pub(super) fn fades_at(&self) -> Option<Duration> {
        self.gone.iter().map(|gone| gone.until).min()
    }

    pub(super) fn fade(&mut self, now: Duration) {
        self.gone.retain(|gone| gone.until > now);
    }

    /// Takes the server's list of those who are present, if the Welcome has one.
    pub fn welcome(&mut self, welcome: &WelcomeNotice) {
        self.own = Some(welcome.number);
        if let Some(participants) = &welcome.participants {
            // This list replaces everybody who was known: events that were missed may have changed
            // anything.
            self.clear();
            let mut participants: Vec<_> = participants.iter().take(MAX_PRESENT).collect();
            // Colours are given in the order of joining, on every client alike; see `hues`.
            participants.sort_unstable_by_key(|(number, _)| *number);
            for (number, name) in participants {
                self.enter(*number, name);
            }
            self.sorted = self
                .present
                .iter()
                .map(|(number, present)| (caseless::key(&present.name), *number))
                .collect();
            self.sorted.sort_unstable();
        }
        for (number, seen) in &welcome.seen {
            self.has_seen(*number, *seen);
        }
    }

    /// Applies a live event. History must not come here: it changes nobody's presence.
    pub fn apply(&mut self, event: &Event, now: Duration) {
        self.fade(now);
        match &event.kind {
            EventKind::Joined { name, .. } if self.present.len() < MAX_PRESENT => {
                let number = event.position.into();
                // The Welcome has the user's own Joined already, which then comes on the stream as
                // well.
                if self.present.contains_key(&number) {
                    return;
                }
                self.enter(number, name);
                // Kept sorted, because a pane of thousands is drawn many times for one that joins.
                // The number makes equal names distinct.
                let place = (caseless::key(name), number);
                let index = self.sorted.partition_point(|other| *other < place);
                self.sorted.insert(index, place);
            }
            EventKind::Left { participant, .. } => self.leave(*participant, now),
            EventKind::Message {
                participant, seen, ..
            } => self.has_seen(*participant, *seen),
            EventKind::Joined { .. }
            | EventKind::Member(_)
            | EventKind::Invitation(_)
            | EventKind::Unknown => {}
        }
    }

    fn has_seen(&mut self, number: ParticipantNumber, seen: Position) {
        if let Some(present) = self.present.get_mut(&number) {
            // A retried message may report less than a later one did.
            present.seen = present.seen.max(seen);
            self.others_have_seen |= seen > Position::ZERO && Some(number) != self.own;
        }
    }

    fn enter(&mut self, number: ParticipantNumber, name: &Arc<str>) {
        let present = PresentParticipant {
            name: Arc::clone(name),
            hue: self.hues.give(name),
            seen: Position::ZERO,
        };
        self.present.insert(number, present);
    }

    fn leave(&mut self, number: ParticipantNumber, now: Duration) {
        let Some(present) = self.present.remove(&number) else {
            return;
        };
        let place = (caseless::key(&present.name), number);
        if let Ok(index) = self.sorted.binary_search(&place) {
            self.sorted.remove(index);
        }
        self.hues.leave(&present.name, present.hue);
        self.part();
        if self.gone.len() >= MAX_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(Departed {
            number,
            name: present.name,
            until: now.saturating_add(FADING),
        });
    }

    /// If there are enough colours again, the participants that joined last give up shared ones.
    fn part(&mut self) {
        if !self.hues.is_crowded(self.present.len()) {
            return;
        }
        for present in self.present.values_mut().rev() {
            present.hue = self.hues.part(&present.name, present.hue);
        }
    }

    /// Forgets everybody, because the client no longer learns of changes.
    pub(super) fn clear(&mut self) {
        for present in std::mem::take(&mut self.present).into_values() {
            self.hues.leave(&present.name, present.hue);
        }
        self.sorted.clear();
        self.gone.clear();
        self.others_have_seen = false;
    }
}

#[cfg(test)]
mod tests;
