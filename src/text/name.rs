//! The name of a participant.

use std::{fmt, sync::Arc};

use thiserror::Error;

/// A valid name: 1 to 32 characters, shown as given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParticipantName(Arc<str>);

/// By what two names are held against each other: equal keys, or overlapping ones, are names that
/// a reader could take for one another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameKey(Box<str>);

/// Why a name was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParticipantNameError {
    /// Nothing there.
    #[error("a name needs at least one character")]
    Empty,
    /// More than 32 characters.
    #[error("a name has at most {max} characters; this one has {length}", max = ParticipantName::MAX_CHARS)]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
}

impl ParticipantName {
    /// In Unicode scalar values.
    pub const MAX_CHARS: usize = 32;

    /// Takes a name as typed or received.
    pub fn parse(name: &str) -> Result<Self, ParticipantNameError> {
        let length = name.chars().count();
        if length == 0 {
            return Err(ParticipantNameError::Empty);
        }
        if length > Self::MAX_CHARS {
            return Err(ParticipantNameError::TooLong { length });
        }
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

impl NameKey {
    /// The keys of any name, also of one that today's rules would refuse: a name that the log
    /// holds stays taken.
    pub fn of(name: &str) -> Vec<Self> {
        vec![Self(name.to_lowercase().into())]
    }
}

impl fmt::Display for ParticipantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
