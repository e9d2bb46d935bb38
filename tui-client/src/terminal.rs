//! The terminal's modes: what is set here is undone here, once, on every way out.

use std::{
    io::{self, Stdout, Write, stdout},
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

use crate::osc;

const RAW: u8 = 1;
const SCREEN: u8 = 1 << 1;
const PASTE: u8 = 1 << 2;
const FOCUS: u8 = 1 << 3;
const TITLE: u8 = 1 << 4;
const MOUSE: u8 = 1 << 5;

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
    terminal: Terminal<CrosstermBackend<Stdout>>,
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
        stdout().write_all(osc::SAVE_TITLE.as_bytes())?;
        set(TITLE);
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        std::mem::forget(undo);
        Ok(Self { terminal })
    }

    /// What is drawn on.
    pub(crate) fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Stdout>> {
        &mut self.terminal
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

struct Undo;

impl Drop for Undo {
    fn drop(&mut self) {
        restore();
    }
}

/// The mouse was taken, or left to the terminal.
pub(crate) fn mouse_is_taken(taken: bool) {
    if taken {
        set(MOUSE);
    } else {
        SET.fetch_and(!MOUSE, Ordering::SeqCst);
    }
}

fn set(mode: u8) {
    SET.fetch_or(mode, Ordering::SeqCst);
}

/// Undoes exactly what is set; a second call does nothing. Errors are of no use to anybody here:
/// the terminal may be gone.
fn restore() {
    let modes = SET.swap(0, Ordering::SeqCst);
    if modes == 0 {
        return;
    }
    let mut out = stdout();
    if modes & MOUSE != 0 {
        let _ = out.write_all(osc::LEAVE_MOUSE.as_bytes());
    }
    if modes & TITLE != 0 {
        let _ = out.write_all(osc::RESTORE_TITLE.as_bytes());
    }
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
