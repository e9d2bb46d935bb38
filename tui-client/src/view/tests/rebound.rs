//! Hints and help name the user's own keys.

use super::*;
use crate::config::ConfigFile;

fn driver(width: u16, height: u16) -> TestApp {
    let text = "[keys]
        leave = \"ctrl-q\"
        help = \"ctrl-x h\"
        search = [\"alt-/\", \"ctrl-f\"]
        page-up = \"alt-v\"
        page-down = \"ctrl-v\"
        diagram = \"f9\"
        newest = \"alt-end\"
        end = []
        suspend = []
        [keys.selected]
        copy = \"space\"
        find-newer = []";
    let config = ConfigFile::parse(text).expect("understood");
    let mut driver = TestApp::configured(width, height, config.screen.options(config.keys));
    chat(&mut driver);
    driver
}

fn shown(driver: &TestApp) -> String {
    let screen = driver.app.panes().screen;
    shot(driver, screen.width, screen.height)
}

#[test]
fn the_help_has_them() {
    let mut driver = driver(100, 60);
    driver.key(KeyCode::Char('x'), KeyModifiers::CONTROL);
    assert!(shown(&driver).contains("Ctrl-X: h help · Ctrl-E editor · Ctrl-U undo"));
    driver.press(KeyCode::Char('h'));
    insta::assert_snapshot!("help_rebound_100x60", shot(&driver, 100, 60));
}

#[test]
fn the_hints_have_them() {
    let mut driver = driver(100, 14);
    assert!(shown(&driver).contains("─ Ctrl-X h help ─"));
    driver.key(KeyCode::Char('v'), KeyModifiers::ALT);
    assert!(
        shown(&driver).contains("▼ newer lines, Alt-End returns"),
        "{}",
        shown(&driver)
    );
    driver.event(message(40, 300, "bob", "new"));
    assert!(shown(&driver).contains("▼ 1 new, Alt-End shows"));
    driver.key(KeyCode::Char('/'), KeyModifiers::ALT);
    assert!(shown(&driver).contains("Enter keeps it · Ctrl-Q back"));
    driver.key(KeyCode::Char('q'), KeyModifiers::CONTROL);
    driver.key(KeyCode::Up, KeyModifiers::CONTROL);
    assert!(shown(&driver).contains("Space copies · l its time · / n search · Ctrl-Q "));
    driver.key(KeyCode::Char('q'), KeyModifiers::CONTROL);
    driver.press(KeyCode::F(9));
    assert!(shown(&driver).contains("F9 closes"));
}
