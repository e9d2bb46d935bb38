//! The terminal's modes: what is set here is undone here, once, whichever way the program ends.

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
    cursor::{MoveTo, Show},
    event::{
        DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
        KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
    },
    execute, queue,
    style::force_color_output,
    terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen},
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

/// The modes that are set and not undone yet. A static, because the process has one terminal, and a
/// panic hook can reach nothing else.
static SET: AtomicU8 = AtomicU8::new(0);

/// Whether a task of this process panicked while the screen was up.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Whether the terminal has said that it can report all keys unambiguously.
static REPORTS_KEYS: AtomicBool = AtomicBool::new(false);

/// Whether the app wants the mouse.
static WANTS_MOUSE: AtomicBool = AtomicBool::new(false);

/// The terminal's line settings at the start.
static ORIGINAL: Mutex<Option<Termios>> = Mutex::new(None);

/// The writer of the terminal, while there is a screen.
static WRITER: Mutex<Option<FrameWriter>> = Mutex::new(None);

/// The frame that is being drawn.
static FRAME: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Whether a panic, maybe of another task, has restored the terminal, so that nothing may be drawn
/// any more.
pub(crate) fn panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

/// Holds the terminal in the state that a full-screen program needs; dropping it restores the
/// terminal.
pub(crate) struct TerminalGuard {
    terminal: Terminal<Measured<Frames>>,
    unwritten: Unwritten,
    // The order of these fields is the order of drops: the writer finishes before the modes are
    // restored.
    _writer_thread: WriterThread,
    _undo: RestoreModes,
}

impl TerminalGuard {
    /// Takes the terminal. It asks the terminal nothing, so that the first frame comes at once.
    pub(crate) fn enter() -> io::Result<Self> {
        restore_on_panic();
        // If a later step fails, dropping this undoes the earlier ones.
        let undo = RestoreModes;
        // The theme decides whether there are colours. Left to itself, crossterm would also drop
        // bold and reverse.
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

    /// The terminal to draw on, and the number of pieces that it has not taken.
    pub(crate) fn terminal(&mut self) -> (&mut Terminal<Measured<Frames>>, Unwritten) {
        (&mut self.terminal, self.unwritten.clone())
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        // Nothing more is sent: the writer thread ends after what it has.
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
            // Synchronized output: the terminal shows the frame only when it is complete.
            frame.extend_from_slice(b"\x1b[?2026h");
        }
        frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing, because ratatui calls it several times within a frame.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends the frame to the terminal in one piece, without waiting for it.
pub(crate) fn present() -> io::Result<()> {
    let mut frame = std::mem::take(&mut *lock(&FRAME));
    if frame.is_empty() {
        return Ok(());
    }
    frame.extend_from_slice(b"\x1b[?2026l");
    send(frame)
}

/// Writes an escape sequence beside the screen.
pub(crate) fn write_sequence(sequence: &str) -> io::Result<()> {
    send(sequence.as_bytes().to_vec())
}

/// Captures the mouse, or leaves it to the terminal.
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

/// Queues these bytes after everything that was sent before.
fn send(piece: Vec<u8>) -> io::Result<()> {
    lock(&WRITER)
        .as_ref()
        .map_or(Ok(()), |writer| writer.send(piece))
}

/// Sets all modes, even those that are set already, because another program may have changed them.
pub(crate) fn take() -> io::Result<()> {
    give_up();
    let _turn = writer::turn();
    // Each mode is marked as set right after it was: if the next one fails, exactly those are
    // undone.
    raw()?;
    // The first frame is drawn only where something stands. A terminal without an alternate screen
    // (the Linux console, GNU screen with its defaults) still shows there what was on it before.
    execute!(Tty, EnterAlternateScreen, Clear(ClearType::All))?;
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

/// Switches to raw mode: keys arrive one by one and are not echoed.
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

/// Asks the terminal whether it can report all keys unambiguously. If it can, the answer arrives
/// among the keys; if not, there is no answer.
pub(crate) fn query_key_reports() {
    let _ = send(b"\x1b[?u".to_vec());
}

/// Turns unambiguous key reports on, because the terminal has said that it knows them.
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

/// Undoes exactly what is set; a second call does nothing. Errors are ignored, because the terminal
/// may be gone.
pub(crate) fn give_up() {
    // The swap makes sure that each mode is undone once, even if a panic and the normal end meet.
    // Sequential consistency costs nothing here: it is a handful of operations for a whole run.
    let modes = SET.swap(0, Ordering::SeqCst);
    if modes == 0 {
        return;
    }
    // Waits for the end of the current frame; a frame that has not begun is not written any more.
    let _turn = writer::turn();
    let mut out = Tty;
    // Popped before the screen is left, because each screen of a terminal has its own stack.
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
        // Without an alternate screen, what is printed next would stand in the middle of the chat.
        let _ = queue!(out, Clear(ClearType::All), MoveTo(0, 0));
        // ratatui hides the cursor between frames.
        let _ = queue!(out, Show, LeaveAlternateScreen);
    }
    let _ = out.flush();
    if modes & RAW != 0
        && let Some(original) = &*lock(&ORIGINAL)
    {
        let _ = tcsetattr(stdio::stdin(), OptionalActions::Now, original);
    }
}

/// Stops this process, and those that a shell started together with it, until the shell continues
/// them. Returns whether there is a shell that will.
pub(crate) fn stop() -> bool {
    // Without job control all processes of a session are in the group of its leader: in a window of
    // its own, with ssh and a command, in a container.
    let a_shell_waits = getsid(None).is_ok_and(|session| session != getpgrp());
    a_shell_waits && kill_current_process_group(Signal::STOP).is_ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Restores the terminal before a panic is reported, because a report on a screen in raw mode that
/// is about to vanish would be lost.
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
