//! The server has another chat than before: the positions of earlier lines mean nothing in the new
//! one.

use super::{
    super::{
        loaded::{MAX_ENTRIES, PAST},
        *,
    },
    screen,
};
use crate::{
    port::HistoryPage,
    testing::{at, joined, message, welcome},
};

/// Twelve lines of one chat, then the same positions of another one, from the tenth on.
fn timeline(height: usize) -> Timeline {
    let mut timeline = Timeline::new(TimeZone::UTC);
    timeline.resize(60, height);
    timeline.welcome(&welcome("ada", 1, &[]), at(1));
    for position in 1..=12 {
        timeline.event(message(position, 100 + position, "bob", "old words"), None);
    }
    let mut other = welcome("ada", 10, &[]);
    (other.another_log, other.next) = (true, 10.into());
    timeline.welcome(&other, at(9));
    for position in 10..=12 {
        timeline.event(message(position, 500 + position, "eve", "new words"), None);
    }
    timeline
}

fn older() -> Vec<Event> {
    let event = |position| message(position, 500 + position, "eve", "new words");
    (1..=9).map(event).collect()
}

#[test]
fn what_is_looked_for_is_of_the_chat_that_there_is() {
    let mut timeline = timeline(40);
    assert_eq!(timeline.time_of(11.into()), Some("L511".into()));
    assert_eq!(timeline.time_of(5.into()), None);
    let old = needle("old");
    assert_eq!(timeline.find(&old, None, Direction::Older), None);
    timeline.select_position(11.into());
    assert_eq!(timeline.selected_text().as_deref(), Some("new words"));
    for _ in 0..6 {
        timeline.select_older();
    }
    assert!(timeline.is_selecting());
    assert_eq!(timeline.selected_text().as_deref(), Some("old words"));
    assert_eq!(timeline.selected_position(), None);
    assert_eq!(timeline.selected_reference(), None);
    let (blocks, _) = timeline.visible();
    assert!(blocks.iter().all(|block| block.relation.is_none()));
}

#[test]
fn its_older_lines_come_between_and_nobody_who_reads_is_moved() {
    let mut timeline = timeline(4);
    timeline.up(10);
    timeline.select_older();
    let before = screen(&timeline);
    assert!(
        before.iter().any(|line| line.contains("L107")),
        "{before:?}"
    );
    let selected = timeline.selected_text();
    let wanted = timeline.wanted();
    assert_eq!(wanted, Some(HistoryPage::Before(10.into())));
    timeline.paged(HistoryPage::Before(10.into()), Some(&older()), true);
    assert_eq!(screen(&timeline), before);
    assert_eq!(timeline.selected_text(), selected);
    let events = timeline
        .entries()
        .iter()
        .filter_map(TimelineEntry::any_event);
    let times: Vec<_> = events.map(|event| event.lamport.get()).collect();
    let expected: Vec<_> = (101..=112).chain(501..=512).collect();
    assert_eq!(times, expected);
    assert_eq!(timeline.wanted(), None);
}

#[test]
fn of_a_long_one_some_is_kept() {
    let mut timeline = timeline(4);
    for position in 13..3 * MAX_ENTRIES as u64 {
        timeline.event(joined(position, 1000 + position, "eve"), None);
    }
    let mut other = welcome("ada", 1, &[]);
    (other.another_log, other.next) = (true, 5000.into());
    timeline.welcome(&other, at(9));
    assert_eq!(timeline.entries().len(), PAST + 1, "and the word about it");
    assert!(timeline.event(joined(5000, 6000, "ada"), None));
    timeline.jump(&older(), true, 5.into());
    assert_eq!(timeline.entries().past(), 0);
    timeline.follow();
    assert_eq!(
        timeline.entries().past(),
        PAST + 1,
        "it is back with the newest lines"
    );
    assert_eq!(timeline.ends(), (Some(5000.into()), None));
}
