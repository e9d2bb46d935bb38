use proptest::prelude::*;

use super::{super::testing::*, *};
use crate::session::ClockCause;

mod history;

fn recent() -> Recent {
    let mut recent = Recent::default();
    let mut welcome = welcome("ada", 2, &[(1, "bob"), (2, "ada")]);
    welcome.clock = 5.into();
    recent.welcome(&welcome);
    recent.event(&joined(1, 3, "bob"), 5.into(), false);
    recent.event(&joined(2, 5, "ada"), 6.into(), true);
    recent
}

fn by(author: (u64, &str), position: u64, lamport: u64, seen: u64) -> Event {
    written(author, (position, lamport), seen, "hi")
}

/// One word for each row.
fn sketch(diagram: &LocalDiagram) -> Vec<String> {
    let steps = diagram.rows.iter().map(|row| match &row.step {
        DiagramStep::Sent { line, time } => format!("{line:?} sends at {time}"),
        DiagramStep::Broadcast {
            from,
            sent,
            time,
            received,
            ..
        } => {
            let number =
                |time: &Option<LamportTime>| time.map_or("-".into(), |time| time.to_string());
            let from = from.map_or("nobody".into(), |line| format!("{line:?}"));
            format!("{from} {} > {time} > {}", number(sent), number(received))
        }
        DiagramStep::Received { time, event: None } => format!("got at {time}"),
        DiagramStep::Received {
            time,
            event: Some((event, _)),
        } => format!("got {event} at {time}"),
        DiagramStep::Observed { time } => format!("told {time}"),
    });
    steps.collect()
}

#[test]
fn a_run_is_drawn_in_order() {
    let mut recent = recent();
    recent.event(&by((1, "bob"), 3, 9, 2), 10.into(), true);
    recent.event(&by((2, "ada"), 4, 13, 3), 14.into(), true);
    let diagram = LocalDiagram::new(&recent, 40, 5);
    assert_eq!(diagram.others, ["bob".into()]);
    assert_eq!(
        sketch(&diagram),
        [
            "Other(0) 1 > 3 > -",
            "Own 3 > 5 > -",
            "told 5",
            "got at 6",
            "Other(0) 7 > 9 > 10",
            "Own 11 > 13 > -",
            "got at 14",
        ]
    );
}

#[test]
fn messages_that_crossed_cross() {
    let mut recent = recent();
    recent.event(&by((1, "bob"), 3, 9, 2), 10.into(), true);
    recent.event(&by((2, "ada"), 4, 11, 2), 12.into(), true);
    let diagram = LocalDiagram::new(&recent, 40, 5);
    let rows = sketch(&diagram);
    assert_eq!(
        rows[4..],
        [
            "Own sends at 9",
            "Other(0) 7 > 9 > 10",
            "Own - > 11 > -",
            "got at 12",
        ]
    );
    let under_way: Vec<_> = diagram.rows.iter().map(|row| row.under_way.len()).collect();
    assert_eq!(under_way, [0, 0, 0, 0, 1, 1, 0, 0]);
}

#[test]
fn there_are_lines_only_where_somebody_is() {
    let mut recent = recent();
    recent.event(&joined(3, 9, "eve"), 10.into(), true);
    recent.event(&left(4, 12, "eve", 3), 13.into(), true);
    recent.event(&by((1, "bob"), 5, 20, 4), 21.into(), true);
    let diagram = LocalDiagram::new(&recent, 40, 5);
    let eve: Vec<_> = diagram.rows.iter().map(|row| row.present[1]).collect();
    assert_eq!(eve, [false, false, false, false, true, true, false]);
}

proptest! {
    #[test]
    fn any_run_fits(
        events in prop::collection::vec((0..6_u64, 0..50_u64), 0..60),
        rows in 0..40_usize,
        columns in 0..5_usize,
    ) {
        let mut recent = recent();
        for (index, (author, seen)) in (3..).zip(events) {
            let seen = seen.min(index - 1);
            recent.event(&by((author, "x"), index, index * 3, seen), (index * 3 + 1).into(), true);
        }
        let diagram = LocalDiagram::new(&recent, rows, columns);
        prop_assert!(diagram.rows.len() <= rows);
        prop_assert!(diagram.others.len() <= columns);
        if let Some(last) = diagram.rows.last() {
            prop_assert!(last.under_way.is_empty(), "all arrived");
        }
    }
}

/// Lines that are typed quickly are sent as soon as the one before is answered, which may be
/// before its event comes.
#[test]
fn lines_that_are_sent_before_the_last_one_came_are_in_order() {
    let mut recent = recent();
    for (position, time) in [(3, 7), (4, 10), (5, 13)] {
        recent.moved(time.into(), ClockCause::Sent);
        recent.moved((time + 2).into(), ClockCause::Observed);
        assert_eq!(position, 3 + (time - 7) / 3);
    }
    recent.event(&by((2, "ada"), 3, 9, 2), 16.into(), true);
    recent.event(&by((2, "ada"), 4, 12, 2), 17.into(), true);
    recent.event(&by((2, "ada"), 5, 15, 2), 18.into(), true);
    let diagram = LocalDiagram::new(&recent, 40, 5);
    let rows = sketch(&diagram);
    assert_eq!(
        rows[4..],
        [
            "Own 7 > 9 > -",
            "told 9",
            "Own 10 > 12 > -",
            "told 12",
            "Own 13 > 15 > -",
            "told 15",
            "got 9 at 16",
            "got 12 at 17",
            "got 15 at 18",
        ]
    );
}

/// The reply to one's own line comes before a line of somebody else that is above it.
#[test]
fn a_receipt_that_a_reply_overtook_is_below_it() {
    let mut recent = recent();
    recent.moved(9.into(), ClockCause::Sent);
    recent.moved(13.into(), ClockCause::Observed);
    recent.event(&by((1, "bob"), 3, 11, 2), 14.into(), true);
    recent.event(&by((2, "ada"), 4, 13, 2), 15.into(), true);
    let diagram = LocalDiagram::new(&recent, 40, 5);
    let rows = sketch(&diagram);
    assert_eq!(
        rows[4..],
        [
            "Own sends at 11",
            "Other(0) 9 > 11 > -",
            "Own - > 13 > -",
            "told 13",
            "got 11 at 14",
            "got 13 at 15",
        ]
    );
}
