//! What a user may like one way or another.

use super::keys::Keymap;

/// The switches can be changed by the user; these are their values at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Options {
    /// The wheel scrolls, a click selects; else the mouse is the terminal's.
    pub mouse: bool,
    /// The participants are shown where there is room.
    pub participants: bool,
    /// The bell sounds when one is spoken to and does not see it.
    pub bell: bool,
    /// The terminal is asked to notify, if one looks elsewhere.
    pub notify: bool,
    /// The window's title tells how much is unread.
    pub title: bool,
    /// Which keys do what.
    pub keys: Keymap,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mouse: true,
            participants: true,
            bell: true,
            notify: true,
            title: true,
            keys: Keymap::default(),
        }
    }
}
