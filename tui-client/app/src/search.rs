//! Searching the messages: while the user types, in the loaded part; then page by page in what the
//! server keeps. At the end of the chat the search continues from the other end.

use chitty_chat::{Event, LamportTime, Position, text::caseless::Needle};

use super::{
    composer::Editor,
    timeline::{Direction, Timeline, has, needle},
};
use crate::port::HistoryPage;

/// The number of events in a page that is searched.
pub const PAGE: u32 = 1000;
/// The longest query, in characters.
const MAX_QUERY: usize = 128;

/// A search and its progress.
#[derive(Debug)]
pub struct Search {
    /// The query, with its caret.
    line: Editor,
    needle: Needle,
    /// Whether the prompt is open.
    typing: bool,
    /// The position from which the search continues; `None` at the end of the chat where it begins.
    at: Option<Position>,
    /// Where the user was before the search; `None` at the end of the chat.
    origin: Option<SearchOrigin>,
    /// The current match.
    found: Option<Position>,
    /// Whether the search has continued from the other end of the chat.
    wrapped: bool,
    direction: Direction,
    /// The page that has to be searched next.
    wanted: Option<HistoryPage>,
    /// The page that was requested from the server. There is only one at a time: a query typed
    /// meanwhile waits for it and is then searched for in it.
    in_flight: Option<HistoryPage>,
    outcome: SearchOutcome,
}

/// Where the user was before a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct SearchOrigin {
    /// The position below which the search begins.
    pub(super) position: Position,
    /// The Lamport time of the event at that position.
    pub(super) time: Option<LamportTime>,
    /// The event at the bottom of the screen, and which of its rows.
    pub(super) place: Option<(Position, isize)>,
}

/// How a search ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SearchOutcome {
    /// Nothing was searched for yet.
    #[default]
    None,
    /// A match was found.
    Found,
    /// A match was found after the search had continued from the other end.
    Wrapped,
    /// There is no other match.
    Only,
    /// The server is being asked for a page.
    Asking,
    /// There is no further match in this direction; the next step continues from the other end.
    NoMore,
    /// There is no match at all.
    Nothing,
    /// The server did not answer; the text says why.
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
            direction: Direction::Newer,
            wanted: None,
            in_flight: None,
            outcome: SearchOutcome::None,
        }
    }
}

impl Search {
    /// The text that is searched for.
    pub fn query(&self) -> &str {
        self.line.draft().text()
    }

    /// The query before the caret, and after it.
    pub fn halves(&self) -> (&str, &str) {
        self.line.draft().halves()
    }

    /// Whether the prompt is open.
    pub fn is_typing(&self) -> bool {
        self.typing
    }

    /// The direction of the search.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// How the last search ended.
    pub fn outcome(&self) -> &SearchOutcome {
        &self.outcome
    }

    /// Where the user was before the search; `None` at the end of the chat.
    pub(super) fn origin(&self) -> Option<SearchOrigin> {
        self.origin
    }

    /// Opens the prompt for a user at `origin`; `None` means the end of the chat.
    pub(super) fn open(&mut self, origin: Option<SearchOrigin>) {
        self.end();
        self.typing = true;
        self.origin = origin;
        // A search begins at what is on screen, not at the last match of an earlier one.
        self.at = self.start();
    }

    /// The position from which the first search goes up.
    fn start(&self) -> Option<Position> {
        self.origin.map(|origin| origin.position.next())
    }

    /// Closes the prompt and keeps the match.
    pub(super) fn accept(&mut self) {
        self.typing = false;
    }

    /// Ends the search; a requested page stays in flight.
    pub(super) fn end(&mut self) {
        // Its answer will still come, and must be recognized then; until that, no other page is
        // requested.
        *self = Self {
            in_flight: self.in_flight,
            ..Self::default()
        };
    }

    /// Forgets all positions, because the server has another chat now.
    pub(super) fn restart(&mut self) {
        (self.at, self.origin, self.found) = (None, None, None);
        self.again();
    }

    /// Edits the query and restarts the search from its origin. Returns whether the text changed:
    /// moving the caret does not change it.
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

    /// Searches for the next match in a direction. Returns a page to request from the server.
    pub(super) fn step(
        &mut self,
        timeline: &mut Timeline,
        direction: Direction,
    ) -> Option<HistoryPage> {
        timeline.highlight(self.needle.clone());
        // Pressing the key once more at the end is how the user asks for the other end.
        let at_end = self.outcome == SearchOutcome::NoMore && self.direction == direction;
        self.again();
        self.direction = direction;
        if self.needle.is_empty() {
            return None;
        }
        if at_end {
            return self.wrap(timeline);
        }
        self.search_loaded(timeline)
    }

    /// Searches the loaded part, then requests the page beyond it.
    fn search_loaded(&mut self, timeline: &mut Timeline) -> Option<HistoryPage> {
        if let Some(found) = timeline.find(&self.needle, self.at, self.direction) {
            self.finds(timeline, found);
            return None;
        }
        let (low, high) = timeline.ends();
        let page = if self.direction == Direction::Older {
            low.map(HistoryPage::Before)
        } else {
            high.map(HistoryPage::After)
        };
        self.ask(page, timeline)
    }

    /// Continues from the other end of the chat.
    fn wrap(&mut self, timeline: &mut Timeline) -> Option<HistoryPage> {
        self.wrapped = true;
        self.at = None;
        if self.direction == Direction::Older {
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

    /// Requests a page; without one, this end of the chat is reached.
    fn ask(&mut self, page: Option<HistoryPage>, timeline: &mut Timeline) -> Option<HistoryPage> {
        self.wanted = page;
        if page.is_some() {
            self.outcome = SearchOutcome::Asking;
            return self.next();
        }
        if self.found.is_some() && !self.wrapped {
            self.outcome = SearchOutcome::NoMore;
        } else if self.wrapped || (self.origin.is_none() && self.direction == Direction::Older) {
            self.outcome = SearchOutcome::Nothing;
        } else {
            // The part on the other side of the origin has not been searched.
            return self.wrap(timeline);
        }
        None
    }

    /// The page to request now, if none is in flight.
    fn next(&mut self) -> Option<HistoryPage> {
        if self.in_flight.is_some() {
            return None;
        }
        // One page at a time: each is up to a thousand events, and most queries that are typed
        // quickly never need theirs.
        self.in_flight = self.wanted;
        self.wanted
    }

    /// Whether this page was requested by the search.
    pub(super) fn awaits(&self, page: HistoryPage) -> bool {
        self.in_flight == Some(page)
    }

    /// Searches a page if the search requested it. Returns the next page to request.
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
        // The query has changed since; its own page is requested now.
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
        let hit = if self.direction == Direction::Older {
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
        // A page that leads to itself would be requested without end.
        self.ask(beyond.filter(|beyond| *beyond != page), timeline)
    }

    /// The page after this one in the direction of the search, if it is of any use.
    fn beyond(&self, events: &[Event], start: bool) -> Option<HistoryPage> {
        let (first, last) = (events.first()?.position, events.last()?.position);
        // The rest was searched before the search continued from the other end.
        let done = self.wrapped
            && self.found.is_none()
            && self.origin.is_some_and(|SearchOrigin { position, .. }| {
                if self.direction == Direction::Older {
                    first <= position
                } else {
                    last >= position
                }
            });
        match self.direction {
            _ if done => None,
            Direction::Older => (!start).then_some(HistoryPage::Before(first)),
            Direction::Newer => Some(HistoryPage::After(last)),
        }
    }
}
