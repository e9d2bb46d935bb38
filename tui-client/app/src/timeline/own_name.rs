//! The user's own name, as others may write it.

use chitty_chat::{Event, EventKind, text::caseless::Needle};

use super::select::needle;
use crate::glyphs;

/// The name that the server accepted, and the needle that finds it in texts.
#[derive(Debug, Default)]
pub(super) struct OwnName {
    name: String,
    needle: Needle,
}

impl OwnName {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            needle: needle(name),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.name
    }

    pub(super) fn needle(&self) -> &Needle {
        &self.needle
    }

    /// Whether this is a message of another participant that contains the name as a word.
    pub(super) fn is_mentioned_in(&self, event: &Event) -> bool {
        match &event.kind {
            EventKind::Message { author, text, .. } => {
                **author != *self.name
                    && self
                        .needle
                        .words(&glyphs::safe_lines(text))
                        .next()
                        .is_some()
            }
            _ => false,
        }
    }
}
