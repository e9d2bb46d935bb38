//! What one does with what was said.

use super::*;

#[test]
fn scrolled_up() {
    let act = |driver: &mut Driver| {
        for n in 3..60 {
            driver.event(message(n, n * 4, "bob", &format!("line {n}")));
        }
        driver.press(KeyCode::PageUp);
        for n in 60..72 {
            driver.event(message(n, n * 4, "bob", "news"));
        }
    };
    shots("scrolled", act, Driver::joined);
}

#[test]
fn a_line_is_selected() {
    let act = |driver: &mut Driver| {
        chat(driver);
        driver.event(message(
            12,
            47,
            "bob",
            "ada, see https://a.example/path?x=1, please",
        ));
        for _ in 0..3 {
            driver.key(KeyCode::Up, KeyModifiers::CONTROL);
        }
    };
    shots("selected", act, Driver::joined);
}

#[test]
fn searching() {
    let act = |driver: &mut Driver| {
        chat(driver);
        driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
        driver.type_in("coffee");
    };
    shots("searching", act, Driver::joined);
}

#[test]
fn looked_away() {
    let act = |driver: &mut Driver| {
        chat(driver);
        driver.input(crate::app::Input::Focus(false));
        driver.event(message(12, 47, "bob", "ada, are you there?"));
        driver.event(message(13, 51, "bob", "anybody?"));
        for n in 14..20 {
            driver.event(joined(n, n * 4, &format!("guest-{n}")));
        }
        driver.event(left(20, 83, "bob", 1));
    };
    shots("looked_away", act, Driver::joined);
}

#[test]
fn messages_only() {
    let act = |driver: &mut Driver| {
        chat(driver);
        driver.press(KeyCode::F(4));
    };
    shots("bare", act, Driver::joined);
}

#[test]
fn what_means_something_in_a_text_is_marked_without_colours_too() {
    use ratatui::style::Modifier;
    let mut driver = Driver::joined(80, 24);
    driver.event(message(
        3,
        11,
        "bob",
        "ADA: see https://a.example/x, coffee",
    ));
    driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
    driver.type_in("coffee");
    driver.press(KeyCode::Enter);
    driver.press(KeyCode::Esc);
    let style = |driver: &Driver, text| style_of(driver, Theme::new(false), text).add_modifier;
    assert!(style(&driver, "ADA").contains(Modifier::REVERSED));
    assert!(style(&driver, "https://a.example/x").contains(Modifier::UNDERLINED));
    assert!(!style(&driver, ", coffee").contains(Modifier::UNDERLINED));
    let mut links = Vec::new();
    let mut buffer = Buffer::empty(driver.app.panes().screen);
    render(&driver.app, Theme::new(false), &mut buffer, &mut links);
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].address, "https://a.example/x");
    driver.key(KeyCode::Up, KeyModifiers::CONTROL);
    assert!(style(&driver, "see").contains(Modifier::REVERSED));
}

#[test]
fn an_address_that_is_wrapped_opens_as_a_whole() {
    let mut driver = Driver::joined(40, 12);
    let address = format!("https://a.example/{}", "x".repeat(60));
    driver.event(message(3, 11, "bob", &address));
    let mut links = Vec::new();
    let mut buffer = Buffer::empty(driver.app.panes().screen);
    render(&driver.app, Theme::new(true), &mut buffer, &mut links);
    assert!(links.len() > 2, "{links:?}");
    assert!(
        links
            .iter()
            .all(|link| link.address == address && link.id == links[0].id)
    );
}

/// A part of a letter is marked with all of it: written alone, it would take the rest away.
#[test]
fn marks_leave_letters_whole() {
    let mut driver = Driver::joined(80, 24);
    let text = "https://km.example/ខ្មែរ क्षि and क";
    driver.event(message(3, 11, "bob", text));
    driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
    driver.type_in("क");
    let mut buffer = Buffer::empty(driver.app.panes().screen);
    let mut links = Vec::new();
    render(&driver.app, Theme::new(true), &mut buffer, &mut links);
    let symbols: String = buffer
        .content
        .iter()
        .map(ratatui::buffer::Cell::symbol)
        .collect();
    let symbols = symbols.replace(' ', "");
    assert!(symbols.contains(&text.replace(' ', "")), "{symbols}");
    assert!(links[0].address.ends_with("%E1%9E%9A"), "{links:?}");
}
