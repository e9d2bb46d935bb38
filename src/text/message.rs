//! The text of a message.

use std::{fmt, sync::Arc};

use thiserror::Error;

/// A valid message: 1 to 128 characters (Unicode scalar values), not only white space, no control
/// characters but newline and tab.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageText(Arc<str>);

/// Why a text cannot be published.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MessageTextError {
    /// Nothing to read in it.
    #[error("a message needs at least one character that is not white space")]
    Blank,
    /// More than 128 characters.
    #[error("a message has at most {max} characters; this one has {length}", max = MessageText::MAX_CHARS)]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// A control character other than newline and tab.
    #[error("a message has no control characters but newline and tab; U+{:04X} is one", *character as u32)]
    Control {
        /// The first such character.
        character: char,
    },
}

impl MessageText {
    /// In Unicode scalar values.
    pub const MAX_CHARS: usize = 128;

    /// Takes a text as typed or received; nothing in it is changed.
    pub fn parse(text: &str) -> Result<Self, MessageTextError> {
        let length = text.chars().count();
        if length > Self::MAX_CHARS {
            return Err(MessageTextError::TooLong { length });
        }
        if let Some(character) = text
            .chars()
            .find(|&c| c.is_control() && !matches!(c, '\n' | '\t'))
        {
            return Err(MessageTextError::Control { character });
        }
        if text.chars().all(char::is_whitespace) {
            return Err(MessageTextError::Blank);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
