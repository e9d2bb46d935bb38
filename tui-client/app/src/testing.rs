//! Support for the tests of the app and of the view.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chitty_chat::{Event, EventKind, LeftReason, ParticipantNumber, Position};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;

use super::{
    App, Effect, Input, InputTime, Settings,
    keys::{Action, KeyChange, KeyChord, KeyContext, Keymap},
    options::Options,
};
use crate::port::{HistoryPage, Notice, SessionCommand, Ticket, WelcomeNotice};

/// Monday 23 November 2026, 14:03 UTC, and half a minute per position.
pub fn at(position: u64) -> SystemTime {
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
pub fn joined(position: u64, lamport: u64, name: &str) -> Event {
    let name = name.into();
    event(position, lamport, EventKind::Joined { name, member: None })
}

/// The end of the participation with this number, which is the position of its Joined.
pub fn left(position: u64, lamport: u64, name: &str, number: u64) -> Event {
    let kind = EventKind::Left {
        name: name.into(),
        reason: LeftReason::Left,
        participant: ParticipantNumber::new(number),
    };
    event(position, lamport, kind)
}

/// A message for tests in which it does not matter what its author had seen.
pub fn message(position: u64, lamport: u64, author: &str, text: &str) -> Event {
    let author = TestAuthor {
        number: 1,
        name: author,
    };
    author.says(text).position(position).time(lamport).into()
}

/// A participant whose messages a test spells out.
#[derive(Clone, Copy)]
pub struct TestAuthor<'a> {
    /// The number of the participation: the position of its Joined.
    pub number: u64,
    /// The name.
    pub name: &'a str,
}

/// The other one who is there when ada joins.
pub const BOB: TestAuthor<'_> = TestAuthor {
    number: 1,
    name: "bob",
};

/// The user of the app.
pub const ADA: TestAuthor<'_> = TestAuthor {
    number: 2,
    name: "ada",
};

/// A message, before it is an event.
#[must_use]
#[derive(Clone, Copy)]
pub struct TestMessage<'a> {
    author: TestAuthor<'a>,
    text: &'a str,
    position: u64,
    time: u64,
    seen: u64,
}

impl<'a> TestAuthor<'a> {
    /// A message with this text, whose numbers are all 0 until they are set.
    pub fn says(self, text: &'a str) -> TestMessage<'a> {
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
    /// Sets the position in the log.
    pub fn position(self, position: u64) -> Self {
        Self { position, ..self }
    }

    /// Sets the Lamport time.
    pub fn time(self, time: u64) -> Self {
        Self { time, ..self }
    }

    /// Sets the position up to which the author had received everything.
    pub fn seen(self, seen: u64) -> Self {
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
            member: None,
        };
        event(message.position, message.time, kind)
    }
}

/// The Welcome of a first Join at this position, with those who are present.
pub fn welcome(name: &str, position: u64, present: &[(u64, &str)]) -> WelcomeNotice {
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

/// How many colours the names have on the screen of a test.
pub const HUES: usize = 6;

/// The options of a user who has changed keys.
///
/// # Panics
/// If a configuration could not have these keys.
pub fn bound(changes: &[(KeyContext, Action, &[&str])]) -> Options {
    let change = |&(context, action, keys): &(KeyContext, Action, &[&str])| KeyChange {
        context,
        binding: context
            .bindings()
            .find(|binding| binding.action == action)
            .expect("the action has keys"),
        keys: keys
            .iter()
            .map(|keys| keys.parse().expect("keys"))
            .collect(),
    };
    let changes: Vec<_> = changes.iter().map(change).collect();
    Options {
        keys: Keymap::with(&changes).expect("keys without conflicts"),
        ..Options::default()
    }
}

/// Every key that does something by default, by itself or with others.
pub fn default_keys() -> Vec<KeyEvent> {
    let map = Keymap::default();
    let all = map
        .all(KeyContext::Chat)
        .chain(map.all(KeyContext::Selected));
    let keys = all.flat_map(|(_, keys)| [keys.first].into_iter().chain(keys.then));
    keys.map(KeyChord::event).collect()
}

/// An app that a test drives.
pub struct TestApp {
    /// The app.
    pub app: App,
    /// The time since the start.
    pub now: Duration,
    /// The effects that no test has taken yet.
    pub effects: Vec<Effect>,
    /// Events from this position on are live, as the session decides it by the last Welcome.
    live_from: Position,
}

impl TestApp {
    /// On the join screen, with the name "ada" offered.
    pub fn new(width: u16, height: u16) -> Self {
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

    /// In its first state, with these settings.
    pub fn with(settings: Settings) -> Self {
        let (mut app, effects) = App::new(settings);
        app.paint(HUES);
        Self {
            app,
            now: Duration::ZERO,
            effects,
            live_from: Position::ZERO,
        }
    }

    /// As ada, in the chat with bob.
    pub fn joined(width: u16, height: u16) -> Self {
        Self::configured(width, height, Options::default())
    }

    /// The same with other preferences.
    pub fn configured(width: u16, height: u16, options: Options) -> Self {
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
    pub fn late(line: fn(u64) -> Event) -> Self {
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
    pub fn asked(&mut self, which: fn(u32) -> bool) -> Vec<HistoryPage> {
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
    pub fn answer(&mut self, page: HistoryPage, positions: Range<u64>, line: fn(u64) -> Event) {
        self.notice(Notice::History {
            page,
            start: positions.start == 1,
            events: Ok(positions.map(line).collect()),
        });
    }

    /// The position of the selected line.
    pub fn selected(&self) -> Option<u64> {
        self.app.timeline().selected_position().map(Position::get)
    }

    /// No line is selected any more.
    pub fn deselect(&mut self) {
        self.app.timeline_mut().deselect();
    }

    /// The size of all lines that the app keeps, in bytes.
    pub fn kept_bytes(&self) -> usize {
        self.app.timeline().bytes()
    }

    /// Something happens, at the time of `now`.
    pub fn input(&mut self, input: Input) {
        let now = InputTime {
            mono: self.now,
            wall: at(100),
        };
        self.effects.extend(self.app.update(input, now));
    }

    /// A key without modifiers.
    pub fn press(&mut self, code: KeyCode) {
        self.key(code, KeyModifiers::NONE);
    }

    /// A key.
    pub fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.input(Input::Key(KeyEvent::new(code, modifiers)));
    }

    /// Each character is a key.
    pub fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// Types a line and sends it.
    pub fn say(&mut self, text: &str) {
        self.type_in(text);
        self.press(KeyCode::Enter);
    }

    /// The session tells the app something.
    pub fn notice(&mut self, notice: Notice) {
        if let Notice::Welcome(welcome) = &notice {
            self.live_from = welcome.position;
        }
        self.input(Input::Session(notice));
    }

    /// The server lets the user in, and those are present; the last one is the user.
    pub fn welcome(&mut self, present: &[(u64, &str)]) {
        let position = present.last().map_or(1, |last| last.0);
        self.notice(Notice::Welcome(welcome("ada", position, present)));
        self.notice(Notice::Link(crate::port::Link::Live));
    }

    /// The stream delivers this event.
    pub fn event(&mut self, event: impl Into<Event>) {
        self.own(event, None);
    }

    /// The stream delivers this event, which is the user's own line with this ticket, if any.
    pub fn own(&mut self, event: impl Into<Event>, own: Option<u64>) {
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
    pub fn effects(&mut self) -> Vec<Effect> {
        self.effects.retain(|effect| *effect != Effect::Draw);
        std::mem::take(&mut self.effects)
    }
}
