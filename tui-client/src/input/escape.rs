//! Parses sequences that begin with Esc.

use chitty_app::Mouse;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::decode::plain_key;

/// The meaning of the bytes so far.
#[derive(Debug)]
pub(super) enum Sequence {
    /// The start of a longer sequence.
    Partial,
    /// A key was pressed.
    Key(KeyEvent),
    /// The window got (`true`) or lost the keyboard.
    Focus(bool),
    /// The terminal can report all keys unambiguously.
    ReportsKeys,
    /// The terminal's status, which it was asked for.
    Status,
    /// The mouse was used.
    Mouse(Mouse),
    /// A paste begins.
    PasteStart,
    /// The first bytes, this many, are an Esc; something else begins after them.
    Again(usize),
    /// A complete sequence without a meaning here.
    Unknown,
}

/// Parses what follows an Esc.
pub(super) fn parse(rest: &[u8]) -> Sequence {
    match rest {
        // Some terminals send Alt with a key as two Escs.
        [] | [0x1b] => Sequence::Partial,
        [b'[', body @ ..] => csi(body),
        [b'O', body @ ..] => ss3(body),
        // OSC, DCS, SOS, PM and APC: replies to questions that this program does not ask.
        [b']' | b'P' | b'X' | b'^' | b'_', body @ ..] => string(body),
        [0x1b, b'[' | b'O', ..] => match parse(&rest[1..]) {
            // The status after a lone Esc: the Esc was a key.
            Sequence::Status => Sequence::Again(1),
            other => with_alt(other),
        },
        [0x1b, ..] => Sequence::Again(1),
        _ => with_alt(plain_key(rest)),
    }
}

fn with_alt(sequence: Sequence) -> Sequence {
    match sequence {
        Sequence::Key(mut key) => {
            key.modifiers |= KeyModifiers::ALT;
            Sequence::Key(key)
        }
        other => other,
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Sequence {
    Sequence::Key(KeyEvent::new(code, modifiers))
}

fn ss3(body: &[u8]) -> Sequence {
    match body {
        [] => Sequence::Partial,
        [c] => letter(*c).map_or(Sequence::Unknown, |code| key(code, KeyModifiers::NONE)),
        _ => Sequence::Unknown,
    }
}

fn string(body: &[u8]) -> Sequence {
    match body {
        [.., 0x07] | [.., 0x1b, b'\\'] => Sequence::Unknown,
        _ => Sequence::Partial,
    }
}

/// Parses parameters followed by a final byte.
fn csi(body: &[u8]) -> Sequence {
    let (last, parameters) = match body {
        // The Linux console's F1 to F5.
        [b'[', c @ b'A'..=b'E'] => return key(KeyCode::F(1 + c - b'A'), KeyModifiers::NONE),
        [b'['] | [] => return Sequence::Partial,
        // A mouse report of the oldest format has three more bytes.
        [b'M', rest @ ..] if rest.len() < 3 => return Sequence::Partial,
        // Such a report, or a byte that belongs to no sequence of this kind.
        [b'M', ..] | [.., 0..=0x1f | 0x7f..] => return Sequence::Unknown,
        [b'<', report @ .., b'M'] => return mouse(report),
        [parameters @ .., last @ 0x40..=0x7e] => (*last, parameters),
        _ => return Sequence::Partial,
    };
    if let ([b'?', ..], b'u') = (parameters, last) {
        return Sequence::ReportsKeys;
    }
    let Some(numbers) = numbers(parameters) else {
        return Sequence::Unknown;
    };
    let number = |index: usize| numbers.get(index).map_or(0, |parts| parts[0]);
    let modifiers = modifiers(number(1));
    match last {
        b'I' => Sequence::Focus(true),
        b'O' => Sequence::Focus(false),
        // "Ready" or "malfunction": only the fact of an answer matters.
        b'n' if matches!(number(0), 0 | 3) => Sequence::Status,
        b'Z' => key(KeyCode::BackTab, modifiers | KeyModifiers::SHIFT),
        b'~' if number(0) == 200 => Sequence::PasteStart,
        b'~' => tilde(number(0)).map_or(Sequence::Unknown, |code| key(code, modifiers)),
        b'u' => unicode(numbers.first().copied().unwrap_or_default(), modifiers),
        _ => letter(last).map_or(Sequence::Unknown, |code| key(code, modifiers)),
    }
}

/// Parses a mouse report: button, column and row, each from 1 on.
fn mouse(report: &[u8]) -> Sequence {
    let place = |number: u32| u16::try_from(number).ok()?.checked_sub(1);
    let mouse = match numbers(report).as_deref() {
        Some(&[[button @ (0 | 64 | 65), ..], [x, ..], [y, ..]]) => {
            let what = match button {
                64 => Mouse::WheelUp,
                65 => Mouse::WheelDown,
                _ => Mouse::Press,
            };
            place(x).zip(place(y)).map(|(x, y)| what(x, y))
        }
        _ => None,
    };
    mouse.map_or(Sequence::Unknown, Sequence::Mouse)
}

/// At most three parameters, each with at most three parts between colons; a missing part is 0.
fn numbers(parameters: &[u8]) -> Option<Vec<[u32; 3]>> {
    let text = std::str::from_utf8(parameters).ok()?;
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(';')
        .take(3)
        .map(|parameter| {
            let mut numbers = [0; 3];
            for (number, part) in numbers.iter_mut().zip(parameter.split(':')) {
                if !part.is_empty() {
                    *number = part.parse().ok()?;
                }
            }
            Some(numbers)
        })
        .collect()
}

/// The encoding of xterm and kitty: one more than the sum of 1 (Shift), 2 (Alt), 4 (Ctrl) and so
/// on. The locks that kitty adds are ignored.
fn modifiers(parameter: u32) -> KeyModifiers {
    let bits = parameter.saturating_sub(1);
    let mut modifiers = KeyModifiers::NONE;
    for (bit, modifier) in [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
        (8, KeyModifiers::SUPER),
        (16, KeyModifiers::HYPER),
        (32, KeyModifiers::META),
    ] {
        if bits & bit != 0 {
            modifiers |= modifier;
        }
    }
    modifiers
}

fn letter(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(1 + last - b'P'),
        _ => return None,
    })
}

fn tilde(number: u32) -> Option<KeyCode> {
    let function = |offset: u32| u8::try_from(number - offset).ok().map(KeyCode::F);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(10),
        17..=21 => function(11),
        23..=24 => function(12),
        _ => None,
    }
}

/// A key by its code point, from terminals that report all keys
/// (<https://sw.kovidgoyal.net/kitty/keyboard-protocol/>): the key, the key with Shift, and the key
/// at its place on an English keyboard.
fn unicode([code, shifted, english]: [u32; 3], mut modifiers: KeyModifiers) -> Sequence {
    let character = |code| char::from_u32(code).filter(|&c| c != '\0' && !c.is_control());
    let code = match code {
        9 => KeyCode::Tab,
        13 => KeyCode::Enter,
        27 => KeyCode::Esc,
        127 => KeyCode::Backspace,
        57_344..=63_743 => match keypad(code) {
            Some(code) => code,
            None => return Sequence::Unknown,
        },
        _ => {
            let Some(mut c) = character(code) else {
                return Sequence::Unknown;
            };
            let with_shift = character(shifted).filter(|_| modifiers.contains(KeyModifiers::SHIFT));
            if let Some(with_shift) = with_shift {
                c = with_shift;
                // As with other terminals, Shift counts as held only for letters.
                modifiers.set(KeyModifiers::SHIFT, c.is_alphabetic());
            }
            // Ctrl-C is at the same place on every keyboard, whatever the alphabet.
            let shortcut = modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
            match character(english).filter(|_| shortcut && !c.is_ascii()) {
                Some(english) => KeyCode::Char(english),
                None => KeyCode::Char(c),
            }
        }
    };
    key(code, modifiers)
}

/// The keys of the keypad, which have numbers of their own in kitty's protocol.
fn keypad(code: u32) -> Option<KeyCode> {
    Some(match code {
        57_399..=57_408 => KeyCode::Char(char::from_digit(code - 57_399, 10)?),
        57_409 => KeyCode::Char('.'),
        57_410 => KeyCode::Char('/'),
        57_411 => KeyCode::Char('*'),
        57_412 => KeyCode::Char('-'),
        57_413 => KeyCode::Char('+'),
        57_414 => KeyCode::Enter,
        57_415 => KeyCode::Char('='),
        57_416 => KeyCode::Char(','),
        57_417 => KeyCode::Left,
        57_418 => KeyCode::Right,
        57_419 => KeyCode::Up,
        57_420 => KeyCode::Down,
        57_421 => KeyCode::PageUp,
        57_422 => KeyCode::PageDown,
        57_423 => KeyCode::Home,
        57_424 => KeyCode::End,
        57_425 => KeyCode::Insert,
        57_426 => KeyCode::Delete,
        _ => return None,
    })
}
