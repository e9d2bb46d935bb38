//! The signs that screens and drawings have in common. Each has one meaning wherever it stands, and
//! the legends are written from here.

use std::fmt;

/// A sign, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// As it is drawn.
    pub sign: &'static str,
    /// In a few words, for a legend.
    pub means: &'static str,
}

/// The sign, and what it means.
impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign, self.means)
    }
}

const fn sign(sign: &'static str, means: &'static str) -> Sign {
    Sign { sign, means }
}

/// In space-time diagrams: a request that a participant sent, or an event that the server
/// broadcast.
pub const SENT: Sign = sign("●", "sent or broadcast");
/// In space-time diagrams: a request or an event that arrived.
pub const RECEIVED: Sign = sign("○", "received");
/// In space-time diagrams: a reply, which is no event of the run, but may raise a clock.
pub const REPLY: Sign = sign("◇", "a reply raised the clock");
/// In space-time diagrams: what arrives in this row was sent further up.
pub const EARLIER: Sign = sign("├ ┤", "sent further up");
/// In the client's diagram: something of this participant's is on its way.
pub const UNDER_WAY: Sign = sign("┃", "on its way to the server");
/// The way of what is sent, to the right.
pub const TO_RIGHT: &str = "►";
/// The way of what is sent, to the left.
pub const TO_LEFT: &str = "◄";
/// A message that crossed others on its way; a number after it says how many.
pub const CROSSED: &str = "∥";
/// The same with its number, as in a legend.
pub const CROSSED_TWO: Sign = sign("∥2", "crossed 2 messages that its author had not seen");
/// On the screen: that there is a connection.
pub const CONNECTED: &str = "◉";

/// The signs of the screen, beside those of the diagram.
pub const SCREEN: [Sign; 9] = [
    sign("L412", "an event's Lamport time, on every screen the same"),
    CROSSED_TWO,
    sign("…", "not sent yet; or cut here"),
    sign("✗", "refused, too long, or failed"),
    sign("⏎", "a line break in the draft"),
    sign("→ ← ↔", "joined, left, both"),
    sign("✓", "had received the selected line when last writing"),
    sign("▼ ▲", "more is below, above"),
    sign("◉ ◌", "connected, not connected yet"),
];

/// The name of the line of the server, which is the log's process.
pub const SERVER: &str = "server";

/// The signs of a space-time diagram.
pub const DIAGRAM: [Sign; 4] = [SENT, RECEIVED, REPLY, EARLIER];

/// The same, and what a client alone has: lines that are on their way.
pub fn client_diagram() -> impl Iterator<Item = Sign> {
    DIAGRAM.into_iter().chain([UNDER_WAY])
}

/// What they mean, in one line.
///
/// ```
/// assert!(chitty_chat::signs::diagram_legend().starts_with("● sent or broadcast"));
/// ```
pub fn diagram_legend() -> String {
    DIAGRAM.map(|sign| sign.to_string()).join("   ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_has_one_meaning() {
        let all: Vec<_> = client_diagram().chain(SCREEN).collect();
        let signs = all.iter().flat_map(|sign| sign.sign.split(' '));
        let mut signs: Vec<_> = signs.collect();
        let mut means: Vec<_> = all.iter().map(|sign| sign.means).collect();
        for list in [&mut signs, &mut means] {
            let count = list.len();
            list.sort_unstable();
            list.dedup();
            assert_eq!(list.len(), count, "{list:?}");
        }
        assert!(CROSSED_TWO.sign.starts_with(CROSSED));
        assert!(signs.contains(&CONNECTED));
    }
}
