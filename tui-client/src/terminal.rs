//! The terminal's modes: what is set here is undone here, once, on every way out.

mod size;
mod tty;
mod writer;

use std::{
    io::{self, Write},
    sync::{
        Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use crossterm::{
    cursor::Show,
    event::{
        DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
        KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
    },
    execute, queue,
    style::force_color_output,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen},
};
use ratatui::Terminal;
use rustix::{
    process::{Signal, getpgrp, getsid, kill_current_process_group},
    stdio,
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};

pub(crate) use self::writer::Unwritten;
use self::{
    size::Measured,
    tty::Tty,
    writer::{FrameWriter, WriterThread},
};

use crate::osc;

const RAW: u8 = 1;
const SCREEN: u8 = 1 << 1;
const PASTE: u8 = 1 << 2;
const FOCUS: u8 = 1 << 3;
const TITLE: u8 = 1 << 4;
const MOUSE: u8 = 1 << 5;
const KEYS: u8 = 1 << 6;

/// The modes that are set and not undone yet. The process has one terminal, and a panic hook has
/// nothing else to go by.
static SET: AtomicU8 = AtomicU8::new(0);

/// A task of this process panicked while the screen was up.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// The terminal has said that it can tell all keys apart.
static REPORTS_KEYS: AtomicBool = AtomicBool::new(false);

/// The mouse is wanted here.
static WANTS_MOUSE: AtomicBool = AtomicBool::new(false);

/// The terminal's line settings, as they were at the start.
static ORIGINAL: Mutex<Option<Termios>> = Mutex::new(None);

/// Where what is drawn goes, while there is a screen.
static WRITER: Mutex<Option<FrameWriter>> = Mutex::new(None);

/// The frame that is being drawn.
static FRAME: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Whether the terminal was given back by a panic, maybe of another task: nothing may be drawn on
/// it any more.
pub(crate) fn panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

/// A terminal in the state that a full-screen program needs; dropping it gives the terminal back.
pub(crate) struct TerminalGuard {
    terminal: Terminal<Measured<Frames>>,
    unwritten: Unwritten,
    // In the order in which they are dropped: what was drawn comes before what undoes it.
    _writer_thread: WriterThread,
    _undo: RestoreModes,
}

impl TerminalGuard {
    /// Takes the terminal. It is asked nothing, so that the first frame comes at once.
    pub(crate) fn enter() -> io::Result<Self> {
        restore_on_panic();
        // Undoes what was set when a later step fails.
        let undo = RestoreModes;
        // Whether there are colours is the theme's decision. Left to itself, crossterm drops bold
        // and reverse along with them.
        force_color_output(true);
        take()?;
        let (writer, thread) = writer::on_stdout()?;
        let unwritten = thread.unwritten();
        *lock(&WRITER) = Some(writer);
        let environment = size::environment(|name| std::env::var(name).ok());
        let terminal = Terminal::new(Measured::new(Frames, environment))?;
        Ok(Self {
            terminal,
            unwritten,
            _writer_thread: thread,
            _undo: undo,
        })
    }

    /// What is drawn on, and whether it has taken the last frame.
    pub(crate) fn terminal(&mut self) -> (&mut Terminal<Measured<Frames>>, Unwritten) {
        (&mut self.terminal, self.unwritten.clone())
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        // Nothing more comes: the thread that writes ends with what it has.
        *lock(&WRITER) = None;
    }
}

struct RestoreModes;

impl Drop for RestoreModes {
    fn drop(&mut self) {
        give_up();
    }
}

/// Collects what is drawn, until [`present`].
pub(crate) struct Frames;

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut frame = lock(&FRAME);
        if frame.is_empty() {
            // The terminal shows nothing of the frame before it has all of it.
            frame.extend_from_slice(b"\x1b[?2026h");
        }
        frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// ratatui asks for this several times within a frame.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends the frame to the terminal, in one piece, without waiting for it.
pub(crate) fn present() -> io::Result<()> {
    let mut frame = std::mem::take(&mut *lock(&FRAME));
    if frame.is_empty() {
        return Ok(());
    }
    frame.extend_from_slice(b"\x1b[?2026l");
    send(frame)
}

/// Tells the terminal something beside the screen.
pub(crate) fn write_sequence(sequence: &str) -> io::Result<()> {
    send(sequence.as_bytes().to_vec())
}

/// Takes the mouse, or leaves it to the terminal.
pub(crate) fn take_mouse(wanted: bool) {
    WANTS_MOUSE.store(wanted, Ordering::SeqCst);
    if is_given_back() {
        return;
    }
    if wanted {
        set(MOUSE);
        let _ = write_sequence(osc::TAKE_MOUSE);
    } else {
        SET.fetch_and(!MOUSE, Ordering::SeqCst);
        let _ = write_sequence(osc::LEAVE_MOUSE);
    }
}

/// Sends this behind all that was sent before.
fn send(piece: Vec<u8>) -> io::Result<()> {
    lock(&WRITER)
        .as_ref()
        .map_or(Ok(()), |writer| writer.send(piece))
}

/// Sets the modes, anew where they are set already: another program may have changed them.
pub(crate) fn take() -> io::Result<()> {
    give_up();
    let _turn = writer::turn();
    raw()?;
    execute!(Tty, EnterAlternateScreen)?;
    set(SCREEN);
    execute!(Tty, EnableBracketedPaste)?;
    set(PASTE);
    execute!(Tty, EnableFocusChange)?;
    set(FOCUS);
    Tty.write_all(osc::SAVE_TITLE.as_bytes())?;
    set(TITLE);
    if WANTS_MOUSE.load(Ordering::SeqCst) {
        Tty.write_all(osc::TAKE_MOUSE.as_bytes())?;
        set(MOUSE);
    }
    if REPORTS_KEYS.load(Ordering::SeqCst) {
        Tty.write_all(&request_key_reports())?;
        set(KEYS);
    }
    Tty.flush()
}

/// Keys come one by one, and unseen.
fn raw() -> io::Result<()> {
    let mut original = lock(&ORIGINAL);
    let mut settings = match &*original {
        Some(settings) => settings.clone(),
        None => original.insert(tcgetattr(stdio::stdin())?).clone(),
    };
    settings.make_raw();
    tcsetattr(stdio::stdin(), OptionalActions::Now, &settings)?;
    set(RAW);
    Ok(())
}

/// Asks the terminal whether it can tell all keys apart. Where it can, the answer comes among the
/// keys; where it cannot, none does.
pub(crate) fn query_key_reports() {
    let _ = send(b"\x1b[?u".to_vec());
}

/// The terminal has said that it can tell all keys apart: it shall.
pub(crate) fn enable_key_reports() {
    let enabled_before = REPORTS_KEYS.swap(true, Ordering::SeqCst);
    if !enabled_before && !is_given_back() && send(request_key_reports()).is_ok() {
        set(KEYS);
    }
}

fn request_key_reports() -> Vec<u8> {
    let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES
        | KeyboardEnhancementFlags::REPORT_ALTERNATE_KEYS;
    let mut ask = Vec::new();
    let _ = queue!(ask, PushKeyboardEnhancementFlags(flags));
    ask
}

fn set(mode: u8) {
    SET.fetch_or(mode, Ordering::SeqCst);
}

fn is_given_back() -> bool {
    SET.load(Ordering::SeqCst) == 0
}

/// Undoes exactly what is set; a second call does nothing. Errors are of no use to anybody here:
/// the terminal may be gone.
pub(crate) fn give_up() {
    let modes = SET.swap(0, Ordering::SeqCst);
    if modes == 0 {
        return;
    }
    // Not into a frame; one that has not begun yet is not written any more.
    let _turn = writer::turn();
    let mut out = Tty;
    // Each screen of a terminal has its own.
    if modes & KEYS != 0 {
        let _ = queue!(out, PopKeyboardEnhancementFlags);
    }
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
    if modes & RAW != 0
        && let Some(original) = &*lock(&ORIGINAL)
    {
        let _ = tcsetattr(stdio::stdin(), OptionalActions::Now, original);
    }
}

/// Stops this process, and those that a shell started together with it, until the shell lets them
/// go on. Returns whether there is a shell that will.
pub(crate) fn stop() -> bool {
    // Without job control everything in a session is one group, that of the session's leader: a
    // window of its own, ssh with a command, a container.
    let a_shell_waits = getsid(None).is_ok_and(|session| session != getpgrp());
    a_shell_waits && kill_current_process_group(Signal::STOP).is_ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            give_up();
            report(panic);
        }));
    });
}
