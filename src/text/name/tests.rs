use proptest::prelude::*;

use super::{ParticipantNameError as Error, *};

fn refused(name: &str) -> Error {
    match ParticipantName::parse(name) {
        Ok(name) => panic!("{name:?} was accepted"),
        Err(error) => error,
    }
}

#[test]
fn ordinary_names_are_accepted_as_given() {
    for name in [
        "a",
        "ada",
        "Ada Lovelace",
        "u1",
        "José",
        "Åse",
        "Владимир",
        "山田太郎",
        "김철수",
        "שָׁלוֹם",
        "नमस्ते",
        "ไม้เอก",
        // Joiners after a virama, and between letters that would join.
        "ශ්\u{200D}රී",
        "ගුණවර්\u{200D}ධන",
        "गर्\u{200D}यो",
        "श्री\u{20}क्\u{200C}ष",
        "ക്\u{200D}",
        "می\u{200C}خواهم",
        "<ada>",
        "a.b-c_d",
        "🦀",
        "👍🏽",
        "@root",
        "server2",
        "systematic",
        "²",
    ] {
        assert_eq!(ParticipantName::parse(name).unwrap().as_str(), name);
    }
}

#[test]
fn the_length_is_in_characters_of_the_composed_form() {
    assert_eq!(refused(""), Error::Empty);
    for c in ["a", "é", "山", "🦀", "e\u{301}"] {
        assert!(ParticipantName::parse(&c.repeat(32)).is_ok(), "{c}");
        assert_eq!(refused(&c.repeat(33)), Error::TooLong { length: 33 });
    }
    assert_eq!(refused(&"a".repeat(9999)), Error::TooLong { length: 9999 });
}

#[test]
fn a_name_is_stored_composed() {
    let name = ParticipantName::parse("Jose\u{301}").unwrap();
    assert_eq!(name.as_str(), "Jos\u{e9}");
}

#[test]
fn forbidden_characters_are_named() {
    for (character, what) in [
        ('\n', Forbidden::Control),
        ('\t', Forbidden::Control),
        ('\u{1b}', Forbidden::Control),
        ('\u{7f}', Forbidden::Control),
        ('\u{9b}', Forbidden::Control),
        ('\u{ad}', Forbidden::Invisible),
        ('\u{600}', Forbidden::Invisible),
        ('\u{200b}', Forbidden::Invisible),
        ('\u{200d}', Forbidden::Invisible),
        ('\u{202e}', Forbidden::Invisible),
        ('\u{2028}', Forbidden::Invisible),
        ('\u{2066}', Forbidden::Invisible),
        ('\u{3164}', Forbidden::Invisible),
        ('\u{fe0f}', Forbidden::Invisible),
        ('\u{feff}', Forbidden::Invisible),
        ('\u{e0041}', Forbidden::Invisible),
        ('\u{2800}', Forbidden::Blank),
        ('\u{e000}', Forbidden::PrivateUse),
        ('\u{10fffd}', Forbidden::PrivateUse),
        ('\u{378}', Forbidden::Unassigned),
        ('\u{ffff}', Forbidden::Unassigned),
        ('\u{1100}', Forbidden::LooseJamo),
    ] {
        for name in [format!("a{character}b"), character.into()] {
            let error = refused(&name);
            assert_eq!(error, Error::Forbidden { character, what });
            let code = format!("U+{:04X}", character as u32);
            assert!(error.to_string().contains(&code), "{error}");
        }
    }
}

#[test]
fn spaces_are_single_plain_and_inside() {
    for (name, character, at) in [
        (" ", ' ', 1),
        (" ada", ' ', 1),
        ("ada ", ' ', 4),
        ("ada  b", ' ', 5),
        ("ada\u{a0}b", '\u{a0}', 4),
        ("ada\u{3000}b", '\u{3000}', 4),
    ] {
        assert_eq!(refused(name), Error::Space { character, at }, "{name:?}");
    }
}

#[test]
fn marks_need_a_letter_and_do_not_stack_up() {
    let character = '\u{20d7}';
    for name in ["\u{20d7}", "\u{20d7}a", "a \u{20d7}b"] {
        assert_eq!(refused(name), Error::LooseMark { character });
    }
    let stacked = |count| format!("q{}", "\u{20d7}".repeat(count));
    assert!(ParticipantName::parse(&stacked(4)).is_ok());
    assert_eq!(refused(&stacked(5)), Error::TooManyMarks { character });
}

#[test]
fn reserved_names_are_refused_in_any_disguise() {
    for name in [
        "server",
        "Server",
        "SYSTEM",
        "ｓｅｒｖｅｒ",
        "sеrvеr",
        "ѕystem",
        "sуstem",
        "𝐬𝐞𝐫𝐯𝐞𝐫",
    ] {
        assert!(matches!(refused(name), Error::Reserved { .. }), "{name}");
    }
}

proptest! {
    #[test]
    fn parsing_is_idempotent_and_keeps_every_rule(name in "\\PC{1,34}|[a-z ́‍]{1,12}|(?s).{1,8}") {
        if let Ok(parsed) = ParticipantName::parse(&name) {
            prop_assert_eq!(&ParticipantName::parse(parsed.as_str()).unwrap(), &parsed);
            let text = parsed.as_str();
            prop_assert!((1..=32).contains(&text.chars().count()));
            prop_assert_eq!(text.trim(), text);
            prop_assert!(!text.contains("  "));
            prop_assert!(!text.chars().any(|c| c.is_control() || chars::is_hidden(c) && !is_joiner(c)));
            prop_assert!(!parsed.keys().is_empty());
        }
    }

    #[test]
    fn plain_names_are_accepted(name in "[b-r0-9_-]{1,32}") {
        // A sign of `--plain`, which stands for no author.
        prop_assume!(name != "--");
        prop_assert!(ParticipantName::parse(&name).is_ok());
    }
}

#[test]
fn joiners_are_only_where_letters_need_them() {
    for name in [
        "a\u{200D}b",
        "ada\u{200C}",
        "\u{200D}ada",
        "क\u{200D}ष",
        "क्\u{200D}\u{200D}ष",
        "👨\u{200D}👩",
        "ا\u{200C}ب",
    ] {
        let error = refused(name);
        let what = Forbidden::Invisible;
        assert!(
            matches!(error, Error::Forbidden { what: found, .. } if found == what),
            "{name:?}"
        );
    }
    // Nor do they let more marks stack up.
    let stacked = format!("क{}", "\u{94D}\u{200D}".repeat(5));
    assert!(matches!(refused(&stacked), Error::TooManyMarks { .. }));
}

#[test]
fn marks_that_are_not_seen_are_refused() {
    for (name, letter) in [
        ("i\u{307}da", 'i'),
        ("bj\u{307}", 'j'),
        ("\u{131}\u{307}", 'ı'),
        ("i\u{323}\u{307}", 'ị'),
        ("\u{456}\u{307}", '\u{456}'),
    ] {
        assert_eq!(refused(name), Error::DoubledDot { letter }, "{name:?}");
    }
    for (name, character) in [
        ("a\u{301}\u{301}", '\u{301}'),
        ("á\u{301}", '\u{301}'),
        ("ệ\u{323}", '\u{323}'),
        ("z\u{30C}\u{30C}", '\u{30C}'),
    ] {
        assert_eq!(refused(name), Error::DoubledMark { character }, "{name:?}");
    }
    for name in ["İbrahim", "ǘ", "ấ", "i\u{301}", "Ị"] {
        assert!(ParticipantName::parse(name).is_ok(), "{name}");
    }
}

#[test]
fn what_draws_nothing_of_its_own_is_refused() {
    for (character, what) in [
        ('\u{13430}', Forbidden::Invisible),
        ('\u{13440}', Forbidden::Invisible),
        ('\u{13441}', Forbidden::Blank),
        ('\u{13442}', Forbidden::Blank),
        ('\u{13447}', Forbidden::Invisible),
        ('\u{2D7F}', Forbidden::Invisible),
        ('\u{1BC9D}', Forbidden::Invisible),
        ('\u{1D173}', Forbidden::Invisible),
        ('\u{1DAA1}', Forbidden::Invisible),
        ('\u{180F}', Forbidden::Invisible),
    ] {
        let error = refused(&format!("ada{character}"));
        assert_eq!(error, Error::Forbidden { character, what });
    }
}

#[test]
fn reserved_names_are_refused_with_anything_between_or_on_their_letters() {
    for name in [
        "s e r v e r",
        "S.Y.S.T.E.M",
        "ser-ver",
        "server!",
        "<system>",
        "[Server]",
        "sërver",
        "s\u{323}ystem",
        "s_e_r_v_e_r",
        "ｓ ｅｒｖｅｒ",
        "sеr vеr",
        "server 🦀",
    ] {
        assert!(matches!(refused(name), Error::Reserved { .. }), "{name}");
    }
    for name in ["servers", "my server", "observer", "ecosystem", "server2"] {
        assert!(ParticipantName::parse(name).is_ok(), "{name}");
    }
}

#[test]
fn no_name_reads_as_a_line_of_the_chat() {
    for name in [
        "Participant bob left Chitty-Chat",
        "Participant bob",
        "Participant",
        "participant x",
        "PARTICIPANT bob",
        "PARTlClPANT bob",
        "Раrticipant bob",
        "P a r t i c i p a n t",
        "→ Participant bob",
        "bob left Chitty-Chat",
        "bob joined chitty chat",
        "x ChittyChat",
        "→",
        "←",
        "*",
        "…",
        "--",
    ] {
        assert!(matches!(refused(name), Error::Sentence { .. }), "{name}");
    }
    for name in [
        "participants",
        "participant-7",
        "participant7",
        "Chitty",
        "bob left",
        "?!",
        "+",
    ] {
        assert!(ParticipantName::parse(name).is_ok(), "{name}");
    }
}
