//! Lays one entry of the timeline out in rows.

use std::{borrow::Cow, ops::Range};

use chitty_chat::{
    Event, EventKind, LamportTime, LeftReason, Position, causality::Relation, text::action_of,
};
use jiff::civil::DateTime;

use super::{Timeline, lamport, marks, marks::TextMark};
use crate::{glyphs, wrap};

/// The columns of the messages pane: time of day, Lamport time, author, text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MessageColumns {
    width: usize,
    lamport: usize,
    name: usize,
    /// The width that the longest name needs; it is granted when nobody reads further up.
    wanted: usize,
}

/// A pane of at least this many columns has a column for authors.
const WIDE: usize = 52;
/// A pane of at least this many columns shows the time of day.
const TIMED: usize = 30;

impl MessageColumns {
    /// The column after the Lamport time.
    pub fn lamport_end(&self) -> usize {
        self.time_end() + self.lamport.max(3)
    }

    /// The column at which the time of day begins, if it is shown.
    pub fn time(&self) -> Option<usize> {
        (self.width >= TIMED).then_some(self.margin())
    }

    /// The width of the authors' column; `None` if the author stands before the text.
    pub fn name(&self) -> Option<usize> {
        let most = if self.width >= 90 { 16 } else { 10 };
        (self.width >= WIDE).then_some(self.name.clamp(3, most))
    }

    /// The column at which the authors' column begins.
    pub fn name_start(&self) -> usize {
        self.lamport_end() + 2
    }

    /// The column at which texts begin.
    pub fn text(&self) -> usize {
        let text = match self.name() {
            Some(name) => self.name_start() + name + 2,
            None => self.lamport_end() + 1,
        };
        // On a tiny screen the text matters most.
        if text + 6 > self.width { 0 } else { text }
    }

    /// The column at which sentences without an author begin: right beside their sign, because they
    /// are long.
    pub fn sentence(&self) -> usize {
        match (self.name(), self.text()) {
            (_, 0) => 0,
            (Some(_), _) => self.name_start() + 2,
            (None, text) => text,
        }
    }

    fn margin(&self) -> usize {
        usize::from(self.width >= WIDE)
    }

    fn time_end(&self) -> usize {
        self.time().map_or(0, |time| time + "14:03 ".len())
    }

    /// The columns for a text that begins at this column.
    fn space(&self, start: usize) -> usize {
        // One column stays free beside the participants.
        self.width.saturating_sub(start + self.margin())
    }

    /// Sets the width of the pane. Returns whether that changes the rows.
    pub(super) fn set_width(&mut self, width: usize) -> bool {
        let changed = self.width != width;
        self.width = width;
        changed
    }

    /// Widens the column of times for this one, and remembers the width of this author. Returns
    /// whether that changes the rows.
    pub(super) fn grow(&mut self, time: LamportTime, author: usize) -> bool {
        let before = self.text();
        self.lamport = self.lamport.max(lamport(time).len());
        self.wanted = self.wanted.max(author);
        before != self.text()
    }

    /// Widens the column of authors as far as they need. Returns whether that changes the rows.
    pub(super) fn widen(&mut self) -> bool {
        let before = self.text();
        self.name = self.wanted;
        before != self.text()
    }
}

/// The kind of a block, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// A participant wrote a message.
    Message,
    /// A participant does something (`/me`): the author is part of the text.
    Action,
    /// A participant joined.
    Joined,
    /// A participant left.
    Left,
    /// Several participants joined or left.
    Run,
    /// The client reports something.
    Notice,
    /// A line of the user's that the log has not shown yet.
    Pending,
    /// A line of the user's that the server rejected.
    Rejected,
}

/// A laid-out entry of the timeline.
#[derive(Debug)]
pub struct Block<'a> {
    /// The kind of the entry.
    pub kind: BlockKind,
    /// The date above the first entry of a day.
    pub date: Option<String>,
    /// The time of day, as HH:MM.
    pub time: String,
    /// The Lamport time as in "L12", or a sign in its place.
    pub lamport: String,
    /// The author, as the server sent the name; colours are chosen by it.
    pub author: Option<&'a str>,
    /// Whether the author is the user.
    pub own: bool,
    /// The text of the author's column, or the label before the text.
    pub label: Cow<'a, str>,
    /// The column at which the rows begin.
    pub start: usize,
    /// The text, safe to show.
    pub text: String,
    /// The rows as ranges of the text. If the label stands before the text, the first row begins
    /// after it.
    pub rows: Vec<Range<usize>>,
    /// Marked parts of the text; later ones take precedence.
    pub marks: Vec<(Range<usize>, TextMark)>,
    /// Further rows below the text, about the entry.
    pub remarks: Vec<String>,
    /// The position of the event in the log.
    pub position: Option<Position>,
    /// Whether it is the first entry that arrived after the user looked away: a line above it says
    /// so.
    pub unread: bool,
    /// Whether the user has selected it.
    pub selected: bool,
    /// How many messages above it its author had not seen.
    pub crossed: usize,
    /// How its sending is related to that of the selected message.
    pub relation: Option<Relation>,
}

impl<'a> Block<'a> {
    /// The number of rows without those above the text.
    pub(super) fn body(&self) -> usize {
        self.rows.len() + self.remarks.len()
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        usize::from(self.date.is_some()) + usize::from(self.unread) + self.body()
    }

    /// The text of each row.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| &self.text[row.clone()])
    }

    /// The columns that the label takes from the first row, if it has no column of its own.
    pub fn taken(&self, columns: &MessageColumns) -> usize {
        if columns.name().is_some() || self.label.is_empty() {
            0
        } else {
            glyphs::width(&self.label) + 1
        }
    }

    pub(super) fn event(
        columns: &MessageColumns,
        event: &'a Event,
        own_name: &str,
        named: bool,
    ) -> Self {
        let mut block = match &event.kind {
            EventKind::Message { author, text, .. } => {
                let own = author.as_ref() == own_name;
                Self::said(columns, author, text, own, named)
            }
            EventKind::Left { reason, .. } => {
                let mut sentence = event.sentence().unwrap_or_default();
                match reason {
                    LeftReason::Lost => sentence.push_str(" (connection lost)"),
                    LeftReason::Closed => sentence.push_str(" (the server was down)"),
                    LeftReason::Removed => sentence.push_str(" (removed)"),
                    LeftReason::Left | LeftReason::Unspecified => {}
                }
                Self::plain(columns, BlockKind::Left, "←", &sentence)
            }
            EventKind::Member(_) | EventKind::Invitation(_) => {
                let sentence = event.announcement().unwrap_or_default();
                Self::plain(columns, BlockKind::Notice, "·", &sentence)
            }
            EventKind::Joined { .. } | EventKind::Unknown => {
                let sentence = event.sentence().unwrap_or_default();
                Self::plain(columns, BlockKind::Joined, "→", &sentence)
            }
        };
        block.lamport = lamport(event.lamport);
        block.position = Some(event.position);
        block
    }

    pub(super) fn run(columns: &MessageColumns, summary: &str) -> Self {
        Self::plain(columns, BlockKind::Run, "↔", summary)
    }

    pub(super) fn notice(columns: &MessageColumns, text: &str) -> Self {
        Self::plain(columns, BlockKind::Notice, "·", text)
    }

    pub(super) fn pending(
        columns: &MessageColumns,
        own_name: &'a str,
        text: &str,
        named: bool,
    ) -> Self {
        let mut block = Self::said(columns, own_name, text, true, named);
        block.kind = BlockKind::Pending;
        block.lamport = "…".into();
        block
    }

    pub(super) fn rejected(
        columns: &MessageColumns,
        (own_name, text): (&'a str, &str),
        reason: &str,
    ) -> Self {
        let mut block = Self::said(columns, own_name, text, true, true);
        block.kind = BlockKind::Rejected;
        block.lamport = "✗".into();
        let remark = format!("Not sent: {reason}");
        block.remarks = wrap::rows(&remark, columns.space(columns.text()), 0);
        block
    }

    fn said(columns: &MessageColumns, author: &'a str, text: &str, own: bool, named: bool) -> Self {
        let name = glyphs::safe(author);
        if let Some(deed) = action_of(text) {
            let mut block = Self {
                kind: BlockKind::Action,
                ..Self::empty("*".into())
            };
            (block.author, block.own) = (Some(author), own);
            return block.filled(columns, columns.text(), &format!("{name} {deed}"));
        }
        let label = if !named {
            String::new()
        } else if let Some(most) = columns.name() {
            glyphs::fit(&name, most).into_owned()
        } else {
            // At most half of the row, so that the text begins on the same row as its author.
            let most = (columns.space(columns.text()) / 2).max(2) - 1;
            format!("{}:", glyphs::fit(&name, most))
        };
        let block = Self {
            kind: BlockKind::Message,
            author: Some(author),
            own,
            ..Self::empty(label.into())
        };
        block.filled(columns, columns.text(), text)
    }

    fn plain(columns: &MessageColumns, kind: BlockKind, sign: &'a str, text: &str) -> Self {
        let block = Self {
            kind,
            ..Self::empty(Cow::Borrowed(sign))
        };
        block.filled(columns, columns.sentence(), text)
    }

    /// Sets the text, with its rows beginning at this column.
    fn filled(mut self, columns: &MessageColumns, start: usize, text: &str) -> Self {
        self.start = start;
        self.text = glyphs::safe_lines(text).into_owned();
        self.rows = wrap::spans(&self.text, columns.space(start), self.taken(columns));
        self
    }

    fn empty(label: Cow<'a, str>) -> Self {
        Self {
            kind: BlockKind::Notice,
            date: None,
            time: String::new(),
            lamport: String::new(),
            author: None,
            own: false,
            label,
            start: 0,
            text: String::new(),
            rows: Vec::new(),
            marks: Vec::new(),
            remarks: Vec::new(),
            position: None,
            unread: false,
            selected: false,
            crossed: 0,
            relation: None,
        }
    }

    pub(super) fn stamped(mut self, at: DateTime, new_day: bool) -> Self {
        self.time = at.strftime("%H:%M").to_string();
        self.date = new_day.then(|| at.strftime("%A, %-d %B %Y").to_string());
        self
    }
}

impl Timeline {
    /// Marks the links, mentions and matches in the text of a block.
    pub(super) fn marked<'a>(&self, mut block: Block<'a>) -> Block<'a> {
        let text = &block.text;
        let mut found = Vec::new();
        if block.kind != BlockKind::Run {
            let links = marks::links(text).into_iter();
            found.extend(links.map(|(range, link)| (range, TextMark::Link(link))));
        }
        if matches!(block.kind, BlockKind::Message | BlockKind::Action) && !block.own {
            found.extend(
                self.own
                    .needle()
                    .words(text)
                    .map(|range| (range, TextMark::Mention)),
            );
        }
        found.extend(
            self.highlight
                .find(text)
                .map(|range| (range, TextMark::Found)),
        );
        block.marks = found;
        block
    }
}
