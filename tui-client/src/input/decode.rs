//! Decodes bytes into keys and pastes, however the bytes are split.

use std::time::Duration;

use chitty_app::Mouse;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::escape::{self, Sequence};

/// An input from the terminal, or something to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TerminalInput {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted; a long paste may come in parts.
    Paste(String),
    /// The window got (`true`) or lost the keyboard.
    Focus(bool),
    /// The terminal's answer that it can report all keys unambiguously, by kitty's keyboard
    /// protocol.
    ReportsKeys,
    /// The mouse was used.
    Mouse(Mouse),
    /// The terminal has to be asked for its status ([`ASK_STATUS`]): the answer comes after
    /// everything that was typed before it.
    AskStatus,
    /// A paste has begun and no more of it arrives; Esc ends it.
    PasteStalls,
}

/// DSR, device status report. Every terminal answers it, in the order in which it sends everything
/// else (ECMA-48, 8.3.35).
pub(crate) const ASK_STATUS: &str = "\x1b[5n";

/// If the rest of a sequence does not come within this time, the terminal is asked for its status.
const SEQUENCE: Duration = Duration::from_millis(50);
/// How long a terminal may take to answer before the start of a sequence is taken for a key. Longer
/// than a round trip to the other side of the world.
const ANSWER: Duration = Duration::from_millis(400);
/// How long a terminal that does not answer may take to send the rest of a sequence after all.
const LATE: Duration = Duration::from_secs(2);
/// If nothing of a paste arrives for this time, the part that has arrived is shown.
const PASTE: Duration = Duration::from_secs(1);
/// The largest paste, in bytes; the rest is dropped.
const MAX_PASTE: usize = 64 * 1024;
/// The longest sequence of a key, in bytes.
const MAX_SEQUENCE: usize = 64;

const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Decodes the terminal's bytes.
///
/// A terminal sends many keys as several bytes that begin with Esc, and nothing marks the end of a
/// lone Esc. Time alone cannot distinguish the two, because the bytes of one key may be far apart
/// on a slow line. If the rest of a key is late, the terminal is therefore asked for its status. If
/// the answer comes next, the Esc was a key; if anything else comes next, it belongs to the Esc.
/// Only a terminal that does not answer at all is judged by time.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The start of an incomplete sequence.
    pending: Vec<u8>,
    /// What was done about the pending start, or about an Esc before it.
    doubt: Doubt,
    /// The paste in progress.
    paste: Option<Paste>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doubt {
    /// Nothing was done.
    #[default]
    None,
    /// The terminal was asked for its status and has not answered.
    Asked,
    /// The terminal does not answer. An Esc was taken for a key, but what comes next may still
    /// belong to it.
    Guessed,
}

#[derive(Debug, Default)]
struct Paste {
    bytes: Vec<u8>,
    /// How many bytes were handed over in earlier parts.
    taken: usize,
    /// Whether nothing has arrived for a while.
    stalls: bool,
}

impl Decoder {
    /// Decodes the bytes of one read.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<TerminalInput> {
        let mut typed = Vec::new();
        // Only a stalled paste can be ended by a key, and only by one that comes alone.
        if self.paste.as_ref().is_some_and(|paste| paste.stalls) && matches!(bytes, [ESC | CTRL_C])
        {
            // The end of the paste was lost, and the user wants to get out. A paste may contain any
            // byte, but no terminal sends such a byte of it alone in a read.
            typed.extend(self.paste.take().and_then(|paste| text(&paste.bytes)));
            return typed;
        }
        for &byte in bytes {
            if let Some(paste) = &mut self.paste {
                if paste.push(byte) {
                    self.end_paste(&mut typed);
                }
            } else {
                self.pending.push(byte);
                self.decode(&mut typed);
            }
        }
        typed
    }

    /// How long to wait for more bytes before [`Decoder::give_up`]; `None` if nothing is
    /// incomplete.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        match (&self.paste, self.pending.is_empty(), self.doubt) {
            (Some(paste), ..) if paste.stalls && paste.whole() == 0 => None,
            (Some(paste), ..) if paste.stalls => Some(SEQUENCE),
            (Some(_), ..) => Some(PASTE),
            (None, true, Doubt::Guessed) => Some(LATE),
            (None, true, _) => None,
            (None, false, Doubt::None) => Some(SEQUENCE),
            (None, false, Doubt::Asked | Doubt::Guessed) => Some(ANSWER),
        }
    }

    /// Takes note that nothing arrived within [`Decoder::timeout`].
    pub(crate) fn give_up(&mut self) -> Vec<TerminalInput> {
        let mut typed = Vec::new();
        if let Some(paste) = &mut self.paste {
            let said = std::mem::replace(&mut paste.stalls, true);
            typed.extend(paste.take_part());
            if !said {
                typed.push(TerminalInput::PasteStalls);
            }
        } else if self.pending.is_empty() {
            self.doubt = Doubt::None;
        } else if self.doubt == Doubt::None {
            self.doubt = Doubt::Asked;
            typed.push(TerminalInput::AskStatus);
        } else {
            let was_guessed = self.doubt == Doubt::Guessed;
            self.settle(was_guessed, &mut typed);
        }
        typed
    }

    /// Decides about the pending bytes, because their rest does not come.
    fn settle(&mut self, was_guessed: bool, typed: &mut Vec<TerminalInput>) {
        self.doubt = Doubt::None;
        let pending = std::mem::take(&mut self.pending);
        match pending[..] {
            [ESC] => {
                typed.push(plain(KeyCode::Esc));
                self.doubt = Doubt::Guessed;
            }
            [ESC, ESC] => {
                typed.extend([plain(KeyCode::Esc), plain(KeyCode::Esc)]);
                self.doubt = Doubt::Guessed;
            }
            // The Esc was a key, and so is this character: it began nothing.
            [ESC, c @ (b'[' | b'O')] if was_guessed => {
                typed.push(plain(KeyCode::Char(char::from(c))));
            }
            // Alt with a character that can also begin a longer sequence.
            [ESC, c @ (b']' | b'P' | b'X' | b'^' | b'_')] => {
                let key = KeyEvent::new(KeyCode::Char(char::from(c)), KeyModifiers::ALT);
                typed.push(TerminalInput::Key(key));
            }
            // An incomplete sequence is no key.
            _ => {}
        }
    }

    fn end_paste(&mut self, typed: &mut Vec<TerminalInput>) {
        if let Some(paste) = self.paste.take() {
            typed.push(paste.rest());
        }
    }

    fn decode(&mut self, typed: &mut Vec<TerminalInput>) {
        if self.doubt == Doubt::Guessed {
            match self.pending[..] {
                // This is the rest of a sequence after all, whose Esc was taken for a key.
                [b'[' | b'O'] => self.pending.insert(0, ESC),
                // Either Alt-Enter in two pieces, or Esc and Enter. In doubt, nothing is sent.
                [b'\r' | b'\n'] => {
                    self.doubt = Doubt::None;
                    self.pending.clear();
                    let key = KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT);
                    return typed.push(TerminalInput::Key(key));
                }
                _ => {}
            }
        }
        let sequence = match self.pending[..] {
            [ESC, ref rest @ ..] => escape::parse(rest),
            _ => plain_key(&self.pending),
        };
        match sequence {
            Sequence::Partial if self.pending.len() < MAX_SEQUENCE => return,
            Sequence::Key(key) => typed.push(TerminalInput::Key(key)),
            Sequence::Focus(focused) => typed.push(TerminalInput::Focus(focused)),
            Sequence::ReportsKeys => typed.push(TerminalInput::ReportsKeys),
            Sequence::Mouse(mouse) => typed.push(TerminalInput::Mouse(mouse)),
            Sequence::PasteStart => self.paste = Some(Paste::default()),
            Sequence::Again(from) => {
                // The Esc was a key by itself, and something else begins after it.
                typed.push(plain(KeyCode::Esc));
                self.pending.drain(..from);
                return self.decode(typed);
            }
            // The start of a character that does not go on: what came instead is a key by itself.
            Sequence::Unknown if self.pending.len() > 1 && self.pending[0] != ESC => {
                self.pending.drain(..self.pending.len() - 1);
                return self.decode(typed);
            }
            Sequence::Partial | Sequence::Unknown | Sequence::Status => {}
        }
        self.doubt = Doubt::None;
        self.pending.clear();
    }
}

impl Paste {
    /// Takes a byte. Returns whether it was the last one.
    fn push(&mut self, byte: u8) -> bool {
        // The last bytes are kept because they may be the end mark; excess bytes before them are
        // dropped.
        if self.taken + self.bytes.len() >= MAX_PASTE + PASTE_END.len() && !self.bytes.is_empty() {
            let first = self.bytes.len().saturating_sub(PASTE_END.len());
            self.bytes.remove(first);
        }
        self.bytes.push(byte);
        let is_over = self.bytes.ends_with(PASTE_END);
        if is_over {
            self.bytes.truncate(self.bytes.len() - PASTE_END.len());
        }
        is_over
    }

    /// How many bytes can be handed over now: no part of a character or of the end mark, and no
    /// line breaks at the end, because the draft removes those from the end of a paste.
    fn whole(&self) -> usize {
        let mut end = self.bytes.len();
        let marks = (1..PASTE_END.len()).rev();
        if let Some(mark) = marks
            .into_iter()
            .find(|&length| self.bytes.ends_with(&PASTE_END[..length]))
        {
            end -= mark;
        }
        while self.bytes[..end].ends_with(b"\r") || self.bytes[..end].ends_with(b"\n") {
            end -= 1;
        }
        match std::str::from_utf8(&self.bytes[..end]) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Ok(_) | Err(_) => end,
        }
    }

    fn take_part(&mut self) -> Option<TerminalInput> {
        let whole = self.whole();
        let part: Vec<u8> = self.bytes.drain(..whole).collect();
        self.taken += whole;
        text(&part)
    }

    fn rest(self) -> TerminalInput {
        // Reported even if it is empty: the clipboard may be empty, and the end of a paste that
        // stalled makes the hint about that disappear.
        TerminalInput::Paste(String::from_utf8_lossy(&self.bytes).into_owned())
    }
}

fn text(bytes: &[u8]) -> Option<TerminalInput> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    (!text.is_empty()).then_some(TerminalInput::Paste(text))
}

fn plain(code: KeyCode) -> TerminalInput {
    TerminalInput::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// Decodes a key without Esc: a control character, or a character in UTF-8.
pub(super) fn plain_key(bytes: &[u8]) -> Sequence {
    let key = |code, modifiers| Sequence::Key(KeyEvent::new(code, modifiers));
    let control = |c: u8| key(KeyCode::Char(char::from(c)), KeyModifiers::CONTROL);
    match *bytes {
        [] => Sequence::Partial,
        [b'\r'] => key(KeyCode::Enter, KeyModifiers::NONE),
        [b'\t'] => key(KeyCode::Tab, KeyModifiers::NONE),
        [0x7f] => key(KeyCode::Backspace, KeyModifiers::NONE),
        [0] => control(b' '),
        [c @ 1..=0x1a] => control(c - 1 + b'a'),
        [c @ 0x1c..=0x1f] => control(c - 0x1c + b'4'),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.chars().next().map_or(Sequence::Unknown, |c| {
                let shift = if c.is_uppercase() {
                    KeyModifiers::SHIFT
                } else {
                    KeyModifiers::NONE
                };
                key(KeyCode::Char(c), shift)
            }),
            Err(error) if error.error_len().is_none() => Sequence::Partial,
            Err(_) => Sequence::Unknown,
        },
    }
}

#[cfg(test)]
mod tests;
