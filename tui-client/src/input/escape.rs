//! Sequences that begin with Esc.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::decode::plain_key;
use crate::app::Mouse;

/// What the bytes so far are.
#[derive(Debug)]
pub(super) enum Sequence {
    /// The start of something.
    Partial,
    /// A key.
    Key(KeyEvent),
    /// The window got or lost the keyboard.
    Focus(bool),
    /// The mouse was used.
    Mouse(Mouse),
    /// A paste begins.
    PasteStart,
    /// The first so many bytes are an Esc; another thing begins behind them.
    Again(usize),
    /// Nothing that means something here.
    Unknown,
}

/// Takes what follows an Esc.
pub(super) fn parse(rest: &[u8]) -> Sequence {
    match rest {
        // Some terminals send Alt with a key as two Escs.
        [] | [0x1b] => Sequence::Partial,
        [b'[', body @ ..] => csi(body),
        [b'O', body @ ..] => ss3(body),
        // OSC, DCS, SOS, PM, APC: replies to questions that nobody here asks.
        [b']' | b'P' | b'X' | b'^' | b'_', body @ ..] => string(body),
        [0x1b, b'[' | b'O', ..] => with_alt(parse(&rest[1..])),
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

/// Parameters, then a final byte.
fn csi(body: &[u8]) -> Sequence {
    let (last, parameters) = match body {
        // The Linux console's F1 to F5.
        [b'[', c @ b'A'..=b'E'] => return key(KeyCode::F(1 + c - b'A'), KeyModifiers::NONE),
        [b'['] | [] => return Sequence::Partial,
        // A mouse report of the oldest kind: three more bytes.
        [b'M', rest @ ..] if rest.len() < 3 => return Sequence::Partial,
        // That, or a byte that is not a part of any such sequence: no key.
        [b'M', ..] | [.., 0..=0x1f | 0x7f..] => return Sequence::Unknown,
        [b'<', report @ .., b'M'] => return mouse(report),
        [parameters @ .., last @ 0x40..=0x7e] => (*last, parameters),
        _ => return Sequence::Partial,
    };
    let Some(numbers) = numbers(parameters) else {
        return Sequence::Unknown;
    };
    let number = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let modifiers = modifiers(number(1));
    match last {
        b'I' => Sequence::Focus(true),
        b'O' => Sequence::Focus(false),
        b'Z' => key(KeyCode::BackTab, modifiers | KeyModifiers::SHIFT),
        b'~' if number(0) == 200 => Sequence::PasteStart,
        b'~' => tilde(number(0)).map_or(Sequence::Unknown, |code| key(code, modifiers)),
        b'u' => unicode(number(0), modifiers),
        _ => letter(last).map_or(Sequence::Unknown, |code| key(code, modifiers)),
    }
}

/// Button, column and row, from 1 on.
fn mouse(report: &[u8]) -> Sequence {
    let place = |number: u32| u16::try_from(number).ok()?.checked_sub(1);
    let mouse = match numbers(report).as_deref() {
        Some([64, _, _]) => Some(Mouse::WheelUp),
        Some([65, _, _]) => Some(Mouse::WheelDown),
        Some(&[0, x, y]) => place(x).zip(place(y)).map(|(x, y)| Mouse::Press(x, y)),
        _ => None,
    };
    mouse.map_or(Sequence::Unknown, Sequence::Mouse)
}

/// At most three numbers, without what stands behind a colon.
fn numbers(parameters: &[u8]) -> Option<Vec<u32>> {
    let text = std::str::from_utf8(parameters).ok()?;
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(';')
        .take(3)
        .map(|part| {
            let part = part.split(':').next().unwrap_or(part);
            if part.is_empty() {
                Some(0)
            } else {
                part.parse().ok()
            }
        })
        .collect()
}

/// xterm's: one more than a sum of 1 (Shift), 2 (Alt), 4 (Ctrl).
fn modifiers(parameter: u32) -> KeyModifiers {
    let bits = parameter.saturating_sub(1);
    let mut modifiers = KeyModifiers::NONE;
    for (bit, modifier) in [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
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

/// A key by its code point, as terminals send it that tell all keys apart.
fn unicode(code: u32, modifiers: KeyModifiers) -> Sequence {
    let code = match code {
        9 => KeyCode::Tab,
        13 => KeyCode::Enter,
        27 => KeyCode::Esc,
        127 => KeyCode::Backspace,
        _ => match char::from_u32(code).filter(|c| !c.is_control()) {
            Some(c) => KeyCode::Char(c),
            None => return Sequence::Unknown,
        },
    };
    key(code, modifiers)
}
