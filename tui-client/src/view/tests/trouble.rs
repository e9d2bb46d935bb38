//! What fails, and how the screen reports it.

use super::*;

fn log_fails(driver: &mut TestApp) {
    driver.input(Input::Log(LogNews::Fails(LogTrouble {
        path: "/home/ada/.local/state/chitty-chat/ada.log".into(),
        reason: "it belongs to root, and this process runs as ada".into(),
    })));
}

#[test]
fn a_log_that_fails() {
    let scene = Scene::in_chat(log_fails);
    assert_snapshot!(scene.at(40, 10), @"
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |14:53     · Cannot write the log file   |
    |          /home/ada/.local/state/chitty-|
    |          chat/ada.log: it belongs to   |
    |          root, and this process runs as|
    |          ada; choose another folder    |
    |          with --log-dir.               |
    |── ◉ connected · ! no log · Lamport 8 ──|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    choose another  |
    |    folder with     |
    |    --log-dir.      |
    |◉ connected · L8 ───|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("log_fails");
}

#[test]
fn a_log_that_works_again() {
    let mut driver = TestApp::joined(80, 24);
    log_fails(&mut driver);
    // The warning stays for as long as the log fails, whatever else there is to say.
    driver.type_in("x");
    driver.notice(Notice::Link(Link::Connecting));
    assert!(shot(&driver, 80, 24).contains("! no log"));
    driver.input(Input::Log(LogNews::Works {
        path: "/home/ada/.local/state/chitty-chat/ada.log".into(),
        lost: 0,
    }));
    let screen = shot(&driver, 80, 24);
    assert!(!screen.contains("! no log"), "{screen}");
    assert!(screen.contains("written again."), "{screen}");
}

#[test]
fn link_lost() {
    let scene = Scene::in_chat(|driver| {
        driver.event(message(3, 11, "bob", "Good morning!"));
        driver.notice(Notice::Link(Link::Lost {
            reason: "connection refused".into(),
            retry_in: Duration::from_secs(4),
        }));
        driver.say("is anybody there?");
        driver.say("/me waits");
        driver.press(KeyCode::Char('x'));
        driver.press(KeyCode::Esc);
    });
    assert_snapshot!(scene.at(40, 10), @"
    |          Chitty-Chat at Lamport time 7 |
    |14:04 L11 bob: Good morning!            |
    |14:53   … ada: is anybody there?        |
    |14:53   … * ada waits                   |
    | ✗ Offline: connection refused          |
    |   next try in 4 s · 2 lines wait       |
    |── ✗ offline · Lamport 12 ──────────────|
    |! What you wrote is not sent: Esc again |
    |  leaves without it                     |
    |› x                                  127|
    cursor at 3, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    | ✗ Offline:  …      |
    |✗ offline · L12 ────|
    |! What you wrote is |
    |  not sent: Esc     |
    |› x              127|
    cursor at 3, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("lost");
}

#[test]
fn why_there_is_no_link_can_be_read() {
    let reason = "no server answers at http://chat.example.org:50051: Connection refused";
    let scene = Scene::in_chat(|driver| {
        driver.event(message(3, 11, "bob", "Good morning!"));
        driver.notice(Notice::Link(Link::Lost {
            reason: reason.into(),
            retry_in: Duration::from_secs(4),
        }));
        driver.now = Duration::from_secs(2);
        driver.say("is anybody there?");
    });
    assert_snapshot!(scene.at(40, 10), @"
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |14:04 L11 bob: Good morning!            |
    |14:53   … ada: is anybody there?        |
    | ✗ Offline: no server answers at        |
    |   http://chat.example.org:50051:       |
    |   Connection refused · for 2 s         |
    |   next try in 2 s · 1 line waits       |
    |── ✗ offline · Lamport 12 ──────────────|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |a…: there?          |
    | ✗ Offline: no      |
    |   server answers  …|
    |✗ offline · L12 ────|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("offline");
    for (width, height) in [(200, 60), (80, 24), (40, 12), (40, 10)] {
        let mut driver = scene.app(width, height);
        for bare in [false, true] {
            let screen = shot(&driver, width, height);
            let rows: Vec<_> = screen
                .lines()
                .skip_while(|row| !row.contains("✗ Offline"))
                .take(4)
                .map(|row| row.trim_matches(['|', ' ']))
                .collect();
            let text = rows.join(" ");
            assert!(text.contains(reason), "bare: {bare}\n{screen}");
            assert!(text.contains("next try in 2 s"), "bare: {bare}\n{screen}");
            driver.press(KeyCode::F(4));
        }
    }
    // It is the loudest thing on the screen.
    let mut driver = scene.app(80, 24);
    let style = style_of(&driver, Theme::new(true), "✗ Offline");
    assert_eq!(
        style,
        Theme::new(true)
            .alarm()
            .bg(Color::Reset)
            .underline_color(Color::Reset)
    );
    driver.notice(Notice::Link(Link::Connecting));
    assert!(
        shot(&driver, 80, 24).contains("✗ Offline"),
        "it is not up yet"
    );
    driver.notice(Notice::Link(Link::Live));
    assert!(!shot(&driver, 80, 24).contains("ffline"));
}

#[test]
fn rejected() {
    let scene = Scene::in_chat(|driver| {
        driver.say("hello hello hello");
        driver.say("again");
        driver.notice(Notice::Rejected {
            ticket: Ticket(1),
            reason: "too fast, wait a second".into(),
        });
        driver.type_in("/foo bar");
        driver.press(KeyCode::Enter);
    });
    assert_snapshot!(scene.at(40, 10), @"
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |14:53   ✗ ada: hello hello hello        |
    |          Not sent: too fast, wait a    |
    |          second (Up brings it back)    |
    |14:53   … ada: again                    |
    |── ◉ connected · Lamport 8 ─────────────|
    |✗ No command /foo: /help lists them, a  |
    |  second / sends it as text             |
    |› /foo bar                           120|
    cursor at 10, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |◉ connected · L8 ───|
    |✗ No command /foo:  |
    |  /help lists them, |
    |  a second / sends  |
    |› /foo bar       120|
    cursor at 10, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("rejected");
}

#[test]
fn over_the_limit() {
    let scene = Scene::in_chat(|driver| {
        driver.type_in(&"Ærø ".repeat(35));
        driver.press(KeyCode::Enter);
    });
    assert_snapshot!(scene.at(40, 10), @"
    |14:03  L3 → Participant bob joined      |
    |          Chitty-Chat at Lamport time 3 |
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |── ◉ connected · Lamport 8 ─────────────|
    |✗ Not sent: 12 too many, a message has  |
    |  at most 128 characters                |
    |↑ Ærø Ærø Ærø Ærø Ærø Ærø Ærø Ærø   ✗-12|
    |  Ærø Ærø Ærø Ærø Ærø Ærø Ærø Ærø       |
    |  ✗Ærø Ærø Ærø                          |
    cursor at 15, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |◉ connected · L8 ───|
    |✗ Not sent: 12 too  |
    |  many, a message   |
    |↑ Ærø Ærø ✗Ærø  ✗-12|
    |   Ærø Ærø          |
    cursor at 11, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("over");
}
