//! Assigns a colour to each name.
//!
//! A name prefers the colour that its hash gives, so that it has the same one on every screen. If a
//! participant who is present has that colour already, the name gets the next free one. Names get
//! their colours in the order of the log, so that all clients that saw the same joins show the same
//! colours. A participant keeps its colour while present, and gets it back on return if it is free;
//! a client that started after another holder of the colour had left may show another one.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// How many names of participants that left keep their colour in memory: more than fit on a screen.
const MANY_GONE: usize = 1_000;

/// The colours of names, by number.
#[derive(Debug)]
pub(super) struct Hues {
    /// The number of participants present with each colour.
    holders: Vec<usize>,
    /// The colours of the names of present participants, and of those that left.
    known: HashMap<Arc<str>, usize>,
    gone: VecDeque<Arc<str>>,
}

impl Default for Hues {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Hues {
    /// This many colours, at least one, and nobody present.
    pub(super) fn new(count: usize) -> Self {
        Self {
            holders: vec![0; count.max(1)],
            known: HashMap::new(),
            gone: VecDeque::new(),
        }
    }

    /// The number of a name's colour.
    pub(super) fn of(&self, name: &str) -> usize {
        self.known
            .get(name)
            .copied()
            .unwrap_or_else(|| self.asked(name))
    }

    /// Assigns a colour to a participant that joins, and returns its number.
    pub(super) fn give(&mut self, name: &Arc<str>) -> usize {
        let asked = self.asked(name);
        let had = self.known.get(name).copied();
        // A colour from before is only taken back if nobody got it meanwhile.
        let had = had.filter(|&hue| self.holders[hue] == 0);
        let hue = had.or_else(|| self.free(asked)).unwrap_or(asked);
        self.holders[hue] += 1;
        // A name that left is still in `known`, so a new name does not have to be searched for.
        if self.known.insert(Arc::clone(name), hue).is_some() {
            self.gone.retain(|gone| gone != name);
        }
        hue
    }

    /// Releases the colour of a participant that leaves; its lines on screen keep it.
    pub(super) fn leave(&mut self, name: &Arc<str>, hue: usize) {
        self.holders[hue] = self.holders[hue].saturating_sub(1);
        self.gone.push_back(Arc::clone(name));
        if self.gone.len() > MANY_GONE
            && let Some(forgotten) = self.gone.pop_front()
        {
            self.known.remove(&forgotten);
        }
    }

    /// Whether some of this many participants share a colour although there are enough for all.
    pub(super) fn is_crowded(&self, present: usize) -> bool {
        present <= self.holders.len() && self.holders.iter().any(|&holders| holders > 1)
    }

    /// Gives a participant that shares its colour a free one, if there is one.
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
        // The next free one after the asked one, so that all clients make the same choice.
        (asked..asked + count)
            .map(|hue| hue % count)
            .find(|&hue| self.holders[hue] == 0)
    }

    fn asked(&self, name: &str) -> usize {
        // FNV-1a, because no Rust release changes its result.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        usize::try_from(hash >> 32).unwrap_or(0) % self.holders.len()
    }
}
