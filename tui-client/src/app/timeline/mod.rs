//! The messages in the order of the log, and how far the user has scrolled in them.
//!
//! Two parts of the log are kept; they are one as long as nothing lies between them:
//!
//! ```text
//! the log:   1 ................ low ------ high ........ from ------ last
//!            floor                 entries                  tail
//!                                  ^ what is on screen      ^ what arrives
//! ```
//!
//! While the two are one (`tail` is `None`: attached), `entries` ends at `last` and the pane can
//! follow. Scrolling far up, a jump or a search detaches them; fetching down to `from`, or going to
//! the newest line, joins them again.
//!
//! An entry is referred to by its number, which it keeps while it is loaded: `first` is the number of
//! the first entry, and an index is a number less `first`. Dropping an entry at the front only raises
//! `first`. Where one reads is such a number with a row (`anchor`), so that arriving lines move
//! nothing.

mod block;
mod entry;
mod loaded;
pub(crate) mod marks;
mod past;
mod relation;
mod rows;
mod runs;
mod scroll;
mod select;
mod tail;

use std::{collections::VecDeque, time::SystemTime};

use chitty_chat::{Event, EventKind, LamportTime, MessageText, Position, text::caseless::Needle};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

pub(super) use self::select::{has, needle};
pub use self::{
    block::{Block, BlockKind, MessageColumns},
    loaded::Fetching,
    scroll::Below,
    select::Direction,
};
use self::{
    entry::{EntryContent, MeasuredHeight, PendingLine, PresenceRun, TimelineEntry},
    loaded::LoadedRange,
    scroll::Anchor,
    tail::TimelineTail,
};
use crate::{
    glyphs,
    session::{MAX_PENDING, Ticket, WelcomeNotice},
};

/// The largest number of mentions that are counted.
const MANY_MENTIONS: usize = 999;

/// The state of the messages pane.
#[derive(Debug)]
pub struct Timeline {
    entries: VecDeque<TimelineEntry>,
    /// How many entries at the front belong to a chat that the server had before.
    past: usize,
    /// The number of the first loaded entry. An entry keeps its number while it is loaded.
    first: i64,
    /// The newest lines, if the loaded part does not reach them.
    tail: Option<TimelineTail>,
    reach: LoadedRange,
    pending: VecDeque<PendingLine>,
    /// The position of the last event that was received.
    last: Position,
    own_name: String,
    zone: TimeZone,
    columns: MessageColumns,
    /// The current layout. Heights measured in another layout are stale.
    layout: u32,
    page: usize,
    anchor: Option<Anchor>,
    /// The screen was cleared: entries before this number are shown only after scrolling up.
    cleared: Option<i64>,
    /// The number of the selected entry.
    selected: Option<i64>,
    /// What is searched for, and highlighted.
    needle: Needle,
    /// The user's own name, as others may write it.
    own: Needle,
    /// Whether the user selected the line by hand: then the relations of other messages to it are
    /// shown.
    relates: bool,
    /// Whether joins and leaves are shown one by one.
    expanded: bool,
    /// How many entries have arrived, as opposed to being fetched.
    arrived: u64,
    /// The number of the newest arrival that has been on screen.
    seen: u64,
    /// The arrivals that mention the user and have not been on screen.
    mentions: VecDeque<u64>,
    /// How many entries had arrived when the user looked away.
    unread_after: Option<u64>,
    #[cfg(test)]
    laid_out: std::cell::Cell<usize>,
}

impl Timeline {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self {
            entries: VecDeque::new(),
            past: 0,
            first: 0,
            tail: None,
            reach: LoadedRange::default(),
            pending: VecDeque::new(),
            last: Position::ZERO,
            own_name: String::new(),
            zone,
            columns: MessageColumns::default(),
            layout: 0,
            page: 0,
            anchor: None,
            cleared: None,
            selected: None,
            needle: Needle::default(),
            own: Needle::default(),
            relates: false,
            expanded: false,
            arrived: 0,
            seen: 0,
            mentions: VecDeque::new(),
            unread_after: None,
            #[cfg(test)]
            laid_out: std::cell::Cell::default(),
        }
    }

    /// How many lines of the user's the log has not shown yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether there is no entry and no pending line.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.pending.is_empty()
    }

    /// Sets the size of the pane.
    pub(super) fn resize(&mut self, width: usize, height: usize) {
        self.page = height;
        if self.columns.set_width(width) {
            self.layout += 1;
        }
        self.settle();
    }

    /// Takes what a Welcome says about the log: whether something is missing before the next event.
    pub(super) fn welcome(&mut self, welcome: &WelcomeNotice, now: SystemTime) {
        self.own_name = welcome.name.to_string();
        self.own = needle(&self.own_name);
        if welcome.another_log {
            self.begin_another_log();
        }
        self.log_begins(welcome.first);
        if welcome.another_log {
            self.last = Position::ZERO;
            self.note(
                "The server has another chat than before, which begins here. What stands above \
                 was said in the other one."
                    .into(),
                now,
            );
            self.past = self.entries.len();
        } else if self.last > Position::ZERO && welcome.next > self.last.next() {
            let missing = welcome.next.get() - self.last.next().get();
            let events = if missing == 1 { "event" } else { "events" };
            self.note(
                format!("{missing} {events} that came meanwhile are no longer available."),
                now,
            );
        }
        self.last = self.last.max(welcome.next.previous());
    }

    /// Appends the next event. Returns whether it was new.
    pub(super) fn event(&mut self, event: Event, own: Option<Ticket>) -> bool {
        if let Some(ticket) = own {
            self.pending.retain(|line| line.ticket != ticket);
        }
        if event.position <= self.last {
            return false;
        }
        self.last = event.position;
        self.reached(event.position);
        if event.kind == EventKind::Unknown {
            return true;
        }
        self.fit_columns(&event);
        let at = self.local(event.at);
        if self.speaks_to_user(&event) {
            if self.mentions.len() == MANY_MENTIONS {
                self.mentions.pop_front();
            }
            self.mentions.push_back(self.arrived + 1);
        }
        self.arrive(EntryContent::Event(event), at);
        true
    }

    /// Appends a line of the client's own, which nobody else sees.
    pub(super) fn note(&mut self, text: String, now: SystemTime) {
        let at = self.local(now);
        self.arrive(EntryContent::Notice(text), at);
    }

    /// Whether another line may wait.
    pub(super) fn has_space(&self) -> bool {
        self.pending.len() < MAX_PENDING
    }

    /// Shows a line as not sent yet, below everything else.
    pub(super) fn send(&mut self, ticket: Ticket, text: MessageText, now: SystemTime) {
        let at = self.local(now);
        self.pending.push_back(PendingLine {
            ticket,
            text,
            at,
            height: MeasuredHeight::default(),
        });
        self.unread_after = None;
        self.follow();
    }

    /// Marks a line as rejected. Returns its text.
    pub(super) fn reject(
        &mut self,
        ticket: Ticket,
        reason: String,
        now: SystemTime,
    ) -> Option<String> {
        let index = self.pending.iter().position(|line| line.ticket == ticket)?;
        let line = self.pending.remove(index)?;
        let text = line.text.as_str().to_owned();
        let at = self.local(now);
        self.arrive(
            EntryContent::Rejected {
                text: text.clone(),
                reason,
            },
            at,
        );
        Some(text)
    }

    /// Takes note that a line was published at a position that this timeline does not show.
    pub(super) fn accept(&mut self, ticket: Ticket, position: Position, now: SystemTime) {
        let Some(index) = self.pending.iter().position(|line| line.ticket == ticket) else {
            return;
        };
        if let Some(line) = self.pending.remove(index) {
            let text = line.text.as_str();
            self.note(
                format!("Published earlier, at position {position}: {text}"),
                now,
            );
        }
    }

    /// Takes note that the user looks away: a line will stand above what arrives from now on.
    /// Returns whether such a line was on screen.
    pub(super) fn begin_unread(&mut self) -> bool {
        let stood = self
            .unread_after
            .is_some_and(|unread_after| self.arrived > unread_after);
        self.unread_after = Some(self.arrived);
        self.settle();
        stood
    }

    /// The size of all entries with their texts, in bytes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let tail = self.tail.iter().flat_map(TimelineTail::entries);
        self.entries
            .iter()
            .chain(tail)
            .map(TimelineEntry::bytes)
            .sum()
    }

    /// Whether this is a message of another participant that contains the user's name as a word.
    pub(in crate::app) fn speaks_to_user(&self, event: &Event) -> bool {
        match &event.kind {
            EventKind::Message { author, text, .. } => {
                **author != *self.own_name
                    && self.own.words(&glyphs::safe_lines(text)).next().is_some()
            }
            _ => false,
        }
    }

    /// The columns of the pane.
    pub fn columns(&self) -> &MessageColumns {
        &self.columns
    }

    fn arrive(&mut self, content: EntryContent, at: DateTime) {
        self.arrived += 1;
        self.push(TimelineEntry::new(content, at, self.arrived));
    }

    /// Whether this is the first entry that arrived after the user looked away.
    fn is_first_unread(&self, index: usize) -> bool {
        let entry = self.entries.get(index);
        entry.is_some_and(|entry| {
            self.unread_after
                .is_some_and(|unread_after| entry.arrival == unread_after + 1)
        })
    }

    fn local(&self, at: SystemTime) -> DateTime {
        Timestamp::try_from(at)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_zoned(self.zone.clone())
            .datetime()
    }
}

/// A Lamport time as in "L12".
fn lamport(time: LamportTime) -> String {
    format!("L{time}")
}

#[cfg(test)]
mod tests;
