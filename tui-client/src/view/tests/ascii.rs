//! The screens in ASCII; every scene of these tests is checked in it, too.

use ratatui::buffer::Cell;

use super::super::ascii::{SAID, in_ascii};
use super::*;

/// Fails if the program draws anything that is not ASCII, or changes what people wrote.
pub(super) fn assert_ascii(driver: &TestApp, width: u16, height: u16) {
    let area = Rect::new(0, 0, width, height);
    let theme = Theme::new(true);
    let mut before = Buffer::empty(area);
    render(&driver.app, theme, &mut before, &mut Vec::new());
    let mut drawn = Buffer::empty(area);
    let theme = theme.in_ascii(true);
    panes(&driver.app, theme, &mut drawn, &mut Vec::new());
    let marked = drawn.clone();
    in_ascii(&mut drawn);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let (was, is) = (&before[(x, y)], &drawn[(x, y)]);
        assert!(!is.modifier.contains(SAID), "{x} {y}: still marked");
        if marked[(x, y)].modifier.contains(SAID) {
            assert_eq!(is, was, "{x} {y}: what was said has changed");
        } else {
            // A sentence may have a name in it.
            let letters = is.symbol().chars().all(char::is_alphanumeric);
            let ascii = is.symbol().is_ascii() || letters;
            assert!(ascii, "{x} {y}: {:?}", is.symbol());
            assert_eq!((is.fg, is.modifier), (was.fg, was.modifier), "{x} {y}");
        }
    }
}

fn text(driver: &TestApp) -> String {
    let area = driver.app.panes().screen;
    let mut buffer = Buffer::empty(area);
    let theme = Theme::new(true).in_ascii(true);
    render(&driver.app, theme, &mut buffer, &mut Vec::new());
    let rows = buffer.content.chunks(area.width.into());
    let row = |row: &[Cell]| row.iter().map(Cell::symbol).collect();
    rows.map(row).collect::<Vec<String>>().join("\n")
}

#[test]
fn a_screen_in_ascii() {
    let mut driver = TestApp::joined(80, 24);
    chat(&mut driver);
    driver.type_in("a draft");
    driver.press(KeyCode::F(1));
    assert!(text(&driver).contains("+----"), "{}", text(&driver));
    driver.press(KeyCode::Esc);
    insta::assert_snapshot!("ascii_80x24", text(&driver));
}

#[test]
fn what_people_write_stays_as_it_is() {
    let mut driver = TestApp::joined(80, 24);
    driver.event(message(3, 11, "●b→", "│ … → ● ⏎ ✓ ∥ é"));
    driver.event(message(4, 15, "bob", "/me · ▼"));
    driver.key(KeyCode::Enter, KeyModifiers::ALT);
    driver.type_in("⏎…›");
    let text = text(&driver);
    for said in ["●b→", "│ … → ● ⏎ ✓ ∥ é", "bob · ▼", "⏎…›"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(
        text.contains("> $ "),
        "a line break is the program's sign: {text}"
    );
}
