//! The user's preferences.

use super::keys::Keymap;

/// The initial values of switches that the user can change later, and the key bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Options {
    /// Whether the wheel scrolls and a click selects; otherwise the terminal handles the mouse.
    pub mouse: bool,
    /// Whether the participants are shown if there is space.
    pub participants: bool,
    /// Whether the bell rings when the user is mentioned and does not see it.
    pub bell: bool,
    /// Whether the terminal shows a notification if its window does not have the keyboard.
    pub notify: bool,
    /// Whether the window's title shows how much is unread.
    pub title: bool,
    /// The key bindings.
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
