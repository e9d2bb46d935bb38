//! The client as a pure state machine: [`Input`] in, [`Effect`] out. It knows no clock, no network
//! and no terminal; `view` draws it, `run` drives it.

mod attention;
pub mod commands;
pub mod composer;
pub mod diagram;
pub mod help;
pub mod join;
pub mod keys;
pub mod layout;
mod notices;
pub mod options;
mod overtaken;
pub mod participants;
mod reading;
pub mod recent;
pub mod search;
pub mod status;
pub mod timeline;
mod typing;
pub(crate) mod wrap;

#[cfg(test)]
mod reading_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use crossterm::event::KeyEvent;
use jiff::tz::TimeZone;

pub use self::reading::Mouse;
use self::{
    attention::Attention, composer::Composer, join::Join, keys::Key, layout::Panes,
    options::Options, overtaken::Overtaken, participants::Participants, recent::Recent,
    search::Search, status::Status, timeline::Timeline,
};
use crate::{
    session::{Command, Ended, HistoryPage, Notice},
    view::glyphs,
};

/// How long the session has for a farewell before the screen goes anyway.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// What happened around the app.
#[derive(Clone, Debug)]
pub enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse was used.
    Mouse(Mouse),
    /// The screen has so many columns and rows.
    Resize(u16, u16),
    /// The terminal window got or lost the keyboard.
    Focus(bool),
    /// The session says something.
    Session(Notice),
    /// The user's editor has ended: with the text, or for this reason without one.
    Edited(Result<Edited, String>),
    /// There is no shell to go back to for a while.
    NoShell,
    /// The time that [`App::next_wake`] asked for has come.
    Tick,
    /// The user cannot stay: a signal, or the terminal is gone.
    Leave,
}

/// What was written in the user's editor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// As much as a draft has room for.
    pub text: String,
    /// The file with the whole of it, if that is more.
    pub whole: Option<String>,
}

/// What the app wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell the session.
    Session(Command),
    /// The screen is not what the app looks like any more.
    Draw,
    /// Draw every cell anew: something else has written to the terminal.
    Repaint,
    /// Let the user write this in an editor, and tell by [`Input::Edited`].
    Editor(String),
    /// Give the terminal back to the shell until the user returns.
    Suspend,
    /// Put this into the clipboard.
    Copy(String),
    /// The window's title.
    Title(String),
    /// Sound the bell.
    Bell,
    /// Tell the user who looks elsewhere.
    Notify(String),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// The client is done.
    Quit(Outcome),
}

/// How the client ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user left.
    Left,
    /// The session ended under the user, who then left the screen.
    Over(Ended),
    /// The chat was never entered; the text says why.
    NeverJoined(String),
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Since the client's start.
    pub mono: Duration,
    /// For people.
    pub wall: SystemTime,
}

/// What the app begins with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name to enter under; without one the join screen asks.
    pub name: Option<String>,
    /// The name that the join screen offers.
    pub login: String,
    /// Where the server is, for the status line, until a welcome tells.
    pub server: String,
    /// In which times of day are shown.
    pub time_zone: TimeZone,
    /// Columns and rows of the screen.
    pub size: (u16, u16),
    /// What the user likes.
    pub options: Options,
}

/// What is on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// The question for a name.
    Join,
    /// The chat.
    Chat,
}

/// What is shown of the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pane {
    /// Messages, with everything around them.
    Messages,
    /// Only the messages, for the terminal's own selection.
    Bare,
    /// The diagram, in the place of the messages.
    Diagram,
}

/// A word to the user, until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The sentence.
    pub text: String,
    /// Something was refused.
    pub error: bool,
}

/// The client.
#[derive(Debug)]
pub struct App {
    screen: Screen,
    join: Join,
    composer: Composer,
    timeline: Timeline,
    participants: Participants,
    status: Status,
    recent: Recent,
    overtaken: Overtaken,
    search: Search,
    attention: Attention,
    options: Options,
    pane: Pane,
    /// The page that one goes to when it has come.
    going: Option<HistoryPage>,
    /// The accepted name.
    name: String,
    hint: Option<Hint>,
    /// The first row of the help on screen, while it is open.
    help: Option<usize>,
    /// The key that leaves was pressed where it takes two.
    warned: bool,
    /// This key was pressed, and the next one belongs to it.
    first: Option<Key>,
    tickets: u64,
    welcomed: bool,
    /// Events that came while the link was down, and are being read.
    missed: u64,
    over: Option<Ended>,
    leave_by: Option<Duration>,
    size: (u16, u16),
    panes: Panes,
    now: Duration,
}

impl App {
    /// The client at its start, and what it wants done first.
    pub fn new(settings: Settings) -> (Self, Vec<Effect>) {
        let mut app = Self {
            screen: Screen::Join,
            join: Join::new(settings.name.as_deref().unwrap_or(&settings.login)),
            composer: Composer::default(),
            timeline: Timeline::new(settings.time_zone),
            participants: Participants::default(),
            status: Status::new(settings.server),
            recent: Recent::default(),
            overtaken: Overtaken::default(),
            search: Search::default(),
            attention: Attention::default(),
            options: settings.options,
            pane: Pane::Messages,
            going: None,
            name: String::new(),
            hint: None,
            help: None,
            warned: false,
            first: None,
            tickets: 0,
            welcomed: false,
            missed: 0,
            over: None,
            leave_by: None,
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

    /// Takes one input.
    pub fn update(&mut self, input: Input, now: Now) -> Vec<Effect> {
        self.now = now.mono;
        let mut effects = Vec::new();
        let changed = match input {
            Input::Key(key) => self.key(key, now.wall, &mut effects),
            Input::Paste(text) => self.paste_search(&text, &mut effects) || self.paste(&text),
            Input::Mouse(mouse) => self.mouse(mouse),
            Input::Resize(width, height) => {
                let changed = self.size != (width, height);
                self.size = (width, height);
                changed
            }
            Input::Focus(focused) => {
                if focused && self.status.lost() {
                    effects.push(Effect::Session(Command::Hurry));
                }
                self.focus(focused, &mut effects)
            }
            Input::Session(notice) => self.notice(notice, now.wall, &mut effects),
            Input::Edited(edited) => {
                self.edited(edited);
                true
            }
            Input::NoShell => {
                self.say("There is no shell behind this window to go back to", true);
                true
            }
            Input::Tick => self.tick(&mut effects),
            Input::Leave => {
                self.leave(&mut effects);
                true
            }
        };
        if changed {
            self.overtaken.draft(self.composer.draft().is_empty());
            self.lay_out();
            self.read_ahead(&mut effects);
            self.entitle(&mut effects);
            effects.push(Effect::Draw);
        }
        effects
    }

    /// When the app wants a [`Input::Tick`], as time since the start.
    pub fn next_wake(&self) -> Option<Duration> {
        let countdowns = [self.status.retry_at(), self.join.free_at()];
        let next_second = countdowns.into_iter().flatten().filter_map(|at| {
            // When the seconds shown become one less.
            let fewer = status::seconds(at.saturating_sub(self.now)).checked_sub(1)?;
            Some(at.saturating_sub(Duration::from_secs(fewer)))
        });
        let fading = self.participants.fades_at();
        let soon = self.leave_by.into_iter().chain(fading);
        soon.chain(next_second).min()
    }

    /// What is on screen.
    pub fn screen(&self) -> Screen {
        self.screen
    }

    /// The join screen.
    pub fn join(&self) -> &Join {
        &self.join
    }

    /// The draft.
    pub fn composer(&self) -> &Composer {
        &self.composer
    }

    /// What was said.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Who is present.
    pub fn participants(&self) -> &Participants {
        &self.participants
    }

    /// How the link is doing.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The newest events, where their diagram is on screen.
    pub fn diagram(&self) -> Option<&Recent> {
        (self.pane == Pane::Diagram).then_some(&self.recent)
    }

    /// How many messages of others have come since the draft was begun.
    pub fn overtaken(&self) -> u64 {
        self.overtaken.count()
    }

    /// What is searched for.
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// What the user likes.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether only the messages are shown.
    pub fn is_bare(&self) -> bool {
        self.pane == Pane::Bare
    }

    /// The accepted name; empty before the first welcome.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A word to the user.
    pub fn hint(&self) -> Option<&Hint> {
        self.hint.as_ref()
    }

    /// The first row of the help on screen, while it is open.
    pub fn help(&self) -> Option<usize> {
        self.help
    }

    /// Where the panes are.
    pub fn panes(&self) -> Panes {
        self.panes
    }

    /// Time since the start, as of the last input.
    pub fn now(&self) -> Duration {
        self.now
    }

    fn leave(&mut self, effects: &mut Vec<Effect>) {
        if let Some(ended) = self.over.clone() {
            effects.push(Effect::Quit(self.outcome(ended)));
        } else if self.leave_by.is_none() {
            self.leave_by = Some(self.now + FAREWELL);
            self.status.leaving();
            effects.push(Effect::Session(Command::Leave));
        }
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) -> bool {
        if self.leave_by.is_some_and(|by| by <= self.now) {
            effects.push(Effect::Quit(Outcome::Left));
        }
        self.participants.fade(self.now);
        true
    }

    fn outcome(&self, ended: Ended) -> Outcome {
        match ended {
            Ended::Left => Outcome::Left,
            Ended::Failed(why) | Ended::Removed(why) if !self.welcomed => Outcome::NeverJoined(why),
            ended => Outcome::Over(ended),
        }
    }

    fn try_name(&mut self, effects: &mut Vec<Effect>) {
        if let Some(name) = self.join.submit() {
            effects.push(Effect::Session(Command::Join { name }));
        }
    }

    fn say(&mut self, text: impl Into<String>, error: bool) {
        self.hint = Some(Hint {
            text: text.into(),
            error,
        });
    }

    fn lay_out(&mut self) {
        let (width, height) = self.size;
        let columns = layout::input_columns(width, glyphs::width(&self.prompt()));
        self.composer.lay(columns.draft.into());
        let draft = self.composer.laid().rows.len();
        let opened = self.composer.looking().is_some() || self.composer.completion().is_some();
        let hint = usize::from(opened).max(self.hint_rows().len());
        self.panes = if self.is_bare() {
            layout::bare(width, height)
        } else {
            layout::panes(width, height, draft, hint, self.options.participants)
        };
        let messages = self.panes.messages;
        self.timeline
            .resize(messages.width.into(), messages.height.into());
    }

    /// The rows of the hint, in the screen's width.
    pub fn hint_rows(&self) -> Vec<String> {
        let columns = usize::from(self.size.0).saturating_sub(2);
        if self.search.is_typing() {
            // Its prompt.
            return vec![String::new()];
        }
        self.hint
            .as_ref()
            .map(|hint| wrap::rows(&hint.text, columns, 0))
            .unwrap_or_default()
    }

    /// What stands before the line being written, safe to show: whose it is, or what it is for.
    pub fn prompt(&self) -> Cow<'_, str> {
        if self.composer.looking().is_some() {
            "search".into()
        } else {
            glyphs::safe(&self.name)
        }
    }
}
