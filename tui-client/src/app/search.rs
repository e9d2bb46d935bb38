//! Looking for something that was said: as one types, in what is at hand, then page by page in
//! what the server keeps. At the end of the chat it goes on from the other end.

use chitty_chat::{Event, LamportTime, Position, text::caseless::Needle};

use super::{
    composer::Editor,
    timeline::{Timeline, has, needle},
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
    needle: Needle,
    /// The prompt is open.
    typing: bool,
    /// From where it goes on; `None`: from the end that it comes from.
    at: Option<Position>,
    /// Where the user was before; `None`: at the chat's end.
    origin: Option<SearchOrigin>,
    /// The find that it goes on from.
    found: Option<Position>,
    /// It goes on from the other end.
    wrapped: bool,
    /// Towards older lines.
    older: bool,
    /// The page that is searched next.
    wanted: Option<HistoryPage>,
    /// The page that the server was asked for. There is one at a time: what is typed meanwhile
    /// waits for it, and is looked for in it.
    in_flight: Option<HistoryPage>,
    outcome: SearchOutcome,
}

/// Where the user was before a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct SearchOrigin {
    /// From here it goes up.
    pub(super) position: Position,
    /// The time of what is there.
    pub(super) time: Option<LamportTime>,
    /// What was at the bottom of the screen: an event, and which of its rows.
    pub(super) place: Option<(Position, isize)>,
}

/// How looking for something has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SearchOutcome {
    /// Nothing was looked for yet.
    #[default]
    None,
    /// There it is.
    Found,
    /// There it is, when the search had gone on from the other end.
    Wrapped,
    /// There is no other than the one that was found.
    Only,
    /// The server is being asked.
    Asking,
    /// There is no more of it in this direction; the next step goes on from the other end.
    NoMore,
    /// It was never said.
    Nothing,
    /// The server did not answer.
    Failed(String),
}

impl Default for Search {
    fn default() -> Self {
        Self {
            line: Editor::new("", MAX_QUERY),
            needle: Needle::default(),
            typing: false,
            at: None,
            origin: None,
            found: None,
            wrapped: false,
            older: false,
            wanted: None,
            in_flight: None,
            outcome: SearchOutcome::None,
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

    /// Whether it looks towards older lines.
    pub fn is_older(&self) -> bool {
        self.older
    }

    /// How the last look ended.
    pub fn outcome(&self) -> &SearchOutcome {
        &self.outcome
    }

    /// Where the user was before; `None`: at the chat's end.
    pub(super) fn origin(&self) -> Option<SearchOrigin> {
        self.origin
    }

    /// Opens the prompt, for somebody who is here; `None`: at the chat's end.
    pub(super) fn open(&mut self, origin: Option<SearchOrigin>) {
        self.end();
        self.typing = true;
        self.origin = origin;
        self.at = self.start();
    }

    /// From where a search goes up first.
    fn start(&self) -> Option<Position> {
        self.origin.map(|origin| origin.position.next())
    }

    /// Closes the prompt: what was found stays.
    pub(super) fn accept(&mut self) {
        self.typing = false;
    }

    /// Ends the search.
    pub(super) fn end(&mut self) {
        *self = Self {
            in_flight: self.in_flight,
            ..Self::default()
        };
    }

    /// The server has another chat: what was found, and where, is of no use in it.
    pub(super) fn restart(&mut self) {
        (self.at, self.origin, self.found) = (None, None, None);
        self.again();
    }

    /// Changes what is looked for, and looks from where the search began. Returns whether it is
    /// another thing now: a move of the caret is no change.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Editor)) -> bool {
        let before = self.query().to_owned();
        change(&mut self.line);
        if self.query() == before {
            return false;
        }
        self.needle = needle(self.query());
        self.at = self.start();
        self.found = None;
        self.again();
        true
    }

    fn again(&mut self) {
        self.wanted = None;
        self.wrapped = false;
        self.outcome = SearchOutcome::None;
    }

    /// Looks for the next one, older or newer. Returns a page to ask the server for.
    pub(super) fn step(&mut self, timeline: &mut Timeline, older: bool) -> Option<HistoryPage> {
        timeline.highlight(self.needle.clone());
        let at_end = self.outcome == SearchOutcome::NoMore && self.older == older;
        self.again();
        self.older = older;
        if self.needle.is_empty() {
            return None;
        }
        if at_end {
            return self.wrap(timeline);
        }
        self.search_loaded(timeline)
    }

    /// From here on in what is at hand, then beyond it.
    fn search_loaded(&mut self, timeline: &mut Timeline) -> Option<HistoryPage> {
        if let Some(found) = timeline.find(&self.needle, self.at, self.older) {
            self.finds(timeline, found);
            return None;
        }
        let (low, high) = timeline.ends();
        let page = if self.older {
            low.map(HistoryPage::Before)
        } else {
            high.map(HistoryPage::After)
        };
        self.ask(page, timeline)
    }

    /// From the other end of the chat.
    fn wrap(&mut self, timeline: &mut Timeline) -> Option<HistoryPage> {
        self.wrapped = true;
        self.at = None;
        if self.older {
            let newest = timeline.find_newest(&self.needle);
            if let Some(found) = newest {
                timeline.attach_again();
                self.finds(timeline, found);
                return None;
            }
            let page = timeline.before_newest().map(HistoryPage::Before);
            self.ask(page, timeline)
        } else if timeline.has_first() {
            self.search_loaded(timeline)
        } else {
            self.ask(Some(HistoryPage::At(LamportTime::new(1))), timeline)
        }
    }

    fn finds(&mut self, timeline: &mut Timeline, at: Position) {
        self.outcome = match self.wrapped {
            true if self.found == Some(at) => SearchOutcome::Only,
            true => SearchOutcome::Wrapped,
            false => SearchOutcome::Found,
        };
        self.at = Some(at);
        self.found = Some(at);
        self.wanted = None;
        self.wrapped = false;
        timeline.select_position(at);
    }

    /// Wants a page; without one, this end of the chat is reached.
    fn ask(&mut self, page: Option<HistoryPage>, timeline: &mut Timeline) -> Option<HistoryPage> {
        self.wanted = page;
        if page.is_some() {
            self.outcome = SearchOutcome::Asking;
            return self.next();
        }
        if self.found.is_some() && !self.wrapped {
            self.outcome = SearchOutcome::NoMore;
        } else if self.wrapped || (self.origin.is_none() && self.older) {
            self.outcome = SearchOutcome::Nothing;
        } else {
            // Nothing is known of what is on the other side of where one was.
            return self.wrap(timeline);
        }
        None
    }

    /// The page to ask for now.
    fn next(&mut self) -> Option<HistoryPage> {
        if self.in_flight.is_some() {
            return None;
        }
        self.in_flight = self.wanted;
        self.wanted
    }

    /// Whether this page is what the server was asked for.
    pub(super) fn awaits(&self, page: HistoryPage) -> bool {
        self.in_flight == Some(page)
    }

    /// Takes a page, if it is this search's. Returns the next one to ask for.
    pub(super) fn paged(
        &mut self,
        timeline: &mut Timeline,
        page: HistoryPage,
        events: &Result<Vec<Event>, String>,
        start: bool,
    ) -> Option<HistoryPage> {
        if !self.awaits(page) {
            return None;
        }
        self.in_flight = None;
        if self.wanted != Some(page) {
            return self.next();
        }
        let events = match events {
            Ok(events) => events,
            Err(why) => {
                self.wanted = None;
                self.outcome = SearchOutcome::Failed(why.clone());
                return None;
            }
        };
        let mut hits = events.iter().filter(|event| has(event, &self.needle));
        let hit = if self.older {
            hits.next_back()
        } else {
            hits.next()
        };
        if let Some(hit) = hit {
            let at = hit.position;
            timeline.jump(events, start, at);
            self.finds(timeline, at);
            return None;
        }
        let beyond = self.beyond(events, start);
        // A page that leads to itself would be asked for without end.
        self.ask(beyond.filter(|beyond| *beyond != page), timeline)
    }

    /// The page behind this one, where there is any use in it.
    fn beyond(&self, events: &[Event], start: bool) -> Option<HistoryPage> {
        let (first, last) = (events.first()?.position, events.last()?.position);
        // The rest was looked through before the search went on from the other end.
        let done = self.wrapped
            && self.found.is_none()
            && self.origin.is_some_and(|SearchOrigin { position, .. }| {
                if self.older {
                    first <= position
                } else {
                    last >= position
                }
            });
        match self.older {
            _ if done => None,
            true => (!start).then_some(HistoryPage::Before(first)),
            false => Some(HistoryPage::After(last)),
        }
    }
}
