//! The one loop: keys, notices, timers and signals in, effects out. It owns the [`App`] by value.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal, Write},
    time::{Duration, SystemTime},
};

use futures_util::{Stream, StreamExt, stream};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::Backend, layout::Rect};
use thiserror::Error;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    app::{App, Effect, Input, Now, Outcome, Settings, options::Options},
    input::{self, Decoder, Typed},
    osc::{self, Links, Notifier},
    session::{Command, Ended, Notice, SessionHandle},
    terminal::{self, Screen},
    view::{self, Theme},
};

/// Notices alone bring a new frame at most this often; a key brings one at once.
const FRAME: Duration = Duration::from_micros(16_667);
/// Notices that are taken between two looks at the keys.
const BURST: usize = 512;

/// What the screen begins with.
#[derive(Clone, Debug)]
pub struct ScreenConfig {
    /// The name to enter under; without one the join screen asks.
    pub name: Option<String>,
    /// The name that the join screen offers.
    pub login: String,
    /// Where the server is, until a welcome tells.
    pub server: String,
    /// In which times of day are shown.
    pub time_zone: TimeZone,
    /// The wall clock.
    pub wall: fn() -> SystemTime,
    /// How the terminal notifies.
    pub notifier: Notifier,
    /// What the user likes.
    pub options: Options,
    /// Whether colours may be used (`NO_COLOR`).
    pub colours: bool,
}

/// Why there is no screen.
#[derive(Debug, Error)]
pub enum RunError {
    /// A pipe or a file stands where a terminal is needed.
    #[error("standard input and output must be a terminal")]
    NoTerminal,
    /// The terminal refuses.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[source] io::Error),
    /// The signals cannot be waited for.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}

/// What the process is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Resized,
    Leave,
}

/// Shows the chat until the user leaves. The terminal is as it was when this returns.
///
/// Needs a Tokio runtime with I/O and time.
pub async fn run(config: ScreenConfig, session: SessionHandle) -> Result<Outcome, RunError> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(RunError::NoTerminal);
    }
    let told = signals().map_err(RunError::Signals)?;
    let mut screen = Screen::enter().map_err(RunError::Terminal)?;
    let bytes = input::bytes().map_err(RunError::Terminal)?;
    let out = Box::new(io::stdout());
    Ok(drive(screen.terminal(), out, bytes, told, config, session).await)
}

fn signals() -> io::Result<impl Stream<Item = Told> + Unpin> {
    let mut signals: Vec<(Signal, Told)> = Vec::new();
    for (kind, told) in [
        (SignalKind::terminate(), Told::Leave),
        (SignalKind::hangup(), Told::Leave),
        (SignalKind::interrupt(), Told::Leave),
        (SignalKind::quit(), Told::Leave),
        (SignalKind::window_change(), Told::Resized),
    ] {
        signals.push((signal(kind)?, told));
    }
    Ok(stream::poll_fn(move |context| {
        for (signal, told) in &mut signals {
            if signal.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(Some(*told));
            }
        }
        std::task::Poll::Pending
    }))
}

/// The loop, on any terminal.
async fn drive<B, I, S>(
    terminal: &mut Terminal<B>,
    out: Box<dyn Write + Send>,
    mut bytes: I,
    mut told: S,
    config: ScreenConfig,
    session: SessionHandle,
) -> Outcome
where
    B: Backend,
    I: Stream<Item = io::Result<Vec<u8>>> + Unpin,
    S: Stream<Item = Told> + Unpin,
{
    let SessionHandle {
        commands,
        mut notices,
        ..
    } = session;
    let (mut client, mut more_notices, mut more_bytes) =
        (Client::new(terminal, out, config), true, true);
    loop {
        client.draw_if_due();
        if let Some(outcome) = client.outcome.take() {
            return outcome;
        }
        let wake = client.wake();
        tokio::select! {
            biased;
            Some(told) = told.next() => match told {
                Told::Leave => client.input(Input::Leave),
                Told::Resized => client.resized(),
            },
            piece = bytes.next(), if more_bytes => if let Some(Ok(piece)) = piece {
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
            () = sleep_until(wake.unwrap_or(client.start)), if wake.is_some() => client.woken(),
        }
    }
}

/// The app with what it needs around it.
struct Client<'a, B: Backend> {
    app: App,
    terminal: &'a mut Terminal<B>,
    /// The same terminal, for what is told to it beside the screen.
    out: Box<dyn Write + Send>,
    notifier: Notifier,
    links: Links,
    theme: Theme,
    wall: fn() -> SystemTime,
    start: Instant,
    decoder: Decoder,
    /// When to stop waiting for the rest of a key or paste.
    give_up_at: Option<Instant>,
    /// Commands that the session has no room for yet: lines that wait are bounded by the app.
    outbox: VecDeque<Command>,
    /// When the changed screen is to be drawn.
    draw_at: Option<Instant>,
    drawn_at: Instant,
    /// The session has said its last word.
    ended: bool,
    outcome: Option<Outcome>,
}

impl<'a, B: Backend> Client<'a, B> {
    fn new(
        terminal: &'a mut Terminal<B>,
        out: Box<dyn Write + Send>,
        config: ScreenConfig,
    ) -> Self {
        let start = Instant::now();
        let size = terminal.size().unwrap_or_default();
        let (app, effects) = App::new(Settings {
            name: config.name,
            login: config.login,
            server: config.server,
            time_zone: config.time_zone,
            size: (size.width, size.height),
            options: config.options,
        });
        let mut client = Self {
            app,
            terminal,
            out,
            notifier: config.notifier,
            links: Links::default(),
            theme: Theme::new(config.colours),
            wall: config.wall,
            start,
            decoder: Decoder::default(),
            give_up_at: None,
            outbox: VecDeque::new(),
            draw_at: None,
            drawn_at: start,
            ended: false,
            outcome: None,
        };
        client.apply(effects, Duration::ZERO);
        client
    }

    /// Something that the user waits for: the answer is on screen at once.
    fn input(&mut self, input: Input) {
        let effects = self.app.update(input, self.now());
        self.apply(effects, Duration::ZERO);
    }

    fn notices(&mut self, first: Notice, more: &mut mpsc::Receiver<Notice>) {
        let mut next = Some(first);
        for _ in 0..BURST {
            let Some(notice) = next else { break };
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
            let why = "the connection to the server ended unexpectedly; start chitty again";
            self.input(Input::Session(Notice::Ended(Ended::Failed(why.into()))));
        }
    }

    fn typed(&mut self, bytes: &[u8]) {
        let typed = self.decoder.feed(bytes);
        self.take(typed);
    }

    fn take(&mut self, typed: Vec<Typed>) {
        for typed in typed {
            self.input(match typed {
                Typed::Key(key) => Input::Key(key),
                Typed::Paste(text) => Input::Paste(text),
                Typed::Mouse(mouse) => Input::Mouse(mouse),
                Typed::Focus(focused) => Input::Focus(focused),
            });
        }
        self.give_up_at = self
            .decoder
            .patience()
            .map(|patience| Instant::now() + patience);
    }

    fn resized(&mut self) {
        // The next frame is drawn on an empty screen.
        self.links.forget();
        if let Ok(size) = self.terminal.size() {
            self.input(Input::Resize(size.width, size.height));
        }
    }

    /// When the loop has something to do by itself.
    fn wake(&self) -> Option<Instant> {
        let app = self.app.next_wake().map(|wake| self.start + wake);
        [app, self.give_up_at, self.draw_at]
            .into_iter()
            .flatten()
            .min()
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

    /// A change is drawn when `pace` has passed since the last frame.
    fn apply(&mut self, effects: Vec<Effect>, pace: Duration) {
        for effect in effects {
            match effect {
                Effect::Session(command) => self.outbox.push_back(command),
                Effect::Draw => {
                    let at = self.drawn_at + pace;
                    self.draw_at = Some(self.draw_at.map_or(at, |already| already.min(at)));
                }
                Effect::Repaint => self.repaint(),
                Effect::Copy(text) => self.tell(&osc::copy(&text)),
                Effect::Title(text) => self.tell(&osc::title(&text)),
                Effect::Notify(text) => self.tell(&self.notifier.notify(&text)),
                Effect::Bell => self.tell(osc::BELL),
                Effect::Mouse(take) => {
                    terminal::mouse_is_taken(take);
                    self.tell(if take {
                        osc::TAKE_MOUSE
                    } else {
                        osc::LEAVE_MOUSE
                    });
                }
                Effect::Quit(outcome) => self.outcome = self.outcome.take().or(Some(outcome)),
            }
        }
    }

    /// A terminal that is gone is noticed when something is drawn.
    fn tell(&mut self, sequence: &str) {
        let _ = self.out.write_all(sequence.as_bytes());
        let _ = self.out.flush();
    }

    fn repaint(&mut self) {
        self.links.forget();
        // Clears all without asking the terminal where its cursor is, as `Terminal::clear` does:
        // the answer would come in among the keys.
        if let Ok(size) = self.terminal.size() {
            let _ = self
                .terminal
                .resize(Rect::from((ratatui::layout::Position::ORIGIN, size)));
        }
    }

    fn draw_if_due(&mut self) {
        if terminal::panicked() {
            let why = "an internal error, which is reported above".into();
            self.outcome = Some(Outcome::Over(Ended::Failed(why)));
            return;
        }
        let now = Instant::now();
        if self.draw_at.is_none_or(|at| at > now) {
            return;
        }
        (self.draw_at, self.drawn_at) = (None, now);
        let (app, theme) = (&self.app, self.theme);
        let mut links = Vec::new();
        let drawn = self
            .terminal
            .draw(|frame| links = view::draw(app, theme, frame));
        let linked = match drawn.map(|frame| self.links.show(links, frame.buffer)) {
            Ok(pieces) => {
                osc::write_links(&pieces, self.terminal.backend_mut(), &mut self.out).is_ok()
            }
            Err(_) => false,
        };
        if !linked {
            // The terminal is gone.
            let effects = self.app.update(Input::Leave, self.now());
            self.apply(effects, Duration::from_secs(3600));
        }
    }

    fn now(&self) -> Now {
        Now {
            mono: self.start.elapsed(),
            wall: (self.wall)(),
        }
    }
}

#[cfg(test)]
mod tests;
