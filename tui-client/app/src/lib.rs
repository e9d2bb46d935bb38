//! The client as a pure state machine: [`Input`] in, [`Effect`] out. It knows no clock, no network
//! and no terminal: the client's `view` draws it, and its `run` drives it.

mod attention;
mod chat;
pub mod commands;
pub mod composer;
pub mod diagram;
pub mod glyphs;
pub mod help;
mod hint;
mod hues;
mod io;
pub mod join;
pub mod keys;
pub mod layout;
mod leaving;
mod letters;
mod mode;
mod mouse;
mod new_since_draft;
mod notices;
pub mod options;
pub mod participants;
pub mod port;
mod reading;
pub mod recent;
pub mod search;
mod searching;
mod shown;
pub mod status;
pub mod timeline;
mod typing;
pub mod wrap;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::{
    attention::Attention,
    chat::ChatState,
    hint::HintChange,
    join::JoinForm,
    keys::{Action, KeyChord},
    layout::Panes,
    leaving::Leaving,
    letters::Letters,
    mode::Mode,
    options::Options,
    status::Status,
};
pub use self::{
    hint::{Hint, Tone},
    io::{Edited, Effect, ExitReason, Input, InputTime, Settings},
    mouse::Mouse,
};
use crate::port::{Ended, SessionCommand};

/// How long the session may take to leave before the screen ends anyway.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// Which of the two screens is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveScreen {
    /// The screen that asks for a name.
    Join,
    /// The screen of the chat.
    Chat,
}

/// What fills the main part of the chat's screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MainPane {
    /// The messages, with the other panes around them.
    Messages,
    /// Only the messages, for the terminal's own selection.
    MessagesOnly,
    /// The diagram, in place of the messages.
    Diagram,
}

/// The state of the client: the chat, and the screen that shows it.
#[derive(Debug)]
pub struct App {
    chat: ChatState,
    screen: ActiveScreen,
    join: JoinForm,
    status: Status,
    attention: Attention,
    options: Options,
    pane: MainPane,
    hint: Option<Hint>,
    /// The first visible row of the help, while it is open.
    help: Option<usize>,
    leaving: Leaving,
    /// The first key of a key sequence that waits for its second.
    first: Option<KeyChord>,
    letters: Letters,
    /// How many lines were sent. Tickets are unique in the session, not only in a chat.
    tickets: u64,
    size: (u16, u16),
    panes: Panes,
    now: Duration,
}

impl App {
    /// The app in its first state, with the effects of the start.
    pub fn new(settings: Settings) -> (Self, Vec<Effect>) {
        let mut app = Self {
            chat: ChatState::new(settings.time_zone, settings.backlog),
            screen: ActiveScreen::Join,
            join: match &settings.name {
                Some(name) => JoinForm::new(name),
                None => JoinForm::offering(&settings.login),
            },
            status: Status::new(settings.server),
            attention: Attention::default(),
            options: settings.options,
            pane: MainPane::Messages,
            hint: None,
            help: None,
            leaving: Leaving::default(),
            first: None,
            letters: Letters::default(),
            tickets: 0,
            size: settings.size,
            panes: Panes::default(),
            now: Duration::ZERO,
        };
        app.lay_out();
        let mut effects = vec![Effect::Draw];
        if settings.name.is_some() {
            app.try_name(&mut effects);
        }
        (app, effects)
    }

    /// Sets the number of colours for names.
    pub fn paint(&mut self, names: usize) {
        self.chat.participants.paint(names);
    }

    /// Processes one input.
    pub fn update(&mut self, input: Input, now: InputTime) -> Vec<Effect> {
        self.now = now.mono;
        let mut effects = Vec::new();
        let changed = match input {
            Input::Key(key) => self.key(key, now.wall, &mut effects),
            Input::Paste(text) => self.paste(&text, &mut effects),
            Input::UnmarkedPaste(text) => {
                self.paste(&text, &mut effects);
                if self.hint.is_none() && self.mode() == Mode::Chat {
                    let send = self.options.keys.hint(Action::Send, "sends them");
                    let send = send.map(|send| format!(": {send}")).unwrap_or_default();
                    self.say(
                        format!("Lines that arrive at once are a paste{send}"),
                        Tone::Info,
                    );
                }
                true
            }
            Input::PasteStalls => {
                self.say(
                    "Waiting for the rest of a paste: Esc ends it here",
                    Tone::Info,
                );
                true
            }
            Input::Mouse(mouse) => self.mouse(mouse),
            Input::Resize(width, height) => {
                let changed = self.size != (width, height);
                self.size = (width, height);
                changed
            }
            Input::Focus(focused) => {
                if focused && self.status.lost() {
                    effects.push(Effect::Session(SessionCommand::Hurry));
                }
                self.focus(focused, &mut effects)
            }
            Input::Session(notice) => self.notice(notice, now.wall, &mut effects),
            Input::Edited(edited) => {
                self.edited(edited);
                true
            }
            Input::Log(news) => {
                self.log_news(&news, now.wall);
                true
            }
            Input::NoShell => {
                self.say(
                    "There is no shell behind this window to go back to",
                    Tone::Error,
                );
                true
            }
            Input::Tick => self.tick(&mut effects),
            Input::Leave => {
                self.leave(&mut effects);
                true
            }
        };
        if changed {
            // Whatever has changed, everything that follows from the state is derived again. Each
            // step depends on the ones before it: the layout on what is open, the pages to fetch on
            // the layout.
            self.uncover();
            self.chat.settle_draft();
            self.lay_out();
            self.chat.read_ahead(self.status.live(), &mut effects);
            self.update_title(&mut effects);
            effects.push(Effect::Draw);
        }
        effects
    }

    /// The time of the next [`Input::Tick`] that the app wants, since the start.
    pub fn next_wake(&self) -> Option<Duration> {
        let countdowns = [self.status.retry_at(), self.join.free_at()];
        let next_second = countdowns.into_iter().flatten().filter_map(|at| {
            // The moment at which the seconds on screen decrease by one.
            let fewer = status::seconds(at.saturating_sub(self.now)).checked_sub(1)?;
            Some(at.saturating_sub(Duration::from_secs(fewer)))
        });
        let fading = self.chat.participants.fades_at();
        let soon = self.leaving.due().chain(fading);
        soon.chain(next_second).min()
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) -> bool {
        self.leave_on_time(effects);
        self.chat.participants.fade(self.now);
        true
    }

    fn outcome(&self, ended: Ended) -> ExitReason {
        match ended {
            Ended::Left => ExitReason::Left,
            // Without a Welcome the user has seen no chat, so the reason is printed instead of
            // shown.
            Ended::Failed(why) | Ended::Removed(why) if !self.chat.is_welcomed() => {
                ExitReason::NeverJoined(why)
            }
            ended => ExitReason::Over(ended),
        }
    }

    fn try_name(&mut self, effects: &mut Vec<Effect>) {
        if let Some(name) = self.join.submit() {
            effects.push(Effect::Session(SessionCommand::Join { name }));
        }
    }

    /// Shows a suggestion to the user until the next key.
    pub fn propose(&mut self, text: &str) {
        self.say(text, Tone::Info);
        self.lay_out();
    }

    fn change_hint(&mut self, change: HintChange) {
        match change {
            HintChange::Keep => {}
            HintChange::Clear => self.hint = None,
            HintChange::Show(hint) => self.hint = Some(hint),
        }
    }

    fn say(&mut self, text: impl Into<String>, tone: Tone) {
        self.hint = Some(Hint {
            text: text.into(),
            tone,
        });
    }

    fn lay_out(&mut self) {
        let (width, height) = self.size;
        let columns = layout::input_columns(width, glyphs::width(&self.prompt()));
        self.chat.composer.lay(columns.draft.into());
        let draft = self.chat.composer.laid().rows.len();
        let opened = self.chat.composer.history_search().is_some()
            || self.chat.composer.completion().is_some();
        let hint = usize::from(opened).max(self.hint_rows().len());
        let alarm = self.alarm_rows().len();
        self.panes = if self.is_messages_only() {
            layout::messages_only(width, height, alarm)
        } else {
            let wanted = layout::WantedRows { alarm, hint, draft };
            layout::panes(width, height, wanted, self.options.participants)
        };
        let messages = self.panes.messages;
        self.chat
            .timeline
            .resize(messages.width.into(), messages.height.into());
    }
}
