//! Whatever is typed, pasted, received and resized, nothing panics, and every size can be drawn.

use std::time::Duration;

use chitty_app::{
    Edited, Input, Mouse,
    testing::{TestApp, at, default_keys, welcome},
};
use chitty_chat::{Event, EventKind, LeftReason, ParticipantNumber};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::{buffer::Buffer, layout::Rect};

use super::{Theme, render};
use crate::session::{Ended, HistoryPage, Link, NameRefusal, Notice, Ticket};

fn key() -> impl Strategy<Value = Input> {
    let bound = default_keys();
    let plain = |code| Input::Key(KeyEvent::new(code, KeyModifiers::NONE));
    prop_oneof![
        prop::sample::select(bound).prop_map(Input::Key),
        any::<char>().prop_map(move |c| plain(KeyCode::Char(c))),
        Just(plain(KeyCode::Enter)),
    ]
}

fn event() -> impl Strategy<Value = Notice> {
    let text = prop_oneof![
        any::<String>(),
        any::<String>().prop_map(|deed| format!("/me {deed}")),
        "[a-z ]{0,200}",
    ];
    (
        0..4_u8,
        any::<String>(),
        text,
        any::<u64>(),
        0..300_u64,
        (prop::option::of(0..5_u64), any::<bool>()),
    )
        .prop_map(
            |(kind, name, text, lamport, position, (own, live))| Notice::Event {
                event: Event {
                    position: position.into(),
                    lamport: lamport.into(),
                    at: at(position * 1000),
                    request: 0.into(),
                    kind: match kind {
                        0 => EventKind::Joined {
                            name: name.into(),
                            member: None,
                        },
                        1 => EventKind::Left {
                            name: name.into(),
                            reason: LeftReason::Lost,
                            participant: ParticipantNumber::new(position),
                        },
                        2 => EventKind::Message {
                            author: name.into(),
                            text: text.into(),
                            id: "".into(),
                            seen: 0.into(),
                            participant: ParticipantNumber::new(1),
                            member: None,
                        },
                        _ => EventKind::Unknown,
                    },
                },
                clock: lamport.into(),
                own: own.map(Ticket),
                live,
            },
        )
}

fn notice() -> impl Strategy<Value = Notice> {
    let link = prop_oneof![
        Just(Link::Live),
        Just(Link::StartingServer),
        any::<u64>().prop_map(|remaining| Link::CatchingUp { remaining }),
        (any::<String>(), 0..5000_u64).prop_map(|(reason, wait)| Link::Lost {
            reason,
            retry_in: Duration::from_millis(wait),
        }),
    ];
    prop_oneof![
        8 => event(),
        2 => link.prop_map(Notice::Link),
        2 => (any::<String>(), 1..300_u64, any::<bool>()).prop_map(|(name, position, another)| {
            let mut welcome = welcome(&name, position, &[(position, &name)]);
            welcome.next = position.into();
            welcome.another_log = another;
            Notice::Welcome(welcome)
        }),
        1 => (any::<String>(), any::<String>()).prop_map(|(name, reason)| Notice::Refused(NameRefusal {
            name,
            reason,
            retry_in: Some(Duration::from_secs(1)),
        })),
        1 => (0..5_u64, any::<String>()).prop_map(|(ticket, reason)| Notice::Rejected {
            ticket: Ticket(ticket),
            reason,
        }),
        2 => (prop::collection::vec(event(), 0..5), 0..300_u64, any::<bool>(), any::<bool>()).prop_map(
            |(events, position, before, start)| Notice::History {
                page: if before {
                    HistoryPage::Before(position.into())
                } else {
                    HistoryPage::At(1.into())
                },
                events: Ok(events
                    .into_iter()
                    .filter_map(|notice| match notice {
                        Notice::Event { event, .. } => Some(event),
                        _ => None,
                    })
                    .collect()),
                start,
            }
        ),
        1 => any::<String>().prop_map(|why| Notice::Ended(Ended::Removed(why))),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let size = prop_oneof![(0..30_u16, 0..12_u16), (0..250_u16, 0..70_u16)];
    prop_oneof![
        8 => key(),
        6 => notice().prop_map(Input::Session),
        1 => any::<String>().prop_map(Input::Paste),
        1 => any::<Result<String, String>>().prop_map(|edited| {
            Input::Edited(edited.map(|text| Edited { text, whole: None }))
        }),
        1 => Just(Input::NoShell),
        2 => size.prop_map(|(width, height)| Input::Resize(width, height)),
        1 => prop_oneof![
            (0..90_u16, 0..30_u16).prop_map(|(x, y)| Mouse::WheelUp(x, y)),
            (0..90_u16, 0..30_u16).prop_map(|(x, y)| Mouse::WheelDown(x, y)),
            (0..90_u16, 0..30_u16).prop_map(|(x, y)| Mouse::Press(x, y)),
        ]
        .prop_map(Input::Mouse),
        1 => Just(Input::Tick),
        1 => any::<bool>().prop_map(Input::Focus),
    ]
}

proptest! {
    #[test]
    fn nothing_panics(
        joined: bool,
        inputs in prop::collection::vec((input(), 0..2000_u64), 0..80),
        (width, height) in (0..100_u16, 0..40_u16),
    ) {
        let mut driver = if joined { TestApp::joined(80, 24) } else { TestApp::new(80, 24) };
        for (input, wait) in inputs {
            driver.now += Duration::from_millis(wait);
            driver.input(input);
            let woken = driver.app.next_wake();
            // The terminal may already have another size than the app knows.
            for area in [driver.app.panes().screen, Rect::new(0, 0, width, height)] {
                let mut buffer = Buffer::empty(area);
                let mut links = Vec::new();
                let caret = render(&driver.app, Theme::new(true), &mut buffer, &mut links);
                prop_assert!(caret.is_none_or(|caret| area.contains(caret)));
                let bad = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
                prop_assert!(!buffer.content().iter().any(|cell| cell.symbol().contains(bad)));
            }
            prop_assert_eq!(driver.app.next_wake(), woken, "drawing changes nothing");
        }
    }
}
