//! The main loop of the screen: keys, notices, timers and signals in, effects out. It owns the
//! [`App`] by value.

mod away;
mod config;
mod drawing;
mod editor;
mod host;
mod rows;
mod signals;

use std::{
    collections::VecDeque,
    io,
    time::{Duration, SystemTime},
};

use chitty_app::{App, Effect, ExitReason, Input, InputTime, Settings};
use chitty_chat::logging::LogNews;
use futures_util::{Stream, StreamExt};
use ratatui::{Terminal, backend::Backend};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

pub use self::config::{RunError, ScreenConfig, has_screen, marks_pastes};
use self::{
    editor::Editing,
    host::{HOST, Host},
    rows::DoubtfulRows,
    signals::ProcessSignal,
};
use crate::{
    input::{self, Decoder, TerminalInput},
    osc::{self, Links, Notifier},
    session::{Ended, Notice, SessionCommand, SessionHandle},
    terminal::{TerminalGuard, Unwritten},
    view::Theme,
};

/// The shortest time between two frames that only notices cause; a key causes one at once.
const FRAME: Duration = Duration::from_micros(16_667);
/// How many notices are processed before the keys are checked again.
const BURST: usize = 512;

/// Shows the chat until the user leaves, and restores the terminal. `log` reports the state of the
/// log file. Call [`has_screen`] first.
///
/// Must be called within a Tokio runtime with I/O and time.
pub async fn run(
    config: ScreenConfig,
    session: SessionHandle,
    log: mpsc::Receiver<LogNews>,
) -> Result<ExitReason, RunError> {
    let signals = signals::signals().map_err(RunError::Signals)?;
    let mut screen = TerminalGuard::enter().map_err(RunError::Terminal)?;
    let bytes = input::bytes().map_err(RunError::Terminal)?;
    Ok(drive(
        screen.terminal(),
        HOST,
        bytes,
        signals,
        config,
        session,
        log,
    )
    .await)
}

/// Yields whenever a signal asks a plain client to end.
///
/// Must be called within a Tokio runtime with I/O.
pub fn asked_to_leave() -> io::Result<impl Stream<Item = ()> + Unpin> {
    signals::termination_signals()
}

/// The loop, on any terminal.
async fn drive<B, I, S>(
    terminal: (&mut Terminal<B>, Unwritten),
    host: Host,
    mut bytes: I,
    mut signals: S,
    config: ScreenConfig,
    session: SessionHandle,
    mut log: mpsc::Receiver<LogNews>,
) -> ExitReason
where
    B: Backend,
    I: Stream<Item = io::Result<Vec<u8>>> + Unpin,
    S: Stream<Item = ProcessSignal> + Unpin,
{
    let SessionHandle {
        commands,
        mut notices,
        ..
    } = session;
    let (mut client, mut more_notices, mut more_bytes) =
        (ScreenClient::new(terminal, host, config), true, true);
    loop {
        client.draw_if_due();
        if let Some(outcome) = client.outcome.take() {
            client.close_editor().await;
            return outcome;
        }
        // Evaluated once per turn. The terminal may take a frame at any moment, so two evaluations
        // could disagree, and the loop would then wait for neither the terminal nor the next frame.
        let hangs = client.hangs();
        let wake = client.wake(hangs);
        tokio::select! {
            biased;
            // The order of the branches is their priority: keys come before notices, so that a
            // flood of messages does not delay what the user types.
            Some(signal) = signals.next() => client.signal(signal),
            status = away::editor_ends(&mut client.editing) => client.edited(status),
            // While the editor runs, the keys belong to it.
            piece = bytes.next(), if more_bytes && client.editing.is_none() => if let Some(Ok(piece)) = piece {
                client.typed(&piece);
            } else {
                more_bytes = false;
                client.input(Input::Leave);
            },
            permit = commands.reserve(), if !client.outbox.is_empty() => match permit {
                Ok(permit) => if let Some(command) = client.outbox.pop_front() {
                    permit.send(command);
                },
                // The session is gone; its last notice says why.
                Err(_) => client.outbox.clear(),
            },
            notice = notices.recv(), if more_notices => if let Some(notice) = notice {
                client.notices(notice, &mut notices);
            } else {
                more_notices = false;
                client.session_gone();
            },
            Some(news) = log.recv() => client.input(Input::Log(news)),
            () = sleep_until(wake.unwrap_or(client.start)), if wake.is_some() => client.woken(),
            Ok(()) = client.unwritten.changed(), if hangs => {}
        }
    }
}

/// The app with everything that it needs around it.
struct ScreenClient<'a, B: Backend> {
    app: App,
    terminal: &'a mut Terminal<B>,
    host: Host,
    notifier: Notifier,
    links: Links,
    rows: DoubtfulRows,
    /// The title that the app wants.
    title: Option<String>,
    /// The title that was last written to the terminal.
    title_written: Option<String>,
    /// The command of the user's editor.
    editor: String,
    /// The running editor, which has the terminal.
    editing: Option<Editing>,
    /// Whether the shell has the terminal.
    suspended: bool,
    /// Whether the terminal was asked for unambiguous key reports.
    asked: bool,
    theme: Theme,
    /// How much of a read is a paste that the terminal did not mark, in bytes.
    unmarked_paste: fn(&[u8]) -> usize,
    wall: fn() -> SystemTime,
    start: Instant,
    decoder: Decoder,
    /// When to stop waiting for the rest of a key or paste.
    give_up_at: Option<Instant>,
    /// Commands that the session's channel has no space for yet. The app bounds the lines among
    /// them.
    outbox: VecDeque<SessionCommand>,
    /// When to draw the changed screen.
    draw_at: Option<Instant>,
    drawn_at: Instant,
    /// How many pieces the terminal has not taken yet.
    unwritten: Unwritten,
    /// Whether the session has sent its last notice.
    ended: bool,
    outcome: Option<ExitReason>,
}

impl<'a, B: Backend> ScreenClient<'a, B> {
    fn new(
        (terminal, unwritten): (&'a mut Terminal<B>, Unwritten),
        host: Host,
        config: ScreenConfig,
    ) -> Self {
        let start = Instant::now();
        let size = terminal.size().unwrap_or_default();
        let (mut app, effects) = App::new(Settings {
            name: config.name,
            login: config.login,
            server: config.server,
            time_zone: config.time_zone,
            size: (size.width, size.height),
            backlog: config.backlog,
            options: config.options,
        });
        if let Some(palette) = &config.palette {
            app.paint(palette.names.len());
        }
        let mut client = Self {
            app,
            terminal,
            host,
            notifier: config.notifier,
            links: Links::default(),
            rows: DoubtfulRows::new(config.characters.ambiguous_is_wide),
            title: None,
            title_written: None,
            editor: config.editor,
            editing: None,
            suspended: false,
            asked: false,
            theme: Theme::of(config.palette).in_ascii(config.characters.ascii),
            unmarked_paste: if config.marks_pastes {
                |_| 0
            } else {
                input::unmarked_paste
            },
            wall: config.wall,
            start,
            decoder: Decoder::default(),
            give_up_at: None,
            outbox: VecDeque::new(),
            draw_at: None,
            drawn_at: start,
            unwritten,
            ended: false,
            outcome: None,
        };
        client.apply(effects, Duration::ZERO);
        if let Some(word) = config.characters.word {
            client.app.propose(word);
        }
        client
    }

    /// Processes an input of the user, whose result is drawn at once.
    fn input(&mut self, input: Input) {
        let effects = self.app.update(input, self.now());
        self.apply(effects, Duration::ZERO);
    }

    fn notices(&mut self, first: Notice, more: &mut mpsc::Receiver<Notice>) {
        let mut next = Some(first);
        for _ in 0..BURST {
            let Some(notice) = next else { break };
            // Remembered, because a session that ends without this notice has vanished.
            self.ended |= matches!(notice, Notice::Ended(_));
            let effects = self.app.update(Input::Session(notice), self.now());
            self.apply(effects, FRAME);
            next = more.try_recv().ok();
        }
        if let Some(notice) = next {
            let effects = self.app.update(Input::Session(notice), self.now());
            self.apply(effects, FRAME);
        }
    }

    fn session_gone(&mut self) {
        if !self.ended {
            self.input(Input::Session(Notice::Ended(Ended::vanished())));
        }
    }

    fn typed(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        // The rest of a key or of a marked paste is the decoder's.
        if self.decoder.timeout().is_none() {
            let (pasted, rest) = bytes.split_at((self.unmarked_paste)(bytes));
            if !pasted.is_empty() {
                let text = String::from_utf8_lossy(pasted).into_owned();
                self.input(Input::UnmarkedPaste(text));
            }
            bytes = rest;
        }
        let typed = self.decoder.feed(bytes);
        self.take(typed);
    }

    fn take(&mut self, typed: Vec<TerminalInput>) {
        for typed in typed {
            match typed {
                TerminalInput::Key(key) => self.input(Input::Key(key)),
                TerminalInput::Paste(text) => self.input(Input::Paste(text)),
                TerminalInput::Mouse(mouse) => self.input(Input::Mouse(mouse)),
                TerminalInput::Focus(focused) => self.input(Input::Focus(focused)),
                TerminalInput::ReportsKeys => (self.host.enable_key_reports)(),
                TerminalInput::AskStatus => self.write_sequence(input::ASK_STATUS),
                TerminalInput::PasteStalls => self.input(Input::PasteStalls),
            }
        }
        self.give_up_at = self
            .decoder
            .timeout()
            .map(|timeout| Instant::now() + timeout);
    }

    fn resized(&mut self) {
        // The next frame is drawn on an empty screen.
        self.links.forget();
        self.rows.forget();
        if let Ok(size) = self.terminal.size() {
            self.input(Input::Resize(size.width, size.height));
        }
    }

    /// The time at which the loop has something to do by itself.
    fn wake(&self, hangs: bool) -> Option<Instant> {
        let app = self.app.next_wake().map(|wake| self.start + wake);
        let draw_at = self.draw_at.filter(|_| !hangs && !self.away());
        [app, self.give_up_at, draw_at].into_iter().flatten().min()
    }

    fn woken(&mut self) {
        let now = Instant::now();
        if self.give_up_at.is_some_and(|at| at <= now) {
            let typed = self.decoder.give_up();
            self.take(typed);
        }
        if self
            .app
            .next_wake()
            .is_some_and(|wake| self.start + wake <= now)
        {
            self.input(Input::Tick);
        }
    }

    /// Carries out effects. A change is drawn once `pace` has passed since the last frame.
    fn apply(&mut self, effects: Vec<Effect>, pace: Duration) {
        for effect in effects {
            match effect {
                Effect::Session(command) => self.outbox.push_back(command),
                Effect::Draw => self.draw_within(pace),
                Effect::Repaint => self.repaint(),
                Effect::Editor(draft) => self.edit(&draft),
                Effect::Suspend => self.suspend(),
                Effect::Copy(text) => self.write_sequence(&osc::copy(&text)),
                Effect::Title(text) => {
                    // The title is written with the next frame, because the unread count may change
                    // thousands of times a second.
                    self.title = Some(text);
                    self.draw_within(pace);
                }
                Effect::Notify(text) => self.write_sequence(&self.notifier.notify(&text)),
                Effect::Bell => self.write_sequence(osc::BELL),
                Effect::Mouse(take) => (self.host.take_mouse)(take),
                Effect::Quit(outcome) => self.outcome = self.outcome.take().or(Some(outcome)),
            }
        }
    }

    fn now(&self) -> InputTime {
        InputTime {
            mono: self.start.elapsed(),
            wall: (self.wall)(),
        }
    }
}

#[cfg(test)]
mod tests;
