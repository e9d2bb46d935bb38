//! Who is present: a fold over the log, from what a welcome told.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use chitty_chat::{Event, EventKind, ParticipantNumber, Position, text::caseless};

use super::hues::Hues;
use crate::session::WelcomeNotice;

/// How long those stay in sight who are gone.
const FADING: Duration = Duration::from_secs(5);
/// So many of them at most.
const MAX_GONE: usize = 16;
/// So many are present at most; who joins beyond that is not listed. Twice a server's limit unless
/// configured otherwise.
const MAX_PRESENT: usize = 20_000;
/// A pane of so many rows has room to explain its signs.
const EXPLAINED_FROM: usize = 10;
/// The rows that this takes, with a gap above.
const EXPLANATION: usize = 3;
/// Names in a line of the list.
const LISTED: usize = 50;

/// Who is present.
#[derive(Debug, Default)]
pub struct Participants {
    present: BTreeMap<ParticipantNumber, PresentParticipant>,
    /// By name, in capitals or not.
    sorted: Vec<(String, ParticipantNumber)>,
    gone: VecDeque<Departed>,
    hues: Hues,
    own: Option<ParticipantNumber>,
    /// Events below it are history.
    from: Position,
    /// Somebody else has told what it has received.
    others_have_seen: bool,
    /// Of the people in the pane, so many are above it.
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

/// Somebody in the pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedParticipant<'a> {
    /// This participation.
    pub number: ParticipantNumber,
    /// The name, as it came.
    pub name: &'a str,
    /// It is the user.
    pub own: bool,
    /// It has left a moment ago.
    pub gone: bool,
    /// What its stream had delivered when it last wrote, up to here: no more than that is told. 0:
    /// it has not written.
    pub seen: Position,
}

/// What of a list is on screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisibleRange {
    /// Those on screen.
    pub people: Range<usize>,
    /// How many there are.
    pub count: usize,
}

impl VisibleRange {
    /// So many rows of a list of `count`, from `top` on or as far down as it goes. Where not all fit,
    /// a row at the end tells how many are left out there.
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

    /// How many are above.
    pub fn above(&self) -> usize {
        self.people.start
    }

    /// How many are below.
    pub fn below(&self) -> usize {
        self.count - self.people.end
    }
}

impl Participants {
    /// How many.
    pub fn count(&self) -> usize {
        self.present.len()
    }

    /// There are so many colours for names.
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

    /// Name, and whether it is the user's own participation: that first, the others by name.
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

    /// Everybody in the pane: the user, the others by name, and those who have just left.
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

    /// Everybody, in lines: "3 present: ada (you), bob, eve". Many take several, each of which is
    /// quickly laid out.
    pub(crate) fn list(&self) -> Vec<String> {
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

    /// How many are in the pane.
    pub fn shown(&self) -> usize {
        self.present.len() + self.gone.len()
    }

    /// The rows for people in a pane of this height: below its title, and above what explains its
    /// signs.
    pub fn rows(&self, height: usize) -> usize {
        let explained = if self.explains(height) {
            EXPLANATION
        } else {
            0
        };
        height.saturating_sub(1 + explained)
    }

    /// Whether a pane of this height has signs to explain, and room for that.
    pub fn explains(&self, height: usize) -> bool {
        self.others_have_seen && height >= EXPLAINED_FROM
    }

    /// How many of them are scrolled out above it.
    pub fn top(&self) -> usize {
        self.top
    }

    /// Scrolls a pane in which people have so many rows.
    pub(super) fn scroll(&mut self, by: isize, rows: usize) {
        let shown = VisibleRange::new(self.shown(), rows, self.top);
        let top = shown.above().saturating_add_signed(by);
        self.top = VisibleRange::new(self.shown(), rows, top).above();
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

    pub(crate) fn welcome(&mut self, welcome: &WelcomeNotice) {
        self.own = Some(welcome.number);
        if let Some(participants) = &welcome.participants {
            self.clear();
            let mut participants: Vec<_> = participants.iter().take(MAX_PRESENT).collect();
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
                let number = event.position.into();
                if self.present.contains_key(&number) {
                    return;
                }
                self.enter(number, name);
                let place = (caseless::key(name), number);
                let index = self.sorted.partition_point(|other| *other < place);
                self.sorted.insert(index, place);
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

    /// Where there are colours enough again, those who came last give up what others have.
    fn part(&mut self) {
        if !self.hues.is_crowded(self.present.len()) {
            return;
        }
        for present in self.present.values_mut().rev() {
            present.hue = self.hues.part(&present.name, present.hue);
        }
    }

    /// Nobody can be known to be present any more.
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
