use std::collections::HashSet;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

use super::*;

const NONE: KeyModifiers = KeyModifiers::NONE;
const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;

fn event(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
    KeyEvent::new(code, modifiers)
}

fn change(context: KeyContext, name: &str, keys: &[&str]) -> KeyChange {
    let mut bindings = context.bindings();
    let keys = keys.iter().map(|keys| keys.parse().expect("a key"));
    KeyChange {
        context,
        binding: bindings
            .find(|binding| binding.name == name)
            .expect("a name"),
        keys: keys.collect(),
    }
}

#[test]
fn the_table_is_sound() {
    for context in [KeyContext::Chat, KeyContext::Selected] {
        let mut names = HashSet::new();
        let mut keys: Vec<KeySequence> = Vec::new();
        for binding in context.bindings() {
            assert!(
                names.insert(binding.name),
                "{} is there twice",
                binding.name
            );
            for text in binding.keys {
                let own: KeySequence = text.parse().expect(text);
                assert_eq!(own.to_string(), *text);
                assert!(!keys.contains(&own), "{own} is bound twice");
                assert!(
                    context == KeyContext::Selected || !own.first.writes(),
                    "{own}"
                );
                keys.push(own);
            }
        }
        // A key is either the first of two, or one by itself.
        let mut both = keys.iter().filter(|own| own.then.is_none());
        assert!(!both.any(|one| {
            keys.iter()
                .any(|own| own.then.is_some() && own.first == one.first)
        }));
    }
    assert_eq!(Keymap::with(&[]), Ok(Keymap::default()));
}

#[test]
fn characters_are_typed() {
    let map = Keymap::default();
    let typed = |c| Some(Action::Edit(Edit::Insert(c)));
    assert_eq!(map.action(event(KeyCode::Char('Ä'), SHIFT)), typed('Ä'));
    assert_eq!(map.action(event(KeyCode::Char('x'), NONE)), typed('x'));
    assert_eq!(
        map.action(event(KeyCode::Char('@'), CTRL | ALT)),
        typed('@')
    );
    // Esc and then Ctrl-U, in one read.
    assert_eq!(map.action(event(KeyCode::Char('u'), CTRL | ALT)), None);
    assert_eq!(map.action(event(KeyCode::Char('x'), ALT)), None);
    assert_eq!(map.action(event(KeyCode::F(12), NONE)), None);
}

#[test]
fn what_terminals_cannot_tell_apart_is_one_key() {
    for (one, other) in [
        ("ctrl-i", "Tab"),
        ("ctrl-m", "Enter"),
        ("ctrl-[", "Esc"),
        ("ctrl-7", "Ctrl-_"),
        ("ctrl-/", "Ctrl-_"),
        ("shift-x", "X"),
        ("ALT-b", "Alt-B"),
        ("shift-alt-B", "Alt-Shift-B"),
        ("shift-alt-_", "Alt-_"),
        ("ctrl--", "Ctrl--"),
        ("pageUP", "PageUp"),
        ("f12", "F12"),
    ] {
        let key: KeyChord = one.parse().expect(one);
        assert_eq!(key.to_string(), other);
    }
    let of = |code, modifiers| KeyChord::of(event(code, modifiers)).to_string();
    assert_eq!(of(KeyCode::BackTab, SHIFT), "Shift-Tab");
    assert_eq!(of(KeyCode::Char('B'), ALT | SHIFT), "Alt-Shift-B");
    assert_eq!(of(KeyCode::Char('B'), ALT), "Alt-Shift-B");
}

#[test]
fn what_is_no_key_is_told() {
    for wrong in [
        "", "ctrl-", "hyper-x", "f0", "f25", "F+1", "return", "xy", "\t",
    ] {
        let error = wrong.parse::<KeySequence>().expect_err(wrong);
        assert!(error.to_string().contains("is no key"), "{error}");
    }
    let error = "Ctrl-X a b".parse::<KeySequence>().expect_err("three");
    assert!(error.to_string().contains("more than two"), "{error}");
}

#[test]
fn a_key_that_is_given_to_something_is_taken_from_what_had_it() {
    let map = Keymap::with(&[
        change(KeyContext::Chat, "search", &["f2", "ctrl-x s"]),
        change(KeyContext::Chat, "page-up", &["ctrl-w"]),
    ])
    .expect("sound");
    assert_eq!(map.action(event(KeyCode::F(2), NONE)), Some(Action::Search));
    assert_eq!(map.action(event(KeyCode::Char('f'), CTRL)), None);
    assert_eq!(map.key(Action::Diagram), None);
    assert_eq!(map.action(event(KeyCode::PageUp, NONE)), None);
    assert_eq!(map.key(Action::Edit(Edit::CutSpacedLeft)), None);
    // Other actions with the same prefix stay.
    let prefix = "Ctrl-X".parse().expect("a key");
    assert_eq!(
        map.action(event(KeyCode::Char('x'), CTRL)),
        Some(Action::Prefix(prefix))
    );
    let after_prefix = |c| map.after_prefix(prefix, event(KeyCode::Char(c), NONE));
    assert_eq!(after_prefix('s'), Some(Action::Search));
    assert_eq!(after_prefix('e'), Some(Action::Editor));
    assert_eq!(after_prefix('q'), None);
    assert_eq!(
        map.offers(prefix),
        "Ctrl-X: s search · Ctrl-E editor · Ctrl-U undo"
    );

    // A key that has an action by itself is no prefix any more.
    let map = Keymap::with(&[change(KeyContext::Chat, "expand", &["ctrl-x"])]).expect("sound");
    assert_eq!(map.key(Action::Editor), None);
    let rows = map.rows(KeyContext::Chat);
    let labels: Vec<_> = rows.map(|(keys, row)| (keys, row.what)).collect();
    assert!(labels.contains(&("Ctrl-X".into(), "joined and left one by one")));
    assert!(!labels.iter().any(|(_, what)| what.contains("$EDITOR")));
}

#[test]
fn the_help_has_every_key_of_a_thing() {
    for context in [KeyContext::Chat, KeyContext::Selected] {
        for (label, row) in Keymap::default().rows(context) {
            let keys = row.bindings.iter().map(|binding| binding.keys.len());
            assert_eq!(label.split(", ").count(), keys.sum(), "{label}");
        }
    }
    // Even if the defaults need no explanation.
    let changes = [
        change(KeyContext::Chat, "left", &["Ctrl-X l", "Alt-4"]),
        change(KeyContext::Chat, "search", &["F7", "F8", "F9"]),
    ];
    let map = Keymap::with(&changes).expect("no conflict");
    let labels: Vec<_> = map.rows(KeyContext::Chat).map(|(label, _)| label).collect();
    for label in ["Ctrl-X l, Alt-4, Right", "F7, F8, F9"] {
        assert!(labels.iter().any(|own| own == label), "{label}: {labels:?}");
    }
}

#[test]
fn two_things_on_one_key_are_a_mistake() {
    let search = change(KeyContext::Chat, "search", &["f9"]);
    for keys in ["F9", "F9 x"] {
        let twice = change(KeyContext::Chat, "help", &[keys]).check(std::slice::from_ref(&search));
        let error = twice.expect_err("twice").to_string();
        assert!(error.contains("is taken by search"), "{error}");
    }
    // On a selected line the keys are independent, and single characters are allowed.
    let selected = change(KeyContext::Selected, "copy", &["f9", "x"]);
    assert_eq!(selected.check(std::slice::from_ref(&search)), Ok(()));
    for writes in ["x", "Ä", "space", "shift-x", "/ x"] {
        let error = change(KeyContext::Chat, "help", &[writes])
            .check(&[])
            .expect_err(writes);
        assert!(error.to_string().contains("is for writing"), "{error}");
    }
    assert_eq!(
        change(KeyContext::Chat, "help", &["alt-x"]).check(&[]),
        Ok(())
    );
    let two = change(KeyContext::Selected, "copy", &["a b"]).check(&[]);
    assert!(matches!(two, Err(KeyConflict::Two(_))), "{two:?}");
}

#[test]
fn one_can_always_write_and_needs_no_key_to_leave() {
    for changes in [
        vec![change(KeyContext::Chat, "leave", &[])],
        vec![change(KeyContext::Chat, "help", &["esc", "ctrl-c"])],
    ] {
        let map = Keymap::with(&changes).expect("/quit leaves");
        assert_eq!(map.key(Action::Leave), None);
    }
    let sent = Keymap::with(&[change(KeyContext::Chat, "send", &[])]);
    assert_eq!(sent, Err(KeyConflict::Needed("send")));
    let swapped = Keymap::with(&[
        change(KeyContext::Chat, "send", &["alt-enter"]),
        change(KeyContext::Chat, "newline", &["enter"]),
        change(KeyContext::Chat, "leave", &["f10"]),
    ]);
    let map = swapped.expect("sound");
    assert_eq!(map.action(event(KeyCode::Enter, ALT)), Some(Action::Send));
    assert_eq!(
        map.action(event(KeyCode::Enter, NONE)),
        Some(Action::Newline)
    );
    assert_eq!(map.action(event(KeyCode::Esc, NONE)), None);
}

proptest! {
    #[test]
    fn keys_are_read_as_they_are_written(c: char, f in 1..=24_u8, held in 0..8_u8, which in 0..3_usize) {
        let codes = [KeyCode::Char(c), KeyCode::F(f), KeyCode::PageUp];
        let modifiers = KeyModifiers::from_bits_truncate(held);
        let key = KeyChord::of(event(codes[which], modifiers));
        let visible = !c.is_control() && (c == ' ' || !c.is_whitespace());
        prop_assume!(which > 0 || visible);
        prop_assert_eq!(key.to_string().parse(), Ok(key), "{}", key);
        prop_assert_eq!(KeyChord::of(key.event()), key, "there is one way to say it");
    }

    #[test]
    fn no_text_breaks_the_reading(text: String) {
        if let Ok(keys) = text.parse::<KeySequence>() {
            prop_assert_eq!(keys.to_string().parse(), Ok(keys));
        }
    }
}
