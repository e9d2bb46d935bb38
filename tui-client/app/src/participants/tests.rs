use super::*;
use crate::{port::Notice, testing::*};

fn names(participants: &Participants) -> Vec<&str> {
    participants.iter().map(|(name, _)| name).collect()
}

#[test]
fn events_below_the_welcome_change_nothing() {
    let mut driver = TestApp::new(80, 24);
    driver.notice(Notice::Welcome(welcome(
        "bob",
        9,
        &[(4, "ada"), (9, "bob")],
    )));
    driver.event(joined(5, 20, "ghost"));
    driver.event(left(6, 22, "ada", 4));
    assert_eq!(names(driver.app.participants()), ["bob", "ada"]);
    driver.event(joined(9, 30, "bob"));
    driver.event(joined(10, 32, "eve"));
    assert_eq!(names(driver.app.participants()), ["bob", "ada", "eve"]);
    driver.event(left(11, 34, "ada", 4));
    assert_eq!(names(driver.app.participants()), ["bob", "eve"]);
    assert_eq!(
        driver.app.participants().iter().find(|(_, own)| *own),
        Some(("bob", true))
    );
}

#[test]
fn a_granted_resume_keeps_whom_we_have() {
    let mut participants = Participants::default();
    participants.welcome(&welcome("bob", 2, &[(1, "ada"), (2, "bob")]));
    participants.apply(&joined(3, 9, "eve"), Duration::ZERO);
    let mut again = welcome("bob", 2, &[]);
    again.participants = None;
    again.position = 3.into();
    participants.welcome(&again);
    assert_eq!(names(&participants), ["bob", "ada", "eve"]);
    participants.apply(&left(4, 11, "eve", 3), Duration::ZERO);
    assert_eq!(names(&participants), ["bob", "ada"]);
}

#[test]
fn the_gone_fade_and_what_is_read_is_known_from_what_is_said() {
    let mut participants = Participants::default();
    let mut first = welcome("bob", 2, &[(1, "ada"), (2, "bob")]);
    first.seen = vec![(ParticipantNumber::new(1), Position::new(1))];
    participants.welcome(&first);
    let mut said = message(3, 9, "ada", "hi");
    if let EventKind::Message { seen, .. } = &mut said.kind {
        *seen = 2.into();
    }
    participants.apply(&said, Duration::ZERO);
    participants.apply(&left(4, 11, "ada", 1), Duration::from_secs(1));
    let people: Vec<_> = participants.people().map(|p| (p.name, p.gone)).collect();
    assert_eq!(people, [("bob", false), ("ada", true)]);
    assert_eq!(participants.count(), 1);
    assert_eq!(participants.fades_at(), Some(Duration::from_secs(6)));
    participants.fade(Duration::from_secs(6));
    assert_eq!(participants.shown(), 1);
    assert_eq!(participants.fades_at(), None);
}

#[test]
fn what_is_read_only_grows() {
    let mut participants = Participants::default();
    participants.welcome(&welcome("bob", 2, &[(1, "ada"), (2, "bob")]));
    for (position, reported, known) in [(3, 2, 2), (4, 0, 2), (5, 4, 4)] {
        let mut said = message(position, position * 4, "ada", "hi");
        if let EventKind::Message { seen, .. } = &mut said.kind {
            *seen = Position::new(reported);
        }
        participants.apply(&said, Duration::ZERO);
        let ada = participants.people().nth(1).map(|ada| ada.seen);
        assert_eq!(ada, Some(Position::new(known)));
    }
}

#[test]
fn the_user_is_first_and_who_left_is_last() {
    let mut participants = Participants::default();
    let present = [
        (1, "zoe"),
        (2, "Eve"),
        (3, "\u{c5}sa"),
        (4, "bob"),
        (5, "adam"),
    ];
    participants.welcome(&welcome("adam", 5, &present));
    participants.apply(&joined(6, 9, "Carl"), Duration::ZERO);
    participants.apply(&left(7, 11, "Eve", 2), Duration::ZERO);
    participants.apply(&left(8, 13, "bob", 4), Duration::ZERO);
    let people: Vec<_> = participants.people().map(|person| person.name).collect();
    assert_eq!(people, ["adam", "\u{c5}sa", "Carl", "zoe", "Eve", "bob"]);
}

#[test]
fn everybody_can_be_scrolled_to() {
    for (count, rows) in [(60, 10), (11, 10), (10, 10), (3, 2), (5, 1), (4, 0), (0, 5)] {
        let mut participants = Participants::default();
        let names: Vec<_> = (1..=count).map(|n| format!("p{n}")).collect();
        let present: Vec<_> = (1..).zip(names.iter().map(String::as_str)).collect();
        participants.welcome(&welcome("p1", 1, &present));
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..=count {
            let shown = VisibleRange::new(participants.shown(), rows, participants.top());
            let said = usize::from(shown.above() > 0) + usize::from(shown.below() > 0);
            assert!(rows < 3 || shown.people.len() + said <= rows, "{shown:?}");
            assert_eq!(
                shown.above() + shown.people.len() + shown.below(),
                shown.count
            );
            seen.extend(shown.people);
            participants.scroll(1, rows);
        }
        if rows > 2 {
            assert_eq!(seen.len(), names.len(), "{count} in {rows}");
        }
        participants.scroll(-100, rows);
        assert_eq!(participants.top(), 0);
    }
}

#[test]
fn a_list_of_many_has_everybody() {
    let names: Vec<_> = (0..200).map(|n| format!("participant-{n:03}")).collect();
    let present: Vec<_> = (1..).zip(names.iter().map(String::as_str)).collect();
    let mut participants = Participants::default();
    participants.welcome(&welcome("participant-007", 8, &present));
    let lines = participants.list();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[0].starts_with("1 to 50 of 200 present: participant-007 (you), participant-000, "),
        "{}",
        lines[0]
    );
    for name in names {
        assert!(lines.iter().any(|line| line.contains(&name)), "{name}");
    }
}

/// The colours of those present, oldest first.
fn hues(participants: &Participants) -> Vec<usize> {
    let present = participants.present.values();
    present
        .map(|present| participants.hue(&present.name))
        .collect()
}

fn are_apart(participants: &Participants) -> bool {
    let hues = hues(participants);
    let distinct: std::collections::HashSet<_> = hues.iter().collect();
    distinct.len() == hues.len()
}

#[test]
fn those_present_have_colours_of_their_own_while_there_are_enough() {
    let mut participants = Participants::default();
    participants.paint(12);
    participants.welcome(&welcome("p1", 1, &[(1, "p1")]));
    for n in 2..=12 {
        let before = hues(&participants);
        participants.apply(&joined(n, n, &format!("p{n}")), Duration::ZERO);
        assert!(are_apart(&participants), "{n}");
        assert_eq!(
            hues(&participants)[..before.len()],
            before,
            "none has changed"
        );
    }
    for n in 13..=30 {
        participants.apply(&joined(n, n, &format!("p{n}")), Duration::ZERO);
    }
    for n in 1..=18 {
        let name = format!("p{n}");
        participants.apply(&left(30 + n, 30 + n, &name, n), Duration::ZERO);
    }
    assert_eq!(participants.count(), 12);
    assert!(are_apart(&participants), "there are enough again");
}

#[test]
fn screens_that_saw_the_same_people_come_agree() {
    let names = [
        "ada", "barbara", "grace", "bob", "eve", "kim", "lin", "max", "zoe",
    ];
    let mut early = Participants::default();
    early.paint(12);
    early.welcome(&welcome("ada", 1, &[(1, "ada")]));
    for (n, name) in (2..).zip(&names[1..]) {
        early.apply(&joined(n, n, name), Duration::ZERO);
    }
    let mut late = Participants::default();
    late.paint(12);
    let present: Vec<_> = (1..).zip(names).collect();
    late.welcome(&welcome("zoe", 9, &present));
    assert_eq!(hues(&early), hues(&late));
    assert_ne!(early.hue("ada"), early.hue("barbara"));
}

#[test]
fn a_name_keeps_its_colour_when_others_go_and_when_it_comes_back() {
    let mut participants = Participants::default();
    participants.paint(12);
    let names: Vec<_> = (1..=12).map(|n| format!("p{n}")).collect();
    let present: Vec<_> = (1..).zip(names.iter().map(String::as_str)).collect();
    participants.welcome(&welcome("p1", 1, &present));
    let before = hues(&participants);
    participants.apply(&left(20, 20, "p5", 5), Duration::ZERO);
    for (name, hue) in names.iter().zip(&before) {
        assert_eq!(participants.hue(name), *hue, "its lines are on screen");
    }
    participants.apply(&joined(21, 21, "p5"), Duration::ZERO);
    assert_eq!(participants.hue("p5"), before[4]);
    // After an interruption the chat is joined anew.
    participants.welcome(&welcome("p12", 40, &present));
    assert_eq!(hues(&participants), before);
}

#[test]
fn one_colour_is_enough_and_what_is_remembered_is_bounded() {
    let mut participants = Participants::default();
    participants.paint(0);
    participants.welcome(&welcome("ada", 1, &[(1, "ada")]));
    for n in 2..5_000 {
        let name = format!("p{n}");
        participants.apply(&joined(2 * n, n, &name), Duration::ZERO);
        participants.apply(&left(2 * n + 1, n, &name, 2 * n), Duration::ZERO);
    }
    assert_eq!(participants.hue("ada"), 0);
    assert!(participants.hues.remembered() < 2_000);
}
