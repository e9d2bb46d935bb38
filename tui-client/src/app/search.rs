//! Looking for something that was said: as one types, in what is at hand, then page by page in
//! what the server keeps.

use chitty_chat::{Event, Position};

use super::{
    composer::Editor,
    timeline::{Timeline, has, marks},
};
use crate::session::HistoryPage;

/// Events in a page that is searched.
pub const PAGE: u32 = 1000;
/// In characters.
const MAX_QUERY: usize = 128;

/// A search, and where it has come to.
#[derive(Debug)]
pub struct Search {
    /// What is looked for.
    line: Editor,
    needle: Vec<char>,
    /// The prompt is open.
    typing: bool,
    /// From where it goes on.
    at: Option<Position>,
    /// Where the user was before.
    origin: Option<Position>,
    /// The page that is searched next, and in which direction.
    asked: Option<(HistoryPage, bool)>,
    /// How the last look ended.
    outcome: Outcome,
}

/// How looking for something has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was looked for yet.
    #[default]
    None,
    /// There it is.
    Found,
    /// The server is being asked.
    Asking,
    /// There is no more of it in this direction.
    NoMore,
    /// The server did not answer.
    Failed(String),
}

impl Default for Search {
    fn default() -> Self {
        Self {
            line: Editor::new("", MAX_QUERY),
            needle: Vec::new(),
            typing: false,
            at: None,
            origin: None,
            asked: None,
            outcome: Outcome::None,
        }
    }
}

impl Search {
    /// What is looked for.
    pub fn query(&self) -> &str {
        self.line.draft().text()
    }

    /// What of it is before the caret, and what is after it.
    pub fn halves(&self) -> (&str, &str) {
        self.line.draft().halves()
    }

    /// Whether the prompt is open.
    pub fn is_typing(&self) -> bool {
        self.typing
    }

    /// How the last look ended.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Where the user was before.
    pub(super) fn origin(&self) -> Option<Position> {
        self.origin
    }

    /// Opens the prompt; the last query stays until something else is typed.
    pub(super) fn open(&mut self, origin: Option<Position>) {
        *self = Self {
            typing: true,
            at: origin.map(Position::next),
            origin,
            ..Self::default()
        };
    }

    /// Closes the prompt: what was found stays.
    pub(super) fn accept(&mut self) {
        self.typing = false;
    }

    /// Ends the search.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// The server has another chat: what was found, and where, is of no use in it.
    pub(super) fn restart(&mut self) {
        (self.at, self.origin, self.asked) = (None, None, None);
        self.outcome = Outcome::None;
    }

    /// Changes what is looked for, and looks from where the search began. Returns whether it is
    /// another thing now: a move of the caret is no change.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Editor)) -> bool {
        let before = self.query().to_owned();
        change(&mut self.line);
        if self.query() == before {
            return false;
        }
        self.needle = marks::needle(self.query());
        self.at = self.origin.map(Position::next);
        self.asked = None;
        self.outcome = Outcome::None;
        true
    }

    /// Looks for the next one, older or newer. Returns a page to ask the server for.
    pub(super) fn step(&mut self, timeline: &mut Timeline, older: bool) -> Option<HistoryPage> {
        timeline.look_for(self.query());
        if self.needle.is_empty() {
            self.outcome = Outcome::None;
            return None;
        }
        if let Some(found) = timeline.find(&self.needle, self.at, older) {
            self.found(timeline, found);
            return None;
        }
        let (low, high) = timeline.ends();
        let page = if older {
            low.map(HistoryPage::Before)
        } else {
            high.map(HistoryPage::After)
        };
        self.ask(page, older)
    }

    fn found(&mut self, timeline: &mut Timeline, at: Position) {
        self.at = Some(at);
        self.asked = None;
        self.outcome = Outcome::Found;
        timeline.select_position(at);
    }

    fn ask(&mut self, page: Option<HistoryPage>, older: bool) -> Option<HistoryPage> {
        self.asked = page.map(|page| (page, older));
        self.outcome = if page.is_some() {
            Outcome::Asking
        } else {
            Outcome::NoMore
        };
        page
    }

    /// Takes a page, if it is this search's. Returns the next one to ask for.
    pub(super) fn paged(
        &mut self,
        timeline: &mut Timeline,
        page: HistoryPage,
        events: &Result<Vec<Event>, String>,
        start: bool,
    ) -> Option<HistoryPage> {
        let (_, older) = self.asked.filter(|(asked, _)| *asked == page)?;
        let events = match events {
            Ok(events) => events,
            Err(why) => {
                self.asked = None;
                self.outcome = Outcome::Failed(why.clone());
                return None;
            }
        };
        let mut hits = events.iter().filter(|event| has(event, &self.needle));
        let hit = if older { hits.next_back() } else { hits.next() };
        if let Some(hit) = hit {
            let at = hit.position;
            timeline.jump(events, start, at);
            self.found(timeline, at);
            return None;
        }
        let beyond = if older {
            let first = events.first().filter(|_| !start);
            first.map(|event| HistoryPage::Before(event.position))
        } else {
            events
                .last()
                .map(|event| HistoryPage::After(event.position))
        };
        // A page that leads to itself would be asked for without end.
        self.ask(beyond.filter(|beyond| *beyond != page), older)
    }
}
