//! Support for the tests of the app and of the view.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chitty_chat::{Event, EventKind, LeftReason, ParticipantNumber, Position};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;

use super::{App, Effect, Input, InputTime, Settings, options::Options};
use crate::session::{HistoryPage, Notice, SessionCommand, Ticket, WelcomeNotice};

/// Monday 23 November 2026, 14:03 UTC, and half a minute per position.
pub(crate) fn at(position: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_442_580 + 30 * position)
}

fn event(position: u64, lamport: u64, kind: EventKind) -> Event {
    Event {
        position: position.into(),
        lamport: lamport.into(),
        at: at(position),
        request: lamport.saturating_sub(2).into(),
        kind,
    }
}

/// An event of the chat: its position in the log, then its Lamport time.
pub(crate) fn joined(position: u64, lamport: u64, name: &str) -> Event {
    let name = name.into();
    event(position, lamport, EventKind::Joined { name })
}

/// The end of the participation with this number, which is the position of its Joined.
pub(crate) fn left(position: u64, lamport: u64, name: &str, number: u64) -> Event {
    let kind = EventKind::Left {
        name: name.into(),
        reason: LeftReason::Left,
        participant: ParticipantNumber::new(number),
    };
    event(position, lamport, kind)
}

/// A message for tests in which it does not matter what its author had seen.
pub(crate) fn message(position: u64, lamport: u64, author: &str, text: &str) -> Event {
    let author = TestAuthor {
        number: 1,
        name: author,
    };
    author.says(text).position(position).time(lamport).into()
}

/// A participant whose messages a test spells out.
#[derive(Clone, Copy)]
pub(crate) struct TestAuthor<'a> {
    /// The number of the participation: the position of its Joined.
    pub(crate) number: u64,
    pub(crate) name: &'a str,
}

/// The other one who is there when ada joins.
pub(crate) const BOB: TestAuthor<'_> = TestAuthor {
    number: 1,
    name: "bob",
};

/// The user of the app.
pub(crate) const ADA: TestAuthor<'_> = TestAuthor {
    number: 2,
    name: "ada",
};

/// A message, before it is an event.
#[derive(Clone, Copy)]
pub(crate) struct TestMessage<'a> {
    author: TestAuthor<'a>,
    text: &'a str,
    position: u64,
    time: u64,
    seen: u64,
}

impl<'a> TestAuthor<'a> {
    /// A message with this text, whose numbers are all 0 until they are set.
    pub(crate) fn says(self, text: &'a str) -> TestMessage<'a> {
        TestMessage {
            author: self,
            text,
            position: 0,
            time: 0,
            seen: 0,
        }
    }
}

impl TestMessage<'_> {
    pub(crate) fn position(self, position: u64) -> Self {
        Self { position, ..self }
    }

    /// Sets the Lamport time.
    pub(crate) fn time(self, time: u64) -> Self {
        Self { time, ..self }
    }

    /// Sets the position up to which the author had received everything.
    pub(crate) fn seen(self, seen: u64) -> Self {
        Self { seen, ..self }
    }
}

impl From<TestMessage<'_>> for Event {
    fn from(message: TestMessage<'_>) -> Self {
        let kind = EventKind::Message {
            author: message.author.name.into(),
            text: message.text.into(),
            id: "".into(),
            seen: message.seen.into(),
            participant: ParticipantNumber::new(message.author.number),
        };
        event(message.position, message.time, kind)
    }
}

pub(crate) fn welcome(name: &str, position: u64, present: &[(u64, &str)]) -> WelcomeNotice {
    WelcomeNotice {
        name: name.into(),
        number: ParticipantNumber::new(position),
        participants: Some(
            present
                .iter()
                .map(|&(number, name)| (ParticipantNumber::new(number), Arc::from(name)))
                .collect(),
        ),
        seen: Vec::new(),
        position: position.into(),
        next: 1.into(),
        head: position.into(),
        first: 1.into(),
        clock: 0.into(),
        resumed: false,
        another_log: false,
        server: "127.0.0.1:50051".into(),
    }
}

/// An app that a test drives.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) now: Duration,
    pub(crate) effects: Vec<Effect>,
    /// Events from this position on are live, as the session decides it by the last Welcome.
    live_from: Position,
}

impl TestApp {
    /// On the join screen, with the name "ada" offered.
    pub(crate) fn new(width: u16, height: u16) -> Self {
        Self::liking(width, height, Options::default())
    }

    fn liking(width: u16, height: u16, options: Options) -> Self {
        Self::with(Settings {
            name: None,
            login: "ada".into(),
            server: "127.0.0.1:50051".into(),
            time_zone: TimeZone::UTC,
            size: (width, height),
            backlog: true,
            options,
        })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let (mut app, effects) = App::new(settings);
        app.paint(crate::view::Palette::TERMINAL.names.len());
        Self {
            app,
            now: Duration::ZERO,
            effects,
            live_from: Position::ZERO,
        }
    }

    /// As ada, in the chat with bob.
    pub(crate) fn joined(width: u16, height: u16) -> Self {
        Self::configured(width, height, Options::default())
    }

    /// The same with other preferences.
    pub(crate) fn configured(width: u16, height: u16, options: Options) -> Self {
        let mut driver = Self::liking(width, height, options);
        driver.press(KeyCode::Enter);
        driver.welcome(&[(1, "bob"), (2, "ada")]);
        driver.event(joined(1, 3, "bob"));
        driver.event(joined(2, 7, "ada"));
        driver.effects.clear();
        driver
    }

    /// ada in a chat of a thousand events, of which she has the last hundred; `line` makes the
    /// event at each position.
    pub(crate) fn late(line: fn(u64) -> Event) -> Self {
        let mut driver = Self::new(80, 24);
        driver.press(KeyCode::Enter);
        let mut late = welcome("ada", 1000, &[(2, "bob"), (1000, "ada")]);
        late.next = 901.into();
        driver.notice(Notice::Welcome(late));
        for position in 901..1000 {
            driver.event(line(position));
        }
        driver.event(joined(1000, 4000, "ada"));
        driver.effects();
        driver
    }

    /// The requested pages since the effects were last taken, with a limit for which `which` is
    /// true.
    pub(crate) fn asked(&mut self, which: fn(u32) -> bool) -> Vec<HistoryPage> {
        let effects = self.effects();
        let page = |effect: &Effect| match effect {
            Effect::Session(SessionCommand::History { page, limit }) if which(*limit) => {
                Some(*page)
            }
            _ => None,
        };
        effects.iter().filter_map(page).collect()
    }

    /// Answers this page with the events at these positions.
    pub(crate) fn answer(
        &mut self,
        page: HistoryPage,
        positions: Range<u64>,
        line: fn(u64) -> Event,
    ) {
        self.notice(Notice::History {
            page,
            start: positions.start == 1,
            events: Ok(positions.map(line).collect()),
        });
    }

    /// The position of the selected line.
    pub(crate) fn selected(&self) -> Option<u64> {
        self.app.timeline().selected_position().map(Position::get)
    }

    pub(crate) fn input(&mut self, input: Input) {
        let now = InputTime {
            mono: self.now,
            wall: at(100),
        };
        self.effects.extend(self.app.update(input, now));
    }

    pub(crate) fn press(&mut self, code: KeyCode) {
        self.key(code, KeyModifiers::NONE);
    }

    pub(crate) fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.input(Input::Key(KeyEvent::new(code, modifiers)));
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.type_in(text);
        self.press(KeyCode::Enter);
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        if let Notice::Welcome(welcome) = &notice {
            self.live_from = welcome.position;
        }
        self.input(Input::Session(notice));
    }

    pub(crate) fn welcome(&mut self, present: &[(u64, &str)]) {
        let position = present.last().map_or(1, |last| last.0);
        self.notice(Notice::Welcome(welcome("ada", position, present)));
        self.notice(Notice::Link(crate::session::Link::Live));
    }

    /// The stream delivers this event.
    pub(crate) fn event(&mut self, event: impl Into<Event>) {
        self.own(event, None);
    }

    /// The stream delivers this event, which is the user's own line with this ticket, if any.
    pub(crate) fn own(&mut self, event: impl Into<Event>, own: Option<u64>) {
        let event = event.into();
        let clock = (event.lamport.get() + 1).into();
        let own = own.map(Ticket);
        let live = event.position >= self.live_from;
        self.notice(Notice::Event {
            event,
            clock,
            own,
            live,
        });
    }

    /// The effects so far, except for those about drawing.
    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        self.effects.retain(|effect| *effect != Effect::Draw);
        std::mem::take(&mut self.effects)
    }
}
