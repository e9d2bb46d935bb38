//! What a key means depends on what is open. The mode says that, and is computed in one place; each
//! mode has one handler.

use std::time::SystemTime;

use crossterm::event::{KeyEvent, KeyEventKind};

use super::{
    ActiveScreen, App, Effect, MainPane, Tone,
    composer::Edit,
    keys::{Action, KeyChord},
    leaving::Leaving,
};

/// What has the keyboard. If several things are open, the first of these takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The help covers everything else.
    Help,
    /// The join screen waits for the answer to a name.
    Joining,
    /// The join screen asks for a name.
    Join,
    /// The lines sent before are searched.
    HistorySearch,
    /// The prompt of the search of the messages is open.
    SearchPrompt,
    /// Only the messages are shown.
    MessagesOnly,
    /// A line is selected.
    Selecting,
    /// Nothing is open: keys edit the draft and scroll the messages.
    Chat,
}

/// A key that was pressed, looked up in the key bindings.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyPress {
    /// Its action; `None` if it has none.
    pub(super) action: Option<Action>,
    /// Its action on a selected line, if that is another one.
    pub(super) on_selection: Option<Action>,
    /// Whether it is the second key of a sequence.
    is_second: bool,
    /// How far the user was on the way out before this key.
    pub(super) leaving: Leaving,
    /// Whether it has cancelled an announced leave.
    stays: bool,
}

impl KeyPress {
    /// The character that the key types.
    pub(super) fn typed(self) -> Option<char> {
        match self.action {
            Some(Action::Edit(Edit::Insert(c))) => Some(c),
            _ => None,
        }
    }

    /// Whether a message can begin with it.
    fn writes(self) -> bool {
        self.typed().is_some_and(|c| c != ' ')
    }
}

impl App {
    /// What has the keyboard now.
    pub(super) fn mode(&self) -> Mode {
        match self.screen {
            _ if self.help.is_some() => Mode::Help,
            ActiveScreen::Join if self.join.trying() => Mode::Joining,
            ActiveScreen::Join => Mode::Join,
            ActiveScreen::Chat if self.chat.composer.history_search().is_some() => {
                Mode::HistorySearch
            }
            ActiveScreen::Chat if self.chat.search().is_typing() => Mode::SearchPrompt,
            ActiveScreen::Chat if self.is_messages_only() => Mode::MessagesOnly,
            ActiveScreen::Chat if self.chat.timeline.is_selecting() => Mode::Selecting,
            ActiveScreen::Chat => Mode::Chat,
        }
    }

    /// Handles a key. Returns whether the screen changed.
    pub(super) fn key(
        &mut self,
        key: KeyEvent,
        wall: SystemTime,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if key.kind == KeyEventKind::Release {
            return false;
        }
        let press = self.look_up(key);
        if press.stays {
            self.hint = None;
        }
        if press.writes() {
            self.close_help();
        }
        let mode = self.mode();
        match mode {
            Mode::Help => self.any_mode_key(press, effects, |app, action, _| app.help_key(action)),
            Mode::Joining => self.any_mode_key(press, effects, |app, action, effects| {
                app.joining_key(action, press.leaving, effects);
            }),
            Mode::Join => self.any_mode_key(press, effects, |app, action, effects| {
                app.join_key(action, press.leaving, effects);
            }),
            Mode::HistorySearch => self.any_mode_key(press, effects, |app, action, effects| {
                if !app.history_search_key(action) {
                    app.chat_key(action, press.leaving, wall, effects);
                }
            }),
            Mode::SearchPrompt => {
                self.search_key(press.action, effects);
                true
            }
            Mode::MessagesOnly => {
                self.messages_only_key(press, effects) || self.draft_key(press, wall, effects)
            }
            Mode::Selecting => {
                self.selecting_key(press, effects)
                    || self.reading_key(press.action, effects)
                    || self.draft_key(press, wall, effects)
            }
            Mode::Chat => {
                self.reading_key(press.action, effects) || self.draft_key(press, wall, effects)
            }
        }
    }

    /// Closes the help, if it is open, because somebody begins to write: nothing of that is lost.
    fn close_help(&mut self) {
        if self.help.take().is_some() {
            self.closed();
        }
    }

    /// Looks a key up, together with the first key of its sequence if there was one.
    fn look_up(&mut self, key: KeyEvent) -> KeyPress {
        let first = self.first.take();
        let leaving = self.leaving;
        let keys = &self.options.keys;
        KeyPress {
            action: match first {
                Some(first) => keys.after_prefix(first, key),
                None => keys.action(key),
            },
            // On a selected line there are no sequences.
            on_selection: keys.selected(key).filter(|_| first.is_none()),
            is_second: first.is_some(),
            leaving,
            stays: self.leaving.stay(),
        }
    }

    /// A key of the chat that is not about reading.
    fn draft_key(&mut self, press: KeyPress, wall: SystemTime, effects: &mut Vec<Effect>) -> bool {
        self.any_mode_key(press, effects, |app, action, effects| {
            app.chat_key(action, press.leaving, wall, effects);
        })
    }

    /// Carries out the actions that are the same in every mode, and hands all others to `handle`.
    /// Returns whether the screen changed.
    fn any_mode_key(
        &mut self,
        press: KeyPress,
        effects: &mut Vec<Effect>,
        handle: impl FnOnce(&mut Self, Action, &mut Vec<Effect>),
    ) -> bool {
        let Some(action) = press.action else {
            return self.key_without_action(press);
        };
        self.hint = None;
        match action {
            Action::Repaint => effects.push(Effect::Repaint),
            Action::Suspend => effects.push(Effect::Suspend),
            Action::Prefix(first) => self.await_second_key(first),
            Action::Help if self.help.is_none() => self.help = Some(0),
            action => handle(self, action, effects),
        }
        true
    }

    fn key_without_action(&mut self, press: KeyPress) -> bool {
        if press.is_second {
            // The key sequence was a mistake, so the key after it must not leave.
            self.closed();
        }
        // The hint about the first key of a sequence disappears.
        (press.is_second && self.hint.take().is_some()) || press.stays
    }

    /// Waits for the second key of a key sequence.
    fn await_second_key(&mut self, first: KeyChord) {
        self.first = Some(first);
        if self.screen == ActiveScreen::Chat {
            self.say(self.options.keys.offers(first), Tone::Info);
        }
    }

    /// A key while only the messages are shown. Returns whether the key is done with: most keys show
    /// the other panes again, and then do what they do there.
    fn messages_only_key(&mut self, press: KeyPress, effects: &mut Vec<Effect>) -> bool {
        if keeps_messages_only(press.action) {
            // The mouse may have selected a line before the terminal took it back.
            return (self.chat.timeline.is_selecting() && self.selecting_key(press, effects))
                || self.reading_key(press.action, effects);
        }
        if press.action.is_some_and(Action::moves) {
            self.chat.cancel_jump();
        }
        self.show_all_panes(effects);
        self.closed();
        press.action == Some(Action::Leave)
    }

    /// Handles a paste. Returns whether the screen changed.
    pub(super) fn paste(&mut self, text: &str, effects: &mut Vec<Effect>) -> bool {
        self.close_help();
        let mode = self.mode();
        if mode == Mode::SearchPrompt {
            self.paste_query(text, effects);
            return true;
        }
        self.hint = None;
        self.leaving.stay();
        self.first = None;
        match mode {
            // The one is closed by now, and the other has taken the text.
            Mode::Help | Mode::SearchPrompt => {}
            Mode::Join => self.join.paste(text),
            Mode::HistorySearch => self.chat.composer.paste_query(text),
            Mode::MessagesOnly => {
                // The user has to see where the text goes.
                self.show_all_panes(effects);
                self.paste_into_draft(text);
            }
            Mode::Joining | Mode::Selecting | Mode::Chat => self.paste_into_draft(text),
        }
        true
    }

    fn paste_into_draft(&mut self, text: &str) {
        // Enter sends what is in the draft from here on.
        self.chat.timeline.deselect();
        if !self.chat.composer.paste(text) {
            self.say("Only a part of what was pasted fits", Tone::Error);
        }
    }

    /// Shows only the messages, for the terminal's own selection.
    pub(super) fn show_messages_only(&mut self, effects: &mut Vec<Effect>) {
        self.switch_pane(MainPane::MessagesOnly, effects);
    }

    /// Shows the other panes beside the messages again.
    pub(super) fn show_all_panes(&mut self, effects: &mut Vec<Effect>) {
        self.switch_pane(MainPane::Messages, effects);
    }

    fn switch_pane(&mut self, pane: MainPane, effects: &mut Vec<Effect>) {
        self.pane = pane;
        self.chat.timeline.deselect();
        if self.options.mouse {
            effects.push(Effect::Mouse(!self.is_messages_only()));
        }
    }
}

/// Whether the messages stay alone on screen after the action.
fn keeps_messages_only(action: Option<Action>) -> bool {
    action.is_some_and(|action| {
        action.scrolls()
            || matches!(
                action,
                Action::MessagesOnly
                    | Action::Home
                    | Action::End
                    | Action::Expand
                    | Action::Repaint
                    | Action::Prefix(_)
            )
    })
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;
    use crate::{
        port::{NameRefusal, Notice},
        testing::TestApp,
    };

    const CTRL: KeyModifiers = KeyModifiers::CONTROL;
    const NONE: KeyModifiers = KeyModifiers::NONE;

    fn refused(name: &str) -> Notice {
        Notice::Refused(NameRefusal {
            name: name.into(),
            reason: "it is taken".into(),
            retry_in: None,
        })
    }

    #[test]
    fn each_mode_is_opened_by_its_key_and_closed_by_esc() {
        let mut driver = TestApp::joined(80, 24);
        assert_eq!(driver.app.mode(), Mode::Chat);
        for (code, modifiers, mode) in [
            (KeyCode::F(1), NONE, Mode::Help),
            (KeyCode::Char('r'), CTRL, Mode::HistorySearch),
            (KeyCode::Char('f'), CTRL, Mode::SearchPrompt),
            (KeyCode::F(4), NONE, Mode::MessagesOnly),
            (KeyCode::Up, CTRL, Mode::Selecting),
        ] {
            driver.key(code, modifiers);
            assert_eq!(driver.app.mode(), mode);
            driver.press(KeyCode::Esc);
            assert_eq!(driver.app.mode(), Mode::Chat, "after {mode:?}");
        }
    }

    #[test]
    fn the_join_screen_covers_what_is_open_in_the_chat() {
        let mut driver = TestApp::joined(80, 24);
        driver.key(KeyCode::Char('f'), CTRL);
        driver.notice(refused("ada"));
        assert_eq!(driver.app.mode(), Mode::Join);
        driver.input(crate::Input::Paste("2".into()));
        assert_eq!(
            driver.app.join().name(),
            "ada2",
            "a paste goes where keys go"
        );
        driver.press(KeyCode::Enter);
        assert_eq!(driver.app.mode(), Mode::Joining);
    }
}
