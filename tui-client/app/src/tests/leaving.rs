//! Leaving on purpose, and not by accident.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};

use super::super::{
    ActiveScreen, Effect, Input,
    keys::{Action, KeyContext},
    leaving::{ANNOUNCED, REST},
    testing::{TestApp, bound, message},
};
use crate::port::SessionCommand;

const LEAVE: Effect = Effect::Session(SessionCommand::Leave);
const CTRL: KeyModifiers = KeyModifiers::CONTROL;

fn hint(driver: &TestApp) -> &str {
    driver.app.hint().map_or("", |hint| &hint.text)
}

/// Lets time pass, as the main loop does.
fn pass(driver: &mut TestApp, time: Duration) {
    let end = driver.now + time;
    while let Some(wake) = driver.app.next_wake().filter(|wake| *wake <= end) {
        driver.now = wake;
        driver.input(Input::Tick);
    }
    driver.now = end;
}

/// In a chat that is longer than the screen.
fn long_chat() -> TestApp {
    let mut driver = TestApp::joined(80, 12);
    for number in 3..100 {
        driver.event(message(number, 4 * number, "bob", "hello"));
    }
    driver.effects();
    driver
}

#[test]
fn esc_at_rest_announces_that_it_leaves_and_then_does() {
    let mut driver = TestApp::joined(80, 24);
    driver.press(KeyCode::Esc);
    assert_eq!(hint(&driver), "Leaving … any key stays");
    pass(
        &mut driver,
        ANNOUNCED.saturating_sub(Duration::from_millis(1)),
    );
    assert_eq!(driver.effects(), []);
    pass(&mut driver, Duration::from_millis(1));
    assert_eq!(driver.effects(), [LEAVE]);
}

#[test]
fn any_key_stays_and_does_what_it_does() {
    type Way = fn(&mut TestApp);
    let ways: [(Way, &str); 4] = [
        // Like a user who presses Esc and then a letter in place of Alt.
        (|driver| driver.press(KeyCode::Char('b')), "b"),
        (
            |driver| driver.input(Input::Paste("pasted".into())),
            "pasted",
        ),
        (|driver| driver.press(KeyCode::F(24)), ""),
        (|driver| driver.press(KeyCode::Up), ""),
    ];
    for (way, draft) in ways {
        let mut driver = TestApp::joined(80, 24);
        driver.press(KeyCode::Esc);
        way(&mut driver);
        assert_eq!(hint(&driver), "");
        pass(&mut driver, ANNOUNCED * 2);
        assert_eq!(driver.effects(), []);
        assert_eq!(driver.app.composer().draft(), draft);
    }
}

#[test]
fn what_others_say_does_not_stop_an_announced_leave() {
    let mut driver = TestApp::joined(80, 24);
    driver.press(KeyCode::Esc);
    driver.event(message(3, 11, "bob", "wait"));
    pass(&mut driver, ANNOUNCED);
    assert!(driver.effects().contains(&LEAVE));
}

#[test]
fn esc_while_scrolled_up_returns_to_the_newest_line() {
    let mut driver = long_chat();
    driver.press(KeyCode::PageUp);
    assert!(driver.app.timeline().below().is_some());
    driver.press(KeyCode::Esc);
    assert_eq!(driver.app.timeline().below(), None);
    assert_eq!(hint(&driver), "");
    driver.press(KeyCode::Esc);
    assert_eq!(hint(&driver), "", "one press too many");
    pass(&mut driver, ANNOUNCED * 2);
    assert_eq!(driver.effects(), []);
}

#[test]
fn within_a_second_of_having_closed_something_esc_does_nothing_at_rest() {
    type Step = fn(&mut TestApp);
    let esc: Step = |driver| driver.press(KeyCode::Esc);
    let cases: [(&str, Step, Step); 10] = [
        ("help", |driver| driver.press(KeyCode::F(1)), esc),
        (
            "help by another key",
            |driver| driver.press(KeyCode::F(1)),
            |driver| {
                driver.press(KeyCode::Char(' '));
            },
        ),
        ("diagram", |driver| driver.press(KeyCode::F(2)), esc),
        ("bare", |driver| driver.press(KeyCode::F(4)), esc),
        ("search", |driver| driver.key(KeyCode::Char('f'), CTRL), esc),
        (
            "look back",
            |driver| driver.key(KeyCode::Char('r'), CTRL),
            esc,
        ),
        (
            "look back, Ctrl-G",
            |driver| driver.key(KeyCode::Char('r'), CTRL),
            |driver| {
                driver.key(KeyCode::Char('g'), CTRL);
            },
        ),
        ("selection", |driver| driver.key(KeyCode::Up, CTRL), esc),
        ("Ctrl-X", |driver| driver.key(KeyCode::Char('x'), CTRL), esc),
        ("scrolled up", |driver| driver.press(KeyCode::PageUp), esc),
    ];
    for (what, open, close) in cases {
        let mut driver = long_chat();
        open(&mut driver);
        close(&mut driver);
        driver.effects();
        for _ in 0..3 {
            driver.press(KeyCode::Esc);
            assert_eq!(hint(&driver), "", "{what}");
        }
        pass(&mut driver, REST);
        assert_eq!(driver.effects(), [], "{what}");
        driver.press(KeyCode::Esc);
        assert_eq!(hint(&driver), "Leaving … any key stays", "{what}");
        driver.press(KeyCode::Esc);
        assert_eq!(driver.effects(), [LEAVE], "{what}");
    }
}

#[test]
fn a_draft_is_not_left_by_time() {
    let mut driver = TestApp::joined(80, 24);
    driver.type_in("half");
    driver.press(KeyCode::Esc);
    assert!(hint(&driver).contains("not sent"));
    pass(&mut driver, Duration::from_secs(60));
    assert_eq!(driver.effects(), []);
    driver.press(KeyCode::Esc);
    assert_eq!(driver.effects(), [LEAVE]);
}

#[test]
fn the_join_screen_is_left_in_the_same_way() {
    let mut driver = TestApp::new(80, 24);
    driver.effects();
    driver.press(KeyCode::Esc);
    assert_eq!(driver.effects(), []);
    driver.press(KeyCode::Char('b'));
    pass(&mut driver, ANNOUNCED * 2);
    assert_eq!(driver.effects(), []);
    assert_eq!(driver.app.screen(), ActiveScreen::Join);
    driver.press(KeyCode::Esc);
    pass(&mut driver, ANNOUNCED);
    assert_eq!(driver.effects(), [LEAVE]);
}

#[test]
fn without_a_key_that_leaves_there_is_a_word() {
    let options = bound(&[(KeyContext::Chat, Action::Leave, &[])]);
    let mut driver = TestApp::configured(80, 24, options);
    driver.press(KeyCode::Esc);
    driver.press(KeyCode::Esc);
    pass(&mut driver, ANNOUNCED * 2);
    assert_eq!(driver.effects(), []);
    // Leaving waits for the outcome of one line, not of many.
    driver.say("one");
    driver.say("two");
    driver.effects();
    driver.say("/quit");
    assert!(
        hint(&driver).contains("/quit leaves without"),
        "{}",
        hint(&driver)
    );
    assert_eq!(driver.effects(), []);
    driver.say("/quit");
    assert_eq!(driver.effects(), [LEAVE]);
}

#[test]
fn an_offered_name_is_replaced_by_what_is_written() {
    let mut driver = TestApp::new(80, 24);
    assert!(driver.app.join().is_offered());
    driver.type_in("bob");
    assert_eq!(driver.app.join().name(), "bob");

    let mut driver = TestApp::new(80, 24);
    driver.input(Input::Paste("bob".into()));
    assert_eq!(driver.app.join().name(), "bob");

    let mut driver = TestApp::new(80, 24);
    driver.press(KeyCode::End);
    driver.type_in("2");
    assert_eq!(driver.app.join().name(), "ada2", "a moved caret keeps it");

    let mut driver = TestApp::new(80, 24);
    driver.press(KeyCode::Backspace);
    assert_eq!(driver.app.join().name(), "");
}
