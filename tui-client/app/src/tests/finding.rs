//! Searches and mentions, through the whole app.

use std::time::Duration;

use chitty_chat::LamportTime;
use crossterm::event::{KeyCode, KeyModifiers};

use super::super::{search::SearchOutcome, testing::*, *};
use crate::port::{HistoryPage, Notice};

const CTRL: KeyModifiers = KeyModifiers::CONTROL;

/// In a chat of a thousand events, of which the last hundred are loaded.
fn driver() -> TestApp {
    TestApp::late(line)
}

fn line(position: u64) -> chitty_chat::Event {
    let text = match position {
        3 => "the first coffee of all".to_owned(),
        950 => "coffee again".to_owned(),
        960 => "one Caf\u{e9} or another".to_owned(),
        _ => format!("line {position}"),
    };
    message(position, position * 4, "bob", &text)
}

fn asked(driver: &mut TestApp) -> Vec<HistoryPage> {
    driver.asked(|limit| limit == search::PAGE)
}

fn search_for(driver: &mut TestApp, text: &str) {
    driver.key(KeyCode::Char('f'), CTRL);
    driver.type_in(text);
}

fn before(position: u64) -> HistoryPage {
    HistoryPage::Before(position.into())
}

#[test]
fn a_term_that_comes_in_a_burst_asks_for_one_page_and_is_found_in_it() {
    let mut driver = driver();
    search_for(&mut driver, "the first");
    assert_eq!(
        asked(&mut driver),
        [before(901)],
        "each letter waits for it"
    );
    assert_eq!(driver.app.search().outcome(), &SearchOutcome::Asking);
    driver.answer(before(901), 101..901, line);
    assert_eq!(asked(&mut driver), [before(101)]);
    driver.type_in(" coff");
    assert_eq!(asked(&mut driver), []);
    // The earlier query requested it.
    driver.answer(before(101), 1..101, line);
    assert_eq!(driver.selected(), Some(3));
    assert_eq!(driver.app.search().outcome(), &SearchOutcome::Found);
}

#[test]
fn a_search_that_is_opened_again_waits_for_the_page_that_is_under_way() {
    let mut driver = driver();
    search_for(&mut driver, "tea");
    assert_eq!(asked(&mut driver), [before(901)]);
    driver.press(KeyCode::Esc);
    search_for(&mut driver, "first");
    assert_eq!(asked(&mut driver), []);
    driver.answer(before(901), 1..901, line);
    assert_eq!(driver.selected(), Some(3));
}

#[test]
fn nothing_and_no_more_and_the_other_end_are_told_apart() {
    let mut driver = driver();
    search_for(&mut driver, "coffee");
    assert_eq!(driver.selected(), Some(950));
    driver.press(KeyCode::Up);
    driver.answer(before(901), 1..901, line);
    assert_eq!(driver.selected(), Some(3));
    driver.press(KeyCode::Up);
    assert_eq!(driver.app.search().outcome(), &SearchOutcome::NoMore);
    assert_eq!(driver.selected(), Some(3), "there it stays");
    driver.press(KeyCode::Up);
    assert_eq!(driver.app.search().outcome(), &SearchOutcome::Wrapped);
    assert_eq!(driver.selected(), Some(950));
    // The other direction.
    driver.press(KeyCode::Down);
    assert_eq!(driver.app.search().outcome(), &SearchOutcome::NoMore);
    driver.press(KeyCode::Down);
    if driver.app.search().outcome() == &SearchOutcome::Asking {
        driver.answer(HistoryPage::At(LamportTime::new(1)), 1..901, line);
    }
    assert_eq!(driver.app.search().outcome(), &SearchOutcome::Wrapped);
    assert_eq!(driver.selected(), Some(3));
    driver.type_in(" that nobody had");
    driver.answer(before(901), 1..901, line);
    assert_eq!(driver.app.search().outcome(), &SearchOutcome::Nothing);
}

#[test]
fn the_only_one_is_said_to_be_that() {
    let mut driver = TestApp::joined(80, 24);
    driver.event(message(3, 11, "bob", "tea"));
    search_for(&mut driver, "tea");
    driver.press(KeyCode::Enter);
    driver.press(KeyCode::Char('n'));
    let hint = |driver: &TestApp| driver.app.hint().map(|hint| hint.text.clone());
    assert_eq!(
        hint(&driver).as_deref(),
        Some("No older line has \"tea\": n again goes on from the newest")
    );
    driver.press(KeyCode::Char('n'));
    assert_eq!(hint(&driver).as_deref(), Some("No other line has \"tea\""));
    assert_eq!(driver.selected(), Some(3));
}

#[test]
fn who_reads_further_up_finds_what_was_said_below() {
    let mut driver = driver();
    for _ in 0..4 {
        driver.press(KeyCode::PageUp);
    }
    let last = |driver: &TestApp| {
        driver
            .app
            .timeline()
            .visible()
            .0
            .last()
            .and_then(|block| block.position)
    };
    let bottom = last(&driver);
    driver.effects();
    search_for(&mut driver, "ada");
    assert_eq!(asked(&mut driver), [before(901)]);
    driver.answer(before(901), 1..901, line);
    assert_eq!(driver.selected(), Some(1000), "her joining");
    assert_eq!(driver.app.search().outcome(), &SearchOutcome::Wrapped);
    driver.type_in(" or nobody");
    driver.answer(before(901), 1..901, line);
    assert_eq!(driver.app.search().outcome(), &SearchOutcome::Nothing);
    assert_eq!(last(&driver), bottom, "back there");
    assert_eq!(driver.selected(), None);
    driver.press(KeyCode::Esc);
    assert_eq!(last(&driver), bottom);
}

#[test]
fn a_find_has_what_is_around_it_and_nothing_is_dimmed() {
    let mut driver = driver();
    search_for(&mut driver, "line 910");
    let (blocks, _) = driver.app.timeline().visible();
    let at = |wanted: u64| {
        let wanted = Some(wanted.into());
        blocks.iter().position(|block| block.position == wanted)
    };
    let find = at(910).expect("on screen");
    assert!(
        find >= 5 && blocks.len() - find > 5,
        "{find} of {}",
        blocks.len()
    );
    assert!(blocks.iter().all(|block| block.relation.is_none()));
    // A line that is selected by hand is compared with the others.
    driver.press(KeyCode::Enter);
    driver.press(KeyCode::Up);
    let (blocks, _) = driver.app.timeline().visible();
    assert!(blocks.iter().any(|block| block.relation.is_some()));
}

#[test]
fn letters_are_found_however_they_are_written() {
    let mut driver = driver();
    search_for(&mut driver, "CAFE\u{301}");
    assert_eq!(driver.selected(), Some(960));
    driver.press(KeyCode::Esc);
    driver.event(message(1001, 4100, "bob", "ΟΔΟΣ"));
    search_for(&mut driver, "οδος");
    assert_eq!(driver.selected(), Some(1001));
}

/// In the chat under this name, with bob.
fn named(name: &str) -> TestApp {
    let mut driver = TestApp::joined(80, 24);
    let again = welcome(name, 2, &[(1, "bob"), (2, name)]);
    driver.notice(Notice::Welcome(again));
    driver.effects();
    driver
}

#[test]
fn a_name_is_known_however_others_write_it() {
    for (name, said) in [
        ("Rene\u{301}", "REN\u{c9}, hi"),
        ("Νίκος", "ΝΊΚΟΣ;"),
        ("Strauß", "hi STRAUSS"),
    ] {
        let mut driver = named(name);
        driver.input(Input::Focus(false));
        driver.event(message(3, 11, "bob", said));
        assert!(driver.effects().contains(&Effect::Bell), "{name} in {said}");
        let (blocks, _) = driver.app.timeline().visible();
        assert!(!blocks.last().expect("a line").marks.is_empty(), "{name}");
    }
}

fn scrolled_up() -> TestApp {
    let mut driver = TestApp::joined(80, 24);
    for n in 3..60 {
        driver.event(message(n, n * 4, "bob", "hm"));
    }
    driver.press(KeyCode::PageUp);
    driver.effects();
    driver
}

#[test]
fn who_reads_further_up_hears_of_being_spoken_to() {
    let mut driver = scrolled_up();
    driver.event(message(60, 300, "bob", "nobody"));
    assert_eq!(driver.effects(), []);
    driver.event(message(61, 304, "bob", "ada?"));
    assert_eq!(driver.effects(), [Effect::Bell]);
    driver.event(message(62, 308, "bob", "ADA!"));
    assert_eq!(driver.effects(), [], "not all the time");
    let below = driver
        .app
        .timeline()
        .below()
        .expect("there are newer lines");
    assert_eq!((below.new, below.mentions), (3, 2));
    // The user's own name in an own line is no mention.
    driver.event(message(63, 312, "ada", "I am ada"));
    assert_eq!(
        driver.app.timeline().below().map(|below| below.mentions),
        Some(2)
    );
    driver.press(KeyCode::End);
    driver.press(KeyCode::PageUp);
    assert_eq!(
        driver.app.timeline().below().map(|below| below.mentions),
        Some(0)
    );
    driver.app.options.bell = false;
    driver.now = Duration::from_secs(60);
    driver.event(message(64, 316, "bob", "ada?"));
    assert_eq!(driver.effects(), [], "as configured");
}

#[test]
fn a_mention_behind_the_diagram_or_the_help_is_heard() {
    for key in [KeyCode::F(2), KeyCode::F(1)] {
        let mut driver = TestApp::joined(80, 24);
        driver.press(key);
        driver.effects();
        driver.event(message(3, 11, "bob", "ada?"));
        assert_eq!(driver.effects(), [Effect::Bell], "{key}");
        if key == KeyCode::F(2) {
            assert_eq!(driver.app.covered_mentions(), 1);
            driver.press(key);
            assert_eq!(driver.app.covered_mentions(), 0);
        }
    }
}

#[test]
fn the_participants_are_scrolled_by_keys_and_by_the_wheel_over_them() {
    let mut driver = TestApp::joined(80, 24);
    for n in 3..80 {
        driver.event(joined(n, n * 4, &format!("guest-{n:02}")));
    }
    driver.input(Input::Mouse(Mouse::WheelDown(70, 5)));
    assert_eq!(driver.app.participants().top(), 3);
    assert_eq!(driver.app.timeline().below(), None);
    driver.input(Input::Mouse(Mouse::WheelUp(10, 5)));
    assert!(driver.app.timeline().below().is_some(), "over the messages");
    assert_eq!(driver.app.participants().top(), 3);
    driver.input(Input::Mouse(Mouse::WheelUp(70, 5)));
    assert_eq!(driver.app.participants().top(), 0);
    for _ in 0..9 {
        driver.key(KeyCode::PageDown, KeyModifiers::ALT);
    }
    let end = driver.app.participants().top();
    assert!(end > 50, "{end}");
    driver.key(KeyCode::PageDown, KeyModifiers::ALT);
    assert_eq!(driver.app.participants().top(), end);
    for _ in 0..9 {
        driver.key(KeyCode::PageUp, KeyModifiers::ALT);
    }
    assert_eq!(driver.app.participants().top(), 0);
    driver.press(KeyCode::F(3));
    driver.key(KeyCode::PageDown, KeyModifiers::ALT);
    assert!(
        driver
            .app
            .hint()
            .is_some_and(|hint| hint.text.contains("/who"))
    );
}

#[test]
fn who_lists_two_hundred_at_any_size() {
    for (width, height) in [(80, 24), (40, 12), (200, 60)] {
        let mut driver = TestApp::joined(width, height);
        let names: Vec<_> = (0..200)
            .map(|n| format!("participant-number-{n:03}"))
            .collect();
        for (n, name) in (3..).zip(&names) {
            driver.event(joined(n, n * 4, name));
        }
        driver.say("/who");
        let mut seen = std::collections::HashSet::new();
        for _ in 0..300 {
            let (blocks, above) = driver.app.timeline().visible();
            // The rows on screen.
            let rows: Vec<String> = blocks
                .iter()
                .filter(|block| {
                    block.text.contains("present: ") || block.text.contains("participant-")
                })
                .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
                .collect();
            let page = usize::from(driver.app.panes().messages.height);
            seen.extend(rows.into_iter().skip(above).take(page));
            driver.key(KeyCode::Up, KeyModifiers::SHIFT);
        }
        let all: String = seen.into_iter().collect();
        for name in names {
            assert!(all.contains(&name), "{name} at {width}x{height}");
        }
    }
}

#[test]
fn a_search_that_has_gone_far_leads_back() {
    let mut driver = driver();
    for _ in 0..3 {
        driver.press(KeyCode::PageUp);
    }
    let last = |driver: &TestApp| {
        let blocks = driver.app.timeline().visible().0;
        blocks.last().and_then(|block| block.position)
    };
    let here = last(&driver).expect("an event");
    driver.effects();
    search_for(&mut driver, "the first");
    driver.notice(Notice::History {
        page: before(901),
        start: false,
        events: Err("busy".into()),
    });
    assert_eq!(
        driver.app.search().outcome(),
        &SearchOutcome::Failed("busy".into())
    );
    driver.press(KeyCode::Up);
    // Two pages further up, which do not meet the loaded part.
    driver.answer(before(901), 500..901, line);
    driver.answer(before(500), 1..100, line);
    assert_eq!(driver.selected(), Some(3));
    driver.effects();
    driver.press(KeyCode::Esc);
    let page = HistoryPage::At(LamportTime::new(4 * here.get()));
    let effects = driver.effects();
    let asks = |effect: &Effect| matches!(effect, Effect::Session(SessionCommand::History { page: asked, .. }) if *asked == page);
    assert!(effects.iter().any(asks), "{effects:?}");
    driver.answer(page, 800..1000, line);
    assert_eq!(driver.selected(), None);
    let (blocks, _) = driver.app.timeline().visible();
    assert!(blocks.iter().any(|block| block.position == Some(here)));
}
