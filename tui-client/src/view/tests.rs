//! The screens as text.
//!
//! A test describes a [`Scene`] and draws it at several sizes. The small screens are in the test
//! itself; the larger ones are in `snapshots/`. CONTRIBUTING.md says how both are renewed.

#![expect(
    clippy::unicode_not_nfc,
    reason = "a screen has combining characters as they were written"
)]

mod ascii;
mod causality;
mod colours;
mod conversation;
mod joining;
mod reading;
mod rebound;
mod searching;
mod trouble;

use std::time::Duration;

use chitty_app::{
    Input, Settings,
    testing::{TestApp, at, joined, left, message},
};
use chitty_chat::logging::{LogNews, LogTrouble};
use crossterm::event::{KeyCode, KeyModifiers};
use insta::assert_snapshot;
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::*;
use crate::session::{Ended, Link, NameRefusal, Notice, Ticket};

/// A state of the app that a test draws at several sizes.
///
/// The app is made anew for each size, because inputs such as scrolling depend on the size.
pub(super) struct Scene<A> {
    start: fn(u16, u16) -> TestApp,
    act: A,
}

impl<A: Fn(&mut TestApp)> Scene<A> {
    /// What `act` makes of an app that asks for a name.
    pub(super) fn before_joining(act: A) -> Self {
        let start = TestApp::new;
        Self { start, act }
    }

    /// What `act` makes of an app in the chat.
    pub(super) fn in_chat(act: A) -> Self {
        let start = TestApp::joined;
        Self { start, act }
    }

    /// The app on a screen of this size.
    pub(super) fn app(&self, width: u16, height: u16) -> TestApp {
        let mut driver = (self.start)(width, height);
        (self.act)(&mut driver);
        driver
    }

    /// The screen of this size, for a snapshot in the test.
    pub(super) fn at(&self, width: u16, height: u16) -> String {
        shot(&self.app(width, height), width, height)
    }

    /// Compares the larger screens with their files.
    pub(super) fn matches_files(&self, name: &str) {
        for (width, height) in [(80, 24), (120, 40)] {
            self.matches_file(name, width, height);
        }
    }

    /// Compares the screen of this size with its file.
    pub(super) fn matches_file(&self, name: &str, width: u16, height: u16) {
        let driver = self.app(width, height);
        assert_snapshot!(
            format!("{name}_{width}x{height}"),
            shot(&driver, width, height)
        );
    }
}

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
