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
//! An entry is referred to by its number, which it keeps while it is loaded (`numbered`). The user's
//! place is such a number with a row (`viewport`), so that arriving lines move nothing.
//!
//! ```text
//! NumberedEntries   entries, and numbers for indices
//! Loaded            the entries as a part of the log, the tail, the page that is being fetched
//! PendingLines      the user's lines that the log has not shown yet
//! Viewport          the height of the pane, and its place
//! RowLayout         the columns, and which measured heights are still valid
//! Selection         the selected line
//! UnreadArrivals    what has arrived and was not on screen
//! ```
//!
//! The fields of each part are private to its file. The `impl Timeline` blocks in the other files
//! (`scroll`, `select`, `rows`, `pages`) compute what needs several parts.

mod block;
mod entry;
mod loaded;
mod marks;
mod numbered;
mod own_name;
mod pages;
mod pending;
mod relation;
mod row_layout;
mod rows;
mod runs;
mod scroll;
mod select;
mod selection;
mod tail;
mod unread;
mod viewport;

use std::time::SystemTime;

use chitty_chat::{Event, EventKind, LamportTime, MessageText, Position, text::caseless::Needle};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

pub(super) use self::select::{has, needle};
pub use self::{
    block::{Block, BlockKind, MessageColumns},
    loaded::Fetching,
    marks::TextMark,
    select::Direction,
    unread::Below,
};
use self::{
    entry::{EntryContent, TimelineEntry},
    loaded::Loaded,
    numbered::{NumberedEntries, PinnedEntries},
    own_name::OwnName,
    pending::PendingLines,
    row_layout::RowLayout,
    selection::Selection,
    unread::UnreadArrivals,
    viewport::Viewport,
};
use crate::port::{Ticket, WelcomeNotice};

/// The state of the messages pane. Each part keeps its own invariants; `Timeline::settle` keeps
/// those between the parts.
#[derive(Debug)]
pub struct Timeline {
    loaded: Loaded,
    pending: PendingLines,
    viewport: Viewport,
    layout: RowLayout,
    selection: Selection,
    unread: UnreadArrivals,
    /// What is searched for, and highlighted.
    highlight: Needle,
    own: OwnName,
    zone: TimeZone,
}

impl Timeline {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self {
            loaded: Loaded::default(),
            pending: PendingLines::default(),
            viewport: Viewport::default(),
            layout: RowLayout::default(),
            selection: Selection::default(),
            unread: UnreadArrivals::default(),
            highlight: Needle::default(),
            own: OwnName::default(),
            zone,
        }
    }

    /// How many lines of the user's the log has not shown yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether there is no entry and no pending line.
    pub fn is_empty(&self) -> bool {
        self.entries().len() == 0 && self.pending.len() == 0
    }

    /// Sets the size of the pane.
    pub(super) fn resize(&mut self, width: usize, height: usize) {
        self.viewport.resize(height);
        self.layout.set_width(width);
        self.settle();
    }

    /// Takes what a Welcome says about the log: whether something is missing before the next event.
    pub(super) fn welcome(&mut self, welcome: &WelcomeNotice, now: SystemTime) {
        self.own = OwnName::new(&welcome.name);
        let last = self.loaded.last();
        if welcome.another_log {
            self.begin_another_log(welcome.first, now);
        } else {
            self.loaded.log_begins(welcome.first);
            if last > Position::ZERO && welcome.next > last.next() {
                let missing = welcome.next.get() - last.next().get();
                let events = if missing == 1 { "event" } else { "events" };
                self.note(
                    format!("{missing} {events} that came meanwhile are no longer available."),
                    now,
                );
            }
        }
        self.loaded.stream_continues_after(welcome.next.previous());
    }

    /// Starts on another log, which begins at this position: everything so far belongs to an
    /// earlier chat.
    fn begin_another_log(&mut self, first: Position, now: SystemTime) {
        if !self.is_attached() {
            self.attach();
            self.viewport.follow();
        }
        self.loaded.begin_another_log();
        self.loaded.log_begins(first);
        self.note(
            "The server has another chat than before, which begins here. What stands above it \
             was said in the other one."
                .into(),
            now,
        );
        self.loaded.end_past();
    }

    /// Appends the next event. Returns whether it was new.
    pub(super) fn event(&mut self, event: Event, own: Option<Ticket>) -> bool {
        if let Some(ticket) = own {
            self.pending.take(ticket);
        }
        if !self.loaded.receive(event.position) {
            return false;
        }
        if event.kind == EventKind::Unknown {
            return true;
        }
        self.fit_columns(&event);
        let at = self.local(event.at);
        let arrival = self.unread.arrive(self.speaks_to_user(&event));
        self.push(TimelineEntry::new(EntryContent::Event(event), at, arrival));
        true
    }

    /// Appends a line of the client's own, which nobody else sees.
    pub(super) fn note(&mut self, text: String, now: SystemTime) {
        self.add(EntryContent::Notice(text), now);
    }

    /// Whether another line may wait.
    pub(super) fn has_space(&self) -> bool {
        self.pending.has_space()
    }

    /// Shows a line as not sent yet, below everything else.
    pub(super) fn send(&mut self, ticket: Ticket, text: MessageText, now: SystemTime) {
        let at = self.local(now);
        self.pending.push(ticket, text, at);
        self.unread.clear();
        self.follow();
    }

    /// Marks a line as rejected. Returns its text.
    pub(super) fn reject(
        &mut self,
        ticket: Ticket,
        reason: String,
        now: SystemTime,
    ) -> Option<String> {
        let text = self.pending.take(ticket)?.as_str().to_owned();
        self.add(
            EntryContent::Rejected {
                text: text.clone(),
                reason,
            },
            now,
        );
        Some(text)
    }

    /// Takes note that a line was published at a position that this timeline does not show.
    pub(super) fn accept(&mut self, ticket: Ticket, position: Position, now: SystemTime) {
        if let Some(text) = self.pending.take(ticket) {
            let text = text.as_str();
            self.note(
                format!("Published earlier, at position {position}: {text}"),
                now,
            );
        }
    }

    /// Takes note that the user looks away: a line will stand above what arrives from now on.
    /// Returns whether such a line was on screen.
    pub(super) fn begin_unread(&mut self) -> bool {
        let stood = self.unread.look_away();
        self.settle();
        stood
    }

    /// The size of all entries with their texts, in bytes.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn bytes(&self) -> usize {
        let tail = self.loaded.tail().map(|tail| tail.lines().iter());
        self.entries()
            .iter()
            .chain(tail.into_iter().flatten())
            .map(TimelineEntry::bytes)
            .sum()
    }

    /// Whether this is a message of another participant that contains the user's name as a word.
    pub(crate) fn speaks_to_user(&self, event: &Event) -> bool {
        self.own.is_mentioned_in(event)
    }

    /// The columns of the pane.
    pub fn columns(&self) -> &MessageColumns {
        self.layout.columns()
    }

    /// Whether joins and leaves are shown one by one.
    pub fn expanded(&self) -> bool {
        self.layout.is_expanded()
    }

    /// Shows joins and leaves one by one, or each run as one line.
    pub(super) fn expand(&mut self, expanded: bool) {
        self.layout.expand(expanded);
        if !expanded {
            // The anchor and the selection must not be at a hidden entry.
            self.viewport
                .renumber(|number| self.loaded.entries().head_of(number));
            self.selection
                .renumber(|number| Some(self.loaded.entries().head_of(number)));
        }
        self.settle();
    }

    fn entries(&self) -> &NumberedEntries {
        self.loaded.entries()
    }

    /// Whether the loaded part ends at the end of the chat.
    fn is_attached(&self) -> bool {
        self.loaded.is_attached()
    }

    /// Shows the newest lines, if they are not in the loaded part.
    pub(super) fn attach_again(&mut self) {
        if !self.is_attached() {
            self.follow();
        }
    }

    /// Returns to the end of the chat.
    fn attach(&mut self) {
        let selected = self.selected_position();
        if self.loaded.attach() {
            // Numbers of entries differ between the two parts; positions do not.
            let index = selected.and_then(|position| self.entries().locate(position));
            self.selection
                .renumber(|_| index.map(|index| self.loaded.entries().number(index)));
        }
    }

    /// Appends a line that is no event.
    fn add(&mut self, content: EntryContent, now: SystemTime) {
        let at = self.local(now);
        let arrival = self.unread.arrive(false);
        self.push(TimelineEntry::new(content, at, arrival));
    }

    fn push(&mut self, entry: TimelineEntry) {
        let pinned = PinnedEntries {
            anchor: self.viewport.anchor().map(|anchor| anchor.entry),
            selected: self.selection.entry(),
            first_unread: self.unread.first(),
        };
        self.loaded.push(entry, &pinned);
        self.settle();
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
