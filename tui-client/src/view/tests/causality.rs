//! Logical time on the screen: the diagram, what crossed, and the clock explained.

use super::*;

#[test]
fn diagram() {
    let act = |driver: &mut TestApp| {
        driver.event(joined(3, 11, "eve"));
        driver.event(written((1, "bob"), (4, 15), 3, "good morning"));
        // Two messages that crossed, then one whose author had seen both.
        driver.event(written((3, "eve"), (5, 19), 4, "hi bob"));
        driver.own(written((2, "ada"), (6, 21), 4, "hello, bob"), None);
        driver.event(written(
            (1, "bob"),
            (7, 25),
            6,
            "hello both of you, how do you do?",
        ));
        driver.event(written((3, "eve"), (8, 27), 5, "I saw that late"));
        driver.event(left(9, 30, "eve", 3));
        driver.press(KeyCode::F(2));
        driver.type_in("one can go on writing");
    };
    shots("diagram", act, TestApp::joined);
}

#[test]
fn overtaken_while_writing() {
    let act = |driver: &mut TestApp| {
        driver.event(message(3, 11, "bob", "Shall we meet at nine?"));
        driver.type_in("Yes, that is fi");
        driver.event(message(4, 15, "bob", "Or at ten?"));
        driver.event(message(5, 19, "bob", "No, at eight."));
    };
    shots("overtaken", act, TestApp::joined);
}

/// Two messages that crossed, one whose author had seen both, and one whose author had seen little.
fn crossing(driver: &mut TestApp) {
    driver.event(joined(3, 11, "eve"));
    driver.event(written((1, "bob"), (4, 15), 3, "Shall we meet at nine?"));
    driver.event(written((3, "eve"), (5, 19), 4, "Nine is fine"));
    driver.event(written((2, "ada"), (6, 21), 4, "Rather at ten, I think"));
    driver.event(written((1, "bob"), (7, 25), 6, "Ten it is, then"));
    driver.event(written((3, "eve"), (8, 27), 5, "Good!"));
}

#[test]
fn crossed() {
    shots("crossed", crossing, TestApp::joined);
}

#[test]
fn crossed_with_the_selected_one() {
    let act = |driver: &mut TestApp| {
        crossing(driver);
        for _ in 0..3 {
            driver.key(KeyCode::Up, KeyModifiers::CONTROL);
        }
    };
    shots("crossed_selected", act, TestApp::joined);
    let mut driver = TestApp::joined(80, 24);
    act(&mut driver);
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
    let act = |driver: &mut TestApp| {
        driver.event(message(3, 11, "bob", "hello"));
        driver.say("/time");
    };
    shots("time", act, TestApp::joined);
}
