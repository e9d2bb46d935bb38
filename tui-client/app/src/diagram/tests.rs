use proptest::prelude::*;

use super::{super::testing::*, *};
use crate::port::ClockCause;

mod history;

/// ada joins after bob: both Joined are known, and her clock is at 6.
fn recent() -> Recent {
    let mut recent = Recent::default();
    let mut welcome = welcome("ada", 2, &[(1, "bob"), (2, "ada")]);
    welcome.clock = 5.into();
    recent.welcome(&welcome);
    recent.event(&joined(1, 3, "bob"), 5.into(), false);
    receive(&mut recent, joined(2, 5, "ada"), 6);
    recent
}

/// The stream delivers this event, whose receipt sets ada's clock to `clock`.
fn receive(recent: &mut Recent, event: impl Into<Event>, clock: u64) {
    recent.event(&event.into(), clock.into(), true);
}

/// One line for each row. A row of a broadcast is the sender's line in the diagram, and then three
/// times: of the sending, of the event, and of the receipt; `-` if the row does not show one.
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
    // Each author has seen everything before.
    let hi = BOB.says("hi").position(3).time(9).seen(2);
    receive(&mut recent, hi, 10);
    let hi = ADA.says("hi").position(4).time(13).seen(3);
    receive(&mut recent, hi, 14);
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
    // ada has not seen bob's line at 3 when she sends hers.
    let hi = BOB.says("hi").position(3).time(9).seen(2);
    receive(&mut recent, hi, 10);
    let hi = ADA.says("hi").position(4).time(11).seen(2);
    receive(&mut recent, hi, 12);
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
    // Her sending is under way until its event has its row.
    let under_way: Vec<_> = diagram.rows.iter().map(|row| row.under_way.len()).collect();
    assert_eq!(under_way, [0, 0, 0, 0, 1, 1, 0, 0]);
}

#[test]
fn there_are_lines_only_where_somebody_is() {
    let mut recent = recent();
    // eve comes and goes, and bob writes after that.
    receive(&mut recent, joined(3, 9, "eve"), 10);
    receive(&mut recent, left(4, 12, "eve", 3), 13);
    let hi = BOB.says("hi").position(5).time(20).seen(4);
    receive(&mut recent, hi, 21);
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
            let author = TestAuthor { number: author, name: "x" };
            let hi = author.says("hi").position(index).time(index * 3).seen(seen);
            receive(&mut recent, hi, index * 3 + 1);
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
    // Three lines are sent and answered, each reply two later than its request.
    for (position, time) in [(3, 7), (4, 10), (5, 13)] {
        recent.moved(time.into(), ClockCause::Sent);
        recent.moved((time + 2).into(), ClockCause::Observed);
        assert_eq!(position, 3 + (time - 7) / 3);
    }
    // Only then their events come.
    let hi = ADA.says("hi").position(3).time(9).seen(2);
    receive(&mut recent, hi, 16);
    let hi = ADA.says("hi").position(4).time(12).seen(2);
    receive(&mut recent, hi, 17);
    let hi = ADA.says("hi").position(5).time(15).seen(2);
    receive(&mut recent, hi, 18);
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
    let hi = BOB.says("hi").position(3).time(11).seen(2);
    receive(&mut recent, hi, 14);
    let hi = ADA.says("hi").position(4).time(13).seen(2);
    receive(&mut recent, hi, 15);
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
