use proptest::prelude::*;

use super::*;

fn key(code: KeyCode, modifiers: KeyModifiers) -> TerminalInput {
    TerminalInput::Key(KeyEvent::new(code, modifiers))
}

/// What was typed once nothing more comes, from a terminal that answers nothing.
fn rest(decoder: &mut Decoder) -> Vec<TerminalInput> {
    let mut typed = Vec::new();
    while decoder.timeout().is_some() {
        typed.extend(decoder.give_up());
    }
    typed.retain(|typed| !matches!(typed, TerminalInput::AskStatus | TerminalInput::PasteStalls));
    typed
}

fn all(bytes: &[u8]) -> Vec<TerminalInput> {
    let mut decoder = Decoder::default();
    let mut typed = decoder.feed(bytes);
    typed.extend(rest(&mut decoder));
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
        // Latin-1, where UTF-8 is expected.
        b"\xe9x",
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
    assert_eq!(decoder.timeout(), Some(SEQUENCE));
    assert_eq!(decoder.feed(b"[A"), [key(KeyCode::Up, NONE)]);
    assert_eq!(decoder.timeout(), None);
    assert_eq!(decoder.feed(b"\x1b"), []);
    assert_eq!(decoder.give_up(), [TerminalInput::AskStatus]);
    assert_eq!(decoder.feed(b"\x1b[0n"), [key(KeyCode::Esc, NONE)]);
    assert_eq!(decoder.timeout(), None);
    assert_eq!(
        all(b"\x1b\x1b"),
        [key(KeyCode::Esc, NONE), key(KeyCode::Esc, NONE)]
    );
    assert_eq!(all(b"\x1b["), []);
}

#[test]
fn a_paste_is_one_thing_and_keys_in_it_are_none() {
    let pasted = |text: &str| TerminalInput::Paste(text.into());
    assert_eq!(
        all(b"\x1b[200~a\rb\x1b[Ac\x1b[201~d"),
        [pasted("a\rb\x1b[Ac"), key(KeyCode::Char('d'), NONE)]
    );
    let mut decoder = Decoder::default();
    assert_eq!(decoder.feed(b"\x1b[200~never ends"), []);
    assert_eq!(decoder.timeout(), Some(PASTE));
    assert_eq!(
        decoder.give_up(),
        [pasted("never ends"), TerminalInput::PasteStalls]
    );
    assert_eq!(decoder.timeout(), None);
    assert_eq!(decoder.feed(b"\x1b"), [], "the user's way out");
    assert_eq!(decoder.feed(b"x"), [key(KeyCode::Char('x'), NONE)]);
}

#[test]
fn a_paste_that_stalls_is_one_to_its_end_mark() {
    let whole = "one\r\ntwo é three\n\nfour\r";
    let bytes = [b"\x1b[200~", whole.as_bytes(), PASTE_END].concat();
    for split in 6..=bytes.len() {
        let mut decoder = Decoder::default();
        let mut typed = decoder.feed(&bytes[..split]);
        for _ in 0..3 {
            if decoder.timeout().is_some() {
                typed.extend(decoder.give_up());
            }
        }
        typed.extend(decoder.feed(&bytes[split..]));
        let mut text = String::new();
        for typed in typed {
            match typed {
                TerminalInput::Paste(part) => text.push_str(&part),
                TerminalInput::PasteStalls => {}
                other => panic!("{other:?} at {split}"),
            }
        }
        assert_eq!(text, whole, "at {split}");
        assert_eq!(decoder.timeout(), None);
    }
}

/// The bytes of one key, with a pause after each of them in which nobody gives up but whoever
/// goes by the clock alone.
#[test]
fn a_key_whose_bytes_come_one_by_one_is_that_key() {
    for (bytes, expected) in [
        (&b"\x1b[A"[..], key(KeyCode::Up, NONE)),
        (b"\x1bOA", key(KeyCode::Up, NONE)),
        (b"\x1b[1;5C", key(KeyCode::Right, CTRL)),
        (b"\x1b[5~", key(KeyCode::PageUp, NONE)),
        (b"\x1b\r", key(KeyCode::Enter, ALT)),
        (b"\x1bb", key(KeyCode::Char('b'), ALT)),
        (b"\x1b\x1b[A", key(KeyCode::Up, ALT)),
        ("日".as_bytes(), key(KeyCode::Char('日'), NONE)),
    ] {
        let mut decoder = Decoder::default();
        let mut typed = Vec::new();
        for byte in bytes {
            typed.extend(decoder.feed(&[*byte]));
            if decoder.timeout() == Some(SEQUENCE) {
                typed.extend(decoder.give_up());
            }
        }
        typed.retain(|typed| *typed != TerminalInput::AskStatus);
        assert_eq!(typed, [expected], "{bytes:?}");
        // The answer comes at last, and is no key.
        assert_eq!(decoder.feed(b"\x1b[0n"), []);
    }
}

#[test]
fn a_terminal_that_does_not_answer_is_judged_by_time_and_sends_nothing_by_mistake() {
    let guessed = || {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert_eq!(decoder.give_up(), [TerminalInput::AskStatus]);
        assert_eq!(decoder.timeout(), Some(ANSWER));
        assert_eq!(decoder.give_up(), [key(KeyCode::Esc, NONE)]);
        assert_eq!(decoder.timeout(), Some(LATE));
        decoder
    };
    assert_eq!(guessed().feed(b"[A"), [key(KeyCode::Up, NONE)]);
    assert_eq!(guessed().feed(b"\r"), [key(KeyCode::Enter, ALT)]);
    assert_eq!(guessed().feed(b"x\r")[0], key(KeyCode::Char('x'), NONE));
    assert_eq!(guessed().feed(b"\x1b[0n"), [], "the answer, too late");
    let mut decoder = guessed();
    assert_eq!(decoder.feed(b"["), []);
    assert_eq!(rest(&mut decoder), [key(KeyCode::Char('['), NONE)]);
    let mut decoder = guessed();
    assert_eq!(decoder.give_up(), []);
    assert_eq!(decoder.timeout(), None);
    assert_eq!(decoder.feed(b"\r"), [key(KeyCode::Enter, NONE)]);
}

#[test]
fn a_paste_is_bounded() {
    let mut bytes = b"\x1b[200~".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', MAX_PASTE * 2));
    bytes.extend(PASTE_END);
    match &all(&bytes)[..] {
        [TerminalInput::Paste(text)] => assert!(text.len() <= MAX_PASTE + PASTE_END.len()),
        other => panic!("{} things", other.len()),
    }
}

#[test]
fn the_answer_about_keys_is_no_key() {
    assert_eq!(
        all(b"\x1b[?0ua"),
        [TerminalInput::ReportsKeys, key(KeyCode::Char('a'), NONE)]
    );
}

#[test]
fn focus_is_told() {
    assert_eq!(
        all(b"\x1b[I\x1b[O"),
        [TerminalInput::Focus(true), TerminalInput::Focus(false)]
    );
}

#[test]
fn the_mouse_scrolls_and_selects() {
    assert_eq!(
        all(b"\x1b[<64;1;1M\x1b[<65;200;300M\x1b[<0;5;3M"),
        [
            TerminalInput::Mouse(Mouse::WheelUp(0, 0)),
            TerminalInput::Mouse(Mouse::WheelDown(199, 299)),
            TerminalInput::Mouse(Mouse::Press(4, 2)),
        ]
    );
    for nothing in [
        &b"\x1b[<0;5;3m"[..],
        b"\x1b[<2;5;3M",
        b"\x1b[<0;0;99999999999M",
        b"\x1b[<64;0;1M",
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
        typed.extend(rest(&mut decoder));
        prop_assert_eq!(typed, all(&bytes));
    }

    #[test]
    fn text_arrives_as_typed(text in "\\PC{0,40}") {
        let typed: String = all(text.as_bytes())
            .into_iter()
            .map(|typed| match typed {
                TerminalInput::Key(KeyEvent { code: KeyCode::Char(c), .. }) => c,
                other => panic!("{other:?}"),
            })
            .collect();
        prop_assert_eq!(typed, text);
    }
}
