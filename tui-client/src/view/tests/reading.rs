//! Reading: scrolling, selecting and searching.

use chitty_app::testing::TestAuthor;

use super::*;

#[test]
fn scrolled_up() {
    let scene = Scene::in_chat(|driver| {
        for n in 3..60 {
            driver.event(message(n, n * 4, "bob", &format!("line {n}")));
        }
        driver.press(KeyCode::PageUp);
        for n in 60..72 {
            driver.event(message(n, n * 4, "bob", "news"));
        }
    });
    assert_snapshot!(scene.at(40, 10), @"
    |bob   L184 line 46                      |
    |14:26 L188 line 47                      |
    |14:27 L192 line 48                      |
    |14:27 L196 line 49                      |
    |14:28 L200 line 50                      |
    |14:28 L204 line 51                      |
    |14:29 L208 line 52                      |
    |14:29 L212 bob: line 53                 |
    |── ◉ connected · Lamport 285 ─▼ 12 new──|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L224 bob: line 56   |
    |L228 bob: line 57   |
    |L232 bob: line 58   |
    |◉ connected ▼ 12 new|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("scrolled");
}

#[test]
fn a_line_is_selected() {
    let scene = Scene::in_chat(|driver| {
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
    });
    assert_snapshot!(scene.at(40, 10), @"
    |14:08 L39 bob: first line               |
    |          second line                   |
    |14:08 L43 ← Participant                 |
    |          Wilhelmina-Henrietta left     |
    |          Chitty-Chat at Lamport time 43|
    |14:09 L47 bob: ada, see                 |
    |          https://a.example/path?x=1,   |
    |          please                        |
    |── ◉ connected · Lamport 48 ────────────|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L39 bob: first line |
    |    second line     |
    |L43 ← Participant   |
    |◉ connected ─▼ newer|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("selected");
}

#[test]
fn looked_away() {
    let scene = Scene::in_chat(|driver| {
        chat(driver);
        driver.input(chitty_app::Input::Focus(false));
        driver.event(message(12, 47, "bob", "ada, are you there?"));
        driver.event(message(13, 51, "bob", "anybody?"));
        for n in 14..20 {
            driver.event(joined(n, n * 4, &format!("guest-{n}")));
        }
        driver.event(left(20, 83, "bob", 1));
    });
    assert_snapshot!(scene.at(40, 10), @"
    |── new since you looked away ───────────|
    |14:09 L47 bob: ada, are you there?      |
    |14:09 L51 anybody?                      |
    |14:10     ↔ guest-14, guest-15,         |
    |          guest-16, guest-17, guest-18, |
    |          guest-19 joined (L56 to L76)  |
    |14:13 L83 ← Participant bob left        |
    |          Chitty-Chat at Lamport time 83|
    |── ◉ connected · Lamport 84 ────────────|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    bob left        |
    |    Chitty-Chat at  |
    |    Lamport time 83 |
    |◉ connected · L84 ──|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("looked_away");
}

#[test]
fn messages_only() {
    let scene = Scene::in_chat(|driver| {
        chat(driver);
        driver.press(KeyCode::F(4));
    });
    assert_snapshot!(scene.at(40, 10), @"
    |bob:      only partial, and a clock that|
    |          respects it is all that one   |
    |          needs here.                   |
    |14:07 L35 ada: 日本語のテキスト、そして |
    |          絵文字 👩‍👩‍👧 も、結合文字 éä も。|
    |14:08 L39 bob: first line               |
    |          second line                   |
    |14:08 L43 ← Participant                 |
    |          Wilhelmina-Henrietta left     |
    |          Chitty-Chat at Lamport time 43|
    no cursor
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L43 ← Participant   |
    |    Wilhelmina-Henri|
    |    etta left       |
    |    Chitty-Chat at  |
    |    Lamport time 43 |
    no cursor
    ");
    assert_eq!(scene.at(1, 1), "|3|\nno cursor");
    scene.matches_files("bare");
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

fn long(driver: &mut TestApp) {
    for n in 3..160 {
        let text = format!("{n} {}", "of many words ".repeat(9));
        driver.event(message(n, n * 4, "bob", text.trim_end()));
    }
}

#[test]
fn the_rest_of_a_long_line_names_its_author() {
    let scene = Scene::in_chat(|driver| {
        long(driver);
        driver.press(KeyCode::PageUp);
        driver.key(KeyCode::Up, KeyModifiers::SHIFT);
    });
    assert_snapshot!(scene.at(40, 10), @"
    |bob   L628 157 of many words of many    |
    |           words of many words of many  |
    |           words of many words of many  |
    |           words of many words of many  |
    |           words of many words          |
    |15:22 L632 158 of many words of many    |
    |           words of many words of many  |
    |           words of many words of many  |
    |── ◉ connected · Lamport 637 ──▼ newer──|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |bob: many words of  |
    |     many words of  |
    |     many words of  |
    |◉ connected ─▼ newer|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("long");
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
    let scene = Scene::in_chat(|driver| {
        for n in 3..60 {
            driver.event(message(n, n * 4, "bob", &format!("line {n}")));
        }
        driver.press(KeyCode::PageUp);
        driver.event(message(60, 300, "bob", "hm"));
        driver.event(message(61, 304, "bob", "ada, are you there?"));
    });
    assert_snapshot!(scene.at(40, 10), @"
    |bob   L184 line 46                      |
    |14:26 L188 line 47                      |
    |14:27 L192 line 48                      |
    |14:27 L196 line 49                      |
    |14:28 L200 line 50                      |
    |14:28 L204 line 51                      |
    |14:29 L208 line 52                      |
    |14:29 L212 bob: line 53                 |
    |── ◉ connected ▼ 2 new, 1 mentions you──|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L224 bob: line 56   |
    |L228 bob: line 57   |
    |L232 bob: line 58   |
    |◉ connected ▼ 1 @you|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("mentioned");
}

#[test]
fn participants_scrolled() {
    let scene = Scene::in_chat(|driver| {
        for n in 3..60 {
            driver.event(joined(n, n * 2, &format!("participant-{n}")));
        }
        let ninth = TestAuthor {
            number: 9,
            name: "participant-9",
        };
        driver.event(ninth.says("hello").position(60).time(300).seen(58));
        driver.key(KeyCode::PageDown, KeyModifiers::ALT);
        driver.key(KeyCode::PageDown, KeyModifiers::ALT);
    });
    assert_snapshot!(scene.at(40, 10), @"
    |           more came or went (L3 to     |
    |           L116)                        |
    |14:32 L118 → Participant participant-59 |
    |           joined Chitty-Chat at Lamport|
    |           time 118                     |
    |14:33 L300 participant-9: hello         |
    |── ◉ connected · Lamport 301 ───────────|
    |! The participants are not on screen:   |
    |  /who lists them                       |
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |◉ connected · L301 ─|
    |! The participants  |
    |  are not on screen:|
    |  /who lists them   |
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("participants");
}

#[test]
fn an_emptied_screen_names_who_goes_on() {
    for (width, height) in [(80, 24), (40, 12)] {
        let mut driver = TestApp::joined(width, height);
        driver.event(message(3, 11, "bob", "before"));
        driver.say("/clear");
        driver.event(message(4, 15, "bob", "after"));
        let screen = shot(&driver, width, height);
        let row = screen.lines().find(|row| row.contains("after"));
        assert!(row.is_some_and(|row| row.contains("bob")), "{screen}");
    }
}
