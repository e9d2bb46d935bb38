//! What has arrived and was not on screen yet.
//!
//! Entries that arrive are counted from 1 on; those that are fetched have the number 0, so that
//! they are never unread. `seen` never exceeds `arrived`, and the mentions are all above `seen`.

use std::collections::VecDeque;

/// The largest number of mentions that are counted.
const MANY_MENTIONS: usize = 999;

/// What is below the pane while the user has scrolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Below {
    /// How many entries have arrived and were not on screen yet.
    pub new: u64,
    /// How many of them mention the user.
    pub mentions: usize,
}

/// Counts arrivals.
#[derive(Debug, Default)]
pub(super) struct UnreadArrivals {
    /// How many entries have arrived, as opposed to being fetched.
    arrived: u64,
    /// The number of the newest arrival that has been on screen.
    seen: u64,
    /// The arrivals that mention the user and have not been on screen.
    mentions: VecDeque<u64>,
    /// How many entries had arrived when the user looked away.
    away_since: Option<u64>,
}

impl UnreadArrivals {
    /// Counts an arrival, and returns its number.
    pub(super) fn arrive(&mut self, mentions_user: bool) -> u64 {
        self.arrived += 1;
        if mentions_user {
            if self.mentions.len() == MANY_MENTIONS {
                self.mentions.pop_front();
            }
            self.mentions.push_back(self.arrived);
        }
        self.arrived
    }

    /// Takes note that this arrival and those before it have been on screen.
    pub(super) fn see(&mut self, arrival: u64) {
        self.seen = self.seen.max(arrival);
        while self
            .mentions
            .front()
            .is_some_and(|&mention| mention <= self.seen)
        {
            self.mentions.pop_front();
        }
    }

    /// Takes note that the newest line is on screen.
    pub(super) fn see_all(&mut self) {
        self.see(self.arrived);
    }

    /// How much has not been on screen.
    pub(super) fn below(&self) -> Below {
        Below {
            new: self.arrived - self.seen,
            mentions: self.mentions.len(),
        }
    }

    /// Takes note that the user looks away: the unread line stands above what arrives from now on.
    /// Returns whether such a line was on screen.
    pub(super) fn look_away(&mut self) -> bool {
        let stood = self.away_since.is_some_and(|since| self.arrived > since);
        self.away_since = Some(self.arrived);
        stood
    }

    /// Removes the unread line.
    pub(super) fn clear(&mut self) {
        self.away_since = None;
    }

    /// The number of the first arrival after the user looked away, which may not have come yet.
    pub(super) fn first(&self) -> Option<u64> {
        self.away_since.map(|since| since + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_counts_until_it_was_on_screen() {
        let mut unread = UnreadArrivals::default();
        let mentioned = [false, true, false, true].map(|mentions| unread.arrive(mentions));
        assert_eq!(mentioned, [1, 2, 3, 4]);
        assert_eq!(
            unread.below(),
            Below {
                new: 4,
                mentions: 2
            }
        );
        unread.see(2);
        unread.see(1);
        assert_eq!(
            unread.below(),
            Below {
                new: 2,
                mentions: 1
            }
        );
        unread.see_all();
        assert_eq!(
            unread.below(),
            Below {
                new: 0,
                mentions: 0
            }
        );
        for _ in 0..2 * MANY_MENTIONS {
            unread.arrive(true);
        }
        assert_eq!(unread.below().mentions, MANY_MENTIONS);
    }

    #[test]
    fn the_unread_line_was_on_screen_only_if_something_arrived_below_it() {
        let mut unread = UnreadArrivals::default();
        assert!(!unread.look_away());
        assert!(!unread.look_away());
        let arrival = unread.arrive(false);
        assert_eq!(unread.first(), Some(arrival));
        assert!(unread.look_away());
        unread.clear();
        assert_eq!(unread.first(), None);
    }
}
