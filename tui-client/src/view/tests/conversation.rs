//! What is said, who is present, and what may cover them.

use super::*;

#[test]
fn conversation() {
    let scene = Scene::in_chat(|driver| {
        chat(driver);
        driver.type_in("See you tomorr");
    });
    assert_snapshot!(scene.at(40, 10), @"
    |bob:      needs here.                   |
    |14:07 L35 ada: 日本語のテキスト、そして |
    |          絵文字 👩‍👩‍👧 も、結合文字 éä も。|
    |14:08 L39 bob: first line               |
    |          second line                   |
    |14:08 L43 ← Participant                 |
    |          Wilhelmina-Henrietta left     |
    |          Chitty-Chat at Lamport time 43|
    |── ◉ connected · Lamport 44 ────────────|
    |› See you tomorr                     114|
    cursor at 16, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    Chitty-Chat at  |
    |    Lamport time 43 |
    |◉ connected · L44 ──|
    |› See you tomo   114|
    |  rr                |
    cursor at 4, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("chat");
}

#[test]
fn hostile_text() {
    let scene = Scene::in_chat(|driver| {
        let text =
            "\u{1b}[2J\u{1b}]0;owned\u{7} \u{202e}desrever\u{202c} zero\u{200b}width \u{9b}31m";
        driver.event(message(3, 11, "bob\u{202e}\u{1b}[31m", text));
        driver.event(joined(4, 13, "\u{1b}c\u{200f}x"));
        driver.event(message(
            5,
            15,
            "bob",
            &format!("z{} end", "\u{301}".repeat(30)),
        ));
        driver.input(chitty_app::Input::Paste("paste\u{1b}[201~\u{7}d".into()));
    });
    assert_snapshot!(scene.at(40, 10), @"
    |          Chitty-Chat at Lamport time 3 |
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |14:04 L11 bob�␛[31m: ␛[2J␛]0;owned␇     |
    |          �desrever� zero�width �31m    |
    |14:05 L13 → Participant ␛c�x joined     |
    |          Chitty-Chat at Lamport time 13|
    |14:05 L15 bob: ź́́́� end                   |
    |── ◉ connected · Lamport 16 ────────────|
    |› paste[201~d                        117|
    cursor at 13, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    Chitty-Chat at  |
    |    Lamport time 13 |
    |L15 bob: ź́́́� end     |
    |◉ connected · L16 ──|
    |› paste[201~d    117|
    cursor at 13, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("hostile");
}

#[test]
fn many_are_present() {
    let scene = Scene::in_chat(|driver| {
        for n in 3..60 {
            driver.event(joined(n, n * 2, &format!("participant-{n}")));
        }
    });
    assert_snapshot!(scene.at(40, 10), @"
    |           participant-10,              |
    |           participant-11,              |
    |           participant-12 joined · 46   |
    |           more came or went (L3 to     |
    |           L116)                        |
    |14:32 L118 → Participant participant-59 |
    |           joined Chitty-Chat at Lamport|
    |           time 118                     |
    |── ◉ connected · Lamport 119 ───────────|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |     Chitty-Chat at |
    |     Lamport time   |
    |     118            |
    |◉ connected · L119 ─|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("many");
}

#[test]
fn help() {
    let scene = Scene::in_chat(|driver| {
        chat(driver);
        driver.press(KeyCode::F(1));
    });
    assert_snapshot!(scene.at(40, 10), @"
    |╭──────────────────────────────────────╮|
    |│  Signs                               │|
    |│  L412   an event's Lamport time, on  │|
    |│         every screen the same        │|
    |│  ∥2     crossed 2 messages that its  │|
    |│         author had not seen          │|
    |│  …      not sent yet; or cut here    │|
    |│  ✗      refused, too long, or        │|
    |│         failed                       │|
    |╰── ↓ more ────────────── Esc closes ──╯|
    no cursor
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |╭──────────────────╮|
    |│Signs             │|
    |│L412              │|
    |│  an event's      │|
    |╰── ↓ more ────────╯|
    no cursor
    ");
    assert_eq!(scene.at(1, 1), "|S|\nno cursor");
    scene.matches_files("help");
}

#[test]
fn taken_over() {
    let scene = Scene::in_chat(|driver| {
        chat(driver);
        driver.notice(Notice::Ended(Ended::TakenOver));
    });
    assert_snapshot!(scene.at(40, 10), @"
    |ada:      絵文字 👩‍👩‍👧 も、結合文字 éä も。|
    |14:08 L39 bob: first line               |
    |          second line                   |
    |14:08 L43 ← Participant                 |
    |          Wilhelmina-Henrietta left     |
    |          Chitty-Chat at Lamport time 43|
    | ✗ The chat is over: taken over by      |
    |   another process · Esc leaves         |
    |── ✗ over · Lamport 44 ─────────────────|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    Lamport time 43 |
    | ✗ The chat is      |
    |   over: taken over…|
    |✗ over · Lamport 44 |
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("taken_over");
}

#[test]
fn a_wide_screen() {
    Scene::in_chat(chat).matches_file("chat", 200, 60);
}

#[test]
fn days_are_local() {
    let zone = TimeZone::fixed(jiff::tz::offset(10));
    let mut driver = TestApp::with(Settings {
        name: Some("ada".into()),
        login: String::new(),
        server: "here".into(),
        time_zone: zone,
        size: (80, 24),
        backlog: true,
        options: chitty_app::options::Options::default(),
    });
    driver.welcome(&[(1, "ada")]);
    driver.event(joined(1, 3, "ada"));
    let text = shot(&driver, 80, 24);
    assert!(
        at(1) < at(2) && text.contains("Tuesday, 24 November 2026"),
        "{text}"
    );
    assert!(text.contains("00:03"), "{text}");
}
