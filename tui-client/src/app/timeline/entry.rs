//! One line of the timeline as it is kept.

use std::cell::Cell;

use chitty_chat::{Event, EventKind, MessageText, Position};
use jiff::civil::DateTime;

use crate::session::Ticket;

#[derive(Debug)]
pub(super) struct TimelineEntry {
    pub(super) content: EntryContent,
    /// Local time of day and date.
    pub(super) at: DateTime,
    /// The first of its day: a line with the date is above it.
    pub(super) new_day: bool,
    /// Its author said what is above it as well, just before.
    pub(super) follows: bool,
    /// When its author was named last.
    named: DateTime,
    pub(super) run: PresenceRun,
    /// Which arrival it is, counted from 1 on; 0: it was fetched, and is nobody's news.
    pub(super) arrival: u64,
    pub(super) height: MeasuredHeight,
}

#[derive(Debug)]
pub(super) enum EntryContent {
    Event(Event),
    /// An event of the chat that the server had before: to be read, but its position and time say
    /// nothing in this one.
    Past(Event),
    Notice(String),
    Rejected {
        text: String,
        reason: String,
    },
}

/// The place in a run of people who come and go, which is shown as one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PresenceRun {
    /// In none.
    Alone,
    /// The first of so many: their line is drawn here.
    Head(usize),
    /// Told by the head's line.
    Member,
}

/// Rows, as measured in a layout.
#[derive(Debug, Default)]
pub(super) struct MeasuredHeight(pub(super) Cell<Option<(u32, usize)>>);

/// A line of the user's own that the log has not shown yet.
#[derive(Debug)]
pub(super) struct PendingLine {
    pub(super) ticket: Ticket,
    pub(super) text: MessageText,
    pub(super) at: DateTime,
    pub(super) height: MeasuredHeight,
}

/// An author who goes on writing is named again after so many minutes.
const SPEECH: i64 = 5;

impl TimelineEntry {
    pub(super) fn new(content: EntryContent, at: DateTime, arrival: u64) -> Self {
        Self {
            content,
            at,
            new_day: true,
            follows: false,
            named: at,
            run: PresenceRun::Alone,
            arrival,
            height: MeasuredHeight::default(),
        }
    }

    /// What this one looks like behind that one.
    pub(super) fn after(mut self, before: Option<&TimelineEntry>) -> Self {
        let Some(before) = before else { return self };
        self.new_day = before.at.date() != self.at.date();
        self.follows = !self.new_day
            && match (self.author(), before.author()) {
                (Some(own), Some(other)) => {
                    own == other && self.at.duration_since(before.named).as_mins().abs() < SPEECH
                }
                _ => false,
            };
        if self.follows {
            self.named = before.named;
        }
        self
    }

    pub(super) fn event(&self) -> Option<&Event> {
        match &self.content {
            EntryContent::Event(event) => Some(event),
            EntryContent::Past(_) | EntryContent::Notice(_) | EntryContent::Rejected { .. } => None,
        }
    }

    /// What it tells of, in whichever chat.
    pub(super) fn any_event(&self) -> Option<&Event> {
        match &self.content {
            EntryContent::Event(event) | EntryContent::Past(event) => Some(event),
            EntryContent::Notice(_) | EntryContent::Rejected { .. } => None,
        }
    }

    /// The server has another chat from now on.
    pub(super) fn pass(&mut self) {
        let none = EntryContent::Notice(String::new());
        self.content = match std::mem::replace(&mut self.content, none) {
            EntryContent::Event(event) => EntryContent::Past(event),
            other => other,
        };
    }

    /// In memory.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let texts = match &self.content {
            EntryContent::Event(event) | EntryContent::Past(event) => match &event.kind {
                EventKind::Joined { name } | EventKind::Left { name, .. } => name.len(),
                EventKind::Message {
                    author, text, id, ..
                } => author.len() + text.len() + id.len(),
                EventKind::Unknown => 0,
            },
            EntryContent::Notice(text) => text.len(),
            EntryContent::Rejected { text, reason } => text.len() + reason.len(),
        };
        size_of::<Self>() + texts
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.event().map(|event| event.position)
    }

    /// Who wrote it, where that stands beside it.
    fn author(&self) -> Option<&str> {
        match &self.event()?.kind {
            EventKind::Message { author, text, .. } if !text.starts_with("/me ") => Some(author),
            _ => None,
        }
    }

    /// Somebody came or went.
    pub(super) fn is_presence(&self) -> bool {
        self.event().is_some_and(|event| {
            matches!(
                event.kind,
                EventKind::Joined { .. } | EventKind::Left { .. }
            )
        })
    }
}
