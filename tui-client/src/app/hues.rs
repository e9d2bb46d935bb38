//! Which of the colours of names each name has.
//!
//! A name asks for the colour that its hash gives, so that it has the same one on every screen;
//! where somebody present has that already, it takes the next that is free. Names are given theirs
//! in the order of the log, so that all who saw the same people come see the same colours. Who has
//! a colour keeps it while present, and gets it back later if it is free; so a screen that was
//! started after a namesake in colour has left may show another one.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Names whose colours are remembered after their leaving: more than fit on any screen.
const MANY_GONE: usize = 1_000;

/// The colours of names, by their numbers.
#[derive(Debug)]
pub(super) struct Hues {
    /// How many of those present have each.
    holders: Vec<usize>,
    /// Of who is present, and of who was.
    known: HashMap<Arc<str>, usize>,
    gone: VecDeque<Arc<str>>,
}

impl Default for Hues {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Hues {
    /// So many colours, at least one, and nobody present.
    pub(super) fn new(count: usize) -> Self {
        Self {
            holders: vec![0; count.max(1)],
            known: HashMap::new(),
            gone: VecDeque::new(),
        }
    }

    /// The colour of a name.
    pub(super) fn of(&self, name: &str) -> usize {
        self.known
            .get(name)
            .copied()
            .unwrap_or_else(|| self.asked(name))
    }

    /// Somebody comes. Returns their colour.
    pub(super) fn give(&mut self, name: &Arc<str>) -> usize {
        let asked = self.asked(name);
        let had = self.known.get(name).copied();
        let had = had.filter(|&hue| self.holders[hue] == 0);
        let hue = had.or_else(|| self.free(asked)).unwrap_or(asked);
        self.holders[hue] += 1;
        // Who has gone is known: a name that is new need not be looked for among them.
        if self.known.insert(Arc::clone(name), hue).is_some() {
            self.gone.retain(|gone| gone != name);
        }
        hue
    }

    /// Somebody leaves, whose lines stay on screen as they are.
    pub(super) fn leave(&mut self, name: &Arc<str>, hue: usize) {
        self.holders[hue] = self.holders[hue].saturating_sub(1);
        self.gone.push_back(Arc::clone(name));
        if self.gone.len() > MANY_GONE
            && let Some(forgotten) = self.gone.pop_front()
        {
            self.known.remove(&forgotten);
        }
    }

    /// Whether some of so many who are present look alike and need not.
    pub(super) fn is_crowded(&self, present: usize) -> bool {
        present <= self.holders.len() && self.holders.iter().any(|&holders| holders > 1)
    }

    /// Gives one who has somebody else's colour another one that nobody has.
    pub(super) fn part(&mut self, name: &Arc<str>, hue: usize) -> usize {
        match self.free(self.asked(name)) {
            Some(free) if self.holders[hue] > 1 => {
                self.holders[hue] -= 1;
                self.holders[free] += 1;
                self.known.insert(Arc::clone(name), free);
                free
            }
            _ => hue,
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.known.len()
    }

    fn free(&self, asked: usize) -> Option<usize> {
        let count = self.holders.len();
        (asked..asked + count)
            .map(|hue| hue % count)
            .find(|&hue| self.holders[hue] == 0)
    }

    fn asked(&self, name: &str) -> usize {
        // FNV-1a, whose result no release of Rust changes.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        usize::try_from(hash >> 32).unwrap_or(0) % self.holders.len()
    }
}
