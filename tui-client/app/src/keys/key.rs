//! Keys in the notation that users read and write.

use std::{fmt, str::FromStr};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use thiserror::Error;

const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;

const MODIFIERS: [(&str, KeyModifiers); 3] = [("Ctrl-", CTRL), ("Alt-", ALT), ("Shift-", SHIFT)];

/// The keys that have a name; every other key is written as its character.
const NAMES: [(&str, KeyCode); 15] = [
    ("Enter", KeyCode::Enter),
    ("Tab", KeyCode::Tab),
    ("Esc", KeyCode::Esc),
    ("Backspace", KeyCode::Backspace),
    ("Delete", KeyCode::Delete),
    ("Insert", KeyCode::Insert),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("PageUp", KeyCode::PageUp),
    ("PageDown", KeyCode::PageDown),
    ("Space", KeyCode::Char(' ')),
];

/// A key with its modifiers. Keys that terminals send as the same bytes are equal: Ctrl-I is Tab,
/// Ctrl-M is Enter, Ctrl-[ is Esc, and Ctrl-/ is Ctrl-_.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyChord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// One key, or two pressed one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeySequence {
    /// The only key, or the first of two.
    pub first: KeyChord,
    /// The second key, if there are two.
    pub then: Option<KeyChord>,
}

/// Why a text is not a key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// It names no key.
    #[error(
        "{0:?} is no key: give one such as Ctrl-F, Alt-Enter, Shift-Up, PageUp or F2; those with \
         names are Enter, Tab, Esc, Backspace, Delete, Insert, Up, Down, Left, Right, Home, End, \
         PageUp, PageDown and Space"
    )]
    Unknown(String),
    /// It names more than two keys.
    #[error("{0:?} is more than two keys: give one, or two such as \"Ctrl-X Ctrl-E\"")]
    TooMany(String),
}

impl KeyChord {
    /// The key of a key event.
    pub fn of(event: KeyEvent) -> Self {
        Self::new(event.code, event.modifiers)
    }

    fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let (code, modifiers) = match code {
            KeyCode::BackTab => (KeyCode::Tab, modifiers | SHIFT),
            KeyCode::Char(c) if modifiers.intersects(CTRL | ALT) => held(c, modifiers),
            KeyCode::Char(c) if modifiers == SHIFT => {
                (KeyCode::Char(upper(c).unwrap_or(c)), KeyModifiers::NONE)
            }
            code => (code, modifiers),
        };
        Self { code, modifiers }
    }

    /// Whether the key types a character: no modifier but Shift is held.
    pub fn writes(self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && self.modifiers.is_empty()
    }

    /// The modifiers, as they are written before the key.
    pub(super) fn held(self) -> String {
        let held = MODIFIERS
            .iter()
            .filter(|(_, modifier)| self.modifiers.contains(*modifier));
        held.map(|(name, _)| *name).collect()
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }
}

/// A character with Ctrl or Alt. An upper-case letter is the key of its lower-case letter with
/// Shift; for other characters Shift depends on the keyboard and is dropped.
fn held(c: char, modifiers: KeyModifiers) -> (KeyCode, KeyModifiers) {
    let (c, modifiers) = match lower(c) {
        Some(small) => (small, modifiers | SHIFT),
        None if upper(c).is_none() => (c, modifiers.difference(SHIFT)),
        None => (c, modifiers),
    };
    if !modifiers.contains(CTRL) {
        return (KeyCode::Char(c), modifiers);
    }
    let without = modifiers.difference(CTRL);
    match c {
        'i' => (KeyCode::Tab, without),
        'm' => (KeyCode::Enter, without),
        '[' => (KeyCode::Esc, without),
        '4' => (KeyCode::Char('\\'), modifiers),
        '5' => (KeyCode::Char(']'), modifiers),
        '6' => (KeyCode::Char('^'), modifiers),
        '7' | '/' => (KeyCode::Char('_'), modifiers),
        c => (KeyCode::Char(c), modifiers),
    }
}

/// The lower-case letter of an upper-case one, if the two map to each other.
fn lower(c: char) -> Option<char> {
    let small = only(c.to_lowercase()).filter(|&small| small != c)?;
    (only(small.to_uppercase()) == Some(c)).then_some(small)
}

/// The upper-case letter of a lower-case one, if the two map to each other.
fn upper(c: char) -> Option<char> {
    let capital = only(c.to_uppercase()).filter(|&capital| capital != c)?;
    (only(capital.to_lowercase()) == Some(c)).then_some(capital)
}

fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}

impl FromStr for KeyChord {
    type Err = KeyError;

    /// Case is ignored, except for a single character without modifiers.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut rest = text;
        let mut modifiers = KeyModifiers::NONE;
        while let Some((tail, modifier)) = MODIFIERS.iter().find_map(|(name, modifier)| {
            let (head, tail) = rest.split_at_checked(name.len())?;
            let held = head.eq_ignore_ascii_case(name) && !tail.is_empty();
            held.then_some((tail, *modifier))
        }) {
            rest = tail;
            modifiers |= modifier;
        }
        let unknown = || KeyError::Unknown(text.to_owned());
        let named = NAMES
            .iter()
            .find(|(name, _)| rest.eq_ignore_ascii_case(name));
        let code = if let Some(c) = only(rest.chars()) {
            let held = !modifiers.is_empty();
            let c = lower(c).filter(|_| held).unwrap_or(c);
            let visible = !c.is_control() && !c.is_whitespace();
            visible.then_some(KeyCode::Char(c))
        } else if let Some(&(_, code)) = named {
            Some(code)
        } else {
            let number = rest.strip_prefix(['F', 'f']);
            let number = number.filter(|digits| !digits.starts_with(['+', '0']));
            let number = number.and_then(|digits| digits.parse().ok());
            number
                .filter(|number| (1..=24).contains(number))
                .map(KeyCode::F)
        };
        Ok(Self::new(code.ok_or_else(unknown)?, modifiers))
    }
}

impl fmt::Display for KeyChord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.held())?;
        let named = NAMES.iter().find(|(_, code)| *code == self.code);
        match (named, self.code) {
            (Some((name, _)), _) => out.write_str(name),
            (None, KeyCode::F(number)) => write!(out, "F{number}"),
            (None, KeyCode::Char(c)) if self.modifiers.is_empty() => write!(out, "{c}"),
            (None, KeyCode::Char(c)) => write!(out, "{}", upper(c).unwrap_or(c)),
            // Keys that cannot be bound.
            (None, code) => write!(out, "{code}"),
        }
    }
}

impl FromStr for KeySequence {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut words = text.split_ascii_whitespace();
        let first = words
            .next()
            .ok_or_else(|| KeyError::Unknown(text.to_owned()))?;
        let then = words.next();
        if words.next().is_some() {
            return Err(KeyError::TooMany(text.to_owned()));
        }
        Ok(Self {
            first: first.parse()?,
            then: then.map(str::parse).transpose()?,
        })
    }
}

impl fmt::Display for KeySequence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(out)?;
        self.then.map_or(Ok(()), |then| write!(out, " {then}"))
    }
}
