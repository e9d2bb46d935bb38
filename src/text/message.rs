//! The text of a message, parsed and valid.

use std::{fmt, sync::Arc};

use thiserror::Error;

use super::chars;

/// The start of an action, a message that says what its author does: "/me waves".
const ACTION: &str = "/me ";

/// A valid message: 1 to 128 characters (Unicode scalar values), at least one of them visible, and
/// no control characters but newline and tab.
///
/// It is stored as it came, neither trimmed nor normalised. Format characters are allowed because
/// some scripts need them. Code that shows the text passes it through [`display`](super::display)
/// first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageText(Arc<str>);

/// Why a text cannot be published.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MessageTextError {
    /// It has no visible character.
    #[error("a message needs at least one character that can be seen; write something")]
    Blank,
    /// It has more than 128 characters.
    #[error("a message has at most {max} characters; this one has {length}, so shorten it or send it in parts", max = MessageText::MAX_CHARS)]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// It has a control character other than newline and tab.
    #[error("a message has no control characters but newline and tab; remove U+{:04X}", *character as u32)]
    Control {
        /// The first such character.
        character: char,
    },
}

impl MessageText {
    /// The longest message in Unicode scalar values.
    pub const MAX_CHARS: usize = 128;

    /// Parses a text as it was typed or received, without changing it.
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
        if said(text).chars().all(chars::is_blank) {
            return Err(MessageTextError::Blank);
        }
        Ok(Self(text.into()))
    }

    /// The text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a shared reference.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Whether it is an action, which starts with `/me `.
    pub fn is_action(&self) -> bool {
        self.action().is_some()
    }

    /// What its author does, without the `/me `; `None` if it is not an action.
    pub fn action(&self) -> Option<&str> {
        action_of(&self.0)
    }
}

/// What the author of a message with this text does, without the `/me `; `None` if the text is not
/// an action. For texts that come from a log or a server, and so may not be a [`MessageText`].
pub fn action_of(text: &str) -> Option<&str> {
    text.strip_prefix(ACTION)
}

/// The part of a text that there is to read. A `/me` with nothing after it says nothing.
fn said(text: &str) -> &str {
    match text.strip_prefix(ACTION.trim_end()) {
        Some(rest) if rest.chars().all(chars::is_blank) => "",
        _ => text,
    }
}

impl fmt::Display for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_length_is_in_characters_not_bytes() {
        for c in ["a", "æ", "あ", "😀"] {
            assert!(MessageText::parse(&c.repeat(128)).is_ok(), "{c}");
            assert_eq!(
                MessageText::parse(&c.repeat(129)),
                Err(MessageTextError::TooLong { length: 129 })
            );
        }
    }

    #[test]
    fn what_cannot_be_seen_is_blank() {
        for text in [
            "",
            " ",
            "\n\t \n",
            "\u{A0}\u{3000}",
            "\u{200B}",
            "\u{200D}\u{FE0F}",
            "\u{2800}\u{2800}",
            "\u{3164}",
            "\u{FFA0} \u{115F}",
            "\u{202E}",
            "\u{E0041}",
            "/me",
            "/me ",
            "/me  \n",
            "/me \u{200B}",
        ] {
            assert_eq!(
                MessageText::parse(text),
                Err(MessageTextError::Blank),
                "{text:?}"
            );
        }
    }

    #[test]
    fn controls_are_refused_by_name() {
        for c in ['\0', '\u{7}', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}'] {
            let error = MessageText::parse(&format!("a{c}b")).unwrap_err();
            assert_eq!(error, MessageTextError::Control { character: c });
            assert!(error.to_string().contains(&format!("U+{:04X}", c as u32)));
        }
        assert!(MessageText::parse("a\n\tb").is_ok());
    }

    #[test]
    fn format_characters_are_allowed() {
        for text in ["👨\u{200D}👩\u{200D}👧", "می\u{200C}خواهم", "\u{202E}abc"] {
            assert_eq!(MessageText::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn actions() {
        let action = |text| {
            let text = MessageText::parse(text).unwrap();
            assert_eq!(text.is_action(), text.action().is_some());
            text.action().map(str::to_owned)
        };
        assert_eq!(action("/me waves").as_deref(), Some("waves"));
        assert_eq!(action("/me  waves").as_deref(), Some(" waves"));
        for text in ["/mean it", "/me\nwaves", " /me waves", "/ME waves", "me"] {
            assert_eq!(action(text), None, "{text:?}");
        }
        let longest = format!("/me {}", "a".repeat(124));
        assert!(MessageText::parse(&longest).is_ok());
        assert_eq!(
            MessageText::parse(&(longest + "a")),
            Err(MessageTextError::TooLong { length: 129 })
        );
    }

    proptest! {
        #[test]
        fn a_text_is_kept_as_it_came_or_refused(text in "\\PC{0,140}|(?s).{0,140}") {
            let ok = MessageText::parse(&text).map(|parsed| parsed.as_str().to_owned());
            let length = text.chars().count();
            if let Ok(parsed) = ok {
                prop_assert_eq!(&parsed, &text);
                prop_assert!((1..=128).contains(&length));
                prop_assert!(!text.trim().is_empty());
                prop_assert!(text.chars().all(|c| !c.is_control() || "\n\t".contains(c)));
            }
        }

        #[test]
        fn printable_ascii_is_accepted(text in "[!-~][ -~]{0,127}") {
            prop_assume!(!text.starts_with("/me"));
            prop_assert!(MessageText::parse(&text).is_ok());
        }
    }
}
