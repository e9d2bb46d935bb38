//! The name of a participant, parsed and valid.

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
/// stricter because a name is shown in a list with others. A name has no invisible characters,
/// including variation selectors and the joiners of emoji, and its white space is single U+0020
/// inside. A joiner between letters is allowed only if an orthography needs it (RFC 5892,
/// appendices A.1 and A.2: Sinhala, Nepali, Persian). Marks that look the same as others are
/// refused (UTS #39, section 5.4), and so are names that read like the chat's own words, such as
/// its sentences. What RFC 8266 would repair silently, such as doubled spaces, is refused, so that
/// people know their exact name. Whether two names are too alike is decided by their [`NameKey`]s.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParticipantName(Arc<str>);

/// Why a name was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParticipantNameError {
    /// The name is empty.
    #[error("a name needs at least one character; type one")]
    Empty,
    /// It has more than 32 characters.
    #[error("a name has at most {max} characters; this one has {length}, so shorten it", max = ParticipantName::MAX_CHARS)]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// It has a forbidden character.
    #[error("a name has no {what}; remove U+{:04X}", *character as u32)]
    Forbidden {
        /// The first such character.
        character: char,
        /// The kind of character that it is.
        what: Forbidden,
    },
    /// It has white space at its start or end, doubled spaces, or white space other than U+0020.
    #[error("a name has only single plain spaces, and none at its ends; remove or replace U+{:04X} at character {at}", *character as u32)]
    Space {
        /// The white space character.
        character: char,
        /// Its place in the name, in characters from 1.
        at: usize,
    },
    /// It has a combining mark at the start or after a space.
    #[error("a combining mark needs a letter before it; remove U+{:04X} or put a letter before it", *character as u32)]
    LooseMark {
        /// The mark that is refused.
        character: char,
    },
    /// It has too many combining marks on one letter.
    #[error("a letter has at most {max} combining marks; remove U+{:04X}", *character as u32, max = chars::MAX_MARKS)]
    TooManyMarks {
        /// The first mark that is too many.
        character: char,
    },
    /// It has a combining mark twice on one letter.
    #[error("a letter has each combining mark once; remove the doubled U+{:04X}", *character as u32)]
    DoubledMark {
        /// The mark that is refused.
        character: char,
    },
    /// It has a dot above i, j or a similar letter, where it would not be noticed.
    #[error("the letter {letter:?} has its own dot; remove U+0307 after it")]
    DoubledDot {
        /// The letter with the dot.
        letter: char,
    },
    /// It reads like one of the chat's own lines.
    #[error("{name:?} reads like a line of the chat itself; choose another")]
    Sentence {
        /// The name that was tried.
        name: String,
    },
    /// It is, or looks like, a name that is reserved.
    #[error("{name:?} is, or looks like, the name of the chat's own {reserved}; choose another")]
    Reserved {
        /// The name that was tried.
        name: String,
        /// The reserved name that it could be taken for.
        reserved: &'static str,
    },
}

/// A kind of character that names may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// Control characters, category Cc.
    Control,
    /// Characters that are not drawn, or only change their neighbours.
    Invisible,
    /// Characters that look empty, such as U+2800.
    Blank,
    /// Private-use characters, category Co.
    PrivateUse,
    /// Characters that are not assigned (category Cn) in this program's Unicode version.
    Unassigned,
    /// Hangul letters that are not part of a modern syllable.
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
    /// The longest name in Unicode scalar values, in its composed form.
    pub const MAX_CHARS: usize = 32;

    /// Parses a name as it was typed or received. Only its Unicode form is changed, to NFC.
    pub fn parse(name: &str) -> Result<Self, ParticipantNameError> {
        let length = name.chars().count();
        // Checked before normalising, which is expensive for a long text.
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

    /// The name in its composed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a shared reference.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The keys of this name. The name is taken while a present participant has one of them.
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

/// Checks marks by UTS #39, section 5.4: not too many on a letter, and none that would not be
/// noticed. A mark that is doubled on a letter that is not composed with it is handled by the
/// [`NameKey`].
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
