//! Colours, and what replaces them if there are none.

use super::*;

#[test]
fn what_matters_has_a_colour_and_a_sign() {
    let mut driver = TestApp::joined(80, 24);
    let colour = |driver: &TestApp, text| style_of(driver, Theme::new(true), text).fg;
    assert_eq!(
        colour(&driver, "◉ connected"),
        Some(ratatui::style::Color::Green)
    );
    driver.type_in(&"x".repeat(120));
    assert_eq!(colour(&driver, "!8"), Some(ratatui::style::Color::Yellow));
    driver.type_in(&"x".repeat(10));
    assert_eq!(colour(&driver, "✗-2"), Some(ratatui::style::Color::Red));
    let lost = Link::Lost {
        reason: String::new(),
        retry_in: Duration::ZERO,
    };
    driver.notice(Notice::Link(lost));
    assert_eq!(
        colour(&driver, "✗ offline"),
        Some(ratatui::style::Color::Red)
    );
}

#[test]
fn no_background_is_ever_set_and_monochrome_has_no_colours() {
    use ratatui::style::Color;
    for colours in [true, false] {
        let mut driver = TestApp::joined(80, 24);
        chat(&mut driver);
        driver.type_in(&"x".repeat(130));
        driver.press(KeyCode::Enter);
        let mut buffer = Buffer::empty(driver.app.panes().screen);
        render(
            &driver.app,
            Theme::new(colours),
            &mut buffer,
            &mut Vec::new(),
        );
        assert!(buffer.content().iter().all(|cell| cell.bg == Color::Reset));
        let coloured = buffer.content().iter().any(|cell| cell.fg != Color::Reset);
        assert_eq!(coloured, colours);
    }
}

#[test]
fn the_tests_of_the_app_have_as_many_colours() {
    assert_eq!(chitty_app::testing::HUES, Palette::TERMINAL.names.len());
}
