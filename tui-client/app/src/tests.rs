//! The app as a whole: keys and notices in, effects out.

mod finding;
mod leaving;
mod reading;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use jiff::tz::TimeZone;

use super::{testing::*, *};
use crate::port::{ClockCause, Ended, Link, NameRefusal, Notice, Ticket};

fn published(effects: &[Effect]) -> Vec<(u64, &str)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Session(SessionCommand::Publish { ticket, text }) => {
                Some((ticket.0, text.as_str()))
            }
            _ => None,
        })
        .collect()
}

const LEAVE: Effect = Effect::Session(SessionCommand::Leave);

#[test]
fn a_given_name_is_tried_at_once() {
    let mut driver = TestApp::with(Settings {
        name: Some("ada".into()),
        login: "root".into(),
        server: "here".into(),
        time_zone: TimeZone::UTC,
        size: (80, 24),
        backlog: true,
        options: options::Options::default(),
    });
    assert!(
        matches!(&driver.effects()[..], [Effect::Session(SessionCommand::Join { name })] if name.as_str() == "ada")
    );
    driver.welcome(&[(1, "ada")]);
    assert_eq!(driver.app.screen(), ActiveScreen::Chat);
    assert_eq!(driver.app.participants().count(), 1);
}

#[test]
fn a_refused_name_can_be_changed_without_starting_over() {
    let mut driver = TestApp::new(80, 24);
    driver.press(KeyCode::Enter);
    driver.effects();
    driver.notice(Notice::Refused(NameRefusal {
        name: "ada".into(),
        reason: "taken".into(),
        retry_in: None,
    }));
    driver.type_in("2");
    driver.press(KeyCode::Enter);
    assert!(
        matches!(&driver.effects()[..], [Effect::Session(SessionCommand::Join { name })] if name.as_str() == "ada2")
    );
}

#[test]
fn a_name_lost_during_the_chat_is_asked_for_and_the_draft_kept() {
    let mut driver = TestApp::joined(80, 24);
    driver.type_in("half a line");
    driver.notice(Notice::Refused(NameRefusal {
        name: "ada".into(),
        reason: "taken".into(),
        retry_in: None,
    }));
    assert_eq!(driver.app.screen(), ActiveScreen::Join);
    driver.type_in("2");
    driver.press(KeyCode::Enter);
    driver.welcome(&[(1, "bob"), (9, "ada2")]);
    assert_eq!(driver.app.screen(), ActiveScreen::Chat);
    assert_eq!(driver.app.composer().draft(), "half a line");
}

#[test]
fn enter_sends_in_order() {
    let mut driver = TestApp::joined(80, 24);
    driver.say("one");
    driver.say("");
    driver.say("/me waves");
    driver.say("//etc");
    let effects = driver.effects();
    assert_eq!(
        published(&effects),
        [(1, "one"), (2, "/me waves"), (3, "/etc")]
    );
    assert_eq!(driver.app.timeline().pending(), 3);
    driver.own(message(3, 11, "ada", "one"), Some(1));
    assert_eq!(driver.app.timeline().pending(), 2);
}

#[test]
fn what_cannot_be_sent_stays_and_is_explained() {
    for wrong in ["/nonsense", "   ", "/me", &"x".repeat(129)] {
        let mut driver = TestApp::joined(80, 24);
        driver.type_in(wrong);
        driver.press(KeyCode::Enter);
        assert_eq!(driver.effects(), []);
        assert_eq!(driver.app.composer().draft(), wrong);
        assert!(
            driver
                .app
                .hint()
                .is_some_and(|hint| hint.tone == Tone::Error),
            "{wrong}"
        );
        driver.press(KeyCode::Backspace);
        assert_eq!(driver.app.hint(), None);
    }
}

#[test]
fn a_rejected_line_comes_back_with_up() {
    let mut driver = TestApp::joined(80, 24);
    driver.say("one");
    driver.say("two");
    driver.notice(Notice::Rejected {
        ticket: Ticket(1),
        reason: "too fast".into(),
    });
    driver.press(KeyCode::Up);
    assert_eq!(driver.app.composer().draft(), "one");
    assert_eq!(driver.app.timeline().pending(), 1);
}

#[test]
fn a_message_that_comes_leaves_the_draft_alone() {
    let mut driver = TestApp::joined(80, 24);
    driver.type_in("half");
    driver.event(message(3, 11, "bob", "hi"));
    driver.press(KeyCode::Up);
    driver.event(message(4, 12, "bob", "hi"));
    assert_eq!(driver.app.composer().draft(), "half");
}

#[test]
fn esc_leaves_with_a_draft_only_the_second_time() {
    let mut driver = TestApp::joined(80, 24);
    driver.type_in("x");
    driver.press(KeyCode::Esc);
    assert_eq!(driver.effects(), []);
    assert!(driver.app.hint().is_some());
    driver.press(KeyCode::Char('y'));
    driver.press(KeyCode::Esc);
    assert_eq!(driver.effects(), [], "another key has come between");
    assert_eq!(driver.app.composer().draft(), "xy");
    driver.press(KeyCode::Esc);
    assert_eq!(driver.effects(), [LEAVE]);
    driver.notice(Notice::Ended(Ended::Left));
    assert_eq!(driver.effects(), [Effect::Quit(ExitReason::Left)]);
}

#[test]
fn lines_that_would_not_be_sent_are_asked_about() {
    const ESC: (KeyCode, KeyModifiers) = (KeyCode::Esc, KeyModifiers::NONE);
    const CTRL_D: (KeyCode, KeyModifiers) = (KeyCode::Char('d'), KeyModifiers::CONTROL);
    type Way = fn(&mut TestApp);
    let ways: [(Way, _, bool); 3] = [
        (|driver| driver.press(KeyCode::Esc), ESC, true),
        (|driver| driver.say("/quit"), ESC, false),
        (
            |driver| driver.key(KeyCode::Char('d'), KeyModifiers::CONTROL),
            CTRL_D,
            false,
        ),
    ];
    for (way, (code, modifiers), announces) in ways {
        for is_lost in [false, true] {
            let mut driver = TestApp::joined(80, 24);
            driver.say("one");
            if is_lost {
                driver.notice(Notice::Link(Link::Lost {
                    reason: "cut".into(),
                    retry_in: Duration::from_secs(1),
                }));
            } else {
                // Leaving waits for the outcome of one line, not of many.
                driver.say("two");
            }
            driver.effects();
            way(&mut driver);
            assert!(!driver.effects().contains(&LEAVE));
            let hint = driver.app.hint().expect("it asks");
            assert!(hint.text.contains("are not sent"), "{hint:?}");
            driver.key(code, modifiers);
            assert_eq!(driver.effects(), [LEAVE]);
        }
        let mut driver = TestApp::joined(80, 24);
        driver.say("one");
        driver.effects();
        way(&mut driver);
        if announces {
            assert_eq!(driver.effects(), []);
            driver.key(code, modifiers);
        }
        assert_eq!(driver.effects(), [LEAVE], "it goes out before");
    }
}

#[test]
fn an_empty_line_is_left_without_a_warning() {
    let ways: [(KeyCode, KeyModifiers, usize); 3] = [
        (KeyCode::Esc, KeyModifiers::NONE, 2),
        (KeyCode::Char('c'), KeyModifiers::CONTROL, 2),
        (KeyCode::Char('d'), KeyModifiers::CONTROL, 1),
    ];
    for (code, modifiers, presses) in ways {
        let mut driver = TestApp::joined(80, 24);
        for _ in 1..presses {
            driver.key(code, modifiers);
            assert_eq!(driver.effects(), []);
        }
        driver.key(code, modifiers);
        driver.key(code, modifiers);
        assert_eq!(driver.effects(), [LEAVE], "once, whatever is pressed then");
    }
    let mut driver = TestApp::joined(80, 24);
    driver.say("/quit");
    assert_eq!(driver.effects(), [LEAVE]);
    let mut driver = TestApp::joined(80, 24);
    driver.type_in("x");
    driver.input(Input::Leave);
    assert_eq!(driver.effects(), [LEAVE], "a signal does not ask");
}

#[test]
fn ctrl_d_deletes_within_a_line() {
    let mut driver = TestApp::joined(80, 24);
    driver.type_in("ab");
    driver.press(KeyCode::Home);
    driver.key(KeyCode::Char('d'), KeyModifiers::CONTROL);
    assert_eq!(driver.app.composer().draft(), "b");
    assert_eq!(driver.effects(), []);
}

#[test]
fn unsent_lines_are_not_lost_by_one_esc() {
    let mut driver = TestApp::joined(80, 24);
    driver.notice(Notice::Link(Link::Lost {
        reason: "gone".into(),
        retry_in: Duration::from_secs(1),
    }));
    driver.say("important");
    driver.effects();
    driver.press(KeyCode::Esc);
    assert_eq!(driver.effects(), []);
    driver.press(KeyCode::Esc);
    assert_eq!(driver.effects(), [LEAVE]);
}

#[test]
fn leaving_takes_a_second_at_most() {
    let mut driver = TestApp::joined(80, 24);
    driver.now = Duration::from_secs(10);
    driver.press(KeyCode::Esc);
    driver.press(KeyCode::Esc);
    driver.effects();
    assert_eq!(driver.app.next_wake(), Some(Duration::from_secs(11)));
    driver.now = Duration::from_secs(11);
    driver.input(Input::Tick);
    assert_eq!(driver.effects(), [Effect::Quit(ExitReason::Left)]);
}

#[test]
fn esc_closes_the_help_first() {
    let mut driver = TestApp::joined(80, 12);
    driver.say("/help");
    assert_eq!(driver.app.help(), Some(0));
    driver.press(KeyCode::PageDown);
    assert_ne!(driver.app.help(), Some(0));
    driver.press(KeyCode::Esc);
    assert_eq!(driver.app.help(), None);
    assert_eq!(driver.effects(), []);
}

#[test]
fn a_session_that_fails_before_joining_ends_the_client() {
    let mut driver = TestApp::new(80, 24);
    driver.notice(Notice::Ended(Ended::Failed("no server there".into())));
    let outcome = ExitReason::NeverJoined("no server there".into());
    assert_eq!(driver.effects(), [Effect::Quit(outcome)]);
}

#[test]
fn a_session_that_ends_later_is_shown_until_the_user_leaves() {
    let mut driver = TestApp::joined(80, 24);
    driver.notice(Notice::Ended(Ended::TakenOver));
    assert_eq!(driver.effects(), []);
    assert_eq!(driver.app.participants().count(), 0);
    driver.say("hello?");
    assert_eq!(driver.effects(), [], "nothing can be sent");
    assert_eq!(driver.app.composer().draft(), "hello?");
    driver.press(KeyCode::Esc);
    driver.press(KeyCode::Esc);
    assert_eq!(
        driver.effects(),
        [Effect::Quit(ExitReason::Over(Ended::TakenOver))]
    );
}

#[test]
fn the_countdown_wakes_each_second() {
    let mut driver = TestApp::joined(80, 24);
    driver.notice(Notice::Link(Link::Lost {
        reason: "gone".into(),
        retry_in: Duration::from_millis(2500),
    }));
    assert_eq!(driver.app.next_wake(), Some(Duration::from_millis(500)));
    driver.now = Duration::from_millis(500);
    driver.input(Input::Tick);
    assert_eq!(driver.app.next_wake(), Some(Duration::from_millis(1500)));
    driver.now = Duration::from_millis(2500);
    driver.input(Input::Tick);
    assert_eq!(driver.app.next_wake(), None);
    assert_eq!(driver.effects(), []);
    driver.press(KeyCode::Enter);
    assert_eq!(driver.effects(), [Effect::Session(SessionCommand::Hurry)]);
}

#[test]
fn the_clock_shown_is_the_participants_own() {
    let mut driver = TestApp::joined(80, 24);
    driver.event(message(3, 11, "bob", "hi"));
    assert_eq!(driver.app.status().clock().get(), 12);
    driver.notice(Notice::Clock {
        clock: 13.into(),
        moved: ClockCause::Observed,
    });
    assert_eq!(driver.app.status().clock().get(), 13);
}

#[test]
fn only_changes_are_drawn() {
    let mut driver = TestApp::joined(80, 24);
    driver.press(KeyCode::F(12));
    driver.input(Input::Focus(true));
    driver.input(Input::Resize(80, 24));
    assert_eq!(driver.effects, []);
    driver.input(Input::Resize(81, 24));
    assert_eq!(driver.effects, [Effect::Draw]);
    driver.key(KeyCode::Char('l'), KeyModifiers::CONTROL);
    assert!(driver.effects.contains(&Effect::Repaint));
}

#[test]
fn what_was_missed_is_counted_once_it_is_read() {
    let mut driver = TestApp::joined(80, 24);
    let mut back = welcome("ada", 2, &[]);
    back.participants = None;
    (back.next, back.head) = (3.into(), 4.into());
    driver.notice(Notice::Welcome(back));
    for position in [3, 4] {
        driver.notice(Notice::Event {
            event: message(position, 4 * position, "bob", "hi"),
            clock: (4 * position + 1).into(),
            own: None,
            live: true,
        });
    }
    let notes = |driver: &TestApp| {
        let (blocks, _) = driver.app.timeline().visible();
        blocks
            .iter()
            .filter(|block| block.kind == timeline::BlockKind::Notice)
            .map(|block| block.lines().collect::<String>())
            .collect::<Vec<_>>()
    };
    assert_eq!(notes(&driver), [""; 0]);
    driver.notice(Notice::Link(Link::Live));
    assert_eq!(notes(&driver), ["Caught up: 2 events came meanwhile."]);
    driver.notice(Notice::Link(Link::Live));
    assert_eq!(notes(&driver).len(), 1);
}
