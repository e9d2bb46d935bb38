//! Reading: scrolling, selecting and searching.

use super::*;

#[test]
fn scrolled_up() {
    let act = |driver: &mut TestApp| {
        for n in 3..60 {
            driver.event(message(n, n * 4, "bob", &format!("line {n}")));
        }
        driver.press(KeyCode::PageUp);
        for n in 60..72 {
            driver.event(message(n, n * 4, "bob", "news"));
        }
    };
    shots("scrolled", act, TestApp::joined);
}

#[test]
fn a_line_is_selected() {
    let act = |driver: &mut TestApp| {
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
    shots("selected", act, TestApp::joined);
}

#[test]
fn searching() {
    let act = |driver: &mut TestApp| {
        chat(driver);
        driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
        driver.type_in("coffee");
    };
    shots("searching", act, TestApp::joined);
}

#[test]
fn looked_away() {
    let act = |driver: &mut TestApp| {
        chat(driver);
        driver.input(crate::app::Input::Focus(false));
        driver.event(message(12, 47, "bob", "ada, are you there?"));
        driver.event(message(13, 51, "bob", "anybody?"));
        for n in 14..20 {
            driver.event(joined(n, n * 4, &format!("guest-{n}")));
        }
        driver.event(left(20, 83, "bob", 1));
    };
    shots("looked_away", act, TestApp::joined);
}

#[test]
fn messages_only() {
    let act = |driver: &mut TestApp| {
        chat(driver);
        driver.press(KeyCode::F(4));
    };
    shots("bare", act, TestApp::joined);
}

#[test]
fn what_means_something_in_a_text_is_marked_without_colours_too() {
    use ratatui::style::Modifier;
    let mut driver = TestApp::joined(80, 24);
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
    let style = |driver: &TestApp, text| style_of(driver, Theme::new(false), text).add_modifier;
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
    let mut driver = TestApp::joined(40, 12);
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

/// If a match is a part of a letter, the whole letter is highlighted, because writing a part would
/// erase the rest.
#[test]
fn marks_leave_letters_whole() {
    let mut driver = TestApp::joined(80, 24);
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

fn long(driver: &mut TestApp) {
    for n in 3..160 {
        let text = format!("{n} {}", "of many words ".repeat(9));
        driver.event(message(n, n * 4, "bob", text.trim_end()));
    }
}

#[test]
fn the_rest_of_a_long_line_names_its_author() {
    let act = |driver: &mut TestApp| {
        long(driver);
        driver.press(KeyCode::PageUp);
        driver.key(KeyCode::Up, KeyModifiers::SHIFT);
    };
    shots("long", act, TestApp::joined);
}

#[test]
fn the_top_row_names_its_author_wherever_one_reads() {
    for (width, height) in [
        (200, 60),
        (120, 40),
        (80, 24),
        (59, 12),
        (40, 12),
        (29, 9),
        (20, 5),
    ] {
        let mut driver = TestApp::joined(width, height);
        long(&mut driver);
        driver.event(message(160, 800, "bob", "/me pours coffee and tea, and some more of both, and says nothing of what he thinks of it"));
        driver.event(message(161, 804, "bob", "hm"));
        let mut named = 0;
        for _ in 0..60 {
            let screen = shot(&driver, width, height);
            let (blocks, above) = driver.app.timeline().visible();
            let first = &blocks[0];
            if first.author.is_some() && first.date.is_none() {
                let top = screen.lines().next().expect("a row");
                assert!(top.contains("bob"), "{above} at {width}x{height}: {screen}");
                named += 1;
            }
            driver.key(KeyCode::Up, KeyModifiers::SHIFT);
        }
        assert!(named > 20, "{named} at {width}x{height}");
    }
}

#[test]
fn spoken_to_while_reading_further_up() {
    let act = |driver: &mut TestApp| {
        for n in 3..60 {
            driver.event(message(n, n * 4, "bob", &format!("line {n}")));
        }
        driver.press(KeyCode::PageUp);
        driver.event(message(60, 300, "bob", "hm"));
        driver.event(message(61, 304, "bob", "ada, are you there?"));
    };
    shots("mentioned", act, TestApp::joined);
}

#[test]
fn nothing_is_found() {
    let act = |driver: &mut TestApp| {
        chat(driver);
        driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
        driver.type_in("tea");
    };
    shots("search_nothing", act, TestApp::joined);
}

#[test]
fn there_is_no_more_to_find() {
    let act = |driver: &mut TestApp| {
        chat(driver);
        driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
        driver.type_in("both");
        driver.press(KeyCode::Up);
    };
    shots("search_no_more", act, TestApp::joined);
    let again = |driver: &mut TestApp| {
        act(driver);
        driver.press(KeyCode::Up);
    };
    shots("search_only", again, TestApp::joined);
}

#[test]
fn participants_scrolled() {
    let act = |driver: &mut TestApp| {
        for n in 3..60 {
            driver.event(joined(n, n * 2, &format!("participant-{n}")));
        }
        driver.event(written((9, "participant-9"), (60, 300), 58, "hello"));
        driver.key(KeyCode::PageDown, KeyModifiers::ALT);
        driver.key(KeyCode::PageDown, KeyModifiers::ALT);
    };
    shots("participants", act, TestApp::joined);
}

/// A match is highlighted where it stands, however wide the characters before it are.
#[test]
fn what_is_found_is_marked_in_its_cells() {
    use ratatui::style::Modifier;
    let mut driver = TestApp::joined(80, 24);
    driver.event(message(3, 11, "bob", "日本 cafe\u{301} Straße end"));
    for (what, marked) in [
        ("CAF\u{c9}", "cafe\u{301}"),
        ("STRASSE", "Straße"),
        ("本", "本"),
    ] {
        driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
        driver.type_in(what);
        driver.press(KeyCode::Enter);
        // The line is not selected any more, the marks stay.
        driver.app.timeline_mut().deselect();
        let mut buffer = Buffer::empty(driver.app.panes().screen);
        render(&driver.app, Theme::new(false), &mut buffer, &mut Vec::new());
        let y = (0..24)
            .find(|&y| (0..60).any(|x| buffer[(x, y)].symbol() == "日"))
            .expect("on screen");
        let cells: String = (0..62)
            .filter(|&x| buffer[(x, y)].modifier.contains(Modifier::REVERSED))
            .map(|x| buffer[(x, y)].symbol())
            .collect();
        assert_eq!(cells.trim_end(), marked, "{what}");
    }
}

#[test]
fn an_emptied_screen_names_who_goes_on() {
    for (width, height) in [(80, 24), (40, 12)] {
        let mut driver = TestApp::joined(width, height);
        driver.event(message(3, 11, "bob", "before"));
        driver.say("/clear");
        driver.event(message(4, 15, "bob", "behind"));
        let screen = shot(&driver, width, height);
        let row = screen.lines().find(|row| row.contains("behind"));
        assert!(row.is_some_and(|row| row.contains("bob")), "{screen}");
    }
}
