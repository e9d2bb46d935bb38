//! The name of a participant.

use std::{fmt, sync::Arc};

use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::props::GeneralCategory;
use thiserror::Error;

use super::{
    NameKey,
    chars::{self, ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER},
    reserved::{reads_as_a_line, reserved},
};

/// No sequence of this many characters is composed into one.
const MAX_COMPOSED: usize = 4;

/// A valid name, shown as given (in Unicode's composed form, NFC): 1 to 32 characters.
///
/// The rules are those of PRECIS for nicknames (RFC 8266, on the `FreeformClass` of RFC 8264), made
/// stricter where a name stands in a list beside others: nothing invisible is in it, variation
/// selectors and the joiners of emoji included, and white space is a single U+0020 inside. A joiner
/// between letters is in it only where an orthography needs it (RFC 5892, appendices A.1 and A.2:
/// Sinhala, Nepali, Persian). Marks that look the same as others are refused (UTS #39, section
/// 5.4), and so is what reads as the chat's own words, such as its sentences. What
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
    /// A combining mark that its letter has already.
    #[error("a letter has each combining mark once; remove the doubled U+{:04X}", *character as u32)]
    DoubledMark {
        /// The mark.
        character: char,
    },
    /// A dot above i, j or their like, where it is not seen.
    #[error("the letter {letter:?} has its own dot; remove U+0307 after it")]
    DoubledDot {
        /// The letter.
        letter: char,
    },
    /// It could be read as one of the chat's own lines.
    #[error("{name:?} reads like a line of the chat itself; choose another")]
    Sentence {
        /// The name that was tried.
        name: String,
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
        check_words(&name)?;
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
    let (mut last, mut base) = (None, None);
    let mut rest = name.chars();
    while let Some(character) = rest.next() {
        let next = rest.clone().next();
        let joins = is_joiner(character) && chars::joiner_is_due(character, (last, base), next);
        if !joins && let Some(what) = forbidden(character) {
            return Err(ParticipantNameError::Forbidden { character, what });
        }
        if !joins && !chars::is_mark(character) {
            base = Some(character);
        }
        last = Some(character);
    }
    Ok(())
}

const fn is_joiner(c: char) -> bool {
    matches!(c, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER)
}

fn forbidden(c: char) -> Option<Forbidden> {
    if c.is_ascii() {
        return c.is_ascii_control().then_some(Forbidden::Control);
    }
    match chars::category(c) {
        GeneralCategory::Control => Some(Forbidden::Control),
        GeneralCategory::Format => Some(Forbidden::Invisible),
        _ if chars::is_hidden(c) || chars::only_changes_neighbours(c) => Some(Forbidden::Invisible),
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

/// UTS #39, section 5.4: not too many marks on a letter, and none that is not seen. A mark that is
/// doubled on a letter that is not composed with it is a matter of the [`NameKey`].
fn check_marks(name: &str) -> Result<(), ParticipantNameError> {
    let mut carrier = None;
    let mut marks = 0;
    for character in name.chars().filter(|c| !is_joiner(*c)) {
        if !chars::is_mark(character) {
            carrier = (character != ' ').then_some(character);
            marks = 0;
            continue;
        }
        let Some(letter) = carrier else {
            return Err(ParticipantNameError::LooseMark { character });
        };
        if character == chars::DOT_ABOVE && chars::has_dot(letter) {
            return Err(ParticipantNameError::DoubledDot { letter });
        }
        if has_mark(letter, character) {
            return Err(ParticipantNameError::DoubledMark { character });
        }
        marks += 1;
        if marks > chars::MAX_MARKS {
            return Err(ParticipantNameError::TooManyMarks { character });
        }
    }
    Ok(())
}

/// Whether a letter is composed with this mark.
fn has_mark(letter: char, mark: char) -> bool {
    let mut bytes = [0; 4];
    let letter = letter.encode_utf8(&mut bytes);
    let parts = DecomposingNormalizer::new_nfd().normalize(letter);
    parts.chars().skip(1).any(|part| part == mark)
}

fn check_words(name: &str) -> Result<(), ParticipantNameError> {
    let tried = || name.to_owned();
    if let Some(reserved) = reserved(name) {
        let name = tried();
        return Err(ParticipantNameError::Reserved { name, reserved });
    }
    if reads_as_a_line(name) {
        return Err(ParticipantNameError::Sentence { name: tried() });
    }
    Ok(())
}

impl fmt::Display for ParticipantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
