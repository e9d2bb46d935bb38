//! What the mouse does: it scrolls and selects.

use super::{ActiveScreen, App, Effect, MainPane, Tone, keys::Action};

/// The rows by which the wheel scrolls.
const WHEEL: usize = 3;

/// An action of the mouse, at a column and row of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouse {
    /// The wheel was turned up here.
    WheelUp(u16, u16),
    /// The wheel was turned down here.
    WheelDown(u16, u16),
    /// The left button was pressed here.
    Press(u16, u16),
}

impl App {
    /// Applies a mouse action. Returns whether the screen changed.
    pub(super) fn mouse(&mut self, mouse: Mouse) -> bool {
        if self.screen != ActiveScreen::Chat || self.help.is_some() {
            return false;
        }
        let messages = self.panes.messages;
        // The messages behind the diagram stay as they are.
        let covered = self.pane == MainPane::Diagram;
        match mouse {
            Mouse::WheelUp(..) | Mouse::WheelDown(..) if covered => return false,
            Mouse::Press(x, y) if covered && messages.contains((x, y).into()) => return false,
            Mouse::WheelUp(x, y) if self.is_at_participants(x, y) => {
                self.scroll_participants(-WHEEL.cast_signed());
            }
            Mouse::WheelDown(x, y) if self.is_at_participants(x, y) => {
                self.scroll_participants(WHEEL.cast_signed());
            }
            Mouse::WheelUp(..) => {
                self.chat.cancel_jump();
                self.chat.fetch_history();
                self.chat.timeline.up(WHEEL);
            }
            Mouse::WheelDown(..) => {
                self.chat.cancel_jump();
                self.chat.timeline.down(WHEEL);
            }
            Mouse::Press(x, y) if messages.contains((x, y).into()) => {
                self.chat.cancel_jump();
                self.chat.timeline.select_row((y - messages.y).into());
            }
            Mouse::Press(x, y) if self.panes.status.contains((x, y).into()) => {
                self.chat.go_to_newest();
            }
            Mouse::Press(..) => return false,
        }
        true
    }

    fn is_at_participants(&self, x: u16, y: u16) -> bool {
        self.side().is_some_and(|side| side.contains((x, y).into()))
    }

    fn scroll_participants(&mut self, by: isize) {
        let rows = self.participant_rows().unwrap_or_default();
        self.chat.participants.scroll(by, rows);
    }

    /// Captures the mouse, or leaves it to the terminal.
    pub(super) fn toggle_mouse(&mut self, effects: &mut Vec<Effect>) {
        self.options.mouse = !self.options.mouse;
        effects.push(Effect::Mouse(
            self.options.mouse && !self.is_messages_only(),
        ));
        let keys = &self.options.keys;
        let (said, back) = if self.options.mouse {
            let back = keys.hint(Action::Mouse, "gives it back to the terminal");
            ("The mouse scrolls and selects here", back)
        } else {
            let back = keys.hint(Action::Mouse, "takes it back");
            ("The mouse is the terminal's", back)
        };
        let back = back.map(|back| format!("; {back}")).unwrap_or_default();
        self.say(format!("{said}{back}"), Tone::Info);
    }
}
