//! One entry of the timeline, broken into rows.

use std::{borrow::Cow, ops::Range};

use chitty_chat::{Event, EventKind, LamportTime, LeftReason, Position, causality::Relation};
use jiff::civil::DateTime;

use super::{Timeline, lamport, marks, marks::TextMark};
use crate::{app::wrap, view::glyphs};

/// How the messages pane is divided: time of day, Lamport time, author, text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MessageColumns {
    width: usize,
    lamport: usize,
    name: usize,
    /// What the longest name would need: given when nobody reads further up.
    wanted: usize,
}

/// A pane of at least so many columns has its authors in a column of their own.
const WIDE: usize = 52;
/// A pane of at least so many columns shows the time of day.
const TIMED: usize = 30;

impl MessageColumns {
    /// The column where the Lamport time ends.
    pub fn lamport_end(&self) -> usize {
        self.time_end() + self.lamport.max(3)
    }

    /// The column where the time of day begins, if it is shown.
    pub fn time(&self) -> Option<usize> {
        (self.width >= TIMED).then_some(self.margin())
    }

    /// The columns for the author; `None`: it stands before its text.
    pub fn name(&self) -> Option<usize> {
        let most = if self.width >= 90 { 16 } else { 10 };
        (self.width >= WIDE).then_some(self.name.clamp(3, most))
    }

    /// The column where the author's column begins.
    pub fn name_start(&self) -> usize {
        self.lamport_end() + 2
    }

    /// The column where texts begin.
    pub fn text(&self) -> usize {
        let text = match self.name() {
            Some(name) => self.name_start() + name + 2,
            None => self.lamport_end() + 1,
        };
        // On a tiny screen the text matters most.
        if text + 6 > self.width { 0 } else { text }
    }

    /// The column where sentences begin that nobody said: beside their sign, as they are long.
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

    /// The columns for a text that begins at this one.
    fn space(&self, start: usize) -> usize {
        // A column stays free beside the participants.
        self.width.saturating_sub(start + self.margin())
    }

    /// Returns whether that changed the rows.
    pub(super) fn set_width(&mut self, width: usize) -> bool {
        let changed = self.width != width;
        self.width = width;
        changed
    }

    /// Makes room for this time, and will for this author. Returns whether that changed the rows.
    pub(super) fn grow(&mut self, time: LamportTime, author: usize) -> bool {
        let before = self.text();
        self.lamport = self.lamport.max(lamport(time).len());
        self.wanted = self.wanted.max(author);
        before != self.text()
    }

    /// Gives the authors the room that they want. Returns whether that changed the rows.
    pub(super) fn widen(&mut self) -> bool {
        let before = self.text();
        self.name = self.wanted;
        before != self.text()
    }
}

/// What a block is, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Somebody wrote.
    Message,
    /// Somebody does something: the author stands in the text.
    Action,
    /// Somebody entered.
    Joined,
    /// Somebody is gone.
    Left,
    /// Several came and went.
    Run,
    /// The client says something.
    Notice,
    /// The user wrote, and the log has not shown it yet.
    Pending,
    /// The user wrote, and the server did not take it.
    Rejected,
}

/// An entry as it is shown.
#[derive(Debug)]
pub struct Block<'a> {
    /// What it is.
    pub tone: BlockKind,
    /// The line above the first entry of a day.
    pub date: Option<String>,
    /// Time of day.
    pub time: String,
    /// "L12", or a sign instead.
    pub lamport: String,
    /// Who wrote, as it came: colours are chosen by it.
    pub author: Option<&'a str>,
    /// Whether that is the user.
    pub own: bool,
    /// What stands in the author's column, or before the text.
    pub label: Cow<'a, str>,
    /// The column where the rows begin.
    pub start: usize,
    /// The text, safe to show.
    pub text: String,
    /// Its rows; the first one begins behind the label where that stands before it.
    pub rows: Vec<Range<usize>>,
    /// Parts of the text that mean something; later ones are more important.
    pub marks: Vec<(Range<usize>, TextMark)>,
    /// Rows below, about the entry.
    pub remarks: Vec<String>,
    /// Where the event is in the log.
    pub position: Option<Position>,
    /// It is the first that came after the user had looked away: a line above it says so.
    pub unread: bool,
    /// The user has selected it.
    pub selected: bool,
    /// How many messages above it its author had not seen.
    pub crossed: usize,
    /// How its sending is related to that of the selected message.
    pub relation: Option<Relation>,
}

impl<'a> Block<'a> {
    /// In rows, without what is above its text.
    pub(super) fn body(&self) -> usize {
        self.rows.len() + self.remarks.len()
    }

    /// In rows.
    pub fn height(&self) -> usize {
        usize::from(self.date.is_some()) + usize::from(self.unread) + self.body()
    }

    /// The text of its rows.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| &self.text[row.clone()])
    }

    /// The columns before the first row's text, where the label has no column of its own.
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
            _ => {
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

    pub(super) fn pending(columns: &MessageColumns, own_name: &'a str, text: &str) -> Self {
        let mut block = Self::said(columns, own_name, text, true, true);
        block.tone = BlockKind::Pending;
        block.lamport = "…".into();
        block
    }

    pub(super) fn rejected(
        columns: &MessageColumns,
        (own_name, text): (&'a str, &str),
        reason: &str,
    ) -> Self {
        let mut block = Self::said(columns, own_name, text, true, true);
        block.tone = BlockKind::Rejected;
        block.lamport = "✗".into();
        let remark = format!("Not sent: {reason}");
        block.remarks = wrap::rows(&remark, columns.space(columns.text()), 0);
        block
    }

    fn said(columns: &MessageColumns, author: &'a str, text: &str, own: bool, named: bool) -> Self {
        let name = glyphs::safe(author);
        if let Some(deed) = text.strip_prefix("/me ") {
            let mut block = Self {
                tone: BlockKind::Action,
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
            let most = (columns.space(columns.text()) / 2).max(2) - 1;
            format!("{}:", glyphs::fit(&name, most))
        };
        let block = Self {
            tone: BlockKind::Message,
            author: Some(author),
            own,
            ..Self::empty(label.into())
        };
        block.filled(columns, columns.text(), text)
    }

    fn plain(columns: &MessageColumns, tone: BlockKind, sign: &'a str, text: &str) -> Self {
        let block = Self {
            tone,
            ..Self::empty(Cow::Borrowed(sign))
        };
        block.filled(columns, columns.sentence(), text)
    }

    /// With this text from this column on.
    fn filled(mut self, columns: &MessageColumns, start: usize, text: &str) -> Self {
        self.start = start;
        self.text = glyphs::safe_lines(text).into_owned();
        self.rows = wrap::spans(&self.text, columns.space(start), self.taken(columns));
        self
    }

    fn empty(label: Cow<'a, str>) -> Self {
        Self {
            tone: BlockKind::Notice,
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
    /// With the parts of its text marked that mean something.
    pub(super) fn marked<'a>(&self, mut block: Block<'a>) -> Block<'a> {
        let text = &block.text;
        let mut found = Vec::new();
        if block.tone != BlockKind::Run {
            let links = marks::links(text).into_iter();
            found.extend(links.map(|(range, link)| (range, TextMark::Link(link))));
        }
        if matches!(block.tone, BlockKind::Message | BlockKind::Action) && !block.own {
            found.extend(self.own.words(text).map(|range| (range, TextMark::Mention)));
        }
        found.extend(
            self.needle()
                .find(text)
                .map(|range| (range, TextMark::Found)),
        );
        block.marks = found;
        block
    }
}
