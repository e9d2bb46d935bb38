//! An entry of the timeline, as it is stored.

use chitty_chat::{Event, EventKind, Position, text::action_of};
use jiff::civil::DateTime;

use super::row_layout::MeasuredHeight;

#[derive(Debug)]
pub(super) struct TimelineEntry {
    pub(super) content: EntryContent,
    /// The local date and time of day.
    pub(super) at: DateTime,
    /// Whether it is the first of its day: the date stands above it.
    pub(super) new_day: bool,
    /// Whether its author also wrote the entry above it, shortly before.
    pub(super) follows: bool,
    /// When its author was last named.
    named: DateTime,
    pub(super) run: PresenceRun,
    /// The number of its arrival, from 1 on; 0 if it was fetched, so that it is never unread.
    pub(super) arrival: u64,
    pub(super) height: MeasuredHeight,
}

#[derive(Debug)]
pub(super) enum EntryContent {
    Event(Event),
    /// An event of the chat that the server had before. It can be read, but its position and time
    /// mean nothing in the current chat.
    Past(Event),
    Notice(String),
    Rejected {
        text: String,
        reason: String,
    },
}

/// The role of an entry in a run of joins and leaves, which is shown as one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PresenceRun {
    /// It belongs to no run.
    Alone,
    /// The first of a run of this many; the line of the run is drawn here.
    Head(usize),
    /// A later entry of a run, which the line at its head covers.
    Member,
}

/// An author who continues to write is named again after this many minutes.
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

    /// Adapts the entry to the one above it.
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

    /// Its event, of the current chat or of an earlier one.
    pub(super) fn any_event(&self) -> Option<&Event> {
        match &self.content {
            EntryContent::Event(event) | EntryContent::Past(event) => Some(event),
            EntryContent::Notice(_) | EntryContent::Rejected { .. } => None,
        }
    }

    /// Moves the entry to the past: the server has another chat now.
    pub(super) fn pass(&mut self) {
        let none = EntryContent::Notice(String::new());
        self.content = match std::mem::replace(&mut self.content, none) {
            EntryContent::Event(event) => EntryContent::Past(event),
            other => other,
        };
    }

    /// Its size in memory, in bytes.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn bytes(&self) -> usize {
        let texts = match &self.content {
            EntryContent::Event(event) | EntryContent::Past(event) => match &event.kind {
                EventKind::Joined { name, .. } | EventKind::Left { name, .. } => name.len(),
                EventKind::Message {
                    author, text, id, ..
                } => author.len() + text.len() + id.len(),
                EventKind::Member(member) => member.name.len(),
                EventKind::Invitation(_) | EventKind::Unknown => 0,
            },
            EntryContent::Notice(text) => text.len(),
            EntryContent::Rejected { text, reason } => text.len() + reason.len(),
        };
        size_of::<Self>() + texts
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.event().map(|event| event.position)
    }

    /// The author, if the name stands beside the text.
    fn author(&self) -> Option<&str> {
        match &self.event()?.kind {
            EventKind::Message { author, text, .. } if action_of(text).is_none() => Some(author),
            _ => None,
        }
    }

    /// Whether a participant joined or left.
    pub(super) fn is_presence(&self) -> bool {
        self.event().is_some_and(|event| {
            matches!(
                event.kind,
                EventKind::Joined { .. } | EventKind::Left { .. }
            )
        })
    }
}
