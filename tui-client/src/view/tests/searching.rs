//! Searching, and the marks in what was found.

use super::*;

#[test]
fn searching() {
    let scene = Scene::in_chat(|driver| {
        chat(driver);
        driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
        driver.type_in("coffee");
    });
    assert_snapshot!(scene.at(40, 10), @"
    |          Wilhelmina-Henrietta joined   |
    |          Chitty-Chat at Lamport time 19|
    |14:06 L23 Wilhelmina-He…: Hello both    |
    |14:06 L27 * bob pours coffee            |
    |14:07 L31 bob: I have read the paper    |
    |          again: the order of events is |
    |          only partial, and a clock that|
    |── ◉ connected · Lamport 44 ───▼ newer──|
    |Search: coffee          found · Esc back|
    |›                                    128|
    cursor at 14, 8
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L27 * bob pours     |
    |    coffee          |
    |◉ connected ─▼ newer|
    |Search: coffee  fou…|
    |›                128|
    cursor at 14, 3
    ");
    assert_eq!(scene.at(1, 1), "| |\nno cursor");
    scene.matches_files("searching");
}

#[test]
fn nothing_is_found() {
    let scene = Scene::in_chat(|driver| {
        chat(driver);
        driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
        driver.type_in("tea");
    });
    assert_snapshot!(scene.at(40, 10), @"
    |14:07 L35 ada: 日本語のテキスト、そして |
    |          絵文字 👩‍👩‍👧 も、結合文字 éä も。|
    |14:08 L39 bob: first line               |
    |          second line                   |
    |14:08 L43 ← Participant                 |
    |          Wilhelmina-Henrietta left     |
    |          Chitty-Chat at Lamport time 43|
    |── ◉ connected · Lamport 44 ────────────|
    |Search: tea   ✗ nothing found · Esc back|
    |›                                    128|
    cursor at 11, 8
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    Chitty-Chat at  |
    |    Lamport time 43 |
    |◉ connected · L44 ──|
    |Search: tea  ✗ noth…|
    |›                128|
    cursor at 11, 3
    ");
    assert_eq!(scene.at(1, 1), "| |\nno cursor");
    scene.matches_files("search_nothing");
}

#[test]
fn there_is_no_more_to_find() {
    let act = |driver: &mut TestApp| {
        chat(driver);
        driver.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
        driver.type_in("both");
        driver.press(KeyCode::Up);
    };
    let scene = Scene::in_chat(act);
    assert_snapshot!(scene.at(40, 10), @"
    |14:05 L19 → Participant                 |
    |          Wilhelmina-Henrietta joined   |
    |          Chitty-Chat at Lamport time 19|
    |14:06 L23 Wilhelmina-He…: Hello both    |
    |14:06 L27 * bob pours coffee            |
    |14:07 L31 bob: I have read the paper    |
    |          again: the order of events is |
    |── ◉ connected · Lamport 44 ───▼ newer──|
    |Search: both     no older one · Esc back|
    |›                                    128|
    cursor at 12, 8
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L23 Wilhel…: Hello  |
    |    both            |
    |◉ connected ─▼ newer|
    |Search: both  no ol…|
    |›                128|
    cursor at 12, 3
    ");
    assert_eq!(scene.at(1, 1), "| |\nno cursor");
    scene.matches_files("search_no_more");
    let scene = Scene::in_chat(|driver| {
        act(driver);
        driver.press(KeyCode::Up);
    });
    assert_snapshot!(scene.at(40, 10), @"
    |14:05 L19 → Participant                 |
    |          Wilhelmina-Henrietta joined   |
    |          Chitty-Chat at Lamport time 19|
    |14:06 L23 Wilhelmina-He…: Hello both    |
    |14:06 L27 * bob pours coffee            |
    |14:07 L31 bob: I have read the paper    |
    |          again: the order of events is |
    |── ◉ connected · Lamport 44 ───▼ newer──|
    |Search: both     the only one · Esc back|
    |›                                    128|
    cursor at 12, 8
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L23 Wilhel…: Hello  |
    |    both            |
    |◉ connected ─▼ newer|
    |Search: both  the o…|
    |›                128|
    cursor at 12, 3
    ");
    assert_eq!(scene.at(1, 1), "| |\nno cursor");
    scene.matches_files("search_only");
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
        driver.deselect();
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
