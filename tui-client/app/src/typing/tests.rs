//! What opens beside the draft, and what leaves the screen.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::{
    ActiveScreen, Edited, Effect, Input,
    keys::{Action, KeyContext},
    leaving::REST,
    port::SessionCommand,
    testing::{TestApp, bound, joined, message},
};

const CTRL: KeyModifiers = KeyModifiers::CONTROL;

fn ctrl(driver: &mut TestApp, c: char) {
    driver.key(KeyCode::Char(c), CTRL);
}

fn draft(driver: &TestApp) -> &str {
    driver.app.composer().draft()
}

fn hint(driver: &TestApp) -> &str {
    driver.app.hint().map_or("", |hint| &hint.text)
}

#[test]
fn a_search_sends_nothing_and_closes_before_the_chat_does() {
    let mut driver = TestApp::joined(80, 24);
    driver.say("hello bob");
    driver.effects();
    ctrl(&mut driver, 'r');
    driver.type_in("hel");
    driver.press(KeyCode::Enter);
    assert_eq!(draft(&driver), "hello bob", "to be looked at first");
    assert_eq!(driver.effects(), []);
    ctrl(&mut driver, 'u');
    for key in [KeyCode::Esc, KeyCode::Char('g'), KeyCode::Char('d')] {
        ctrl(&mut driver, 'r');
        driver.type_in("h");
        let control = if key == KeyCode::Esc {
            KeyModifiers::NONE
        } else {
            CTRL
        };
        driver.key(key, control);
        assert!(driver.app.composer().history_search().is_none());
        assert_eq!(driver.effects(), [], "{key:?}");
        assert_eq!(draft(&driver), "", "{key:?}");
    }
    ctrl(&mut driver, 'r');
    driver.type_in("h");
    driver.press(KeyCode::Left);
    driver.type_in("!");
    assert_eq!(draft(&driver), "hello bo!b", "other keys take it and go on");
    assert_eq!(driver.effects(), []);
}

#[test]
fn tab_offers_those_who_are_present_but_oneself() {
    let mut driver = TestApp::joined(80, 24);
    driver.event(joined(3, 9, "Bea"));
    driver.type_in("b");
    driver.press(KeyCode::Tab);
    assert_eq!(draft(&driver), "Bea: ");
    driver.press(KeyCode::Tab);
    assert_eq!(draft(&driver), "bob: ");
    driver.key(KeyCode::BackTab, KeyModifiers::SHIFT);
    assert_eq!(draft(&driver), "Bea: ");
    driver.type_in("hi");
    assert_eq!(draft(&driver), "Bea: hi");
    assert!(driver.app.composer().completion().is_none());
    driver.press(KeyCode::Enter);
    driver.effects();
    driver.type_in("ad");
    driver.press(KeyCode::Tab);
    assert_eq!(draft(&driver), "ad");
    assert!(!hint(&driver).is_empty());
}

#[test]
fn esc_takes_back_what_was_offered_and_stays() {
    let mut driver = TestApp::joined(80, 24);
    driver.event(joined(3, 9, "Bea"));
    driver.type_in("b");
    driver.press(KeyCode::Tab);
    driver.press(KeyCode::Esc);
    assert_eq!((draft(&driver), hint(&driver)), ("b", ""));
}

#[test]
fn the_editor_gets_the_draft_and_gives_it_back() {
    let mut driver = TestApp::joined(80, 24);
    driver.type_in("half");
    ctrl(&mut driver, 'x');
    assert!(!hint(&driver).is_empty(), "what can follow is told");
    ctrl(&mut driver, 'e');
    assert_eq!(driver.effects(), [Effect::Editor("half".into())]);
    let edited = |text: &str, whole: Option<&str>| {
        Input::Edited(Ok(Edited {
            text: text.into(),
            whole: whole.map(str::to_owned),
        }))
    };
    driver.input(edited("half\r\nand half\n", None));
    assert_eq!((draft(&driver), hint(&driver)), ("half\nand half", ""));
    ctrl(&mut driver, '_');
    assert_eq!(draft(&driver), "half");
    driver.input(Input::Edited(Err("it fell over".into())));
    assert_eq!(draft(&driver), "half");
    assert!(hint(&driver).contains("it fell over"));
    driver.input(edited(&"x".repeat(5000), Some("/tmp/whole")));
    assert_eq!(draft(&driver).len(), 4096);
    assert!(hint(&driver).contains("/tmp/whole"));
    assert_eq!(driver.effects(), [], "nothing is sent");
}

#[test]
fn another_key_behind_ctrl_x_does_nothing() {
    let mut driver = TestApp::joined(80, 24);
    for c in ['q', 'Ä'] {
        ctrl(&mut driver, 'x');
        driver.press(KeyCode::Char(c));
        assert_eq!((draft(&driver), hint(&driver)), ("", ""));
    }
    driver.type_in("q");
    assert_eq!(draft(&driver), "q");
}

#[test]
fn ctrl_z_goes_to_the_shell_from_everywhere() {
    let mut driver = TestApp::new(80, 24);
    assert_eq!(driver.app.screen(), ActiveScreen::Join);
    ctrl(&mut driver, 'z');
    assert_eq!(driver.effects(), [Effect::Suspend]);
    let mut driver = TestApp::joined(80, 24);
    driver.press(KeyCode::F(1));
    ctrl(&mut driver, 'z');
    assert_eq!(driver.effects(), [Effect::Suspend]);
    driver.input(Input::NoShell);
    assert!(hint(&driver).contains("no shell"));
}

#[test]
fn a_paste_of_many_lines_sends_none() {
    let mut driver = TestApp::joined(80, 24);
    driver.input(Input::Paste("one\r\n/quit\r\nthree\r\n".into()));
    assert_eq!(draft(&driver), "one\n/quit\nthree");
    assert_eq!(driver.effects(), []);
    driver.press(KeyCode::Enter);
    assert!(
        matches!(&driver.effects()[..], [Effect::Session(SessionCommand::Publish { text, .. })]
            if text.as_str() == "one\n/quit\nthree")
    );
}

#[test]
fn a_key_that_is_let_go_does_nothing() {
    let mut driver = TestApp::joined(80, 24);
    let (esc, none) = (KeyCode::Esc, KeyModifiers::NONE);
    let release = KeyEvent::new_with_kind(esc, none, KeyEventKind::Release);
    driver.input(Input::Key(release));
    assert_eq!(driver.effects(), []);
}

#[test]
fn the_keys_are_those_of_the_configuration() {
    let options = bound(&[
        (KeyContext::Chat, Action::Send, &["alt-enter"]),
        (KeyContext::Chat, Action::Newline, &["enter"]),
        (KeyContext::Chat, Action::Leave, &["f10"]),
        (KeyContext::Chat, Action::Editor, &["ctrl-o e"]),
        (KeyContext::Selected, Action::CopyText, &["x"]),
    ]);
    let mut driver = TestApp::configured(80, 24, options);
    driver.say("one");
    driver.type_in("two");
    assert_eq!(draft(&driver), "one\ntwo");
    driver.press(KeyCode::Esc);
    assert_eq!(draft(&driver), "one\ntwo");
    ctrl(&mut driver, 'o');
    assert_eq!(hint(&driver), "Ctrl-O: e editor");
    driver.press(KeyCode::Char('e'));
    assert_eq!(driver.effects(), [Effect::Editor("one\ntwo".into())]);
    driver.press(KeyCode::F(10));
    assert!(
        hint(&driver).contains("F10 again leaves"),
        "{}",
        hint(&driver)
    );
    driver.key(KeyCode::Up, CTRL);
    driver.press(KeyCode::Char('x'));
    assert!(matches!(driver.effects()[..], [Effect::Copy(_)]));
    driver.press(KeyCode::F(10));
    driver.key(KeyCode::Enter, KeyModifiers::ALT);
    assert!(matches!(
        driver.effects()[..],
        [Effect::Session(SessionCommand::Publish { .. })]
    ));
    driver.now += REST;
    driver.press(KeyCode::F(10));
    driver.press(KeyCode::F(10));
    assert_eq!(driver.effects(), [Effect::Session(SessionCommand::Leave)]);
}

#[test]
fn what_is_written_while_the_chat_is_being_entered_becomes_the_draft() {
    let mut driver = TestApp::new(80, 24);
    driver.press(KeyCode::Enter);
    driver.effects();
    driver.say("hello");
    driver.input(Input::Paste(" bob!".into()));
    driver.press(KeyCode::Backspace);
    assert_eq!(driver.effects(), [], "nothing is sent yet");
    assert_eq!(driver.app.join().name(), "ada");
    driver.welcome(&[(1, "ada")]);
    driver.effects();
    assert_eq!(draft(&driver), "hello bob");
    driver.press(KeyCode::Enter);
    assert!(matches!(
        driver.effects()[..],
        [Effect::Session(SessionCommand::Publish { .. })]
    ));
}

#[test]
fn what_is_pasted_is_seen_where_only_messages_were() {
    let mut driver = TestApp::joined(80, 24);
    driver.press(KeyCode::F(4));
    assert!(driver.app.is_messages_only());
    driver.input(Input::Paste("pasted".into()));
    assert!(!driver.app.is_messages_only());
    assert_eq!(draft(&driver), "pasted");
}

#[test]
fn what_is_written_over_the_help_is_not_lost() {
    let mut driver = TestApp::joined(80, 24);
    driver.press(KeyCode::F(1));
    driver.press(KeyCode::Char(' '));
    assert!(driver.app.help().is_some_and(|top| top > 0), "a page on");
    driver.type_in("quick");
    assert_eq!((driver.app.help(), draft(&driver)), (None, "quick"));
    driver.press(KeyCode::F(1));
    driver.input(Input::Paste(" and pasted".into()));
    assert_eq!(
        (driver.app.help(), draft(&driver)),
        (None, "quick and pasted")
    );
}

#[test]
fn what_comes_into_the_draft_ends_the_selection() {
    let ways: [fn(&mut TestApp); 4] = [
        |driver| driver.input(Input::Paste("bob".into())),
        |driver| {
            driver.input(Input::Edited(Ok(Edited {
                text: "bob".into(),
                whole: None,
            })));
        },
        |driver| driver.press(KeyCode::Tab),
        |driver| ctrl(driver, 'y'),
    ];
    for way in ways {
        let mut driver = TestApp::joined(80, 24);
        driver.type_in("bob");
        ctrl(&mut driver, 'u');
        driver.key(KeyCode::Up, CTRL);
        assert!(driver.app.timeline().is_selecting());
        way(&mut driver);
        assert!(!driver.app.timeline().is_selecting());
        driver.effects();
        driver.press(KeyCode::Enter);
        assert!(
            matches!(
                driver.effects()[..],
                [Effect::Session(SessionCommand::Publish { .. })]
            ),
            "Enter sends"
        );
    }
}

#[test]
fn a_word_is_written_whole_whatever_its_first_letters_do_to_a_selected_line() {
    for word in ["can", "nice", "yes", "clear", "Later"] {
        let mut driver = TestApp::joined(80, 24);
        driver.key(KeyCode::Up, CTRL);
        driver.type_in(word);
        assert_eq!(draft(&driver), word);
    }
    // A key, and then a word.
    let mut driver = TestApp::joined(80, 24);
    driver.key(KeyCode::Up, CTRL);
    driver.press(KeyCode::Char('c'));
    driver.now += Duration::from_secs(1);
    driver.type_in("ok");
    assert_eq!(draft(&driver), "ok");
}

#[test]
fn history_is_no_news_to_a_draft_that_was_begun_while_joining() {
    let mut driver = TestApp::new(80, 24);
    driver.press(KeyCode::Enter);
    driver.type_in("hello");
    driver.welcome(&[(1, "bob"), (3, "ada")]);
    driver.event(message(2, 5, "bob", "long ago"));
    assert_eq!(driver.app.new_since_draft(), 0);
    driver.event(message(4, 9, "bob", "now"));
    assert_eq!(driver.app.new_since_draft(), 1);
}

#[test]
fn an_enter_that_came_too_early_is_said() {
    let mut driver = TestApp::new(80, 24);
    driver.press(KeyCode::Enter);
    driver.type_in("hello");
    driver.press(KeyCode::Enter);
    driver.welcome(&[(1, "bob"), (2, "ada")]);
    assert_eq!(draft(&driver), "hello");
    assert!(
        hint(&driver).contains("Enter sends it"),
        "{}",
        hint(&driver)
    );
}
