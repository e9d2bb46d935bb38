//! Logical time on the screen: the diagram, what crossed, and the clock explained.

use chitty_app::testing::{ADA, BOB, TestAuthor};

use super::*;

/// She joins at position 3.
const EVE: TestAuthor<'_> = TestAuthor {
    number: 3,
    name: "eve",
};

#[test]
fn diagram() {
    let scene = Scene::in_chat(|driver| {
        driver.event(joined(3, 11, "eve"));
        driver.event(BOB.says("good morning").position(4).time(15).seen(3));
        // Two messages that crossed, then one whose author had seen both.
        driver.event(EVE.says("hi bob").position(5).time(19).seen(4));
        driver.own(ADA.says("hello, bob").position(6).time(21).seen(4), None);
        driver.event(
            BOB.says("hello both of you, how do you do?")
                .position(7)
                .time(25)
                .seen(6),
        );
        driver.event(EVE.says("I saw that late").position(8).time(27).seen(5));
        driver.event(left(9, 30, "eve", 3));
        driver.press(KeyCode::F(2));
        driver.type_in("one can go on writing");
    });
    assert_snapshot!(scene.at(40, 10), @"
    |     you      server     eve            |
    |   20 ○◄───────● 19 ◄────● 17           |
    |      ┃        │         ● 25           |
    |      ├───────►● 21      ┃              |
    |   22 ○◄───────┤         ┃              |
    |   26 ○◄───────● 25 ◄────┼───────       |
    |   28 ○◄───────● 27 ◄────┤              |
    |   31 ○◄───────● 30 ◄────● 28           |
    |── ◉ connected · Lamport 31 ────────────|
    |› one can go on writing              107|
    cursor at 23, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    you    server   |
    |  31 ○◄─────● 30 ◄──|
    |◉ connected · L31 ──|
    |› one can go o   107|
    |  n writing         |
    cursor at 11, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("diagram");
}

#[test]
fn overtaken_while_writing() {
    let scene = Scene::in_chat(|driver| {
        driver.event(message(3, 11, "bob", "Shall we meet at nine?"));
        driver.type_in("Yes, that is fi");
        driver.event(message(4, 15, "bob", "Or at ten?"));
        driver.event(message(5, 19, "bob", "No, at eight."));
    });
    assert_snapshot!(scene.at(40, 10), @"
    |── Monday, 23 November 2026 ────────────|
    |14:03  L3 → Participant bob joined      |
    |          Chitty-Chat at Lamport time 3 |
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |14:04 L11 bob: Shall we meet at nine?   |
    |14:05 L15 Or at ten?                    |
    |14:05 L19 No, at eight.                 |
    |── ◉ connected · Lamport 20 ────────────|
    |› Yes, that is fi                    113|
    cursor at 17, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L19 bob: No, at     |
    |    eight.          |
    |◉ connected · L20 ──|
    |› Yes, that is   113|
    |   fi               |
    cursor at 5, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("overtaken");
}

/// Two messages that crossed, one whose author had seen both, and one whose author had seen little.
fn crossing(driver: &mut TestApp) {
    driver.event(joined(3, 11, "eve"));
    driver.event(
        BOB.says("Shall we meet at nine?")
            .position(4)
            .time(15)
            .seen(3),
    );
    // Two answers, whose authors have seen the question and not each other's answer.
    driver.event(EVE.says("Nine is fine").position(5).time(19).seen(4));
    driver.event(
        ADA.says("Rather at ten, I think")
            .position(6)
            .time(21)
            .seen(4),
    );
    // bob has seen both. eve, who writes after him, has seen neither ada's answer nor his.
    driver.event(BOB.says("Ten it is, then").position(7).time(25).seen(6));
    driver.event(EVE.says("Good!").position(8).time(27).seen(5));
}

#[test]
fn crossed() {
    let scene = Scene::in_chat(crossing);
    assert_snapshot!(scene.at(40, 10), @"
    |          Chitty-Chat at Lamport time 7 |
    |14:04 L11 → Participant eve joined      |
    |          Chitty-Chat at Lamport time 11|
    |14:05 L15 bob: Shall we meet at nine?   |
    |14:05 L19 eve: Nine is fine             |
    |14:06 L21∥ada: Rather at ten, I think   |
    |14:06 L25 bob: Ten it is, then          |
    |14:07 L27∥eve: Good!                    |
    |── ◉ connected · Lamport 28 ────────────|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L25 bob: Ten it is, |
    |    then            |
    |L27∥eve: Good!      |
    |◉ connected · L28 ──|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("crossed");
}

#[test]
fn crossed_with_the_selected_one() {
    let scene = Scene::in_chat(|driver| {
        crossing(driver);
        for _ in 0..3 {
            driver.key(KeyCode::Up, KeyModifiers::CONTROL);
        }
    });
    assert_snapshot!(scene.at(40, 10), @"
    |          Chitty-Chat at Lamport time 7 |
    |14:04 L11 → Participant eve joined      |
    |          Chitty-Chat at Lamport time 11|
    |14:05 L15 bob: Shall we meet at nine?   |
    |14:05 L19∥eve: Nine is fine             |
    |14:06 L21 ada: Rather at ten, I think   |
    |14:06 L25 bob: Ten it is, then          |
    |14:07 L27∥eve: Good!                    |
    |── ◉ connected · Lamport 28 ────────────|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |L21 ada: Rather at  |
    |    ten, I think    |
    |L25 bob: Ten it is, |
    |◉ connected ─▼ newer|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("crossed_selected");
    let driver = scene.app(80, 24);
    let dim = |text| {
        style_of(&driver, Theme::new(true), text)
            .add_modifier
            .contains(ratatui::style::Modifier::DIM)
    };
    assert!(dim("Ten it is"), "what came of it is in the background");
    assert!(!dim("Shall we"), "what she had seen is not");
    assert!(!dim("Nine is fine"), "nor what she crossed with");
}

#[test]
fn time() {
    let scene = Scene::in_chat(|driver| {
        driver.event(message(3, 11, "bob", "hello"));
        driver.say("/time");
    });
    assert_snapshot!(scene.at(40, 10), @"
    |          Chitty-Chat at Lamport time 3 |
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |14:04 L11 bob: hello                    |
    |14:53     · Your Lamport clock is at 12:|
    |          a message of bob, broadcast at|
    |          11, came: max(8, 11) + 1 = 12.|
    |          What you send next carries 13.|
    |── ◉ connected · Lamport 12 ────────────|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    12. What you    |
    |    send next       |
    |    carries 13.     |
    |◉ connected · L12 ──|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("time");
}
