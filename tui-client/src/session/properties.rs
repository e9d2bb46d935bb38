//! Whatever a server says, the session, the app and the screen accept it: nothing panics, what is
//! kept is bounded, and no clock stands still.

use std::time::Duration;

use chitty_app::testing::TestApp;
use chitty_chat::{ParticipantName, Position, proto::v1};
use proptest::prelude::*;
use ratatui::{buffer::Buffer, layout::Rect};
use tokio::sync::mpsc;
use tonic::{Code, Status};

use super::{
    Connector, HistoryPage, Notice, SessionCommand, SessionConfig, bounds, driver::SessionDriver,
    grpc::PublishFailure, history::FetchedPage,
};
use crate::view::{Theme, render};

/// Numbers at the edges of sums and differences, and small ones that fit together.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..12_u64,
        1 => any::<u64>(),
        1 => (0..3_u64).prop_map(|back| u64::MAX - back),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,8}",
        any::<String>(),
        (0..3000_usize).prop_map(|length| "x\u{301}".repeat(length)),
    ]
}

fn timestamp() -> impl Strategy<Value = Option<prost_types::Timestamp>> {
    prop::option::of(
        (any::<i64>(), any::<i32>())
            .prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }),
    )
}

fn event() -> impl Strategy<Value = v1::Event> {
    use v1::event::Kind;

    let kind = prop_oneof![
        text().prop_map(|name| Kind::Joined(v1::Joined { name, member: 0 })),
        (text(), any::<i32>(), number()).prop_map(|(name, reason, participant)| {
            Kind::Left(v1::Left {
                name,
                reason,
                participant,
            })
        }),
        (text(), text(), text(), number(), number()).prop_map(
            |(author, text, id, seen, participant)| {
                Kind::Message(v1::Message {
                    author,
                    text,
                    id,
                    seen,
                    participant,
                    member: 0,
                })
            }
        ),
    ];
    let numbers = (number(), number(), number());
    (numbers, timestamp(), prop::option::of(kind)).prop_map(
        |((position, lamport, request), at, kind)| v1::Event {
            position,
            lamport,
            at,
            kind,
            request,
        },
    )
}

fn welcome() -> impl Strategy<Value = v1::Welcome> {
    let participant =
        (text(), number(), number()).prop_map(|(name, number, seen)| v1::Participant {
            name,
            number,
            seen,
            member: 0,
        });
    (
        (text(), text(), "[ab]{1}"),
        (number(), number(), number(), number(), number()),
        prop::collection::vec(participant, 0..6),
        (any::<bool>(), number()),
    )
        .prop_map(
            |(
                (session, room, epoch),
                (position, lamport, next, head, first),
                participants,
                (resumed, participant),
            )| v1::Welcome {
                session,
                epoch,
                position,
                lamport,
                participants,
                resumed,
                next,
                head,
                first,
                room,
                participant,
                member: 0,
                role: Default::default(),
            },
        )
}

#[derive(Clone, Debug)]
enum ServerMessage {
    Welcome(v1::Welcome),
    Event(v1::Event),
    /// The next event of the log.
    Next(v1::Event),
    Closing(i32, u64, String),
    Page(HistoryPage, u32, Vec<v1::Event>, bool),
    Failed(i32, String, i64, i32),
}

fn said() -> impl Strategy<Value = ServerMessage> {
    let page = prop_oneof![
        number().prop_map(|at| HistoryPage::Before(at.into())),
        number().prop_map(|at| HistoryPage::After(at.into())),
        number().prop_map(|at| HistoryPage::At(at.into())),
    ];
    let events = prop::collection::vec(event(), 0..5);
    prop_oneof![
        2 => welcome().prop_map(ServerMessage::Welcome),
        2 => event().prop_map(ServerMessage::Event),
        6 => event().prop_map(ServerMessage::Next),
        1 => (any::<i32>(), number(), text()).prop_map(|(a, b, c)| ServerMessage::Closing(a, b, c)),
        2 => (page, 1..6_u32, events, any::<bool>())
            .prop_map(|(page, limit, events, start)| ServerMessage::Page(page, limit, events, start)),
        1 => (0..17_i32, text(), any::<i64>(), any::<i32>())
            .prop_map(|(code, text, seconds, nanos)| ServerMessage::Failed(code, text, seconds, nanos)),
    ]
}

/// A status with a `RetryInfo` that no constructor would accept.
fn status(code: i32, text: &str, seconds: i64, nanos: i32) -> Status {
    use prost::Message as _;

    #[derive(Clone, PartialEq, prost::Message)]
    struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        delay: Option<prost_types::Duration>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Details {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(message, repeated, tag = "3")]
        details: Vec<prost_types::Any>,
    }
    let delay = Some(prost_types::Duration { seconds, nanos });
    let info = prost_types::Any {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
        value: RetryInfo { delay }.encode_to_vec(),
    };
    let details = Details {
        code,
        details: vec![info],
    };
    Status::with_details(Code::from(code), text, details.encode_to_vec().into())
}

pub(super) fn driver() -> (SessionDriver, mpsc::Receiver<Notice>) {
    let (_, commands) = mpsc::channel::<SessionCommand>(1);
    let (notices_in, notices) = mpsc::channel(1);
    let config = SessionConfig {
        connector: Connector::new("here", |_| std::future::pending()),
        random: Box::new(|buffer| buffer.fill(7)),
        backlog: 20,
        on_accepted: Box::new(|_| {}),
        span: None,
    };
    let mut driver = SessionDriver::new(config, commands, notices_in);
    driver
        .participant
        .choose(ParticipantName::parse("ada").expect("it is valid"));
    (driver, notices)
}

/// Delivers a message to the session. Returns whether the session continues.
fn deliver(driver: &mut SessionDriver, said: ServerMessage) -> bool {
    use v1::broadcast::Kind;

    let kind = match said {
        ServerMessage::Welcome(welcome) => {
            let mut welcome = v1::Broadcast {
                kind: Some(Kind::Welcome(welcome)),
            };
            bounds::broadcast(&mut welcome);
            if let Some(Kind::Welcome(welcome)) = &welcome.kind {
                driver.welcomed(welcome);
            }
            return driver.check_clock().is_continue();
        }
        ServerMessage::Event(event) => Kind::Event(event),
        ServerMessage::Next(mut event) => {
            event.position = driver.cursor.last().next().get();
            Kind::Event(event)
        }
        ServerMessage::Closing(reason, position, detail) => Kind::Closing(v1::Closing {
            reason,
            position,
            detail,
        }),
        ServerMessage::Page(page, limit, events, start) => {
            let reply = v1::HistoryReply { events, start };
            driver.paged(FetchedPage::answered(page, limit, reply));
            return driver.check_clock().is_continue();
        }
        ServerMessage::Failed(code, text, seconds, nanos) => {
            let status = status(code, &text, seconds, nanos);
            let _ = PublishFailure::of(&status);
            driver
                .participant
                .choose(ParticipantName::parse("ada").expect("it is valid"));
            let goes_on = driver.joined(Err(status)).is_continue();
            driver
                .participant
                .choose(ParticipantName::parse("ada").expect("it is valid"));
            return goes_on;
        }
    };
    let flow = driver.broadcast(Ok(Some(v1::Broadcast { kind: Some(kind) })));
    flow.is_continue() && driver.check_clock().is_continue()
}

proptest! {
    #[test]
    fn whatever_a_server_says_is_taken(
        said in prop::collection::vec(said(), 0..40), width in 0..120_u16, height in 0..30_u16,
    ) {
        let (mut driver, _notices) = driver();
        let mut screen = TestApp::joined(width, height);
        for said in said {
            let before = driver.clock.now();
            let goes_on = deliver(&mut driver, said);
            prop_assert!(driver.clock.now() >= before);
            for notice in std::mem::take(&mut driver.out.waiting) {
                if let Notice::Event { clock, event, .. } = &notice {
                    prop_assert!(*clock >= event.lamport);
                }
                screen.notice(notice);
            }
            let area = Rect::new(0, 0, width, height);
            let mut links = Vec::new();
            render(&screen.app, Theme::new(true), &mut Buffer::empty(area), &mut links);
            if !goes_on {
                break;
            }
        }
        let _ = screen.app.next_wake();
        screen.say("/time");
        prop_assert!(driver.out.waiting.is_empty());
    }

    #[test]
    fn no_status_makes_anybody_wait_for_ever(
        code in 0..17_i32, text in text(), seconds: i64, nanos: i32,
    ) {
        let status = status(code, &text, seconds, nanos);
        let (mut driver, _notices) = driver();
        let _ = driver.joined(Err(status.clone()));
        if let PublishFailure::Wait(wait) = PublishFailure::of(&status) {
            prop_assert!(wait <= bounds::LONGEST_WAIT);
        }
        for notice in &driver.out.waiting {
            let waits = match notice {
                Notice::Refused(refusal) => refusal.retry_in,
                Notice::Link(super::Link::Lost { retry_in, .. }) => Some(*retry_in),
                _ => None,
            };
            prop_assert!(waits.unwrap_or_default() <= bounds::LONGEST_WAIT + Duration::from_secs(5));
        }
    }
}

/// A wait of 2^63 - 1 seconds once made the client panic.
#[test]
fn the_longest_wait_there_is() {
    for (seconds, nanos) in [(i64::MAX, 999_999_999), (i64::MIN, -1), (1, i32::MAX)] {
        let (mut driver, _notices) = driver();
        let refused = driver.joined(Err(status(8, "later", seconds, nanos)));
        assert!(refused.is_continue());
        let failure = PublishFailure::of(&status(8, "later", seconds, nanos));
        assert!(
            matches!(failure, PublishFailure::Wait(wait) if wait <= bounds::LONGEST_WAIT),
            "{failure:?}"
        );
    }
}

/// The session ends rather than let its clock stand still.
#[test]
fn a_server_at_the_end_of_time_ends_the_session() {
    let (mut driver, _notices) = driver();
    let welcome = v1::Welcome {
        epoch: "a".into(),
        next: 1,
        ..Default::default()
    };
    assert!(deliver(&mut driver, ServerMessage::Welcome(welcome)));
    let event = v1::Event {
        lamport: u64::MAX - 2,
        ..Default::default()
    };
    assert!(deliver(&mut driver, ServerMessage::Next(event.clone())));
    assert_eq!(driver.clock.now().get(), u64::MAX - 1);
    assert!(!deliver(&mut driver, ServerMessage::Next(event)));
}

/// 10,000 events with texts of 2 MB once took 837 MB; they take 24 MiB at most.
#[test]
fn what_is_kept_of_events_is_bounded_in_bytes() {
    const BUDGET: usize = 24 << 20;

    let (mut driver, _notices) = driver();
    let mut screen = TestApp::joined(80, 24);
    let welcome = v1::Welcome {
        epoch: "a".into(),
        next: 3,
        ..Default::default()
    };
    deliver(&mut driver, ServerMessage::Welcome(welcome));
    // Long enough to be cut, short enough for a test.
    let text = "é".repeat(4096);
    for position in 3..12_003_u64 {
        let event = v1::Event {
            lamport: position * 2,
            kind: Some(v1::event::Kind::Message(v1::Message {
                author: text.clone(),
                text: text.clone(),
                id: format!("{position}{text}"),
                ..Default::default()
            })),
            ..Default::default()
        };
        deliver(&mut driver, ServerMessage::Next(event));
        for notice in std::mem::take(&mut driver.out.waiting) {
            screen.notice(notice);
        }
    }
    let kept = screen.kept_bytes();
    assert!(kept > 0 && kept < BUDGET, "{kept} bytes");
    assert_eq!(driver.cursor.last(), Position::new(12_002));
}
