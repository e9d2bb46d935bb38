//! Letters that are keys while a line is selected, and could be the start of a message all the same.
//!
//! A search or a jump leaves a line selected, and whoever answers it types on: "can you …" begins
//! with the key that copies. Nobody who means such a key types another letter right after it, so
//! then the letters before are written, too.

use std::time::Duration;

/// The longest time between two letters of one word, for a slow typist.
const WORD: Duration = Duration::from_millis(500);

/// The letters since the last pause.
#[derive(Debug, Default)]
pub(super) struct Letters {
    typed: String,
    /// The time of the last one.
    at: Duration,
}

impl Letters {
    /// Takes a letter that was a key of the selected line.
    pub(super) fn push(&mut self, letter: char, now: Duration) {
        if self.is_over(now) {
            self.typed.clear();
        }
        self.typed.push(letter);
        self.at = now;
    }

    /// The letters that belong to what is typed now.
    pub(super) fn take(&mut self, now: Duration) -> String {
        if self.is_over(now) {
            self.typed.clear();
        }
        std::mem::take(&mut self.typed)
    }

    /// Forgets them, because another key was pressed.
    pub(super) fn clear(&mut self) {
        self.typed.clear();
    }

    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.at) >= WORD
    }
}
