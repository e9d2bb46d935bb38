//! The name of a participant.

use std::{fmt, sync::Arc};

use icu_normalizer::ComposingNormalizer;
use icu_properties::props::GeneralCategory;
use thiserror::Error;

use super::{NameKey, chars};

/// Names that nobody can have, nor one that looks like them.
const RESERVED: [&str; 2] = ["server", "system"];

/// No sequence of this many characters is composed into one.
const MAX_COMPOSED: usize = 4;

/// A valid name, shown as given (in Unicode's composed form, NFC): 1 to 32 characters.
///
/// The rules are those of PRECIS for nicknames (RFC 8266, on the `FreeformClass` of RFC 8264), made
/// stricter where a name stands in a list beside others: nothing invisible is in it, emoji
/// joiners and variation selectors included, and white space is a single U+0020 inside. What
/// RFC 8266 would repair silently, such as doubled spaces, is refused, so that people know under
/// which name they are. Whether two names are too alike is a matter of their [`NameKey`]s.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParticipantName(Arc<str>);

/// Why a name was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParticipantNameError {
    /// Nothing there.
    #[error("a name needs at least one character; type one")]
    Empty,
    /// More than 32 characters.
    #[error("a name has at most {max} characters; this one has {length}, so shorten it", max = ParticipantName::MAX_CHARS)]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// A character that no name has.
    #[error("a name has no {what}; remove U+{:04X}", *character as u32)]
    Forbidden {
        /// The first such character.
        character: char,
        /// Of what kind it is.
        what: Forbidden,
    },
    /// White space at the start or the end, or doubled, or not the plain space.
    #[error("a name has only single plain spaces, and none at its ends; remove or replace U+{:04X} at character {at}", *character as u32)]
    Space {
        /// The space.
        character: char,
        /// Where, in characters, from 1.
        at: usize,
    },
    /// A combining mark at the start or after a space.
    #[error("a combining mark needs a letter before it; remove U+{:04X} or put a letter before it", *character as u32)]
    LooseMark {
        /// The mark.
        character: char,
    },
    /// Too many combining marks on one letter.
    #[error("a letter has at most {max} combining marks; remove U+{:04X}", *character as u32, max = chars::MAX_MARKS)]
    TooManyMarks {
        /// The first that is too many.
        character: char,
    },
    /// Kept for what is no participant.
    #[error("{name:?} is, or looks like, the name of the chat's own {reserved}; choose another")]
    Reserved {
        /// The name that was tried.
        name: String,
        /// The reserved name that it could be taken for.
        reserved: &'static str,
    },
}

/// A kind of character that no name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// Cc.
    Control,
    /// Not drawn at all, or only acting on its neighbours.
    Invisible,
    /// Drawn as nothing, as U+2800.
    Blank,
    /// Co.
    PrivateUse,
    /// Cn, in the Unicode version of this program.
    Unassigned,
    /// A Hangul letter that is not part of a modern syllable.
    LooseJamo,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "control characters",
            Self::Invisible => "invisible or format characters",
            Self::Blank => "characters that look empty",
            Self::PrivateUse => "private-use characters",
            Self::Unassigned => "characters that Unicode has not assigned",
            Self::LooseJamo => "Hangul letters outside of a syllable",
        })
    }
}

impl ParticipantName {
    /// In Unicode scalar values, of the composed form.
    pub const MAX_CHARS: usize = 32;

    /// Takes a name as typed or received; only its Unicode form is changed (to NFC).
    pub fn parse(name: &str) -> Result<Self, ParticipantNameError> {
        let length = name.chars().count();
        if length > Self::MAX_CHARS * MAX_COMPOSED {
            return Err(ParticipantNameError::TooLong { length });
        }
        let name = ComposingNormalizer::new_nfc().normalize(name);
        let length = name.chars().count();
        if length == 0 {
            return Err(ParticipantNameError::Empty);
        }
        if length > Self::MAX_CHARS {
            return Err(ParticipantNameError::TooLong { length });
        }
        check_characters(&name)?;
        check_spaces(&name)?;
        check_marks(&name)?;
        check_reserved(&name)?;
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The keys of this name: it is taken while somebody present has one of them.
    pub fn keys(&self) -> Vec<NameKey> {
        NameKey::of(&self.0)
    }
}

fn check_characters(name: &str) -> Result<(), ParticipantNameError> {
    name.chars().try_for_each(|character| {
        forbidden(character).map_or(Ok(()), |what| {
            Err(ParticipantNameError::Forbidden { character, what })
        })
    })
}

fn forbidden(c: char) -> Option<Forbidden> {
    if c.is_ascii() {
        return c.is_ascii_control().then_some(Forbidden::Control);
    }
    match chars::category(c) {
        GeneralCategory::Control => Some(Forbidden::Control),
        GeneralCategory::Format => Some(Forbidden::Invisible),
        _ if chars::is_hidden(c) => Some(Forbidden::Invisible),
        _ if chars::looks_empty(c) => Some(Forbidden::Blank),
        GeneralCategory::PrivateUse => Some(Forbidden::PrivateUse),
        GeneralCategory::Unassigned => Some(Forbidden::Unassigned),
        _ if chars::is_jamo(c) => Some(Forbidden::LooseJamo),
        _ => None,
    }
}

fn check_spaces(name: &str) -> Result<(), ParticipantNameError> {
    let mut after_space = true;
    let mut last = None;
    for (at, character) in (1..).zip(name.chars()) {
        let space = character.is_whitespace();
        if space && (after_space || character != ' ') {
            return Err(ParticipantNameError::Space { character, at });
        }
        after_space = space;
        last = space.then_some((at, character));
    }
    last.map_or(Ok(()), |(at, character)| {
        Err(ParticipantNameError::Space { character, at })
    })
}

fn check_marks(name: &str) -> Result<(), ParticipantNameError> {
    let mut carrier = false;
    let mut marks = 0;
    for character in name.chars() {
        if !chars::is_mark(character) {
            carrier = character != ' ';
            marks = 0;
            continue;
        }
        if !carrier {
            return Err(ParticipantNameError::LooseMark { character });
        }
        marks += 1;
        if marks > chars::MAX_MARKS {
            return Err(ParticipantNameError::TooManyMarks { character });
        }
    }
    Ok(())
}

fn check_reserved(name: &str) -> Result<(), ParticipantNameError> {
    let keys = NameKey::of(name);
    let taken = |reserved: &&str| NameKey::of(reserved).iter().any(|key| keys.contains(key));
    RESERVED.into_iter().find(taken).map_or(Ok(()), |reserved| {
        Err(ParticipantNameError::Reserved {
            name: name.to_owned(),
            reserved,
        })
    })
}

impl fmt::Display for ParticipantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
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
                prop_assert!(!text.chars().any(|c| c.is_control() || chars::is_hidden(c)));
                prop_assert!(!parsed.keys().is_empty());
            }
        }

        #[test]
        fn plain_names_are_accepted(name in "[b-r0-9_-]{1,32}") {
            prop_assert!(ParticipantName::parse(&name).is_ok());
        }
    }
}
