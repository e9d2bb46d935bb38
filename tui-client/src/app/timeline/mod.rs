//! What was said, in the order of the log, and how far one has scrolled in it.

mod block;
mod scroll;

use std::{cell::Cell, collections::VecDeque, time::SystemTime};

use chitty_chat::{Event, EventKind, LamportTime, MessageText, Position};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use self::scroll::Anchor;
pub use self::{
    block::{Block, Columns, Tone},
    scroll::Below,
};
use crate::{
    session::{Ticket, Welcome},
    view::glyphs,
};

/// Entries that are kept; older ones are forgotten.
const MAX_ENTRIES: usize = 10_000;
/// Own lines that may wait for the server.
const MAX_PENDING: usize = 100;

/// The messages pane.
#[derive(Debug)]
pub struct Timeline {
    entries: VecDeque<Entry>,
    /// The number of the first entry that is kept; entries are counted from 0 on.
    first: u64,
    pending: VecDeque<Pending>,
    /// The last event of the log that was received.
    last: Position,
    own_name: String,
    zone: TimeZone,
    columns: Columns,
    /// Heights that were measured in another one are stale.
    layout: u32,
    page: usize,
    anchor: Option<Anchor>,
    /// The number behind the newest entry that has been on screen.
    seen: u64,
}

#[derive(Debug)]
struct Entry {
    content: Content,
    /// Local time of day and date.
    at: DateTime,
    /// The first of its day: a line with the date is above it.
    new_day: bool,
    height: Height,
}

#[derive(Debug)]
enum Content {
    Event(Event),
    Notice(String),
    Rejected { text: String, reason: String },
}

/// A line of the user's own that the log has not shown yet.
#[derive(Debug)]
struct Pending {
    ticket: Ticket,
    text: MessageText,
    at: DateTime,
    height: Height,
}

/// Rows, as measured in a layout.
#[derive(Debug, Default)]
struct Height(Cell<Option<(u32, usize)>>);

impl Timeline {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            pending: VecDeque::new(),
            last: Position::ZERO,
            own_name: String::new(),
            zone,
            columns: Columns::default(),
            layout: 0,
            page: 0,
            anchor: None,
            seen: 0,
        }
    }

    /// Own lines that the log has not shown yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Nothing was said or noted yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.pending.is_empty()
    }

    /// Makes the pane this large.
    pub(super) fn resize(&mut self, width: usize, height: usize) {
        self.page = height;
        if self.columns.set_width(width) {
            self.layout += 1;
        }
        self.settle();
    }

    /// Takes what a welcome says about the log: whether something is missing before what follows.
    pub(super) fn welcome(&mut self, welcome: &Welcome, now: SystemTime) {
        self.own_name = welcome.name.to_string();
        if welcome.another_log {
            self.last = Position::ZERO;
            self.note(
                "The server has another chat than before; it begins here.".into(),
                now,
            );
        } else if self.last > Position::ZERO && welcome.next > self.last.next() {
            let missing = welcome.next.get() - self.last.next().get();
            let events = if missing == 1 { "event" } else { "events" };
            self.note(
                format!("{missing} {events} that came meanwhile cannot be had any more."),
                now,
            );
        }
        self.last = self.last.max(welcome.next.previous());
    }

    /// Adds the next event. Returns whether it was new.
    pub(super) fn event(&mut self, event: Event, own: Option<Ticket>) -> bool {
        if let Some(ticket) = own {
            self.pending.retain(|line| line.ticket != ticket);
        }
        if event.position <= self.last {
            return false;
        }
        self.last = event.position;
        if event.kind == EventKind::Unknown {
            return true;
        }
        let author = match &event.kind {
            EventKind::Message { author, .. } => glyphs::width(&glyphs::safe(author)),
            _ => 0,
        };
        if self.columns.grow(event.lamport, author) {
            self.layout += 1;
        }
        let at = self.local(event.at);
        self.push(Content::Event(event), at);
        true
    }

    /// Adds a line of the client's own, which nobody else sees.
    pub(super) fn note(&mut self, text: String, now: SystemTime) {
        let at = self.local(now);
        self.push(Content::Notice(text), at);
    }

    /// Whether another line may wait.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < MAX_PENDING
    }

    /// Shows a line as not sent yet, below everything.
    pub(super) fn send(&mut self, ticket: Ticket, text: MessageText, now: SystemTime) {
        let at = self.local(now);
        self.pending.push_back(Pending {
            ticket,
            text,
            at,
            height: Height::default(),
        });
        self.follow();
    }

    /// Marks a line as never to be sent. Returns its text.
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
        self.push(
            Content::Rejected {
                text: text.clone(),
                reason,
            },
            at,
        );
        Some(text)
    }

    /// A line was published where this timeline does not show it.
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

    /// The rows on screen, from the top: blocks, and how many rows of the first one are above the
    /// pane. Costs what is visible.
    pub fn visible(&self) -> (Vec<Block<'_>>, usize) {
        let (from, to, above) = self.window();
        let blocks = (from..to).filter_map(|index| self.block(index)).collect();
        (blocks, above)
    }

    /// How the pane is divided.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    fn push(&mut self, content: Content, at: DateTime) {
        let new_day = self
            .entries
            .back()
            .is_none_or(|before| before.at.date() != at.date());
        self.entries.push_back(Entry {
            content,
            at,
            new_day,
            height: Height::default(),
        });
        if self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
            self.first += 1;
        }
        self.settle();
    }

    /// Entries first, then the lines that wait.
    fn block(&self, index: usize) -> Option<Block<'_>> {
        let columns = &self.columns;
        if let Some(entry) = self.entries.get(index) {
            return Some(match &entry.content {
                Content::Event(event) => {
                    Block::event(columns, event, entry.at, entry.new_day, &self.own_name)
                }
                Content::Notice(text) => Block::notice(columns, text, entry.at, entry.new_day),
                Content::Rejected { text, reason } => Block::rejected(
                    columns,
                    (&self.own_name, text),
                    reason,
                    entry.at,
                    entry.new_day,
                ),
            });
        }
        let line = self.pending.get(index - self.entries.len())?;
        Some(Block::pending(
            columns,
            &self.own_name,
            line.text.as_str(),
            line.at,
        ))
    }

    fn height(&self, index: usize) -> usize {
        let cache = match self.entries.get(index) {
            Some(entry) => &entry.height,
            None => match self.pending.get(index - self.entries.len()) {
                Some(line) => &line.height,
                None => return 0,
            },
        };
        match cache.0.get() {
            Some((layout, height)) if layout == self.layout => height,
            _ => {
                let height = self.block(index).map_or(0, |block| block.height());
                cache.0.set(Some((self.layout, height)));
                height
            }
        }
    }

    fn local(&self, at: SystemTime) -> DateTime {
        Timestamp::try_from(at)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_zoned(self.zone.clone())
            .datetime()
    }
}

/// "L12"
fn lamport(time: LamportTime) -> String {
    format!("L{time}")
}

#[cfg(test)]
mod tests;
