//! The join screen, and the chat as a newcomer sees it.

use super::*;

#[test]
fn join_screen() {
    let scene = Scene::before_joining(|_| {});
    assert_snapshot!(scene.at(40, 10), @"
    |Chitty-Chat                             |
    |127.0.0.1:50051                         |
    |                                        |
    |Your name  ada                          |
    |           ─────────────────────────────|
    |                                        |
    |1 to 32 characters, as others will see  |
    |it.                                     |
    |                                        |
    |Enter joins · Esc leaves · F1 help      |
    cursor at 14, 3
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |› ada               |
    |1 to 32 characters, |
    |as others will see  |
    |it.                 |
    |                    |
    cursor at 5, 0
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("join");
}

#[test]
fn join_refused() {
    let scene = Scene::before_joining(|driver| {
        driver.press(KeyCode::Enter);
        driver.notice(Notice::Refused(NameRefusal {
            name: "ada".into(),
            reason: "the name ada is taken by somebody present; choose another".into(),
            retry_in: Some(Duration::from_secs(8)),
        }));
    });
    assert_snapshot!(scene.at(40, 10), @"
    |Chitty-Chat                             |
    |127.0.0.1:50051                         |
    |                                        |
    |Your name  ada                          |
    |           ─────────────────────────────|
    |                                        |
    |✗ The name ada is taken by somebody     |
    |present. It may be free in 8 s.         |
    |                                        |
    |Enter joins · Esc leaves · F1 help      |
    cursor at 14, 3
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |› ada               |
    |✗ The name ada is   |
    |taken by somebody   |
    |present. It may be  |
    |free in 8 s.        |
    cursor at 5, 0
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("join_refused");
}

#[test]
fn joining() {
    let act = |driver: &mut TestApp| {
        driver.press(KeyCode::Enter);
        driver.notice(Notice::Link(Link::StartingServer));
    };
    let scene = Scene::before_joining(act);
    assert_snapshot!(scene.at(40, 10), @"
    |Chitty-Chat                             |
    |127.0.0.1:50051                         |
    |                                        |
    |Your name  ada                          |
    |           ─────────────────────────────|
    |                                        |
    |Joining as ada …                        |
    |◌ starting a server                     |
    |                                        |
    |Esc leaves · F1 help                    |
    no cursor
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |› ada               |
    |Joining as ada …    |
    |◌ starting a server |
    |                    |
    |                    |
    no cursor
    ");
    assert_eq!(scene.at(1, 1), "| |\nno cursor");
    scene.matches_files("joining");
    // What is typed meanwhile is the draft of the first line.
    let scene = Scene::before_joining(|driver| {
        act(driver);
        driver.say("hello");
        driver.input(Input::Paste(" to all of you".into()));
    });
    assert_snapshot!(scene.at(40, 10), @"
    |Chitty-Chat                             |
    |127.0.0.1:50051                         |
    |                                        |
    |Your name  ada                          |
    |           ─────────────────────────────|
    |                                        |
    |Joining as ada …                        |
    |◌ starting a server                     |
    |Your draft: hello to all of you         |
    |Esc leaves · F1 help                    |
    no cursor
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |› ada               |
    |Joining as ada …    |
    |◌ starting a server |
    |Your draft: hello to|
    |all of you          |
    no cursor
    ");
    assert_eq!(scene.at(1, 1), "| |\nno cursor");
    scene.matches_files("joining_with_a_draft");
}

#[test]
fn just_joined() {
    let scene = Scene::in_chat(|_| {});
    assert_snapshot!(scene.at(40, 10), @"
    |                                        |
    |                                        |
    |                                        |
    |── Monday, 23 November 2026 ────────────|
    |14:03  L3 → Participant bob joined      |
    |          Chitty-Chat at Lamport time 3 |
    |14:04  L7 → Participant ada joined      |
    |          Chitty-Chat at Lamport time 7 |
    |── ◉ connected · Lamport 8 ─────────────|
    |›                                    128|
    cursor at 2, 9
    ");
    assert_snapshot!(scene.at(20, 5), @"
    |    ada joined      |
    |    Chitty-Chat at  |
    |    Lamport time 7  |
    |◉ connected · L8 ───|
    |›                128|
    cursor at 2, 4
    ");
    assert_eq!(scene.at(1, 1), "| |\ncursor at 0, 0");
    scene.matches_files("just_joined");
}
