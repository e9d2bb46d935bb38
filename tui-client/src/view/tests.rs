//! The screens as text. `INSTA_UPDATE=always cargo test -p chitty` renews them; read the changes.

mod ascii;
mod causality;
mod colours;
mod reading;
mod rebound;

use std::time::Duration;

use chitty_chat::logging::{LogNews, LogTrouble};
use crossterm::event::{KeyCode, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::*;
use crate::{
    app::{
        Input, Settings,
        testing::{TestApp, at, joined, left, message, written},
    },
    session::{Ended, Link, NameRefusal, Notice, Ticket},
};

const SIZES: [(u16, u16); 5] = [(80, 24), (120, 40), (40, 10), (20, 5), (1, 1)];

/// The screen between bars, with wide characters as they look, and the position of the cursor.
pub(super) fn shot(driver: &TestApp, width: u16, height: u16) -> String {
    let theme = Theme::new(true);
    ascii::assert_ascii(driver, width, height);
    let backend = TestBackend::new(width, height);
    let mut terminal = Terminal::new(backend).expect("a terminal in memory");
    terminal
        .draw(|frame| drop(draw(&driver.app, theme, frame)))
        .expect("drawn in memory");
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..height {
        text.push('|');
        let mut x = 0;
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            x += u16::try_from(glyphs::width(symbol)).unwrap_or(1).max(1);
        }
        text.push_str("|\n");
    }
    let cursor = terminal.backend().cursor_position();
    if terminal.backend().cursor_visible() {
        format!("{text}cursor at {}, {}", cursor.x, cursor.y)
    } else {
        text + "no cursor"
    }
}

/// One snapshot per size.
pub(super) fn shots(name: &str, act: impl Fn(&mut TestApp), start: impl Fn(u16, u16) -> TestApp) {
    for (width, height) in SIZES {
        let mut driver = start(width, height);
        act(&mut driver);
        insta::assert_snapshot!(
            format!("{name}_{width}x{height}"),
            shot(&driver, width, height)
        );
    }
}

/// A chat of some length.
fn chat(driver: &mut TestApp) {
    driver.event(message(
        3,
        11,
        "bob",
        "Good morning! Did the build go through?",
    ));
    driver.own(
        message(4, 15, "ada", "It did, after I had cleared the cache."),
        None,
    );
    driver.event(joined(5, 19, "Wilhelmina-Henrietta"));
    driver.event(message(6, 23, "Wilhelmina-Henrietta", "Hello both"));
    driver.event(message(7, 27, "bob", "/me pours coffee"));
    driver.event(message(
        8,
        31,
        "bob",
        "I have read the paper again: the order of events is only partial, and a clock that respects it is all that one needs here.",
    ));
    driver.event(message(
        9,
        35,
        "ada",
        "日本語のテキスト、そして絵文字 👩‍👩‍👧 も、結合文字 e\u{301}a\u{308} も。",
    ));
    driver.event(message(10, 39, "bob", "first line\nsecond line"));
    driver.event(left(11, 43, "Wilhelmina-Henrietta", 5));
}

#[test]
fn join_screen() {
    shots("join", |_| {}, TestApp::new);
}

#[test]
fn join_refused() {
    let act = |driver: &mut TestApp| {
        driver.press(KeyCode::Enter);
        driver.notice(Notice::Refused(NameRefusal {
            name: "ada".into(),
            reason: "the name ada is taken by somebody present; choose another".into(),
            retry_in: Some(Duration::from_secs(8)),
        }));
    };
    shots("join_refused", act, TestApp::new);
}

#[test]
fn joining() {
    let act = |driver: &mut TestApp| {
        driver.press(KeyCode::Enter);
        driver.notice(Notice::Link(Link::StartingServer));
    };
    shots("joining", act, TestApp::new);
    let act = |driver: &mut TestApp| {
        act(driver);
        driver.say("hello");
        driver.input(Input::Paste(" to all of you".into()));
    };
    shots("joining_with_a_draft", act, TestApp::new);
}

#[test]
fn just_joined() {
    shots("just_joined", |_| {}, TestApp::joined);
}

#[test]
fn conversation() {
    let act = |driver: &mut TestApp| {
        chat(driver);
        driver.type_in("See you tomorr");
    };
    shots("chat", act, TestApp::joined);
}

fn log_fails(driver: &mut TestApp) {
    driver.input(Input::Log(LogNews::Fails(LogTrouble {
        path: "/home/ada/.local/state/chitty-chat/ada.log".into(),
        reason: "it belongs to root, and this process runs as ada".into(),
    })));
}

#[test]
fn a_log_that_fails() {
    shots("log_fails", log_fails, TestApp::joined);
}

#[test]
fn a_log_that_works_again() {
    let mut driver = TestApp::joined(80, 24);
    log_fails(&mut driver);
    // The warning stays for as long as the log fails, whatever else there is to say.
    driver.type_in("x");
    driver.notice(Notice::Link(Link::Connecting));
    assert!(shot(&driver, 80, 24).contains("! no log"));
    driver.input(Input::Log(LogNews::Works {
        path: "/home/ada/.local/state/chitty-chat/ada.log".into(),
        lost: 0,
    }));
    let screen = shot(&driver, 80, 24);
    assert!(!screen.contains("! no log"), "{screen}");
    assert!(screen.contains("written again."), "{screen}");
}

#[test]
fn hostile_text() {
    let act = |driver: &mut TestApp| {
        let text =
            "\u{1b}[2J\u{1b}]0;owned\u{7} \u{202e}desrever\u{202c} zero\u{200b}width \u{9b}31m";
        driver.event(message(3, 11, "bob\u{202e}\u{1b}[31m", text));
        driver.event(joined(4, 13, "\u{1b}c\u{200f}x"));
        driver.event(message(
            5,
            15,
            "bob",
            &format!("z{} end", "\u{301}".repeat(30)),
        ));
        driver.input(crate::app::Input::Paste("paste\u{1b}[201~\u{7}d".into()));
    };
    shots("hostile", act, TestApp::joined);
}

#[test]
fn help() {
    let act = |driver: &mut TestApp| {
        chat(driver);
        driver.press(KeyCode::F(1));
    };
    shots("help", act, TestApp::joined);
}

#[test]
fn link_lost() {
    let act = |driver: &mut TestApp| {
        driver.event(message(3, 11, "bob", "Good morning!"));
        driver.notice(Notice::Link(Link::Lost {
            reason: "connection refused".into(),
            retry_in: Duration::from_secs(4),
        }));
        driver.say("is anybody there?");
        driver.say("/me waits");
        driver.press(KeyCode::Char('x'));
        driver.press(KeyCode::Esc);
    };
    shots("lost", act, TestApp::joined);
}

#[test]
fn rejected() {
    let act = |driver: &mut TestApp| {
        driver.say("hello hello hello");
        driver.say("again");
        driver.notice(Notice::Rejected {
            ticket: Ticket(1),
            reason: "too fast, wait a second".into(),
        });
        driver.type_in("/foo bar");
        driver.press(KeyCode::Enter);
    };
    shots("rejected", act, TestApp::joined);
}

#[test]
fn over_the_limit() {
    let act = |driver: &mut TestApp| {
        driver.type_in(&"Ærø ".repeat(35));
        driver.press(KeyCode::Enter);
    };
    shots("over", act, TestApp::joined);
}

#[test]
fn taken_over() {
    let act = |driver: &mut TestApp| {
        chat(driver);
        driver.notice(Notice::Ended(Ended::TakenOver));
    };
    shots("taken_over", act, TestApp::joined);
}

#[test]
fn many_are_present() {
    let act = |driver: &mut TestApp| {
        for n in 3..60 {
            driver.event(joined(n, n * 2, &format!("participant-{n}")));
        }
    };
    shots("many", act, TestApp::joined);
}

#[test]
fn a_wide_screen() {
    let mut driver = TestApp::joined(200, 60);
    chat(&mut driver);
    insta::assert_snapshot!("chat_200x60", shot(&driver, 200, 60));
}

/// Foreground and modifiers of the cells of a text on screen.
pub(super) fn style_of(driver: &TestApp, theme: Theme, text: &str) -> Style {
    let mut buffer = Buffer::empty(driver.app.panes().screen);
    render(&driver.app, theme, &mut buffer, &mut Vec::new());
    for y in 0..buffer.area.height {
        let row: Vec<&str> = (0..buffer.area.width)
            .map(|x| buffer[(x, y)].symbol())
            .collect();
        for x in 0..row.len() {
            if row[x..].concat().starts_with(text) {
                let x = u16::try_from(x).expect("on screen");
                return buffer[(x, y)].style();
            }
        }
    }
    panic!("{text:?} is not on screen:\n{}", shot(driver, 80, 24));
}

#[test]
fn days_are_local() {
    let zone = TimeZone::fixed(jiff::tz::offset(10));
    let mut driver = TestApp::with(Settings {
        name: Some("ada".into()),
        login: String::new(),
        server: "here".into(),
        time_zone: zone,
        size: (80, 24),
        backlog: true,
        options: crate::app::options::Options::default(),
    });
    driver.welcome(&[(1, "ada")]);
    driver.event(joined(1, 3, "ada"));
    let text = shot(&driver, 80, 24);
    assert!(
        at(1) < at(2) && text.contains("Tuesday, 24 November 2026"),
        "{text}"
    );
    assert!(text.contains("00:03"), "{text}");
}

#[test]
fn the_caret_moves_by_what_is_seen() {
    let mut driver = TestApp::joined(80, 24);
    driver.type_in("日本e\u{301}");
    let end = shot(&driver, 80, 24);
    assert!(end.ends_with("cursor at 12, 23"), "{end}");
    driver.press(KeyCode::Left);
    driver.key(KeyCode::Char('b'), KeyModifiers::CONTROL);
    let back = shot(&driver, 80, 24);
    assert!(back.ends_with("cursor at 9, 23"), "{back}");
}

#[test]
fn why_there_is_no_link_can_be_read() {
    let reason = "no server answers at http://chat.example.org:50051: Connection refused";
    let act = |driver: &mut TestApp| {
        driver.event(message(3, 11, "bob", "Good morning!"));
        driver.notice(Notice::Link(Link::Lost {
            reason: reason.into(),
            retry_in: Duration::from_secs(4),
        }));
        driver.now = Duration::from_secs(2);
        driver.say("is anybody there?");
    };
    shots("offline", act, TestApp::joined);
    for (width, height) in [(200, 60), (80, 24), (40, 12), (40, 10)] {
        let mut driver = TestApp::joined(width, height);
        act(&mut driver);
        for bare in [false, true] {
            let screen = shot(&driver, width, height);
            let rows: Vec<_> = screen
                .lines()
                .skip_while(|row| !row.contains("✗ Offline"))
                .take(4)
                .map(|row| row.trim_matches(['|', ' ']))
                .collect();
            let text = rows.join(" ");
            assert!(text.contains(reason), "bare: {bare}\n{screen}");
            assert!(text.contains("next try in 2 s"), "bare: {bare}\n{screen}");
            driver.press(KeyCode::F(4));
        }
    }
    // It is the loudest thing on the screen.
    let mut driver = TestApp::joined(80, 24);
    act(&mut driver);
    let style = style_of(&driver, Theme::new(true), "✗ Offline");
    assert_eq!(
        style,
        Theme::new(true)
            .alarm()
            .bg(Color::Reset)
            .underline_color(Color::Reset)
    );
    driver.notice(Notice::Link(Link::Connecting));
    assert!(
        shot(&driver, 80, 24).contains("✗ Offline"),
        "it is not up yet"
    );
    driver.notice(Notice::Link(Link::Live));
    assert!(!shot(&driver, 80, 24).contains("ffline"));
}
