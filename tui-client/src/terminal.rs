//! The terminal's modes: what is set here is undone here, once, on every way out.

mod paper;

use std::{
    io::{self, Write, stdout},
    sync::{
        Once,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use crossterm::{
    cursor::Show,
    event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange},
    execute, queue,
    style::force_color_output,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};

pub(crate) use self::paper::Untaken;
use self::paper::{Paper, Writing};

const RAW: u8 = 1;
const SCREEN: u8 = 1 << 1;
const PASTE: u8 = 1 << 2;
const FOCUS: u8 = 1 << 3;

/// The modes that are set and not undone yet. The process has one terminal, and a panic hook has
/// nothing else to go by.
static SET: AtomicU8 = AtomicU8::new(0);

/// A task of this process panicked while the screen was up.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Whether the terminal was given back by a panic, maybe of another task: nothing may be drawn on
/// it any more.
pub(crate) fn panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

/// A terminal in the state that a full-screen program needs; dropping it gives the terminal back.
pub(crate) struct Screen {
    // In the order in which they are dropped: what was drawn comes before what undoes it.
    terminal: Terminal<CrosstermBackend<Paper>>,
    writing: Writing,
    _undo: Undo,
}

impl Screen {
    /// Takes the terminal. It is asked nothing, so that the first frame comes at once.
    pub(crate) fn enter() -> io::Result<Self> {
        restore_on_panic();
        // Undoes what was set when a later step fails.
        let undo = Undo;
        // Whether there are colours is the theme's decision. Left to itself, crossterm drops bold
        // and reverse along with them.
        force_color_output(true);
        enable_raw_mode()?;
        set(RAW);
        execute!(stdout(), EnterAlternateScreen)?;
        set(SCREEN);
        execute!(stdout(), EnableBracketedPaste)?;
        set(PASTE);
        execute!(stdout(), EnableFocusChange)?;
        set(FOCUS);
        let (paper, writing) = paper::on_stdout(is_given_back)?;
        let terminal = Terminal::new(CrosstermBackend::new(paper))?;
        Ok(Self {
            terminal,
            writing,
            _undo: undo,
        })
    }

    /// What is drawn on, and whether it has taken the last frame.
    pub(crate) fn terminal(&mut self) -> (&mut Terminal<CrosstermBackend<Paper>>, Untaken) {
        (&mut self.terminal, self.writing.untaken())
    }
}

struct Undo;

impl Drop for Undo {
    fn drop(&mut self) {
        restore();
    }
}

fn set(mode: u8) {
    SET.fetch_or(mode, Ordering::SeqCst);
}

fn is_given_back() -> bool {
    SET.load(Ordering::SeqCst) == 0
}

/// Undoes exactly what is set; a second call does nothing. Errors are of no use to anybody here:
/// the terminal may be gone.
fn restore() {
    let modes = SET.swap(0, Ordering::SeqCst);
    if modes == 0 {
        return;
    }
    let mut out = stdout();
    if modes & FOCUS != 0 {
        let _ = queue!(out, DisableFocusChange);
    }
    if modes & PASTE != 0 {
        let _ = queue!(out, DisableBracketedPaste);
    }
    if modes & SCREEN != 0 {
        // ratatui hides the cursor while nothing is being written.
        let _ = queue!(out, Show, LeaveAlternateScreen);
    }
    let _ = out.flush();
    if modes & RAW != 0 {
        let _ = disable_raw_mode();
    }
}

/// A report of a panic is of no use on a screen that is about to vanish, in raw mode.
fn restore_on_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(
                SET.load(Ordering::SeqCst) != 0 || panicked(),
                Ordering::SeqCst,
            );
            restore();
            report(panic);
        }));
    });
}
