//! The screens of one who writes.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::style::{Color, Modifier};

use crate::{
    app::{
        Input,
        testing::{TestApp, joined},
    },
    view::{
        Theme,
        tests::{shot, shots, style_of},
    },
};

fn search(driver: &mut TestApp, query: &str) {
    driver.key(KeyCode::Char('r'), KeyModifiers::CONTROL);
    driver.type_in(query);
}

fn found(driver: &mut TestApp) {
    driver.say("The build is green again, see the page of 14:03 for what it was.");
    driver.say("coffee?");
    driver.type_in("half a line");
    search(driver, "PAGE");
}

#[test]
fn a_search_that_finds() {
    shots("search", found, TestApp::joined);
}

#[test]
fn a_search_that_does_not() {
    let act = |driver: &mut TestApp| {
        driver.say("coffee?");
        search(driver, "tea");
    };
    shots("search_none", act, TestApp::joined);
}

fn offers(driver: &mut TestApp) {
    for (position, name) in [(3, "Bartholomew"), (5, "bea"), (7, "Björk"), (9, "boris")] {
        driver.event(joined(position, 2 * position, name));
    }
    driver.type_in("hi b");
    for _ in 0..3 {
        driver.press(KeyCode::Tab);
    }
}

#[test]
fn names_on_offer() {
    shots("offers", offers, TestApp::joined);
}

#[test]
fn several_lines() {
    let act = |driver: &mut TestApp| {
        driver.input(Input::Paste(
            "first\nsecond\n\nfourth, which is longer".into(),
        ));
        driver.press(KeyCode::Up);
        driver.press(KeyCode::Up);
    };
    shots("lines", act, TestApp::joined);
}

#[test]
fn more_lines_than_fit() {
    let act = |driver: &mut TestApp| {
        let lines: Vec<String> = (1..20).map(|n| n.to_string()).collect();
        driver.input(Input::Paste(lines.join("\n")));
        for _ in 0..4 {
            driver.press(KeyCode::Up);
        }
    };
    shots("many_lines", act, TestApp::joined);
}

#[test]
fn what_is_too_long_has_a_sign_and_a_style_also_without_colours() {
    let mut driver = TestApp::joined(200, 24);
    driver.type_in(&format!("{}OVER", "x".repeat(128)));
    let (colours, none) = (Theme::new(true), Theme::new(false));
    assert_eq!(style_of(&driver, colours, "✗OVER").fg, Some(Color::Red));
    assert_eq!(style_of(&driver, colours, "OVER").fg, Some(Color::Red));
    let sign = style_of(&driver, none, "✗OVER").add_modifier;
    assert!(sign.contains(Modifier::BOLD));
    let over = style_of(&driver, none, "OVER").add_modifier;
    assert!(over.contains(Modifier::UNDERLINED));
    driver.press(KeyCode::Home);
    for _ in 0..4 {
        driver.press(KeyCode::Delete);
    }
    let fits = style_of(&driver, colours, "OVER");
    assert_eq!(fits.fg, Some(Color::Reset));
    assert!(!shot(&driver, 200, 24).contains('✗'));
}

#[test]
fn what_was_chosen_or_found_has_a_style_also_without_colours() {
    let mut driver = TestApp::joined(80, 24);
    offers(&mut driver);
    let chosen = style_of(&driver, Theme::new(false), "›Björk");
    assert!(chosen.add_modifier.contains(Modifier::BOLD));
    assert_eq!(
        style_of(&driver, Theme::new(true), "bob  boris").add_modifier,
        Modifier::DIM
    );
    let mut driver = TestApp::joined(20, 5);
    found(&mut driver);
    let style = |theme| style_of(&driver, theme, "page…");
    assert!(
        style(Theme::new(false))
            .add_modifier
            .contains(Modifier::REVERSED)
    );
    assert_eq!(style(Theme::new(true)).fg, Some(Color::Yellow));
}
