//! From bytes to keys and pastes, whatever way the bytes are split.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::escape::{self, Sequence};
use crate::app::Mouse;

/// What a terminal sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// A key.
    Key(KeyEvent),
    /// Text that was pasted, as it came.
    Paste(String),
    /// The window got or lost the keyboard.
    Focus(bool),
    /// The terminal's answer: it can tell all keys apart, by kitty's keyboard protocol.
    TellsKeys,
    /// The mouse was used.
    Mouse(Mouse),
}

/// A byte sequence is taken as it is when its rest does not come within this time.
const SEQUENCE: Duration = Duration::from_millis(50);
/// A paste is taken to be over when nothing of it comes for this time.
const PASTE: Duration = Duration::from_secs(1);
/// In bytes. What is pasted beyond it is dropped.
const MAX_PASTE: usize = 64 * 1024;
/// In bytes. No key has a longer sequence.
const MAX_SEQUENCE: usize = 64;

const ESC: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Takes bytes, gives what was typed.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The start of something that is not whole yet.
    pending: Vec<u8>,
    /// What was pasted so far, while a paste goes on.
    paste: Option<Vec<u8>>,
}

impl Decoder {
    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut typed = Vec::new();
        for &byte in bytes {
            if let Some(paste) = &mut self.paste {
                push_bounded(paste, byte);
                if paste.ends_with(PASTE_END) {
                    paste.truncate(paste.len() - PASTE_END.len());
                    typed.extend(self.end_paste());
                }
            } else {
                self.pending.push(byte);
                self.decode(&mut typed);
            }
        }
        typed
    }

    /// How long to wait for more before [`Decoder::give_up`]; `None`: nothing is unfinished.
    pub(crate) fn patience(&self) -> Option<Duration> {
        if self.paste.is_some() {
            Some(PASTE)
        } else {
            (!self.pending.is_empty()).then_some(SEQUENCE)
        }
    }

    /// Nothing more came: takes what there is for what it is.
    pub(crate) fn give_up(&mut self) -> Vec<Typed> {
        if self.paste.is_some() {
            return self.end_paste().into_iter().collect();
        }
        let pending = std::mem::take(&mut self.pending);
        match pending[..] {
            [ESC] => vec![plain(KeyCode::Esc)],
            [ESC, ESC] => vec![plain(KeyCode::Esc), plain(KeyCode::Esc)],
            // Alt with a character that could have begun something longer.
            [ESC, c @ (b']' | b'P' | b'X' | b'^' | b'_')] => {
                let key = KeyEvent::new(KeyCode::Char(char::from(c)), KeyModifiers::ALT);
                vec![Typed::Key(key)]
            }
            // A part of a key is no key.
            _ => Vec::new(),
        }
    }

    fn end_paste(&mut self) -> Option<Typed> {
        let paste = self.paste.take()?;
        Some(Typed::Paste(String::from_utf8_lossy(&paste).into_owned()))
    }

    fn decode(&mut self, typed: &mut Vec<Typed>) {
        let sequence = match self.pending[..] {
            [ESC, ref rest @ ..] => escape::parse(rest),
            _ => plain_key(&self.pending),
        };
        match sequence {
            Sequence::Partial if self.pending.len() < MAX_SEQUENCE => return,
            Sequence::Key(key) => typed.push(Typed::Key(key)),
            Sequence::Focus(focused) => typed.push(Typed::Focus(focused)),
            Sequence::TellsKeys => typed.push(Typed::TellsKeys),
            Sequence::Mouse(mouse) => typed.push(Typed::Mouse(mouse)),
            Sequence::PasteStart => self.paste = Some(Vec::new()),
            Sequence::Again(from) => {
                // The Esc was a key of its own, and something else begins behind it.
                typed.push(plain(KeyCode::Esc));
                self.pending.drain(..from);
                return self.decode(typed);
            }
            Sequence::Partial | Sequence::Unknown => {}
        }
        self.pending.clear();
    }
}

fn plain(code: KeyCode) -> Typed {
    Typed::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// Keeps the end, where the end of the paste must be found, and drops what is too much before it.
fn push_bounded(paste: &mut Vec<u8>, byte: u8) {
    if paste.len() >= MAX_PASTE + PASTE_END.len() {
        paste.remove(MAX_PASTE);
    }
    paste.push(byte);
}

/// A key without Esc: a control character, or a character in UTF-8.
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Typed {
        Typed::Key(KeyEvent::new(code, modifiers))
    }

    fn all(bytes: &[u8]) -> Vec<Typed> {
        let mut decoder = Decoder::default();
        let mut typed = decoder.feed(bytes);
        typed.extend(decoder.give_up());
        typed
    }

    const NONE: KeyModifiers = KeyModifiers::NONE;
    const CTRL: KeyModifiers = KeyModifiers::CONTROL;
    const ALT: KeyModifiers = KeyModifiers::ALT;
    const SHIFT: KeyModifiers = KeyModifiers::SHIFT;

    #[test]
    fn keys_are_what_terminals_send() {
        let table: &[(&[u8], KeyCode, KeyModifiers)] = &[
            (b"x", KeyCode::Char('x'), NONE),
            (b"X", KeyCode::Char('X'), SHIFT),
            ("日".as_bytes(), KeyCode::Char('日'), NONE),
            (b"\r", KeyCode::Enter, NONE),
            (b"\n", KeyCode::Char('j'), CTRL),
            (b"\x7f", KeyCode::Backspace, NONE),
            (b"\x03", KeyCode::Char('c'), CTRL),
            (b"\x1b", KeyCode::Esc, NONE),
            (b"\x1bb", KeyCode::Char('b'), ALT),
            (b"\x1b\r", KeyCode::Enter, ALT),
            (b"\x1b\x7f", KeyCode::Backspace, ALT),
            (b"\x1b[A", KeyCode::Up, NONE),
            (b"\x1bOA", KeyCode::Up, NONE),
            (b"\x1b\x1b[A", KeyCode::Up, ALT),
            (b"\x1b[1;5C", KeyCode::Right, CTRL),
            (b"\x1b[1;2A", KeyCode::Up, SHIFT),
            (b"\x1b[H", KeyCode::Home, NONE),
            (b"\x1b[1~", KeyCode::Home, NONE),
            (b"\x1bOF", KeyCode::End, NONE),
            (b"\x1b[3~", KeyCode::Delete, NONE),
            (b"\x1b[3;5~", KeyCode::Delete, CTRL),
            (b"\x1b[5~", KeyCode::PageUp, NONE),
            (b"\x1b[6~", KeyCode::PageDown, NONE),
            (b"\x1bOP", KeyCode::F(1), NONE),
            (b"\x1b[11~", KeyCode::F(1), NONE),
            (b"\x1b[[A", KeyCode::F(1), NONE),
            (b"\x1b[24~", KeyCode::F(12), NONE),
            (b"\x1b[Z", KeyCode::BackTab, SHIFT),
            (b"\x1b[27u", KeyCode::Esc, NONE),
            (b"\x1b[13;2u", KeyCode::Enter, SHIFT),
            (b"\x1b[99;5u", KeyCode::Char('c'), CTRL),
            (b"\x1b_", KeyCode::Char('_'), ALT),
            // What is on the key with Shift, and where it is on an English keyboard.
            (b"\x1b[45:95;4u", KeyCode::Char('_'), ALT),
            (b"\x1b[45:95;6u", KeyCode::Char('_'), CTRL),
            (b"\x1b[98:66;4u", KeyCode::Char('B'), ALT | SHIFT),
            (b"\x1b[1089::99;5u", KeyCode::Char('c'), CTRL),
            (b"\x1b[1089:1057:99;5:1u", KeyCode::Char('c'), CTRL),
            // Caps lock and num lock are not the keys' business.
            (b"\x1b[99;197u", KeyCode::Char('c'), CTRL),
            (b"\x1b[57399;129u", KeyCode::Char('0'), NONE),
            (b"\x1b[57414u", KeyCode::Enter, NONE),
            (b"\x1b[57423u", KeyCode::Home, NONE),
            (b"\x1b[99;9u", KeyCode::Char('c'), KeyModifiers::SUPER),
        ];
        for &(bytes, code, modifiers) in table {
            assert_eq!(all(bytes), [key(code, modifiers)], "{bytes:?}");
        }
    }

    #[test]
    fn an_unknown_sequence_is_swallowed_whole() {
        for bytes in [
            &b"\x1b[?62;1cx"[..],
            b"\x1b[99~x",
            b"\x1b[M !!x",
            b"\x1b]0;title\x07x",
            b"\x1bP1$r\x1b\\x",
            b"\xffx",
            // Caps lock, a volume key.
            b"\x1b[57358ux",
            b"\x1b[57439ux",
        ] {
            assert_eq!(
                all(bytes).last(),
                Some(&key(KeyCode::Char('x'), NONE)),
                "{bytes:?}"
            );
            assert!(!all(bytes).contains(&key(KeyCode::Esc, NONE)), "{bytes:?}");
        }
    }

    #[test]
    fn esc_is_a_key_only_when_nothing_follows() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert_eq!(decoder.patience(), Some(SEQUENCE));
        assert_eq!(decoder.feed(b"[A"), [key(KeyCode::Up, NONE)]);
        assert_eq!(decoder.patience(), None);
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert_eq!(decoder.give_up(), [key(KeyCode::Esc, NONE)]);
        assert_eq!(decoder.patience(), None);
        assert_eq!(
            all(b"\x1b\x1b"),
            [key(KeyCode::Esc, NONE), key(KeyCode::Esc, NONE)]
        );
        assert_eq!(all(b"\x1b["), []);
    }

    #[test]
    fn a_paste_is_one_thing_and_keys_in_it_are_none() {
        let pasted = |text: &str| Typed::Paste(text.into());
        assert_eq!(
            all(b"\x1b[200~a\rb\x1b[Ac\x1b[201~d"),
            [pasted("a\rb\x1b[Ac"), key(KeyCode::Char('d'), NONE)]
        );
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b[200~never ends"), []);
        assert_eq!(decoder.patience(), Some(PASTE));
        assert_eq!(decoder.give_up(), [pasted("never ends")]);
        assert_eq!(decoder.feed(b"x"), [key(KeyCode::Char('x'), NONE)]);
    }

    #[test]
    fn a_paste_is_bounded() {
        let mut bytes = b"\x1b[200~".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', MAX_PASTE * 2));
        bytes.extend(PASTE_END);
        match &all(&bytes)[..] {
            [Typed::Paste(text)] => assert!(text.len() <= MAX_PASTE + PASTE_END.len()),
            other => panic!("{} things", other.len()),
        }
    }

    #[test]
    fn the_answer_about_keys_is_no_key() {
        assert_eq!(
            all(b"\x1b[?0ua"),
            [Typed::TellsKeys, key(KeyCode::Char('a'), NONE)]
        );
    }

    #[test]
    fn focus_is_told() {
        assert_eq!(
            all(b"\x1b[I\x1b[O"),
            [Typed::Focus(true), Typed::Focus(false)]
        );
    }

    #[test]
    fn the_mouse_scrolls_and_selects() {
        assert_eq!(
            all(b"\x1b[<64;1;1M\x1b[<65;200;300M\x1b[<0;5;3M"),
            [
                Typed::Mouse(Mouse::WheelUp),
                Typed::Mouse(Mouse::WheelDown),
                Typed::Mouse(Mouse::Press(4, 2)),
            ]
        );
        for nothing in [
            &b"\x1b[<0;5;3m"[..],
            b"\x1b[<2;5;3M",
            b"\x1b[<0;0;99999999999M",
            b"\x1b[<M",
        ] {
            assert_eq!(all(nothing), [], "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_split_makes_no_difference(bytes: Vec<u8>, split in any::<prop::sample::Index>()) {
            let mut decoder = Decoder::default();
            let at = split.index(bytes.len() + 1);
            let mut typed = decoder.feed(&bytes[..at]);
            typed.extend(decoder.feed(&bytes[at..]));
            typed.extend(decoder.give_up());
            prop_assert_eq!(typed, all(&bytes));
        }

        #[test]
        fn text_arrives_as_typed(text in "\\PC{0,40}") {
            let typed: String = all(text.as_bytes())
                .into_iter()
                .map(|typed| match typed {
                    Typed::Key(KeyEvent { code: KeyCode::Char(c), .. }) => c,
                    other => panic!("{other:?}"),
                })
                .collect();
            prop_assert_eq!(typed, text);
        }
    }
}
