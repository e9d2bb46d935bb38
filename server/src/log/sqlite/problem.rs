//! The problems that a chat's file can have.

use std::fmt;

use chitty_chat::{Position, text::ChatName};
use thiserror::Error;

use super::Extent;
use crate::log::Contradiction;
use chitty_room::record::RecordError;

/// A problem of a chat's file.
#[derive(Debug, Error)]
pub enum Problem {
    /// SQLite cannot read it.
    #[error("it cannot be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// SQLite can read it, but finds damaged pages.
    #[error("its pages are damaged: {0}")]
    Pages(String),
    /// Its tables are not those of its schema version.
    #[error("its tables are not those of a chat of schema {0}")]
    Tables(usize),
    /// The row about the chat as a whole was changed by somebody else.
    #[error("its epoch, its first position or its flags are damaged: the checksum is wrong")]
    Chat,
    /// The snapshot cannot be decoded.
    #[error("its snapshot is damaged: {0}")]
    Snapshot(#[source] Contradiction),
    /// The snapshot was changed.
    #[error("its snapshot is damaged: the checksum is wrong")]
    SnapshotChecksum,
    /// The snapshot does not fit what is kept.
    #[error(
        "its snapshot is of position {snapshot}, but it keeps positions {} to {}",
        extent.first, extent.head
    )]
    SnapshotElsewhere {
        /// The position of the snapshot.
        snapshot: Position,
        /// The positions that the chat keeps.
        extent: Extent,
    },
    /// A record was changed.
    #[error("position {position}: the checksum is wrong")]
    Checksum {
        /// The position of the record.
        position: Position,
    },
    /// A record is whole, but not the one that was written after the one before it.
    #[error("position {position}: this record was not written after the one before it")]
    Chain {
        /// The position of the record.
        position: Position,
    },
    /// A record cannot be decoded.
    #[error("position {position}: {error}")]
    Record {
        /// The position of the record.
        position: Position,
        /// Why it cannot be decoded.
        error: RecordError,
    },
    /// A record states another position than the one it is stored at.
    #[error("the record of position {found} is at position {position}")]
    Misplaced {
        /// The position that it is stored at.
        position: Position,
        /// The position that it states.
        found: Position,
    },
    /// A part of the file cannot be read.
    #[error("positions {from} to {to} cannot be read: {error}")]
    Unreadable {
        /// The first of these positions.
        from: Position,
        /// The last of them.
        to: Position,
        /// The error that SQLite reports.
        error: rusqlite::Error,
    },
    /// Positions have no gaps.
    #[error("the log has position {found} where {expected} follows")]
    Gap {
        /// The position that follows.
        expected: Position,
        /// The position of the record.
        found: Position,
    },
    /// A record does not follow from those before it.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The end is missing.
    #[error("it ends at position {head}, but everything up to {acknowledged} was acknowledged")]
    End {
        /// The last position that is there.
        head: Position,
        /// The last position that was acknowledged.
        acknowledged: Position,
    },
    /// The record at an acknowledged position is a different one.
    #[error("position {position} is not the one that was acknowledged: this is another copy")]
    Diverged {
        /// The position of the record.
        position: Position,
    },
    /// A position is greater than any that a file can hold.
    #[error(
        "position {position} is greater than any that a chat's file can hold; begin a new chat in another data folder"
    )]
    TooFar {
        /// The position.
        position: Position,
    },
    /// There are records of a chat that the file does not have.
    #[error("it has records of chat number {number}, which is not in its list of chats")]
    Stray {
        /// The number of the chat.
        number: i64,
    },
    /// A chat is missing.
    #[error(
        "chat number {number} is missing, of which everything up to {acknowledged} was acknowledged"
    )]
    NoChat {
        /// The number of the chat.
        number: u32,
        /// The last position that was acknowledged.
        acknowledged: Position,
    },
    /// Two chats have the same name.
    #[error("two chats are named {0}")]
    SameName(ChatName),
    /// One of several chats has a problem.
    #[error("in {chat}: {problem}")]
    InChat {
        /// The chat.
        chat: ChatName,
        /// Its problem.
        problem: Box<Problem>,
    },
    /// A file beside it belongs to another chat.
    #[error("{0} beside it belongs to another file; chitty-server puts it aside when it starts")]
    Foreign(String),
}

impl Problem {
    /// The same problem, with the chat that has it. The lobby is the chat that is meant if none is
    /// named.
    pub(super) fn of(self, chat: &ChatName) -> Self {
        if chat.is_lobby() || matches!(self, Self::Sqlite(_) | Self::InChat { .. }) {
            return self;
        }
        Self::InChat {
            chat: chat.clone(),
            problem: Box::new(self),
        }
    }
}

/// Problems that are listed at most; further ones are counted.
pub(super) const MOST_LISTED: usize = 100;

/// All that is wrong with a chat's file.
#[derive(Debug, Default)]
pub struct Problems {
    listed: Vec<Problem>,
    unlisted: u64,
}

impl Problems {
    pub(super) fn add(&mut self, problem: impl Into<Problem>) {
        if self.listed.len() < MOST_LISTED {
            self.listed.push(problem.into());
        } else {
            self.unlisted += 1;
        }
    }

    /// Adds all problems of a chat.
    pub(super) fn add_of(&mut self, chat: &ChatName, problems: Self) {
        for problem in problems.listed {
            self.add(problem.of(chat));
        }
        self.unlisted += problems.unlisted;
    }

    /// Adds the error of a failed result; `None` then.
    pub(super) fn note<T, E: Into<Problem>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The first problem, if there is any.
    pub(super) fn into_first(self) -> Option<Problem> {
        self.listed.into_iter().next()
    }

    /// The first 100 problems.
    pub fn listed(&self) -> &[Problem] {
        &self.listed
    }

    /// The number of all problems.
    pub fn count(&self) -> u64 {
        self.listed.len() as u64 + self.unlisted
    }
}

/// A single problem is shown on the same line, several as a list.
impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([only], 0) = (self.listed.as_slice(), self.unlisted) {
            return only.fmt(formatter);
        }
        write!(formatter, "{} problems", self.count())?;
        for problem in &self.listed {
            write!(formatter, "\n  {problem}")?;
        }
        match self.unlisted {
            0 => Ok(()),
            more => write!(formatter, "\n  and {more} more"),
        }
    }
}
