//! The screens of a user who writes.

use chitty_app::{
    Input,
    testing::{TestApp, joined},
};
use crossterm::event::{KeyCode, KeyModifiers};
use insta::assert_snapshot;
use ratatui::style::{Color, Modifier};

use crate::view::{
    Theme,
    tests::{Scene, shot, style_of},
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
    let scene = Scene::in_chat(found);
    assert_snapshot!(scene.at(40, 10), @"
    |          Chitty-Chat at Lamport time 3 |
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |14:53   … ada: The build is green again,|
    |          see the page of 14:03 for what|
    |          it was.                       |
    |14:53   … ada: coffee?                  |
    |── ◉ connected · Lamport 8 ─────────────|
    |↑ …e build is green again, see the page…|
    |? PAGE                                  |
    cursor at 6, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |a…: it was.         |
    |  … ada: coffee?    |
    |◉ connected · L8 ───|
    |↑ …in, see the page…|
    |? PAGE              |
    cursor at 6, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("search");
}

#[test]
fn a_search_that_does_not() {
    let scene = Scene::in_chat(|driver| {
        driver.say("coffee?");
        search(driver, "tea");
    });
    assert_snapshot!(scene.at(40, 10), @"
    |                                        |
    |── Monday, 23 November 2026 ────────────|
    |14:03  L3 → Participant bob joined      |
    |          Chitty-Chat at Lamport time 3 |
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |14:53   … ada: coffee?                  |
    |── ◉ connected · Lamport 8 ─────────────|
    |✗ No line that you sent has this in it  |
    |? tea                                   |
    cursor at 5, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    Lamport time 7  |
    |  … ada: coffee?    |
    |◉ connected · L8 ───|
    |✗ No line that you …|
    |? tea               |
    cursor at 5, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("search_none");
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
    let scene = Scene::in_chat(offers);
    assert_snapshot!(scene.at(40, 10), @"
    |                                        |
    |                                        |
    |── Monday, 23 November 2026 ────────────|
    |14:03     ↔ bob, ada, Bartholomew, bea, |
    |          Björk joined (L3 to L14)      |
    |14:07 L18 → Participant boris joined    |
    |          Chitty-Chat at Lamport time 18|
    |── ◉ connected · Lamport 19 ────────────|
    | Bartholomew  bea ›Björk  bob  boris    |
    |› hi Björk                           119|
    cursor at 11, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    Chitty-Chat at  |
    |    Lamport time 18 |
    |◉ connected · L19 ──|
    | bea ›Björk  bob …  |
    |› hi Björk       119|
    cursor at 11, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("offers");
}

#[test]
fn several_lines() {
    let scene = Scene::in_chat(|driver| {
        driver.input(Input::Paste(
            "first\nsecond\n\nfourth, which is longer".into(),
        ));
        driver.press(KeyCode::Up);
        driver.press(KeyCode::Up);
    });
    assert_snapshot!(scene.at(40, 10), @"
    |                                        |
    |── Monday, 23 November 2026 ────────────|
    |14:03  L3 → Participant bob joined      |
    |          Chitty-Chat at Lamport time 3 |
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |── ◉ connected · Lamport 8 ─────────────|
    |› first⏎                              91|
    |  second⏎                               |
    |↓ ⏎                                     |
    cursor at 8, 8
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    Chitty-Chat at  |
    |    Lamport time 7  |
    |◉ connected · L8 ───|
    |↑ second⏎         91|
    |↓ ⏎                 |
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "|e|\ncursor at 0, 0");
    scene.matches_files("lines");
}

#[test]
fn more_lines_than_fit() {
    let scene = Scene::in_chat(|driver| {
        let lines: Vec<String> = (1..20).map(|n| n.to_string()).collect();
        driver.input(Input::Paste(lines.join("\n")));
        for _ in 0..4 {
            driver.press(KeyCode::Up);
        }
    });
    assert_snapshot!(scene.at(40, 10), @"
    |                                        |
    |── Monday, 23 November 2026 ────────────|
    |14:03  L3 → Participant bob joined      |
    |          Chitty-Chat at Lamport time 3 |
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |── ◉ connected · Lamport 8 ─────────────|
    |↑ 13⏎                                 81|
    |  14⏎                                   |
    |↓ 15⏎                                   |
    cursor at 4, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    Chitty-Chat at  |
    |    Lamport time 7  |
    |◉ connected · L8 ───|
    |↑ 14⏎             81|
    |↓ 15⏎               |
    cursor at 4, 4
    ");
    assert_eq!(scene.at(1, 1), "|8|\ncursor at 0, 0");
    scene.matches_files("many_lines");
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
