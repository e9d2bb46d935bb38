//! Scrolling, selecting, searching and alerts, through the whole app.

use std::time::Duration;

use chitty_chat::LamportTime;
use crossterm::event::{KeyCode, KeyModifiers};

use super::super::{testing::*, *};
use crate::port::{HistoryPage, Notice};

/// In a chat of which ada has the events from position 901 to the end.
fn driver() -> TestApp {
    TestApp::late(line)
}

fn line(position: u64) -> chitty_chat::Event {
    let text = match position {
        3 => "the first Coffee of all".to_owned(),
        950 => "coffee again".to_owned(),
        _ => format!("line {position}"),
    };
    message(position, position * 4, "bob", &text)
}

fn asked(driver: &mut TestApp) -> Vec<HistoryPage> {
    driver.asked(|_| true)
}

#[test]
fn scrolling_up_asks_for_older_lines_once() {
    let mut driver = driver();
    driver.press(KeyCode::PageUp);
    let before = HistoryPage::Before(901.into());
    assert_eq!(asked(&mut driver), [before]);
    driver.press(KeyCode::PageUp);
    assert_eq!(asked(&mut driver), []);
    driver.answer(before, 401..901, line);
    assert_eq!(asked(&mut driver), []);
}

#[test]
fn what_is_searched_for_is_found_at_hand_and_then_by_the_server() {
    let mut driver = driver();
    driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
    driver.type_in("COFFEE");
    assert_eq!(driver.selected(), Some(950));
    driver.effects();
    driver.press(KeyCode::Up);
    let before = HistoryPage::Before(901.into());
    assert!(asked(&mut driver).contains(&before));
    driver.answer(before, 101..901, line);
    let before = HistoryPage::Before(101.into());
    assert!(asked(&mut driver).contains(&before));
    driver.answer(before, 1..101, line);
    assert_eq!(driver.selected(), Some(3));
    driver.press(KeyCode::Enter);
    assert!(driver.app.composer().draft().is_empty());
    driver.press(KeyCode::Char('n'));
    assert!(
        driver
            .app
            .hint()
            .is_some_and(|hint| hint.text.contains("No older"))
    );
    assert_eq!(driver.selected(), Some(3));
    driver.press(KeyCode::Char('c'));
    assert!(
        driver
            .effects()
            .contains(&Effect::Copy("the first Coffee of all".into()))
    );
    driver.press(KeyCode::Char('l'));
    assert!(driver.effects().contains(&Effect::Copy("L12".into())));
    driver.press(KeyCode::Esc);
    assert_eq!(driver.effects(), [], "it leaves the line, not the chat");
    driver.press(KeyCode::Enter);
    assert_eq!(driver.app.timeline().below(), None);
}

#[test]
fn what_is_searched_for_is_edited_as_any_line() {
    let mut driver = driver();
    driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
    driver.type_in("the cofee");
    for _ in 0..2 {
        driver.press(KeyCode::Left);
    }
    assert_eq!(driver.app.search().halves(), ("the cof", "ee"));
    driver.type_in("f");
    driver.press(KeyCode::Home);
    driver.key(KeyCode::Char('d'), KeyModifiers::ALT);
    driver.press(KeyCode::Delete);
    assert_eq!(driver.app.search().query(), "coffee");
    assert_eq!(driver.selected(), Some(950));
    driver.press(KeyCode::End);
    driver.key(KeyCode::Char('w'), KeyModifiers::CONTROL);
    assert_eq!(driver.app.search().query(), "");
    driver.key(KeyCode::Char('y'), KeyModifiers::CONTROL);
    assert_eq!(driver.app.search().query(), "coffee");
}

#[test]
fn a_search_that_is_given_up_leaves_one_where_one_was() {
    let mut driver = driver();
    driver.type_in("half a line");
    driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
    driver.type_in("line 92");
    assert_eq!(driver.selected(), Some(929));
    driver.press(KeyCode::Backspace);
    driver.press(KeyCode::Esc);
    assert_eq!(driver.selected(), None);
    assert_eq!(driver.app.composer().draft(), "half a line");
    assert_eq!(driver.app.timeline().below(), None);
}

#[test]
fn one_goes_to_a_lamport_time() {
    let mut driver = driver();
    driver.say("/at L50");
    let page = HistoryPage::At(LamportTime::new(50));
    assert_eq!(asked(&mut driver), [page]);
    driver.answer(page, 1..200, line);
    assert_eq!(driver.selected(), Some(12), "the last one before it");
    let hint = driver.app.hint().map(|hint| hint.text.as_str());
    assert_eq!(hint, Some("No event has the time L50: this is the nearest"));
    driver.press(KeyCode::Char('h'));
    assert_eq!(driver.app.composer().draft(), "h", "typing goes on");
    driver.press(KeyCode::Backspace);
    for wrong in ["/at", "/at x", "/at 0"] {
        driver.say(wrong);
        assert!(
            driver
                .app
                .hint()
                .is_some_and(|hint| hint.tone == Tone::Error)
        );
        driver.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    }
}

#[test]
fn home_goes_to_the_chats_beginning() {
    let mut driver = driver();
    driver.press(KeyCode::Home);
    let page = HistoryPage::At(LamportTime::new(1));
    assert_eq!(asked(&mut driver)[0], page);
    driver.answer(page, 1..200, line);
    let (blocks, above) = driver.app.timeline().visible();
    assert_eq!((blocks[0].position, above), (Some(1.into()), 0));
    driver.key(KeyCode::End, KeyModifiers::CONTROL);
    assert_eq!(driver.app.timeline().below(), None);
}

#[test]
fn who_looks_elsewhere_is_called_when_spoken_to_but_not_all_the_time() {
    let mut driver = driver();
    driver.event(message(1001, 4004, "bob", "ada, are you there?"));
    assert_eq!(driver.effects(), [], "she looks");
    driver.input(Input::Focus(false));
    driver.event(message(1002, 4008, "bob", "hm"));
    assert_eq!(
        driver.effects(),
        [Effect::Title("(1) Chitty-Chat · ada".into())]
    );
    driver.now = Duration::from_secs(10);
    driver.event(message(1003, 4012, "bob", "Ada?\u{1b}]0;x"));
    assert_eq!(
        driver.effects(),
        [
            Effect::Bell,
            Effect::Notify("bob: Ada?␛]0;x".into()),
            Effect::Title("(2!) Chitty-Chat · ada".into())
        ]
    );
    driver.event(message(1004, 4016, "bob", "ADA!"));
    assert_eq!(
        driver.effects(),
        [Effect::Title("(3!) Chitty-Chat · ada".into())]
    );
    driver.input(Input::Focus(true));
    assert_eq!(
        driver.effects(),
        [Effect::Title("Chitty-Chat · ada".into())]
    );
}

#[test]
fn the_mouse_scrolls_selects_and_can_be_given_back() {
    let mut driver = driver();
    driver.input(Input::Mouse(Mouse::WheelUp(5, 5)));
    assert!(driver.app.timeline().below().is_some());
    driver.input(Input::Mouse(Mouse::Press(10, 0)));
    assert!(driver.app.timeline().is_selecting());
    driver.press(KeyCode::Esc);
    driver.input(Input::Mouse(Mouse::WheelDown(5, 5)));
    assert_eq!(driver.app.timeline().below(), None);
    driver.effects();
    driver.press(KeyCode::F(5));
    assert_eq!(driver.effects(), [Effect::Mouse(false)]);
    driver.press(KeyCode::F(5));
    driver.press(KeyCode::F(4));
    assert_eq!(
        driver.effects(),
        [Effect::Mouse(true), Effect::Mouse(false)]
    );
    assert!(driver.app.is_messages_only());
    driver.press(KeyCode::Char('x'));
    assert_eq!(driver.app.composer().draft(), "x");
    assert!(!driver.app.is_messages_only());
}

#[test]
fn who_lists_everybody() {
    let mut driver = TestApp::joined(80, 24);
    driver.say("/who");
    let shown = driver.app.timeline().visible().0;
    let text = format!("{:?}", shown.last().expect("a line"));
    assert!(text.contains("2 present: ada (you), bob"), "{text}");
}

#[test]
fn a_cleared_screen_begins_anew_and_scrolling_up_shows_all() {
    let mut driver = TestApp::joined(80, 24);
    for number in 3..60 {
        driver.event(message(number, 4 * number, "bob", "before"));
    }
    driver.say("/clear");
    assert!(driver.app.timeline().visible().0.is_empty());
    driver.event(message(60, 400, "bob", "after"));
    assert_eq!(driver.app.timeline().visible().0.len(), 1);
    driver.press(KeyCode::PageUp);
    assert!(driver.app.timeline().visible().0.len() > 10);
    driver.press(KeyCode::Esc);
    assert!(driver.app.timeline().visible().0.len() > 10);
}

#[test]
fn search_by_word_opens_the_prompt_with_the_text() {
    let mut driver = TestApp::joined(80, 24);
    driver.event(message(3, 11, "bob", "there is coffee"));
    driver.event(message(4, 15, "bob", "and tea"));
    driver.say("/search coffee");
    assert!(driver.app.search().is_typing());
    assert_eq!(driver.app.search().query(), "coffee");
    assert_eq!(
        driver.app.timeline().selected_position(),
        Some(3.into()),
        "the find"
    );
}

#[test]
fn without_a_backlog_nothing_earlier_is_fetched_before_somebody_scrolls_up() {
    let mut driver = TestApp::with(Settings {
        name: None,
        login: "ada".into(),
        server: "here".into(),
        time_zone: jiff::tz::TimeZone::UTC,
        size: (80, 24),
        backlog: false,
        options: options::Options::default(),
    });
    driver.press(KeyCode::Enter);
    let mut late = welcome("ada", 1000, &[(2, "bob"), (1000, "ada")]);
    late.next = 1000.into();
    driver.notice(Notice::Welcome(late));
    driver.notice(Notice::Link(crate::port::Link::Live));
    driver.event(joined(1000, 4000, "ada"));
    let asks = |driver: &mut TestApp| {
        let history =
            |effect: &Effect| matches!(effect, Effect::Session(SessionCommand::History { .. }));
        driver.effects().iter().any(history)
    };
    assert!(!asks(&mut driver));
    driver.event(message(1001, 4004, "bob", "hello"));
    assert!(!asks(&mut driver));
    driver.press(KeyCode::PageUp);
    assert!(asks(&mut driver));
}

/// The page of `/at` arrives after the user has moved elsewhere.
#[test]
fn a_page_that_is_late_carries_nobody_away() {
    let mut driver = driver();
    let ways: [fn(&mut TestApp); 5] = [
        |driver| driver.key(KeyCode::End, KeyModifiers::CONTROL),
        |driver| driver.press(KeyCode::End),
        |driver| driver.say("hello"),
        |driver| driver.say("/who"),
        |driver| driver.say("/clear"),
    ];
    for (way, go) in ways.iter().enumerate() {
        driver.say("/at 12");
        let page = asked(&mut driver)[0];
        go(&mut driver);
        driver.answer(page, 1..200, line);
        assert_eq!(driver.selected(), None, "{way}");
        assert!(
            driver.app.timeline().below().is_none(),
            "{way}: at the newest line"
        );
    }
    // The next jump works.
    driver.say("/at 12");
    let page = asked(&mut driver)[0];
    driver.answer(page, 1..200, line);
    assert_eq!(driver.selected(), Some(3));
}

#[test]
fn nothing_is_done_to_messages_behind_the_diagram() {
    let mut driver = driver();
    driver.key(KeyCode::Up, KeyModifiers::CONTROL);
    driver.press(KeyCode::F(2));
    driver.effects();
    for mouse in [
        Mouse::WheelUp(5, 5),
        Mouse::WheelDown(5, 5),
        Mouse::Press(10, 3),
    ] {
        driver.input(Input::Mouse(mouse));
    }
    driver.press(KeyCode::Char('c'));
    let timeline = driver.app.timeline();
    assert_eq!((driver.selected(), timeline.below()), (None, None));
    assert_eq!(driver.app.composer().draft(), "c");
    assert_eq!(driver.effects(), [], "nothing is copied");
    driver.press(KeyCode::PageUp);
    assert!(driver.app.diagram().is_none(), "the messages are on screen");
    assert!(driver.app.timeline().below().is_some());
}
