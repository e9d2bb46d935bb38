mod loaded;
mod past;

use proptest::prelude::*;

use super::{loaded::MAX_ENTRIES, *};
use crate::testing::{at, joined, left, message, welcome};

fn timeline(count: u64, page: usize) -> Timeline {
    let mut timeline = Timeline::new(TimeZone::UTC);
    timeline.resize(80, page);
    for position in 1..=count {
        timeline.event(message(position, position, "ada", "hi"), None);
    }
    timeline
}

/// The rows on screen: each entry's Lamport column, and dates.
fn screen(timeline: &Timeline) -> Vec<String> {
    let (blocks, above) = timeline.visible();
    let mut rows = Vec::new();
    for block in &blocks {
        rows.extend(block.date.clone());
        rows.extend(block.unread.then(|| "new".to_owned()));
        rows.extend(block.rows.iter().map(|_| block.lamport.clone()));
    }
    rows.split_off(above)
        .into_iter()
        .take(timeline.viewport.page())
        .collect()
}

#[test]
fn following_shows_the_newest() {
    let mut timeline = timeline(20, 3);
    assert_eq!(screen(&timeline), ["L18", "L19", "L20"]);
    timeline.event(message(21, 21, "ada", "hi"), None);
    assert_eq!(screen(&timeline), ["L19", "L20", "L21"]);
    assert_eq!(timeline.below(), None);
}

#[test]
fn scrolled_up_nothing_jumps_and_the_new_are_counted() {
    let mut timeline = timeline(20, 3);
    timeline.up(5);
    let before = screen(&timeline);
    assert_eq!(before, ["L13", "L14", "L15"]);
    for position in 21..=24 {
        timeline.event(
            message(position, position, "ada", &"wrap ".repeat(40)),
            None,
        );
    }
    assert_eq!(screen(&timeline), before);
    assert_eq!(
        timeline.below(),
        Some(Below {
            new: 4,
            mentions: 0
        })
    );
    timeline.down(2);
    assert_eq!(screen(&timeline), ["L15", "L16", "L17"]);
    timeline.follow();
    assert_eq!(timeline.below(), None);
}

#[test]
fn scrolling_down_to_the_end_follows_again() {
    let mut timeline = timeline(20, 5);
    timeline.page_up();
    timeline.page_down();
    assert_eq!(timeline.below(), None);
    timeline.down(100);
    assert_eq!(timeline.below(), None);
}

#[test]
fn the_top_is_the_end_of_scrolling() {
    let mut timeline = timeline(20, 3);
    for _ in 0..50 {
        timeline.page_up();
    }
    assert_eq!(screen(&timeline)[1..], ["L1", "L2"]);
    timeline.up(1);
    assert_eq!(screen(&timeline)[1..], ["L1", "L2"]);
    timeline.oldest();
    assert_eq!(screen(&timeline)[1..], ["L1", "L2"]);
    let mut short = self::timeline(2, 10);
    short.page_up();
    short.oldest();
    assert_eq!(short.below(), None);
}

#[test]
fn own_lines_wait_below_until_the_log_shows_them() {
    let mut timeline = timeline(1, 10);
    let text = |text| MessageText::parse(text).expect("valid");
    timeline.send(Ticket(1), text("one"), at(50));
    timeline.send(Ticket(2), text("two"), at(50));
    timeline.event(message(2, 2, "bob", "between"), None);
    assert_eq!(screen(&timeline)[1..], ["L1", "L2", "…", "…"]);
    timeline.event(message(3, 3, "ada", "one"), Some(Ticket(1)));
    assert_eq!(screen(&timeline)[1..], ["L1", "L2", "L3", "…"]);
    assert_eq!(
        timeline.reject(Ticket(2), "no".into(), at(50)),
        Some("two".into())
    );
    assert_eq!(timeline.reject(Ticket(2), "no".into(), at(50)), None);
    assert_eq!(screen(&timeline)[1..], ["L1", "L2", "L3", "✗"]);
    assert_eq!(timeline.pending(), 0);
}

#[test]
fn a_day_begins_with_its_date() {
    let mut timeline = timeline(1, 10);
    let mut tomorrow = message(2, 2, "ada", "hi");
    tomorrow.at += std::time::Duration::from_secs(86_400);
    timeline.event(tomorrow, None);
    assert_eq!(
        screen(&timeline),
        [
            "Monday, 23 November 2026",
            "L1",
            "Tuesday, 24 November 2026",
            "L2"
        ]
    );
}

#[test]
fn repeats_are_ignored_and_gaps_told() {
    let mut timeline = timeline(3, 10);
    assert!(!timeline.event(message(3, 3, "ada", "again"), None));
    let mut gap = welcome("ada", 9, &[]);
    gap.next = 7.into();
    timeline.welcome(&gap, at(9));
    assert!(
        matches!(&timeline.entries().get(3).expect("a notice").content, EntryContent::Notice(text) if text.contains("3 events"))
    );
    assert!(timeline.event(joined(7, 9, "ada"), None));
    let mut other = welcome("ada", 1, &[]);
    other.another_log = true;
    timeline.welcome(&other, at(9));
    assert!(
        timeline.event(joined(1, 3, "ada"), None),
        "positions begin anew"
    );
}

#[test]
fn what_is_kept_is_bounded_and_nobody_who_reads_is_moved() {
    let mut timeline = timeline(0, 3);
    for position in 1..=10 {
        timeline.event(message(position, position, "ada", "hi"), None);
    }
    timeline.oldest();
    let before = screen(&timeline);
    let end = 2 * MAX_ENTRIES as u64;
    for position in 11..=end {
        timeline.event(message(position, position, "ada", "hi"), None);
        assert!(timeline.entries().len() <= MAX_ENTRIES);
    }
    assert_eq!(screen(&timeline), before);
    timeline.follow();
    let newest = format!("L{end}");
    assert_eq!(screen(&timeline).last(), Some(&newest));
    assert!(timeline.entries().len() < MAX_ENTRIES / 2);
}

#[test]
fn who_comes_and_goes_is_told_in_a_line() {
    let mut timeline = timeline(0, 20);
    timeline.event(message(1, 3, "ada", "hi"), None);
    for (position, name) in [(2, "bob"), (3, "eve"), (4, "kim")] {
        timeline.event(joined(position, position * 3, name), None);
    }
    assert_eq!(timeline.visible().0.len(), 4, "three are shown in full");
    timeline.event(left(5, 15, "eve", 3), None);
    timeline.event(left(6, 18, "kim", 4), None);
    let lines = |timeline: &Timeline| -> Vec<String> {
        let (blocks, _) = timeline.visible();
        blocks.iter().map(|block| block.lines().collect()).collect()
    };
    assert_eq!(
        lines(&timeline),
        [
            "hi",
            "bob, eve, kim joined · eve left (L6 to L15)",
            "Participant kim left Chitty-Chat at Lamport time 18"
        ]
    );
    timeline.expand(true);
    assert_eq!(
        lines(&timeline)[4],
        "Participant eve left Chitty-Chat at Lamport time 15"
    );
    timeline.expand(false);
    assert_eq!(lines(&timeline).len(), 3);
}

#[test]
fn an_author_is_named_once_for_what_is_said_in_one_go() {
    let mut timeline = timeline(3, 20);
    timeline.event(message(4, 4, "bob", "hi"), None);
    timeline.event(message(30, 30, "bob", "much later"), None);
    let labels = |timeline: &Timeline| -> Vec<String> {
        let (blocks, _) = timeline.visible();
        blocks.iter().map(|block| block.label.to_string()).collect()
    };
    assert_eq!(labels(&timeline), ["ada", "", "", "bob", "bob"]);
    timeline.resize(80, 2);
    timeline.up(2);
    assert_eq!(
        labels(&timeline)[0],
        "ada",
        "the first one on screen is named"
    );
}

#[test]
fn a_line_stands_above_what_is_new_to_who_looked_away() {
    let mut timeline = timeline(3, 20);
    timeline.begin_unread();
    timeline.event(message(4, 4, "bob", "hi"), None);
    timeline.event(message(5, 5, "bob", "hi"), None);
    let unread = |timeline: &Timeline| -> Vec<bool> {
        timeline
            .visible()
            .0
            .iter()
            .map(|block| block.unread)
            .collect()
    };
    assert_eq!(unread(&timeline), [false, false, false, true, false]);
    let text = MessageText::parse("answer").expect("valid");
    timeline.send(Ticket(1), text, at(50));
    assert!(
        !unread(&timeline).contains(&true),
        "who answers has read it"
    );
}

proptest! {
    /// Whatever is scrolled, resized and received, the pane is as full as possible and its rows are
    /// consecutive.
    #[test]
    fn the_pane_is_always_whole(steps in prop::collection::vec((0..7_u8, 1..60_usize), 0..60)) {
        let mut timeline = timeline(5, 4);
        for (step, n) in steps {
            let next = timeline.loaded.last().next().get();
            match step {
                0 => timeline.up(n),
                1 => timeline.down(n),
                2 => timeline.page_up(),
                3 => timeline.resize(n * 3, n / 3),
                4 => timeline.oldest(),
                _ => {
                    timeline.event(message(next, next, "ada", &"word ".repeat(n)), None);
                }
            }
            let (from, to, above) = timeline.rows_on_screen();
            let total: usize = (from..to).map(|index| timeline.height(index)).sum();
            let all: usize = (0..timeline.count()).map(|index| timeline.height(index)).sum();
            prop_assert!(total - above >= timeline.viewport.page().min(all), "{step} {n}: {total} {above} {all}");
            prop_assert!(above == 0 || above < timeline.height(from).max(1));
        }
    }
}

#[test]
fn an_author_who_goes_on_is_named_again_after_some_minutes() {
    let mut timeline = timeline(0, 20);
    // One every four minutes.
    for position in [1, 9, 17, 25] {
        timeline.event(message(position, position, "ada", "hi"), None);
    }
    let (blocks, _) = timeline.visible();
    let labels: Vec<_> = blocks.iter().map(|block| &*block.label).collect();
    assert_eq!(labels, ["ada", "", "ada", ""]);
}

#[test]
fn a_selected_line_stays_on_screen() {
    let mut timeline = timeline(10, 5);
    timeline.select_older();
    timeline.select_older();
    for position in 11..=30 {
        timeline.event(message(position, position, "ada", "hi"), None);
    }
    assert_eq!(screen(&timeline)[0], "L9");
    assert_eq!(timeline.below().map(|below| below.new), Some(17));
    timeline.deselect();
    assert_eq!(screen(&timeline)[0], "L9");
}
