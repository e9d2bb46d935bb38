//! The name of a chat on a server that has several.

use std::{fmt, sync::Arc};

use thiserror::Error;

/// Names that would be mistaken for something else: the lobby, and the chat's own words.
const RESERVED: [&str; 4] = ["lobby", "server", "system", "chitty-chat"];

/// The name of one chat of a server. The lobby's is empty: it is the chat that every server has.
/// Other names are lower-case ASCII, so that no two of them look the same.
///
/// A clone shares the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatName(Option<Arc<str>>);

/// Why a text is not the name of a chat.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChatNameError {
    /// It has more than 32 characters.
    #[error("a chat's name has at most {max} characters; this one has {length}, so shorten it", max = ChatName::MAX_CHARS)]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// It has a character that names do not have.
    #[error("a chat's name has only the letters a to z, digits, - and _; remove U+{:04X}", *character as u32)]
    Forbidden {
        /// The first such character.
        character: char,
    },
    /// It begins or ends with a sign.
    #[error("a chat's name begins and ends with a letter or a digit; remove the - or _ at its end")]
    SignAtEnd,
    /// It looks like a number.
    #[error("a chat's name is not only digits; add a letter")]
    OnlyDigits,
    /// The server uses it itself.
    #[error("{0} is reserved; choose another name for the chat")]
    Reserved(&'static str),
}

impl ChatName {
    /// The most characters that a name has.
    pub const MAX_CHARS: usize = 32;

    /// The chat that every server has, and whose name is empty.
    pub const LOBBY: Self = Self(None);

    /// Parses a name. The empty text names the lobby.
    ///
    /// # Errors
    /// The text is not the name of a chat.
    pub fn parse(text: &str) -> Result<Self, ChatNameError> {
        if text.is_empty() {
            return Ok(Self::LOBBY);
        }
        let length = text.chars().count();
        if length > Self::MAX_CHARS {
            return Err(ChatNameError::TooLong { length });
        }
        if let Some(character) = text.chars().find(|character| !is_allowed(*character)) {
            return Err(ChatNameError::Forbidden { character });
        }
        if text.starts_with(is_sign) || text.ends_with(is_sign) {
            return Err(ChatNameError::SignAtEnd);
        }
        if text.chars().all(|character| character.is_ascii_digit()) {
            return Err(ChatNameError::OnlyDigits);
        }
        match RESERVED.into_iter().find(|reserved| *reserved == text) {
            Some(reserved) => Err(ChatNameError::Reserved(reserved)),
            None => Ok(Self(Some(text.into()))),
        }
    }

    /// A name out of a store, which may break today's rules.
    pub fn from_stored(text: &str) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }

    /// The text; empty for the lobby.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }

    /// Whether it is the lobby's.
    pub const fn is_lobby(&self) -> bool {
        self.0.is_none()
    }
}

/// As it is shown: with a `#`, or as the lobby.
impl fmt::Display for ChatName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => formatter.write_str("the lobby"),
            Some(name) => write!(formatter, "#{name}"),
        }
    }
}

const fn is_allowed(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit() || is_sign(character)
}

const fn is_sign(character: char) -> bool {
    matches!(character, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lobby_is_the_chat_without_a_name() {
        let lobby = ChatName::parse("").expect("the lobby");
        assert_eq!(lobby, ChatName::LOBBY);
        assert_eq!(ChatName::from_stored(""), ChatName::LOBBY);
        assert!(lobby.is_lobby());
        assert_eq!((lobby.as_str(), &*lobby.to_string()), ("", "the lobby"));
        // A store lists it first.
        assert!(lobby < ChatName::parse("0a").expect("a name"));
    }

    #[test]
    fn names_are_lower_case_and_begin_and_end_with_a_letter_or_a_digit() {
        for text in ["dev", "a", "2nd-floor", "a_b", "7even7", &"a".repeat(32)] {
            let name = ChatName::parse(text).expect(text);
            assert_eq!((name.as_str(), name.is_lobby()), (text, false));
            assert_eq!(name.to_string(), format!("#{text}"));
            assert_eq!(ChatName::from_stored(text), name);
        }
        for (text, error) in [
            ("Dev", ChatNameError::Forbidden { character: 'D' }),
            ("a b", ChatNameError::Forbidden { character: ' ' }),
            ("#dev", ChatNameError::Forbidden { character: '#' }),
            ("dév", ChatNameError::Forbidden { character: 'é' }),
            ("-dev", ChatNameError::SignAtEnd),
            ("dev_", ChatNameError::SignAtEnd),
            ("1234", ChatNameError::OnlyDigits),
            ("lobby", ChatNameError::Reserved("lobby")),
            ("chitty-chat", ChatNameError::Reserved("chitty-chat")),
            (&"a".repeat(33), ChatNameError::TooLong { length: 33 }),
        ] {
            assert_eq!(ChatName::parse(text), Err(error), "{text}");
        }
    }
}
